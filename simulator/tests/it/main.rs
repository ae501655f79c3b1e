//! What the simulator writes, read back with the reference decoders.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail as tests do: by a panic"
)]

mod reading;
mod story;
mod laws;
mod wire;
mod corpus;
