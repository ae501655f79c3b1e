//! Tells encodings apart by headers and first bytes, and undoes compression within the limit.

use std::borrow::Cow;
use std::io::Read;

use model::recording::ENCODING_HEADER;

use super::error::DecodeError;
use super::{Payload, limits::DecodeLimits};

/// How a telemetry payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtlpEncoding {
    Proto,
    Json,
}

/// The value of a header as text; names compare without case. Not UTF-8 means not there.
pub(crate) fn header<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(value).ok().map(str::trim)
}

/// The body after `content-encoding`.
pub(crate) fn body<'a>(
    payload: &Payload<'a>,
    limits: &DecodeLimits,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    if payload.value.is_empty() {
        return Err(DecodeError::Empty);
    }
    let limit = limits.payload_bytes_max;
    if payload.value.len() > limit {
        return Err(DecodeError::TooLarge { limit, decompressed: false });
    }
    match header(payload.headers, "content-encoding") {
        None => Ok(Cow::Borrowed(payload.value)),
        Some(name) => decompress(name, payload.value, limit),
    }
}

/// Decompresses by the name that HTTP gives the compression, never beyond `limit` bytes.
///
/// # Errors
/// Unknown names, damaged data, more than `limit` bytes.
pub fn decompress<'a>(
    name: &str,
    bytes: &'a [u8],
    limit: usize,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    match name.to_ascii_lowercase().as_str() {
        "" | "identity" | "none" => Ok(Cow::Borrowed(bytes)),
        "gzip" | "x-gzip" => {
            read_bounded(flate2::read::MultiGzDecoder::new(bytes), "gzip", limit).map(Cow::Owned)
        }
        "zstd" => {
            let mut decoder =
                zstd::Decoder::new(bytes).map_err(|_| DecodeError::Damaged("zstd"))?;
            // The window is memory that the sender chooses: 2^23 is what RFC 8878 asks for.
            decoder.window_log_max(23).map_err(|_| DecodeError::Damaged("zstd"))?;
            read_bounded(decoder, "zstd", limit).map(Cow::Owned)
        }
        "snappy" => snappy(bytes, limit).map(Cow::Owned),
        _ => Err(DecodeError::Compression(super::limits::cut(name, 40).to_owned())),
    }
}

fn read_bounded(
    reader: impl Read,
    name: &'static str,
    limit: usize,
) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(bound).read_to_end(&mut out).map_err(|_| DecodeError::Damaged(name))?;
    if out.len() > limit {
        return Err(DecodeError::TooLarge { limit, decompressed: true });
    }
    Ok(out)
}

/// Snappy's block format (`snappy/format_description.txt`): a varint length, then literals and
/// copies.
fn snappy(bytes: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    const DAMAGED: DecodeError = DecodeError::Damaged("snappy");
    let (length, mut rest) = snappy_length(bytes).ok_or(DAMAGED)?;
    if length > limit {
        return Err(DecodeError::TooLarge { limit, decompressed: true });
    }
    let mut out: Vec<u8> = Vec::new();
    while let Some((&tag, tail)) = rest.split_first() {
        let extra = match (tag & 3, tag >> 2) {
            (0, upper @ 60..) => usize::from(upper - 59),
            (0, _) => 0,
            (1, _) => 1,
            (2, _) => 2,
            _ => 4,
        };
        let number = little_endian(tail.get(..extra).ok_or(DAMAGED)?);
        rest = tail.get(extra..).ok_or(DAMAGED)?;
        if tag & 3 == 0 {
            let size =
                if extra == 0 { usize::from(tag >> 2) + 1 } else { number.saturating_add(1) };
            out.extend_from_slice(rest.get(..size).ok_or(DAMAGED)?);
            rest = rest.get(size..).ok_or(DAMAGED)?;
        } else {
            let (size, offset) = if tag & 3 == 1 {
                (usize::from((tag >> 2) & 7) + 4, (usize::from(tag >> 5) << 8) | number)
            } else {
                (usize::from(tag >> 2) + 1, number)
            };
            let start = out.len().checked_sub(offset).filter(|_| offset > 0).ok_or(DAMAGED)?;
            for at in start..start + size {
                let byte = *out.get(at).ok_or(DAMAGED)?;
                out.push(byte);
            }
        }
        if out.len() > length {
            return Err(DAMAGED);
        }
    }
    if out.len() == length { Ok(out) } else { Err(DAMAGED) }
}

