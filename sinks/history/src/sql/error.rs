//! Errors of statements: PostgreSQL's own codes, and texts that say what to do.

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
