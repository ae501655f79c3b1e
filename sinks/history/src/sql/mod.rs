//! SQL over the history: DataFusion behind a gate. Reading is all that can be asked for, and each
//! statement has bounds on rows, memory and time.

pub mod error;
pub mod guard;
pub mod settings;
mod span;
mod text;
mod path;
pub mod table;
pub mod views;
pub mod catalog;
mod bounded;
mod memory;
pub mod functions;
mod context;
mod thread;
pub mod engine;
pub mod session;
pub mod rows;
pub mod answer;