fn snappy_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((length, bytes.get(at + 1..)?));
        }
    }
    None
}

fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

/// How a telemetry payload is written: by the header `encoding`, by `content-type`, else by its
/// first byte. A protobuf export request begins with the tag of field 1 (0x0A), JSON with a brace;
/// 0x0A is also a line feed, so the byte after the white space decides.
pub(crate) fn otlp(payload: &Payload<'_>, body: &[u8]) -> Result<OtlpEncoding, DecodeError> {
    const ACCEPTED: &str = "otlp_proto and otlp_json";
    if let Some(encoding) = header(payload.headers, ENCODING_HEADER) {
        return match encoding {
            "otlp_proto" => Ok(OtlpEncoding::Proto),
            "otlp_json" => Ok(OtlpEncoding::Json),
            other => Err(DecodeError::Encoding {
                encoding: super::limits::cut(other, 60).to_owned(),
                accepted: ACCEPTED,
            }),
        };
    }
    match header(payload.headers, "content-type") {
        Some(text) if text.contains("protobuf") => return Ok(OtlpEncoding::Proto),
        Some(text) if text.contains("json") => return Ok(OtlpEncoding::Json),
        _ => {}
    }
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let marked = body.starts_with(b"\xef\xbb\xbf");
    Ok(if first == Some(&b'{') && !starts_like_protobuf(body) || marked {
        OtlpEncoding::Json
    } else {
        OtlpEncoding::Proto
    })
}

/// `0A 7B` is both a line feed before a brace and field 1 of 123 bytes; the length decides.
fn starts_like_protobuf(body: &[u8]) -> bool {
    body.starts_with(&[0x0a, b'{']) && body.get(2) == Some(&0x0a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_decompression_bomb_is_refused_at_the_limit() {
        let zeros = vec![0_u8; 4 << 20];
        let bombs = [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 3).unwrap())];
        for (name, bomb) in bombs {
            let expected = DecodeError::TooLarge { limit: 1 << 20, decompressed: true };
            assert_eq!(decompress(name, &bomb, 1 << 20), Err(expected), "{name}");
            assert_eq!(decompress(name, &bomb, 4 << 20).unwrap().len(), 4 << 20);
        }
        let claims_4_gib = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
        assert!(matches!(
            decompress("snappy", &claims_4_gib, 1 << 20),
            Err(DecodeError::TooLarge { .. })
        ));
    }

    #[test]
    fn snappy_literals_and_copies_are_read() {
        // "Wikipedia is a free, web-based, ..." would need a compressor; these are by hand.
        assert_eq!(
            &*decompress("snappy", &[5, 16, b'h', b'e', b'l', b'l', b'o'], 99).unwrap(),
            b"hello"
        );
        // literal "ab", then copy of 6 bytes at offset 2 (one-byte offset form).
        assert_eq!(
            &*decompress("snappy", &[8, 4, b'a', b'b', 0b0000_1001, 2], 99).unwrap(),
            b"abababab"
        );
        assert!(decompress("snappy", &[8, 4, b'a', b'b', 0b0000_1001, 9], 99).is_err());
        assert!(decompress("snappy", &[], 99).is_err());
    }

    #[test]
    fn damaged_and_unknown_compressions_are_told_apart() {
        assert_eq!(decompress("gzip", b"nope", 9), Err(DecodeError::Damaged("gzip")));
        assert_eq!(decompress("br", b"", 9), Err(DecodeError::Compression("br".into())));
    }
}
