//! All bounds of decoding in one visible place.

/// Attributes of one item that are looked at; further ones are ignored and counted.
pub const ATTRIBUTES_PER_ITEM_MAX: usize = 256;
/// Longest operation, metric or service name. Unit: characters.
pub const NAME_CHARS_MAX: usize = 256;
/// Longest label or annotation value. Unit: characters.
pub const LABEL_CHARS_MAX: usize = 4_096;
/// Longest text of a change's content. Unit: bytes.
pub const CONTENT_BYTES_MAX: usize = 16 * 1024;
/// Most paths of a change's content.
pub const CONTENT_PATHS_MAX: usize = 100;

/// Bounds that an installation may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Largest payload, before and after decompression. Unit: bytes.
    pub payload_bytes_max: usize,
    /// Most spans, log records, metric points, alerts or topology items of one record.
    pub items_max: usize,
    /// Deepest nesting of JSON, YAML and attribute values.
    pub depth_max: usize,
    /// Most JSON values of one payload: bounds what parsing may allocate.
    pub json_values_max: usize,
    /// Most distinct names that are shared between payloads.
    pub interned_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 20 * 1024 * 1024,
            items_max: 100_000,
            depth_max: 64,
            json_values_max: 2_000_000,
            interned_max: 65_536,
        }
    }
}

/// The text, cut after `chars_max` characters.
#[must_use]
pub(crate) fn cut(text: &str, chars_max: usize) -> &str {
    if text.len() <= chars_max {
        return text;
    }
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => text.get(..at).unwrap_or(text),
        None => text,
    }
}

/// The text, cut before `bytes_max` bytes, between characters.
#[must_use]
pub(crate) fn cut_bytes(text: &str, bytes_max: usize) -> &str {
    let mut at = text.len().min(bytes_max);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.get(..at).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("h\u{e9}llo", 2), "h\u{e9}");
        assert_eq!(cut("ab", 2), "ab");
        assert_eq!(cut_bytes("h\u{e9}llo", 2), "h");
        assert_eq!(cut_bytes("h\u{e9}llo", 99), "h\u{e9}llo");
    }
}
