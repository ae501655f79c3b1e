//! From the incident to words: deterministic, and the only way out for text from outside.
//!
//! [`untrusted`] encodes, [`told`] keeps what was said in a bounded form and finds the news,
//! [`ticket`] writes the texts of a ticket, [`news`] what one destination learns from a revision. What is deliberately absent: any format of a vendor.

pub mod untrusted;
pub mod told;
pub(crate) mod facts;
pub mod ticket;
pub mod template;
pub(crate) mod words;
pub mod news;
