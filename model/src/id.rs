//! Ids. All are content hashes or come from the input: no shared counter, no randomness.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::name::Name;
use crate::text;

/// A stable 64-bit hash over parts (XXH3, seed 0). The same parts give the same hash on every
/// platform and in every version: ids and shares are built on it. Parts are length-prefixed, so
/// `("ab","c")` and `("a","bc")` differ.
#[must_use]
pub fn stable_hash(parts: &[&[u8]]) -> u64 {
    // A name or an id is short: hashed in one go, which is a tenth of the work.
    let mut short = [0_u8; SHORT_BYTES];
    if let Some(length) = join(parts, &mut short) {
        return xxh3_64(short.get(..length).unwrap_or_default());
    }
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest()
}

/// Up to so many bytes are hashed in one go.
const SHORT_BYTES: usize = 128;

/// Puts the parts, each behind its length, into a buffer; gives the bytes, or `None` if they do
/// not fit.
fn join(parts: &[&[u8]], buffer: &mut [u8]) -> Option<usize> {
    let mut at = 0;
    for part in parts {
        for bytes in [&(part.len() as u64).to_le_bytes()[..], part] {
            buffer.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
            at += bytes.len();
        }
    }
    Some(at)
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $int:ty, $digits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl $name {
            /// Reads exactly the hexadecimal digits of the text form, in either case.
            #[must_use]
            pub fn parse_hex(text: &str) -> Option<Self> {
                let exact = text.len() == $digits && text.bytes().all(|b| b.is_ascii_hexdigit());
                if exact { <$int>::from_str_radix(text, 16).ok().map(Self) } else { None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::read(deserializer, concat!($digits, " hexadecimal digits"), Self::parse_hex)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": concat!("^[0-9a-f]{", $digits, "}$")})
            }
        }
    };
}

hex_id!(
    /// A trace, as OpenTelemetry names it. Text form: 32 lower-case hexadecimal digits.
    TraceId, u128, 32
);
hex_id!(
    /// A span inside a trace. Text form: 16 lower-case hexadecimal digits.
    SpanId, u64, 16
);
hex_id!(
    /// Stable hash of the labels that identify an alert. Text form: 16 hexadecimal digits.
    Fingerprint, u64, 16
);
hex_id!(
    /// Hash of a log message's skeleton: its words with everything variable masked.
    TemplateId, u64, 16
);
hex_id!(
    /// An incident: hash of its first entity and its onset pane. Text form: 16 hexadecimal digits.
    IncidentId, u64, 16
);

/// A tenant and environment: the unit of correlation. Incidents never cross cells.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct CellId(pub Name);

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a record stands in a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The topic.
    pub topic: Name,
    /// The partition of the topic.
    pub partition: u32,
    /// The offset in the partition.
    pub offset: u64,
    /// Which of the items decoded from that record (one webhook payload may hold many alerts).
    #[serde(default)]
    pub item: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)?;
        if self.item > 0 { write!(f, "#{}", self.item) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_parts_are_hashed_alike() {
        let text = [7_u8; 300];
        for length in [0, 1, 100, 111, 112, 113, 119, 120, 121, 300] {
            let part = &text[..length];
            let mut whole = Xxh3::new();
            for piece in [&(length as u64).to_le_bytes()[..], part, &[0; 8]] {
                whole.update(piece);
            }
            assert_eq!(stable_hash(&[part, b""]), whole.digest(), "{length}");
        }
    }

    #[test]
    fn hashes_tell_where_parts_end() {
        assert_ne!(stable_hash(&[b"ab", b"c"]), stable_hash(&[b"a", b"bc"]));
        // Frozen: shares and ids of running installations depend on it.
        assert_eq!(stable_hash(&[b"checkout"]), 15_170_063_694_784_298_942);
    }

    #[test]
    fn ids_read_only_their_own_form() {
        let id = TraceId::parse_hex("0a1b2c3d4e5f60718293a4b5c6d7e8f9").unwrap();
        assert_eq!(id.to_string(), "0a1b2c3d4e5f60718293a4b5c6d7e8f9");
        assert_eq!(TraceId::parse_hex("same"), None);
        assert_eq!(SpanId::parse_hex("+0f7852fae10c316"), None);
    }
}
