//! The configuration: one YAML file, read into types; unknown keys are errors, and all errors are
//! told at once.
//!
//! [`raw`] is what people write; [`check`] turns it into what the program uses.

pub mod raw;
pub mod check;

pub use check::{Config, ConfigErrors, LogChoice, load};
