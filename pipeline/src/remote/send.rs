//! Writes to a running system: asked again under the same id when the answer did not come, so a
//! decision is taken once however the network behaves.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Remote;
use crate::run::stop::Stop;

/// How often a write is tried.
const TRIES: u32 = 3;
/// The pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// Largest answer to a write. Unit: bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// How a write is sent.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
    /// `POST` of a JSON body.
    Post(&'a Value),
    /// `DELETE`.
    Delete,
}

impl Remote {
    /// Sends a write and returns its answer.
    ///
    /// # Errors
    /// When nothing answers there, or it refuses: in its own words.
    pub fn send(&self, path: &str, write: Write<'_>) -> Result<Value> {
        let key = uuid::Uuid::new_v4().to_string();
        let (mut pause, never) = (PAUSE, Stop::default());
        let mut last = anyhow!("{} was not asked", self.url);
        for attempt in 1..=TRIES {
            match self.send_once(path, write, &key) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => last = anyhow!("{} cannot keep decisions now; try later", self.url),
                Err(error) if error.downcast_ref::<ureq::Error>().is_some() => last = error,
                Err(error) => return Err(error),
            }
            if attempt < TRIES {
                let _never_set = never.wait(pause);
                pause *= 2;
            }
        }
        Err(last)
    }

    /// One try; `None` if it may be tried again.
    fn send_once(&self, path: &str, write: Write<'_>, key: &str) -> Result<Option<Value>> {
        let address = self.address(path)?;
        let sent = match write {
            Write::Post(body) => {
                let request = self.signed(self.agent.post(&address));
                request.header("idempotency-key", key).send_json(body)
            }
            Write::Delete => {
                let request = self.signed(self.agent.delete(&address));
                request.header("idempotency-key", key).call()
            }
        };
        let mut answer = sent.with_context(|| {
            format!(
                "no running faultline answers at {}; start one with `faultline run -c FILE` or \
                 `faultline demo`, or say where it is with --url or FAULTLINE_URL",
                self.url
            )
        })?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.with_context(|| format!("{} broke off its answer", self.url))?;
        match answer.status().as_u16() {
            200 | 202 => match serde_json::from_slice(&body) {
                Ok(answer) => Ok(Some(answer)),
                Err(_) => bail!("{} does not answer as faultline does", self.url),
            },
            status @ (401 | 403) => Err(self.refused(status, &body)),
            503 if String::from_utf8_lossy(&body).contains("journal_unavailable") => Ok(None),
            status => Err(self.unexpected(status, &body)),
        }
    }
}

/// A value as a query string holds it: all but what RFC 3986 (2.3) calls unreserved by its bytes.
#[must_use]
pub fn escaped(value: &str) -> String {
    const RESERVED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(value, RESERVED).to_string()
}
