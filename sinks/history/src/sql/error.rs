//! Errors of statements: PostgreSQL's own codes, and texts that say what to do.

use std::time::Duration;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// What is wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// SQLSTATE.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

/// A statement would write.
pub const READ_ONLY: &str = "25006";
/// The statement is not understood.
pub const SYNTAX: &str = "42601";
/// Not offered here.
pub const UNSUPPORTED: &str = "0A000";
/// It took too long, or the client changed its mind.
pub const CANCELED: &str = "57014";
/// It needs more memory than a statement may have.
pub const OUT_OF_MEMORY: &str = "53200";
/// Its text or answer is larger than a statement may have.
pub const TOO_LARGE: &str = "54000";
/// It is nested too deeply, or asks for too much at once.
pub const TOO_COMPLEX: &str = "54001";

/// The history is not open yet.
pub const NOT_YET: &str = "57P03";

impl SqlError {
    /// An error with a code and a text.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A fault of this program.
pub(super) fn broken() -> SqlError {
    SqlError::new("XX000", "the query engine failed on this statement")
}

/// The time of a statement is over.
pub(super) fn too_late(time: Duration) -> SqlError {
    SqlError::new(
        CANCELED,
        format!("canceling statement due to statement timeout ({} ms)", time.as_millis()),
    )
    .hint("Ask for less: a narrower time filter, LIMIT, an aggregate.")
}

/// Finds code and words for what the query engine says.
impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        let root = error.find_root();
        let message = root.strip_backtrace();
        match root {
            DataFusionError::SQL(..) => Self::new(SYNTAX, message),
            DataFusionError::ResourcesExhausted(_) => Self::new(
                OUT_OF_MEMORY,
                format!("the statement needs more memory than it may have: {message}"),
            )
            .hint("Ask for fewer rows or columns: a narrower time filter, LIMIT, an aggregate."),
            DataFusionError::SchemaError(inner, _) => match **inner {
                SchemaError::FieldNotFound { .. } => Self::new("42703", message),
                SchemaError::AmbiguousReference { .. } => Self::new("42702", message),
                _ => Self::new("42P10", message),
            },
            DataFusionError::NotImplemented(_) => Self::new(UNSUPPORTED, message),
            DataFusionError::Plan(text) if text.starts_with("table '") => {
                Self::new("42P01", message)
                    .hint("docs/history.md lists the tables; `SHOW TABLES` does too.")
            }
            DataFusionError::Plan(text) if text.contains("Invalid function") => {
                Self::new("42883", message)
            }
            DataFusionError::Plan(_) => Self::new("42000", message),
            DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => {
                Self::new("22000", message)
            }
            _ => Self::new("XX000", message),
        }
    }
}
