//! OTLP in JSON as encoders write it, read in one walk over its bytes.
//!
//! What nobody needs is stepped over: it is held to be JSON, and never becomes a value. An item that is
//! written in an unusual way (a member twice, a wanted text with escapes, a number where the conventions
//! say text) goes alone to the slow reader ([`super::requests`]); whatever else is unusual gives the
//! whole payload to it, which then says what it means, or what is wrong with it. A test holds the two
//! against each other.

mod pairs;
mod walk;
mod spans;
mod logs;

pub(super) use crate::intake::decode::json::cursor::Cursor;
pub(super) use logs::read as read_log;
pub(super) use spans::read as read_span;
pub(super) use walk::{LOGS, SPANS, walk};
