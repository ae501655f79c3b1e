//! The configuration: one YAML file, read into types; unknown keys are errors, and all errors are
//! told at once.
//!
//! [`raw`] is what people write; [`read`] reads it, with what the command line sets ([`set`]) and
//! with a word for each key that nobody knows ([`unknown`]); [`check`] turns it into what the program
//! uses ([`usable`]). [`schema`] and [`reference`] tell people what they may write, from the same types.

pub mod history;
mod oidc;
pub mod telemetry;
pub mod listen;
pub mod raw;
pub mod schema;
mod unknown;
mod set;
pub mod read;
pub mod check;
pub mod usable;
pub mod reference;

pub use history::HistoryConfig;
pub use read::{defaults, load, load_parameters, load_with};
pub use usable::{Config, ConfigErrors, LogChoice, address};
