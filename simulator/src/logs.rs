//! What services say: lines from a few templates, with ids and figures in them.

use model::time::{Nanos, Timestamp};

use crate::dice::Dice;
use crate::trail::Failure;
use crate::world::World;

/// Severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    /// OpenTelemetry's severity number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// One line, before anything is lost.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) time: Timestamp,
    pub(crate) service: usize,
    pub(crate) instance: usize,
    pub(crate) level: Level,
    pub(crate) body: String,
    pub(crate) trace: u128,
    pub(crate) span: u64,
}

/// A template with every `{}` filled.
pub(crate) fn filled(template: &str, dice: &mut Dice) -> String {
    let mut body = String::with_capacity(template.len() + 16);
    let mut parts = template.split("{}");
    body.push_str(parts.next().unwrap_or_default());
    for part in parts {
        body.push_str(&(1_000 + dice.below(9_000_000)).to_string());
        body.push_str(part);
    }
    body
}

/// What a caller says before it tries again.
pub(crate) fn retry(world: &World, call: usize, failure: Failure, attempt: u32) -> String {
    let callee = world.callee_name(call);
    format!("call to {callee} failed ({}), retrying, attempt {attempt}", reason(failure))
}

/// What a service says when it fails a request.
pub(crate) fn failed(world: &World, operation: usize, failure: Failure, took: Nanos) -> String {
    let name = &world.operations[operation].name;
    let took_ms = took.millis();
    match failure {
        Failure::PoolExhausted => format!(
            "{name} failed: connection pool exhausted, db.pool.max_size reached, no connection \
             within {took_ms} ms"
        ),
        Failure::Internal => format!("{name} failed: unhandled exception after {took_ms} ms"),
        Failure::BadGateway => format!("{name} failed: upstream error after {took_ms} ms"),
        Failure::GatewayTimeout => {
            format!("{name} failed: upstream did not answer in time, gave up after {took_ms} ms")
        }
        other => format!("{name} failed: {} after {took_ms} ms", reason(other)),
    }
}

fn reason(failure: Failure) -> String {
    match failure {
        Failure::Timeout => String::from("timeout"),
        Failure::Refused => String::from("connection refused"),
        Failure::Handshake => {
            String::from("TLS handshake failed, the certificate has expired or is not yet valid")
        }
        Failure::Answered(status) => format!("status {status}"),
        Failure::Internal => String::from("exception"),
        Failure::PoolExhausted => String::from("connection pool exhausted"),
        Failure::BadGateway => String::from("upstream error"),
        Failure::GatewayTimeout => String::from("upstream timeout"),
    }
}
