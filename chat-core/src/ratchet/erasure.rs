//! Chunks of which any `k` rebuild a message of `k × 32` bytes: Reed–Solomon over GF(2¹⁶)
//! (SPEC 8.5), so that the Braid loses nothing when packets are lost or come in another order.
//!
//! A chunk is 16 field elements, one of each of 16 polynomials. Chunks `0..k` are the message itself
//! in slices of 32 bytes; a later chunk `x` is every polynomial's value at `x`. Nothing here is secret
//! (public keys and ciphertexts), and without loss no field arithmetic happens at all.

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
    chunks: Vec<(u16, Chunk)>,
}

impl Decoder {
    /// Waits for a message of `bytes` bytes, a multiple of 32.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { needed: bytes.div_ceil(CHUNK_BYTES), chunks: Vec::new() }
    }

    /// Takes a chunk; an index that is there already, and what comes after the last needed one, is
    /// ignored.
    pub(crate) fn add(&mut self, index: u16, chunk: &Chunk) {
        if self.is_whole() {
            return;
        }
        if let Err(at) = self.chunks.binary_search_by_key(&index, |(i, _)| *i) {
            self.chunks.insert(at, (index, *chunk));
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
                    let lost = lost.get_or_insert_with(|| {
                        Polynomials::through(self.chunks.iter().map(|(i, c)| (*i, &c[..])).collect())
                    });
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
/// `Σ value_j · P(x) / ((x − x_j) · w_j)` with `P(x) = Π (x − x_m)` and `w_j = Π (x_j − x_m)`.
struct Polynomials<'a> {
    points: Vec<(u16, &'a [u8])>,
    weights: Vec<Element>,
}

impl<'a> Polynomials<'a> {
    /// Places `0..k`: the weights of the Braid's streams were computed by the compiler.
    fn through_message(message: &'a [u8]) -> Self {
        let points: Vec<(u16, &[u8])> = (0..).zip(message.chunks_exact(CHUNK_BYTES)).collect();
        match points.len() {
            30 => Self { points, weights: WEIGHTS_30.to_vec() },
            36 => Self { points, weights: WEIGHTS_36.to_vec() },
            _ => Self::through(points),
        }
    }

    /// The weights cost most and are the same for every place.
    fn through(points: Vec<(u16, &'a [u8])>) -> Self {
        let weight = |at: u16| {
            points
                .iter()
                .filter(|(other, _)| *other != at)
                .fold(Element(1), |weight, (other, _)| weight.multiply(Element(at).add(Element(*other))))
        };
        let weights = points.iter().map(|(at, _)| weight(*at)).collect();
        Self { points, weights }
    }

    /// The chunk at `index`, which is none of the known places.
    fn at(&self, index: u16) -> Chunk {
        let mut product = Element(1);
        let mut divisors = Vec::with_capacity(self.points.len());
        for ((at, _), weight) in self.points.iter().zip(&self.weights) {
            let distance = Element(index).add(Element(*at));
            product = product.multiply(distance);
            divisors.push(weight.multiply(distance));
        }
        field::invert_all(&mut divisors);
        let mut sum = [Element(0); ELEMENTS];
        for ((_, chunk), inverse) in self.points.iter().zip(divisors) {
            let factor = field::Factor::new(product.multiply(inverse));
            for (to, from) in sum.iter_mut().zip(chunk.chunks_exact(2)) {
                if let [high, low] = from {
                    *to = to.add(factor.multiply(Element(u16::from_be_bytes([*high, *low]))));
                }
            }
        }
        let mut out = [0; CHUNK_BYTES];
        for (to, from) in out.chunks_exact_mut(2).zip(sum) {
            to.copy_from_slice(&from.0.to_be_bytes());
        }
        out
    }
}

/// Weights of the places of the ciphertext's first part (960 bytes).
static WEIGHTS_30: [Element; 30] = weights();
/// Weights of the places of the encapsulation key's vector (1,152 bytes).
static WEIGHTS_36: [Element; 36] = weights();

/// `w_j = Π (j − m)` for the places `0..N`.
#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated by the compiler, N ≤ 36")]
const fn weights<const N: usize>() -> [Element; N] {
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
            let points = (0..).zip(whole.chunks_exact(32)).collect();
            assert_eq!(Polynomials::through_message(&whole).weights, Polynomials::through(points).weights);
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
