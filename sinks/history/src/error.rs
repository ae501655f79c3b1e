//! What can go wrong with the history.

/// What can go wrong with the history. Each says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The directory or bucket did not do as told; trying again may help.
    #[error("the history's storage did not answer: {0}")]
    Storage(String),
    /// Another process writes the same history.
    #[error("{0} is written by another process; stop it, or choose another place")]
    Locked(String),
    /// What was read is no history of ours.
    #[error(
        "{path} cannot be read: {reason}; restore it, or move the directory away to begin anew"
    )]
    Damaged {
        /// Which object.
        path: String,
        /// Why.
        reason: String,
    },
    /// Rows could not be put into a batch or file: a fault of this program.
    #[error("rows could not be encoded: {0}")]
    Encode(String),
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
}

impl From<datafusion::arrow::error::ArrowError> for HistoryError {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        Self::Encode(error.to_string())
    }
}

impl From<parquet::errors::ParquetError> for HistoryError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Encode(error.to_string())
    }
}

impl From<object_store::Error> for HistoryError {
    fn from(error: object_store::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<std::io::Error> for HistoryError {
    fn from(error: std::io::Error) -> Self {
        Self::Storage(error.to_string())
    }
}
