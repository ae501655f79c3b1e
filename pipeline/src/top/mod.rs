//! What `faultline top` shows: one look at a running system after the other, as a frame.
//!
//! [`exposition`] reads the metrics, [`look`] is what one look found, [`shown`] makes rows of two of
//! them, [`frame`] draws. Deliberately absent: the terminal and the network; see `commands/top.rs`.

pub mod exposition;
pub mod look;
pub mod shown;
pub mod frame;

#[cfg(test)]
mod tests;
