//! The contract of a sink: one delivery in, one outcome out.
//!
//! A sink talks to one destination. It may block up to its timeouts, and it keeps nothing that a
//! restart would miss: what was said before comes with the request.

use std::fmt;

use model::incident::{Incident, Ticket};
use model::name::Name;
use model::time::{Nanos, Timestamp};

use crate::delivery::record::Delivered;
use crate::heard::Heard;

/// One destination that can be told about incidents.
pub trait Sink: Send {
    /// The configured name.
    fn name(&self) -> &Name;

    /// Says one incident, at one revision. Never panics, never follows a redirect.
    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome;

    /// Asks the destination what people did there since `cursor`. Without a cursor it only says
    /// from where to listen. Destinations that keep no records have nothing to tell.
    ///
    /// # Errors
    /// When the destination cannot be asked now: how long to wait at least, and why.
    fn listen(&mut self, cursor: Option<&str>, now: Timestamp) -> Result<Heard, (Wait, Trouble)> {
        let _nothing = (cursor, now);
        Ok(Heard::default())
    }
}

/// What a sink is asked to say.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The incident at its newest revision.
    pub incident: &'a Incident,
    /// What this sink said of it before; `None` the first time, as far as we know.
    pub known: Option<&'a Delivered>,
    /// An earlier attempt may have come through without our knowing: nothing was said before this
    /// moment (wall clock) but what `known` has. `None` when `known` is all there is. For sinks
    /// whose destination takes no key, to look before they say it twice.
    pub in_doubt_since: Option<Timestamp>,
    /// The same for the same (incident, revision, sink), also after a crash.
    pub idempotency_key: &'a str,
    /// When it is said: wall clock.
    pub now: Timestamp,
}

/// How a delivery went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has it.
    Delivered {
        /// The record it keeps of the incident, for sinks that have such.
        ticket: Option<Ticket>,
        /// The title of that record, as we have written it; `None`: as before.
        title: Option<String>,
        /// Something a person should know, in words that are safe to log.
        note: Option<String>,
    },
    /// There was nothing new to say; nothing was changed there.
    Unchanged {
        /// The record it keeps of the incident, for sinks that have such.
        ticket: Option<Ticket>,
    },
    /// It did not work now; it may later.
    RetryAfter(Wait, Trouble),
    /// It will never work for this revision: counted and shown, not tried again.
    Refused(Trouble),
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// As the backoff says; it concerns this incident first.
    Backoff,
    /// As the destination said (`Retry-After`, `X-RateLimit-Reset`); it concerns the whole sink.
    Told(Nanos),
    /// So long, for this incident alone: it says nothing about the destination.
    Incident(Nanos),
}

/// Why a delivery did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection, or it broke: the text names the step.
    Transport(&'static str),
    /// No answer in time.
    Timeout,
    /// The destination asks for fewer requests (429, or 503 with a time).
    Throttled,
    /// The destination is in trouble itself (5xx, 408, 425).
    Unavailable(u16),
    /// Our credentials are not accepted (401, 403, 407): an operator can heal it.
    Credentials(u16),
    /// An answer that is not what its protocol promises: the text says in what way.
    Malformed(&'static str),
    /// A redirect (3xx), which is never followed.
    Redirect(u16),
    /// The destination does not take the request (other 4xx), and says why, encoded for logs.
    Rejected {
        /// HTTP status.
        status: u16,
        /// Its own words, one line, capped.
        detail: String,
    },
    /// We could not make the request.
    Request(&'static str),
    /// What an earlier attempt did cannot be seen yet: the text says what.
    Unsure(&'static str),
    /// Something is missing over there that an administrator has to make: the text says what.
    Setup(&'static str),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(step) => write!(f, "connection failed: {step}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Throttled => f.write_str("destination asks for fewer requests"),
            Self::Unavailable(status) => write!(f, "destination is unavailable ({status})"),
            Self::Credentials(status) => write!(f, "credentials are not accepted ({status})"),
            Self::Malformed(what) => write!(f, "unexpected answer: {what}"),
            Self::Redirect(status) => write!(f, "redirect is not followed ({status})"),
            Self::Rejected { status, detail } if detail.is_empty() => {
                write!(f, "rejected ({status})")
            }
            Self::Rejected { status, detail } => write!(f, "rejected ({status}): {detail}"),
            Self::Unsure(what) => write!(f, "too early to tell: {what}"),
            Self::Setup(what) => write!(f, "destination is not set up: {what}"),
            Self::Request(what) => write!(f, "request could not be made: {what}"),
        }
    }
}
