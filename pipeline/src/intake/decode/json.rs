//! JSON with bounds: nesting and number of values are counted before anything is parsed.

pub(crate) mod cursor;
mod quoted;

use serde::Deserialize;

use super::error::DecodeError;
use super::limits::DecodeLimits;

/// Parses JSON after checking its bounds.
pub(crate) fn parse<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    limits: &DecodeLimits,
    expected: &'static str,
) -> Result<T, DecodeError> {
    let text = text(body)?;
    check_bounds(text.as_bytes(), limits)?;
    serde_json::from_str(text)
        .map_err(|error| DecodeError::Json { expected, reason: error.to_string() })
}

/// The body as text, without a byte order mark.
pub(crate) fn text(body: &[u8]) -> Result<&str, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::Utf8("the payload"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Counts brackets and commas outside of strings. Wrong JSON passes: the parser refuses it.
pub(crate) fn check_bounds(body: &[u8], limits: &DecodeLimits) -> Result<(), DecodeError> {
    let (mut depth, mut values) = (0_usize, 0_usize);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => {
                depth += 1;
                values += 1;
                if depth > limits.depth_max {
                    return Err(DecodeError::TooDeep { limit: limits.depth_max });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
    }
    if values > limits.json_values_max {
        return Err(DecodeError::TooMany { what: "JSON values", limit: limits.json_values_max });
    }
    Ok(())
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn try_parse(text: &str) -> Result<Value, DecodeError> {
        parse(text.as_bytes(), &DecodeLimits::default(), "JSON")
    }

    #[test]
    fn a_hundred_thousand_brackets_are_an_error_and_no_overflow() {
        let deep = "[".repeat(100_000);
        assert_eq!(try_parse(&deep), Err(DecodeError::TooDeep { limit: 64 }));
        let in_a_string = format!("\"{deep}\\\"{deep}\"");
        assert!(try_parse(&in_a_string).is_ok());
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let wide = format!("[{}0]", "0,".repeat(2_000_001));
        assert!(matches!(try_parse(&wide), Err(DecodeError::TooMany { .. })));
    }
}
