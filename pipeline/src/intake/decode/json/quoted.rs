//! What stands between quotes.

use crate::intake::decode::digits::{ONES, hex};

/// How many bytes come before the first that means something inside of text: a quote, a backslash, a
/// control character.
#[inline]
pub(crate) fn plain_bytes(bytes: &[u8]) -> usize {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (number, eight) in eights.iter().enumerate() {
        let special = special(u64::from_le_bytes(*eight));
        if special != 0 {
            return number * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    eights.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// The highest bit of each byte that means something inside of text. Above the first of them others may
/// be marked wrongly.
#[inline]
const fn special(eight: u64) -> u64 {
    let quotes = (eight ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslashes = (eight ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let controls = eight.wrapping_sub(ONES * 0x20);
    // Bytes beyond ASCII mean nothing, and the differences do not make others of them.
    (quotes | backslashes | controls) & !eight & (ONES * 0x80)
}

/// What follows an escape that stands for a character, behind its backslash.
pub(crate) fn escape(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => Some(rest),
        [b'u', rest @ ..] => match code_unit(rest)? {
            (0xdc00..0xe000, _) => None,
            (0xd800..0xdc00, [b'\\', b'u', rest @ ..]) => match code_unit(rest)? {
                (0xdc00..0xe000, rest) => Some(rest),
                _ => None,
            },
            (0xd800..0xdc00, _) => None,
            (_, rest) => Some(rest),
        },
        _ => None,
    }
}

fn code_unit(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<4>()?;
    let unit = hex::<2>(digits)?;
    Some((u16::from_be_bytes(unit), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_are_escaped_alone_or_as_pairs() {
        for (text, rest) in [
            ("n.", Some(".")),
            ("u00e9.", Some(".")),
            ("ud83d\\uDE00.", Some(".")),
            ("ud83d.", None),
            ("ud83d\\u0041.", None),
            ("ude00.", None),
            ("u00g9.", None),
            ("u00", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(escape(text.as_bytes()), rest.map(str::as_bytes), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_first_byte_that_means_something_is_found(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            plain in prop::collection::vec(
                prop_oneof![Just(b'!'), Just(b'#'), Just(b'['), Just(b']'), Just(b' '), 0x7f..=0xff_u8],
                0..40,
            ),
        ) {
            let text = [plain, bytes].concat();
            let first = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(plain_bytes(&text), first.unwrap_or(text.len()));
        }
    }
}
