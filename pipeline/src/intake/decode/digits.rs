//! Digits, eight at a time: ids and times are more than half of what a short span is made of.

/// A one in every byte.
pub(crate) const ONES: u64 = u64::MAX / 0xff;

/// The bytes of a hexadecimal id in `N` bytes; `None` for everything else.
pub(crate) fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0_u8; N];
    let (fours, rest) = out.as_chunks_mut::<4>();
    let (eights, digits) = text.as_chunks::<8>();
    for (four, eight) in fours.iter_mut().zip(eights) {
        *four = hex_of_eight(*eight)?.to_be_bytes();
    }
    for (byte, pair) in rest.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(out)
}

/// The number of eight hexadecimal digits.
fn hex_of_eight(digits: [u8; 8]) -> Option<u32> {
    let text = u64::from_be_bytes(digits);
    // Letters have this bit, and their low half is one at `a` and `A`.
    let letters = (text >> 6) & ONES;
    let values = (text & (ONES * 0x0f)) + letters * 9;
    // Written again, it has to be what it was: nothing else is a digit.
    let above_nine = ((values + ONES * 6) >> 4) & ONES;
    let again = values + ONES * u64::from(b'0') + above_nine * u64::from(b'a' - b'0' - 10);
    if values & (ONES * 0xf0) != 0 || again != text | (letters << 5) {
        return None;
    }
    let pairs = (values | (values >> 4)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    u32::try_from((fours | (fours >> 16)) & 0xffff_ffff).ok()
}

/// The number of 1 to 19 decimal digits; `None` for everything else. (Twenty may be more than 64 bits.)
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    let (eights, rest) = text.as_chunks::<8>();
    let mut number = 0;
    for eight in eights {
        number = number * 100_000_000 + decimal_of_eight(*eight)?;
    }
    for digit in rest {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// The number of eight decimal digits.
fn decimal_of_eight(digits: [u8; 8]) -> Option<u64> {
    let text = u64::from_le_bytes(digits);
    let values = text ^ (ONES * u64::from(b'0'));
    if (values | (values.wrapping_add(ONES * 6))) & (ONES * 0xf0) != 0 {
        return None;
    }
    // Neighbours become one number: of digits, of pairs, of fours. The first stands lowest.
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slow_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
        let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
        let bytes: Vec<u8> = digits?.chunks(2).map(|it| (it[0] * 16 + it[1]) as u8).collect();
        bytes.try_into().ok()
    }

    #[test]
    fn ids_are_hexadecimal_of_the_right_length() {
        assert_eq!(hex::<2>(b"0aFF"), Some([10, 255]));
        assert_eq!(hex::<2>(b"0aF"), None);
        assert_eq!(hex::<2>(b"0aFg"), None);
        assert_eq!(hex::<1>(b"+1"), None);
        assert_eq!(hex::<4>(b"0123cDeF"), Some([0x01, 0x23, 0xcd, 0xef]));
    }

    #[test]
    fn every_byte_is_a_digit_or_none_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut digits = *b"10987654";
                digits[place] = byte;
                let text = digits.map(char::from).iter().collect::<String>();
                let hexadecimal = u32::from_str_radix(&text, 16).ok().filter(|_| byte != b'+');
                assert_eq!(hex::<4>(&digits).map(u32::from_be_bytes), hexadecimal, "{text}");
                let number = text.parse().ok().filter(|_| byte != b'+');
                assert_eq!(decimal(&digits), number, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_read_as_the_standard_library_reads_them(
            id in "[0-9a-fA-F]{16}", odd in "[0-9a-gA-G@`/:]{16}", number in "[0-9]{1,19}",
        ) {
            prop_assert_eq!(hex::<8>(id.as_bytes()), slow_hex::<8>(&id));
            prop_assert_eq!(hex::<8>(odd.as_bytes()), slow_hex::<8>(&odd));
            prop_assert_eq!(decimal(number.as_bytes()), number.parse().ok());
        }
    }
}
