//! The integration tests, one binary: links once, runs everything.
#![expect(clippy::print_stdout, reason = "tests say what they skipped and what they measured")]

mod tidy;
mod schema;
mod demo;
mod laws;
mod log_contract;
mod casebook_decode;
mod casebook;
mod service;
