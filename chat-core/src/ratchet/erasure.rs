//! Chunks of which any `k` rebuild a message of `k × 32` bytes: Reed–Solomon over GF(2¹⁶)
//! (SPEC 8.5), so that the Braid loses nothing when packets are lost or come in another order.
//!
//! A chunk is 16 field elements, one of each of 16 polynomials. Chunks `0..k` are the message itself
//! in slices of 32 bytes; a later chunk `x` is every polynomial's value at `x`. Nothing here is secret
//! (public keys and ciphertexts), and without loss no field arithmetic happens at all.

use std::sync::Arc;

use super::field::{self, Element};

/// Bytes of a chunk.
pub(crate) const CHUNK_BYTES: usize = 32;
/// Field elements in a chunk.
const ELEMENTS: usize = CHUNK_BYTES / 2;

/// One chunk.
pub(crate) type Chunk = [u8; CHUNK_BYTES];

/// `count` chunks from index `first` on, made from the whole message, whose length is a multiple of 32.
pub(crate) fn encode(message: &[u8], first: u16, count: u16) -> Vec<Chunk> {
    let mut beyond = None;
    (first..first.saturating_add(count))
        .map(|index| {
            let at = usize::from(index).saturating_mul(CHUNK_BYTES);
            match message.get(at..).and_then(<[u8]>::first_chunk::<CHUNK_BYTES>) {
                Some(slice) => *slice,
                None => beyond.get_or_insert_with(|| Polynomials::through_message(message)).at(index),
            }
        })
        .collect()
}

/// Collects chunks of one message until it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoder {
    needed: usize,
    /// Ascending by index, each index once, never more than `needed`.
    chunks: Arc<Vec<(u16, Chunk)>>,
}

impl Decoder {
    /// Waits for a message of `bytes` bytes, a multiple of 32.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { needed: bytes.div_ceil(CHUNK_BYTES), chunks: Arc::default() }
    }

    /// Takes a chunk; an index that is there already, and what comes after the last needed one, is
    /// ignored.
    pub(crate) fn add(&mut self, index: u16, chunk: &Chunk) {
        if self.is_whole() {
            return;
        }
        if let Err(at) = self.chunks.binary_search_by_key(&index, |(i, _)| *i) {
            Arc::make_mut(&mut self.chunks).insert(at, (index, *chunk));
        }
    }

    /// Whether the message can be rebuilt.
    pub(crate) fn is_whole(&self) -> bool {
        self.chunks.len() >= self.needed
    }

    /// The message, once it is whole.
    pub(crate) fn message<const N: usize>(&self) -> Option<[u8; N]> {
        if !self.is_whole() || N != self.needed.saturating_mul(CHUNK_BYTES) {
            return None;
        }
        let mut lost = None;
        let mut message = [0; N];
        for (index, out) in (0..).zip(message.chunks_exact_mut(CHUNK_BYTES)) {
            match self.chunks.binary_search_by_key(&index, |(i, _)| *i).ok().and_then(|at| self.chunks.get(at)) {
                Some((_, chunk)) => out.copy_from_slice(chunk),
                None => {
                    let lost = lost.get_or_insert_with(|| Polynomials::through(&self.chunks));
                    out.copy_from_slice(&lost.at(index));
                }
            }
        }
        Some(message)
    }

    /// The chunks so far, ascending by index.
    pub(crate) fn chunks(&self) -> &[(u16, Chunk)] {
        &self.chunks
    }
}

/// Sixteen polynomials through known chunks, ready to be evaluated at other places:
/// `Σ value_j · Π_(m≠j) (x − x_m) / w_j` with `w_j = Π_(m≠j) (x_j − x_m)`.
struct Polynomials {
    places: Vec<u16>,
    /// The values at each place, one of each polynomial.
    values: Vec<[u16; ELEMENTS]>,
    /// `1 / w_j`: they cost most and are the same wherever the polynomials are evaluated.
    inverse_weights: Vec<Element>,
}

impl Polynomials {
    /// Places `0..k`: the weights of the Braid's long streams were computed by the compiler.
    fn through_message(message: &[u8]) -> Self {
        let values: Vec<_> = message.chunks_exact(CHUNK_BYTES).map(elements).collect();
        let places: Vec<u16> = (0..).take(values.len()).collect();
        let inverse_weights = match values.len() {
            30 => INVERSE_WEIGHTS_30.to_vec(),
            36 => INVERSE_WEIGHTS_36.to_vec(),
            _ => inverse_weights(&places),
        };
        Self { places, values, inverse_weights }
    }

    fn through(points: &[(u16, Chunk)]) -> Self {
        let places: Vec<u16> = points.iter().map(|(place, _)| *place).collect();
        let values = points.iter().map(|(_, chunk)| elements(chunk)).collect();
        Self { inverse_weights: inverse_weights(&places), places, values }
    }

