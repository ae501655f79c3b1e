//! Columns of numbers that take as few bits each as the greatest may need: node numbers of a map
//! of a million take 20 bits, and where all are zero, none.

/// Numbers side by side, of one width. The length never changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    /// Width of a number. Unit: bits, 0 to 32.
    bits: u32,
    len: usize,
    /// One word more than the numbers fill, so that a number may be read from two words always.
    words: Vec<u64>,
}

impl Packed {
    /// So many zeros, each with room for up to `most`.
    pub(crate) fn zeros(len: usize, most: u32) -> Self {
        let bits = u32::BITS - most.leading_zeros();
        let words = if bits == 0 { 0 } else { (len * bits as usize).div_ceil(64) + 1 };
        Self { bits, len, words: vec![0; words] }
    }

    /// The numbers of an iterator, none of them greater than `most`.
    pub(crate) fn of(numbers: impl ExactSizeIterator<Item = u32>, most: u32) -> Self {
        let mut packed = Self::zeros(numbers.len(), most);
        for (at, number) in numbers.enumerate() {
            packed.set(at, number);
        }
        packed
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn mask(&self) -> u64 {
        (1_u64 << self.bits) - 1
    }

    /// The word in which a number begins, and at which of its bits.
    fn place(&self, at: usize) -> (usize, u32) {
        let bit = at * self.bits as usize;
        (bit / 64, (bit % 64) as u32)
    }

    pub(crate) fn get(&self, at: usize) -> Option<u32> {
        if at >= self.len {
            return None;
        }
        if self.bits == 0 {
            return Some(0);
        }
        let (word, shift) = self.place(at);
        let (low, high) = (self.words.get(word)?, self.words.get(word + 1)?);
        let pair = u128::from(*low) | (u128::from(*high) << 64);
        Some(((pair >> shift) as u64 & self.mask()) as u32)
    }

    /// Puts a number in; without effect beyond the end. Bits that don't fit are lost.
    pub(crate) fn set(&mut self, at: usize, number: u32) {
        if at >= self.len || self.bits == 0 {
            return;
        }
        let (word, shift) = self.place(at);
        let mask = u128::from(self.mask()) << shift;
        let value = (u128::from(number) << shift) & mask;
        for (step, half) in [(0, 0), (1, 64)] {
            if let Some(word) = self.words.get_mut(word + step) {
                *word = (*word & !((mask >> half) as u64)) | (value >> half) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_vector_holds(
            most in prop::sample::select([0, 1, 7, 300, 1 << 20, u32::MAX].as_slice()),
            len in 0..200_usize,
            steps in prop::collection::vec((0..220_usize, any::<u32>()), 0..300),
        ) {
            let (mut packed, mut plain) = (Packed::zeros(len, most), vec![0; len]);
            for (at, number) in steps {
                let number = if most == u32::MAX { number } else { number % (most + 1) };
                packed.set(at, number);
                if let Some(slot) = plain.get_mut(at) {
                    *slot = number;
                }
            }
            let found: Vec<Option<u32>> = (0..len + 2).map(|at| packed.get(at)).collect();
            let expected: Vec<Option<u32>> =
                (0..len + 2).map(|at| plain.get(at).copied()).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(packed.len(), len);
        }
    }

    #[test]
    fn numbers_take_as_many_bits_as_the_greatest() {
        assert_eq!(Packed::zeros(640, 0).words.len(), 0);
        assert_eq!(Packed::zeros(640, 1).words.len(), 11);
        assert_eq!(Packed::zeros(640, 1_023).words.len(), 101);
    }
}
