//! SQL over the history: DataFusion behind a gate. Reading is all that can be asked for, and each
//! statement has bounds on rows, memory and time.

pub mod error;
pub mod guard;
pub mod settings;
pub mod table;
pub mod views;
pub mod catalog;
pub mod functions;
pub mod engine;
pub mod answer;
