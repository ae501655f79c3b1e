//! Why a payload could not be decoded: reasons a person can act on.

/// Why a payload is a dead letter. The text becomes the dead letter's `reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No payload at all.
    #[error("the record has no payload")]
    Empty,
    /// The payload is larger than the limit, before or after decompression.
    #[error("the payload is larger than {limit} bytes{}", if *.decompressed { " after decompression" } else { "" })]
    TooLarge {
        /// Unit: bytes.
        limit: usize,
        /// Whether the limit was met while decompressing.
        decompressed: bool,
    },
    /// The payload nests deeper than the limit.
    #[error("the payload nests deeper than {limit} levels")]
    TooDeep {
        /// Levels.
        limit: usize,
    },
    /// The payload holds more items than the limit.
    #[error("the payload holds more than {limit} {what}; let the sender use smaller batches")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A protobuf message that ends in the middle of a field.
    #[error("the protobuf message is truncated inside {0}")]
    Truncated(&'static str),
    /// Bytes that are no protobuf message of the expected type.
    #[error("not an OTLP protobuf message: {reason} in {message}")]
    Protobuf {
        /// The message that was being read.
        message: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("{0} is not valid UTF-8")]
    Utf8(&'static str),
    /// Text that is not the JSON that was expected.
    #[error("not {expected}: {reason}")]
    Json {
        /// What was expected.
        expected: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// Text that is not YAML.
    #[error("not a YAML document: {0}")]
    Yaml(String),
    /// The header names an encoding that this topic does not take.
    #[error("unknown encoding `{encoding}`; this topic takes {accepted}")]
    Encoding {
        /// What the header says.
        encoding: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// The header names a compression that is not supported.
    #[error("unknown content-encoding `{0}`; gzip, zstd, snappy and identity are supported")]
    Compression(String),
    /// The compressed payload is damaged.
    #[error("the {0} payload is damaged")]
    Damaged(&'static str),
    /// Well-formed, but of no known form.
    #[error("not a known form; tried {tried}")]
    UnknownForm {
        /// The forms that were tried.
        tried: &'static str,
    },
    /// Every item in it had to be rejected.
    #[error("all {rejected} items were rejected: {reason}")]
    AllRejected {
        /// How many.
        rejected: u32,
        /// What was wrong with the last one.
        reason: &'static str,
    },
}
