//! GF(2¹⁶) with the polynomial x¹⁶ + x¹² + x³ + x + 1 (SPEC 8.5). Addition is exclusive or.

/// The polynomial without its highest term.
const REDUCTION: u16 = 0x100B;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element(pub(crate) u16);

impl Element {
    /// The product, without a branch on a value: an integer product of operands with holes of two bits,
    /// into which no more than six carries fall.
    pub(crate) const fn multiply(self, other: Self) -> Self {
        let (one, two) = (spread(self.0), spread(other.0));
        let product = (hole(one.0, two.0) ^ hole(one.1, two.2) ^ hole(one.2, two.1)) & HOLES[0]
            | (hole(one.0, two.1) ^ hole(one.1, two.0) ^ hole(one.2, two.2)) & HOLES[1]
            | (hole(one.0, two.2) ^ hole(one.2, two.0) ^ hole(one.1, two.1)) & HOLES[2];
        // What lies above bit 15 comes down as x^12 + x^3 + x + 1, and what that lifts again with it.
        let high = product >> 16;
        let high = high ^ (high >> 4) ^ (high >> 8) ^ (high >> 12) ^ (high >> 13);
        let [.., upper, lower] = (product ^ high ^ (high << 1) ^ (high << 3) ^ (high << 12)).to_be_bytes();
        Self(u16::from_be_bytes([upper, lower]))
    }

    /// The inverse, by the power 2¹⁶ − 2; zero has none and gives zero.
    pub(crate) const fn inverse(self) -> Self {
        let mut power = self.multiply(self);
        let mut result = power;
        let mut bit = 2_u32;
        while bit < 16 {
            power = power.multiply(power);
            result = result.multiply(power);
            bit = bit.saturating_add(1);
        }
        result
    }
}

/// Every third bit, from bit 0, 1 and 2 on.
const HOLES: [u32; 3] = [0x4924_9249, 0x9249_2492, 0x2492_4924];

/// The operand's bits in three parts, each with two zeros between its bits.
const fn spread(value: u16) -> (u32, u32, u32) {
    let value = value as u32;
    (value & HOLES[0], value & HOLES[1], value & HOLES[2])
}

/// Both factors are below 2^16.
const fn hole(one: u32, other: u32) -> u32 {
    one.wrapping_mul(other)
}

/// `value · x`, reduced.
pub(crate) const fn double(value: u16) -> u16 {
    (value << 1) ^ (REDUCTION & (value >> 15).wrapping_neg())
}

/// Replaces nonzero elements by their inverses with one inversion in all.
pub(crate) fn invert_all(elements: &mut [Element]) {
    let mut before = Vec::with_capacity(elements.len());
    let mut product = Element(1);
    for element in elements.iter() {
        before.push(product);
        product = product.multiply(*element);
    }
    let mut inverse = product.inverse();
    for (element, before) in elements.iter_mut().zip(before).rev() {
        let own = inverse.multiply(before);
        inverse = inverse.multiply(*element);
        *element = own;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Schoolbook product and long division, as different from the above as it gets.
    fn slow(a: u16, b: u16) -> u16 {
        let mut wide = (0..16).filter(|bit| b >> bit & 1 == 1).fold(0_u64, |sum, bit| sum ^ (u64::from(a) << bit));
        for bit in (16..32).rev() {
            if wide >> bit & 1 == 1 {
                wide ^= 0x1_100B << (bit - 16);
            }
        }
        u16::try_from(wide).unwrap()
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        for value in 1..=u16::MAX {
            assert_eq!(Element(value).multiply(Element(value).inverse()), Element(1));
        }
        assert_eq!(Element(0).inverse(), Element(0));
    }

    proptest! {
        #[test]
        fn products_are_those_of_long_division(a in any::<u16>(), b in any::<u16>()) {
            prop_assert_eq!(Element(a).multiply(Element(b)).0, slow(a, b));
        }

        #[test]
        fn inverting_many_is_inverting_each(values in proptest::collection::vec(1..=u16::MAX, 0..40)) {
            let mut all: Vec<Element> = values.iter().map(|v| Element(*v)).collect();
            invert_all(&mut all);
            let each: Vec<Element> = values.iter().map(|v| Element(*v).inverse()).collect();
            prop_assert_eq!(all, each);
        }
    }
}
