//! Tests of the whole machine: signals in, drawn incidents out.

mod dsl;
mod stories;
mod times;
mod words;
mod laws;
mod changes;
