//! The API of a running system, for the commands that look at one.

pub mod send;

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use model::incident::Incident;
use model::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sinks::config::secret::Secret;

use crate::cli::RemoteArgs;
use crate::http::summary::IncidentSummary;

/// Largest answer that is read. Unit: bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// How long a whole exchange may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A running system.
pub struct Remote {
    agent: ureq::Agent,
    url: String,
    token: Option<Secret>,
}

/// The list of incidents.
#[derive(Debug, Deserialize)]
pub struct List {
    /// The newest event time that the system knows.
    pub now: Option<Timestamp>,
    /// How many incidents the filter accepts.
    pub matching: usize,
    /// The first of them, newest first.
    pub incidents: Vec<IncidentSummary>,
}

impl Remote {
    /// The system that the command line names. Nothing is asked yet.
    ///
    /// # Errors
    /// When the file of the token cannot be read.
    pub fn new(args: &RemoteArgs) -> Result<Self> {
        Self::within(args, TIMEOUT)
    }

    /// As [`Self::new`], with the longest that a whole exchange may take.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn within(args: &RemoteArgs, timeout: Duration) -> Result<Self> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .build();
        Ok(Self {
            agent: config.into(),
            url: args.url.trim_end_matches('/').to_owned(),
            token: args.token()?,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name by which the system knows whose token this is, if it does.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub fn name(&self) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Me {
            name: Option<String>,
        }
        if self.token.is_none() {
            return Ok(None);
        }
        self.json("/api/v1/me").map(|me: Me| me.name)
    }

    /// Rows of incidents; `query` is what the API takes (`state=open&limit=20`).
    ///
    /// # Errors
    /// When nothing answers there, or not as faultline does.
    pub fn list(&self, query: &str) -> Result<List> {
        self.json(&format!("/api/v1/incidents?{query}"))
    }

    /// One whole incident at its newest revision; `id` is its hexadecimal digits, or as many of the
    /// first as are unique.
    ///
    /// # Errors
    /// As [`Self::list`]; when it is not there, or several begin so.
    pub fn incident(&self, id: &str) -> Result<Incident> {
        self.json(&format!("/api/v1/incidents/{id}"))
    }

    /// What a path answers, as JSON.
    ///
    /// # Errors
    /// When nothing answers there, it refuses, or it is not what was expected.
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let bytes = self.get(path)?;
        serde_json::from_slice(&bytes).with_context(|| {
            format!("{} does not answer as faultline does; is it another service?", self.url)
        })
    }

    /// What a path answers, as text.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub fn text(&self, path: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.get(path)?).into_owned())
    }

    fn address(&self, path: &str) -> Result<String> {
        let address = format!("{}{path}", self.url);
        if !address.starts_with("http://") && !address.starts_with("https://") {
            bail!("--url {} is no address; give one like http://127.0.0.1:7070", self.url);
        }
        Ok(address)
    }

    /// The answer to a text of SQL.
    ///
    /// # Errors
    /// As [`Self::json`]; when the statement cannot be answered.
    #[cfg(feature = "history")]
    pub fn sql(&self, query: &str) -> Result<history::sql::answer::Sheet> {
        let request = self.agent.post(self.address("/api/v1/sql")?);
        let asked = serde_json::json!({ "query": query });
        let bytes = self.answer(self.signed(request).send_json(asked))?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} does not answer as faultline does", self.url))
    }

    fn get(&self, path: &str) -> Result<Vec<u8>> {
        self.answer(self.signed(self.agent.get(self.address(path)?)).call())
    }

    fn signed<Body>(&self, request: ureq::RequestBuilder<Body>) -> ureq::RequestBuilder<Body> {
        match &self.token {
            Some(token) => request.header("authorization", &format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    fn answer(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Vec<u8>> {
        let mut answer = answer.map_err(|error| {
            anyhow!(
                "no running faultline answers at {} ({error}); start one with `faultline run -c \
                 FILE` or `faultline demo`, or say where it is with --url or FAULTLINE_URL",
                self.url
            )
        })?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        match answer.status().as_u16() {
            200 => body.with_context(|| format!("{} broke off its answer", self.url)),
            status => {
                let body = body.unwrap_or_default();
                let of_access = matches!(status, 401 | 403) && !is_read_only(&body);
                Err(if of_access {
                    self.refused(status, &body)
                } else {
                    self.unexpected(status, &body)
                })
            }
        }
    }

    fn refused(&self, status: u16, body: &[u8]) -> anyhow::Error {
        let said = said(body).map(|said| format!(" ({said})")).unwrap_or_default();
        let url = &self.url;
        match (&self.token, status) {
            (None, _) => {
                anyhow!(
                    "{url} asks for a token{said}; give it with --token-file or FAULTLINE_TOKEN"
                )
            }
            (Some(_), 403) => anyhow!("{url} does not let this token do that{said}"),
            (Some(_), _) => anyhow!(
                "{url} does not take this token{said}; it takes those that `http.auth` and \
                 `http.token` of its configuration name"
            ),
        }
    }

    fn unexpected(&self, status: u16, body: &[u8]) -> anyhow::Error {
        match said(body) {
            Some(said) => anyhow!("{said}"),
            None => anyhow!(
                "{} answers with status {status}, not as faultline does; is it another service?",
                self.url
            ),
        }
    }
}

/// Whether a statement was refused for what it would do, not for who asked.
fn is_read_only(body: &[u8]) -> bool {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body.pointer("/error/code").is_some_and(|code| code == "read_only")
}

/// What an error of our API says, and what to do about it.
fn said(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        message: String,
        action: String,
    }
    let Body { error } = serde_json::from_slice(body).ok()?;
    Some(crate::tell::clean(&format!("{}: {}", error.message, error.action)))
}
