//! The integration tests, one binary: links once, runs everything.

mod tidy;
mod schema;
mod docs;
mod demo;
mod deploy;
mod laws;
mod log_contract;
mod casebook_decode;
mod casebook;
mod accuracy;
mod service;
mod lease;
mod control;
mod crash;
mod clocks;
mod loud;
mod full_disk;
mod upgrade;
mod history;
mod rt;
