//! What a destination sends us itself, by a webhook: the other way to hear what people do there.
//!
//! Each hook knows its sender by a secret before it reads a word. Where the sink asks its destination
//! anyway, what a hook says is only that there is something to ask for: the answer to the question is whole,
//! in order, and has the ids by which nothing is heard twice, also when hooks are lost. Where nobody asks,
//! the act is read from the hook. What is deliberately absent: HTTP, and the journal.

mod form;
mod jsm_ops;
mod pagerduty;
mod signature;
mod slack;

use model::command::Act;
use model::id::IncidentId;
use model::name::Name;
use model::time::Timestamp;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::config::secret::Secret;
pub(crate) use slack::{ACKNOWLEDGE, RESOLVE};

/// A request that came to a hook.
pub struct Letter<'a> {
    /// A header by its name in lower case.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// As it came: signatures are over these bytes.
    pub body: &'a [u8],
    /// When it came: wall clock.
    pub at: Timestamp,
    /// The incident whose record at this sink has an id.
    pub incident_of: &'a dyn Fn(&str) -> Option<IncidentId>,
}

/// What a hook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// There is something to ask the destination for.
    Ring,
    /// What people did there. May be none: not everything is an act.
    Acts(Vec<Act>),
    /// The sender wants to see this again, to know that it came to the right place.
    Echo(String),
}

/// Why nothing was heard.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unheard {
    /// It does not show that it knows the secret.
    #[error(
        "the signature or token is not there or does not match; give both sides the same secret"
    )]
    Unsigned,
    /// It was signed too long ago, or in the future.
    #[error("its signature is more than five minutes away from our clock; set the clocks right")]
    Stale,
    /// It is signed and has a form that we do not know.
    #[error("{0}")]
    Unreadable(String),
}

/// By what a sender is known, and how it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// Buttons and messages of threads, signed with the app's signing secret.
    Slack,
    /// V3 webhooks, signed.
    PagerDuty,
    /// Signed as WebSub has it; read by nobody.
    Jira,
    /// Outgoing webhooks, with a bearer token.
    JsmOps,
    /// Our own form, with a bearer token.
    Form,
}

/// What becomes of what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// The sink asks its destination at once.
    Ring,
    /// Acts are read from it.
    Acts,
}

/// Where one destination may send what people did.
#[derive(Debug)]
pub struct Hook {
    sink: Name,
    tongue: Tongue,
    hears: Hears,
    /// Any of them is enough: so they can be rotated.
    secrets: Vec<Secret>,
}

impl Hook {
    pub(crate) fn new(sink: Name, tongue: Tongue, hears: Hears, secrets: Vec<Secret>) -> Self {
        Self { sink, tongue, hears, secrets }
    }

    /// The sink's name.
    #[must_use]
    pub fn sink(&self) -> &Name {
        &self.sink
    }

    /// What becomes of what is said here.
    #[must_use]
    pub fn hears(&self) -> Hears {
        self.hears
    }

    /// Reads a request.
    ///
    /// # Errors
    /// Why nothing was heard.
    pub fn read(&self, letter: &Letter<'_>) -> Result<Said, Unheard> {
        self.verify(letter)?;
        if self.hears == Hears::Ring {
            return Ok(Said::Ring);
        }
        match self.tongue {
            Tongue::Slack => slack::read(&self.sink, letter),
            Tongue::PagerDuty => pagerduty::read(&self.sink, letter).map(Said::Acts),
            Tongue::JsmOps => jsm_ops::read(&self.sink, letter).map(Said::Acts),
            Tongue::Form => form::read(&self.sink, letter).map(|act| Said::Acts(vec![act])),
            Tongue::Jira => Ok(Said::Ring),
        }
    }

    fn verify(&self, letter: &Letter<'_>) -> Result<(), Unheard> {
        let header = |name: &str| (letter.header)(name).unwrap_or_default();
        let any = |fits: &dyn Fn(&[u8]) -> bool| {
            // All are tried: how long it takes does not say which one it was.
            let found = self
                .secrets
                .iter()
                .fold(false, |found, secret| fits(secret.expose().as_bytes()) | found);
            if found { Ok(()) } else { Err(Unheard::Unsigned) }
        };
        match self.tongue {
            Tongue::Slack => {
                let sent = header("x-slack-request-timestamp");
                let signed = header("x-slack-signature");
                any(&|key| signature::is_slacks(key, sent, letter.body, signed))?;
                signature::is_fresh(sent, letter.at).then_some(()).ok_or(Unheard::Stale)
            }
            Tongue::PagerDuty => {
                let signed = header("x-pagerduty-signature");
                any(&|key| signature::is_one_of(key, letter.body, signed, "v1="))
            }
            Tongue::Jira => {
                let signed = header("x-hub-signature");
                any(&|key| signature::is_one_of(key, letter.body, signed, "sha256="))
            }
            Tongue::JsmOps | Tongue::Form => {
                let shown = signature::bearer(header("authorization"));
                any(&|key| signature::is_same(key, shown.as_bytes()))
            }
        }
    }
}

/// Reads JSON; says where it is wrong, but not what it holds.
fn parse<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Unheard> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Unheard::Unreadable(format!("this is not {what}: see line {line}, column {column}"))
    })
}
