//! What requests leave behind: spans and lines as they happened, before anything is lost, and why
//! something failed.

use model::time::Timestamp;

use crate::logs::Log;

/// Why something failed, as its own side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The code threw.
    Internal,
    /// No database connection was free in time.
    PoolExhausted,
    /// A call of this operation failed, or got no answer in time.
    BadGateway,
    GatewayTimeout,
    /// The caller gave up.
    Timeout,
    /// Nobody listens.
    Refused,
    /// The caller does not trust the other side's certificate.
    Handshake,
    /// The other side answered with that status.
    Answered(u16),
}

impl Failure {
    /// The HTTP status that a server answers with; `None` when there is no answer.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Internal => Some(500),
            Self::PoolExhausted => Some(503),
            Self::BadGateway => Some(502),
            Self::GatewayTimeout => Some(504),
            Self::Answered(status) => Some(status),
            Self::Timeout | Self::Refused | Self::Handshake => None,
        }
    }

    /// What a server says when a call that it needs fails so.
    pub(crate) const fn passed_on(self) -> Self {
        match self {
            Self::Timeout => Self::GatewayTimeout,
            _ => Self::BadGateway,
        }
    }
}

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// An operation, called synchronously.
    Server(usize),
    /// An operation, called by a message.
    Consumer(usize),
    /// A call.
    Client(usize),
    /// The sending of a message.
    Producer(usize),
}

/// One span, before anything is lost.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: u128,
    pub(crate) id: u64,
    /// 0 at a root.
    pub(crate) parent: u64,
    pub(crate) service: usize,
    pub(crate) instance: usize,
    pub(crate) role: Role,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) failure: Option<Failure>,
    /// 0 for the first attempt.
    pub(crate) resend: u32,
}

/// What requests leave behind.
#[derive(Default)]
pub(crate) struct Trail {
    pub(crate) spans: Vec<Span>,
    pub(crate) logs: Vec<Log>,
}
