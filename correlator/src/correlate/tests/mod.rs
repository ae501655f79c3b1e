//! Tests of the whole machine: signals in, drawn incidents out.

pub(super) mod dsl;
mod foreign;
mod stories;
mod times;
mod storm;
mod words;
mod laws;
mod causes;
mod changes;
mod acts;
mod act_laws;
mod muted;
mod refused;
