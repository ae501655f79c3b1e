//! People: what they decide, and how it holds in the fold.
//!
//! `check` says whether an act can be carried out, `matching` what its matchers match.

mod check;
mod matching;

pub use check::{ActFault, check};