    /// The chunk at `index`, which is none of the known places.
    fn at(&self, index: u16) -> Chunk {
        // `Π_(m≠j) (x − x_m)` is the product of what stands before j and of what stands behind it.
        let mut before = Element(1);
        let mut factors = Vec::with_capacity(self.places.len());
        for (place, weight) in self.places.iter().zip(&self.inverse_weights) {
            factors.push(before.multiply(*weight));
            before = before.multiply(Element(index ^ place));
        }
        let mut behind = Element(1);
        for (place, factor) in self.places.iter().zip(&mut factors).rev() {
            *factor = factor.multiply(behind);
            behind = behind.multiply(Element(index ^ place));
        }
        let sum = self.combined(&factors);
        let mut out = [0; CHUNK_BYTES];
        for (to, from) in out.chunks_exact_mut(2).zip(sum) {
            to.copy_from_slice(&from.to_be_bytes());
        }
        out
    }

    /// `Σ value_j · factor_j`, by Horner's rule over the bits of the factors: the sum is doubled sixteen
    /// times, whatever the number of places, and all polynomials go side by side.
    fn combined(&self, factors: &[Element]) -> [u16; ELEMENTS] {
        let mut sum = [0; ELEMENTS];
        for bit in (0..16).rev() {
            for element in &mut sum {
                *element = field::double(*element);
            }
            for (values, factor) in self.values.iter().zip(factors) {
                let mask = (factor.0 >> bit & 1).wrapping_neg();
                for (to, from) in sum.iter_mut().zip(values) {
                    *to ^= from & mask;
                }
            }
        }
        sum
    }
}

/// A chunk as elements of the field.
fn elements(chunk: &[u8]) -> [u16; ELEMENTS] {
    let mut out = [0; ELEMENTS];
    for (to, from) in out.iter_mut().zip(chunk.as_chunks::<2>().0) {
        *to = u16::from_be_bytes(*from);
    }
    out
}

/// `1 / w_j` of any places.
fn inverse_weights(places: &[u16]) -> Vec<Element> {
    let weight = |at: &u16| {
        let others = places.iter().filter(|other| *other != at);
        others.fold(Element(1), |weight, other| weight.multiply(Element(at ^ other)))
    };
    let mut weights: Vec<_> = places.iter().map(weight).collect();
    field::invert_all(&mut weights);
    weights
}

/// For the places of the ciphertext's first part (960 bytes).
static INVERSE_WEIGHTS_30: [Element; 30] = inverse_weights_of_message();
/// For the places of the encapsulation key's vector (1,152 bytes).
static INVERSE_WEIGHTS_36: [Element; 36] = inverse_weights_of_message();

/// `1 / w_j` for the places `0..N`.
#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated by the compiler, N ≤ 36")]
const fn inverse_weights_of_message<const N: usize>() -> [Element; N] {
    let mut all = [Element(1); N];
    let mut at = 0;
    while at < N {
        let mut other = 0;
        while other < N {
            if other != at {
                all[at] = all[at].multiply(Element((at ^ other) as u16));
            }
            other = other.saturating_add(1);
        }
        all[at] = all[at].inverse();
        at = at.saturating_add(1);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from((i * 37 + i / 251) % 256).unwrap()).collect()
    }

    #[test]
    fn the_first_chunks_are_the_message_itself() {
        let whole = message(1152);
        for (slice, chunk) in whole.chunks(32).zip(encode(&whole, 0, 36)) {
            assert_eq!(chunk.as_slice(), slice);
        }
    }

    #[test]
    fn the_weights_that_the_compiler_computed_are_those_of_the_places() {
        for len in [960, 1152] {
            let whole = message(len);
            let points: Vec<_> = (0..).zip(encode(&whole, 0, u16::try_from(len / 32).unwrap())).collect();
            let (of_message, of_any) = (Polynomials::through_message(&whole), Polynomials::through(&points));
            assert_eq!((of_message.inverse_weights, of_message.values), (of_any.inverse_weights, of_any.values));
        }
    }

    #[test]
    fn a_repeated_index_does_not_count_twice() {
        let whole = message(96);
        let mut decoder = Decoder::new(96);
        for _ in 0..5 {
            decoder.add(1, &encode(&whole, 1, 1)[0]);
        }
        assert!(!decoder.is_whole());
        assert_eq!(decoder.message::<96>(), None);
        decoder.add(0, &encode(&whole, 0, 1)[0]);
        decoder.add(65_534, &encode(&whole, 65_534, 1)[0]);
        assert_eq!(decoder.message::<96>().map(Vec::from), Some(whole));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_distinct_chunks_rebuild_the_message(
            indices in proptest::collection::btree_set(0..u16::MAX, 30).prop_map(|s| s.into_iter().collect::<Vec<_>>()).prop_shuffle(),
            whole in proptest::collection::vec(any::<u8>(), 960),
        ) {
            let mut decoder = Decoder::new(960);
            for index in indices {
                prop_assert!(!decoder.is_whole());
                decoder.add(index, &encode(&whole, index, 1)[0]);
            }
            prop_assert_eq!(decoder.message::<960>().map(Vec::from), Some(whole));
        }
    }
}
