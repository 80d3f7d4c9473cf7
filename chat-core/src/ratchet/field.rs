//! GF(2¹⁶) with the polynomial x¹⁶ + x¹² + x³ + x + 1 (SPEC 8.5). Addition is exclusive or.

/// The polynomial without its highest term.
const REDUCTION: u16 = 0x100B;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element(pub(crate) u16);

impl Element {
    /// The sum, which is also the difference.
    pub(crate) const fn add(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    /// The product, without a branch on a value.
    pub(crate) const fn multiply(self, other: Self) -> Self {
        let mut sum = 0_u16;
        let mut power = self.0;
        let mut rest = other.0;
        let mut bit = 0_u32;
        while bit < 16 {
            sum ^= power & (rest & 1).wrapping_neg();
            power = double(power);
            rest >>= 1;
            bit = bit.saturating_add(1);
        }
        Self(sum)
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

/// `value · x`, reduced.
const fn double(value: u16) -> u16 {
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

/// A factor that many elements are multiplied with: one table for each four bits of the other side.
pub(crate) struct Factor([[u16; 16]; 4]);

impl Factor {
    /// Fills the tables: 60 additions instead of 16 steps for each product.
    pub(crate) fn new(factor: Element) -> Self {
        let mut tables = [[0; 16]; 4];
        let mut power = factor.0;
        for table in &mut tables {
            for bit in [1_usize, 2, 4, 8] {
                let (done, open) = table.split_at_mut(bit);
                for (to, from) in open.iter_mut().zip(done) {
                    *to = *from ^ power;
                }
                power = double(power);
            }
        }
        Self(tables)
    }

    /// The product with one element.
    pub(crate) fn multiply(&self, other: Element) -> Element {
        let mut sum = 0;
        let mut rest = other.0;
        for table in &self.0 {
            sum ^= table.get(usize::from(rest & 15)).copied().unwrap_or_default();
            rest >>= 4;
        }
        Element(sum)
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
            prop_assert_eq!(Factor::new(Element(a)).multiply(Element(b)).0, slow(a, b));
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
