//! People's control: what a decision looks like in words, and its way into the journal.
//!
//! A decision is an act (`model/src/command.rs`). Here it is held against what can be known before
//! the fold sees it ([`check`]), made durable ([`desk`]), and those that stand for a time (silences,
//! maintenance windows, inhibitions) are kept for people to see ([`standing`]). What is deliberately absent: what an act does to an incident; that is
//! the fold's, in `correlator`.

pub mod check;
pub mod standing;
pub mod desk;
