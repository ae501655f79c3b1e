//! What the simulator writes, read back with the reference decoders.

mod reading;
mod story;
mod laws;
mod wire;
