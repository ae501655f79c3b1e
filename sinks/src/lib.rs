//! The voice: what an incident says to the world outside, and what was said already.
//!
//! An incident at its newest revision enters the [`delivery`] machine, which decides what is due;
//! [`render`] makes words of it; a [`sink::Sink`] carries them, and brings back what people did there ([`heard`]),
//! which a destination may also send itself ([`hook`]);
//! [`retry`] says when to try again, and a [`permit`] whether anybody may be called at all.
//! Knows `model` only. What is deliberately absent: the log (the shell reads incidents and writes
//! the `Delivered` records), the clock and randomness (`now` and jitter are arguments), threads,
//! async, and any destination that is not in the configuration.

pub mod sink;
pub mod heard;
pub mod hook;
pub mod delivery;
pub mod retry;
pub mod render;
pub mod trial;
pub mod permit;
pub mod config;
mod http;
mod exchange;
mod rest;
mod event;
mod cdevents;
pub mod webhook;
pub mod servicenow;
pub mod pagerduty;
pub mod slack;
pub mod teams;
pub mod otlp;
pub mod kafka;
pub mod rt;
pub mod jira;
pub mod jsm_ops;
