//! Intake: from bytes to the words of `model`, and the HTTP door for the same payloads.
//!
//! What is deliberately absent: any judgement of what a signal means, and any state but caches. A
//! payload decodes to the same value whatever was decoded before it.

pub mod decode;
