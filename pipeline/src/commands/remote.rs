//! The API of a running system, for the commands that look at one.

use anyhow::{Context, Result, bail};
use model::incident::Incident;
use serde::Deserialize;

use crate::cli::RemoteArgs;

/// Largest answer that is read. Unit: bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

#[derive(Deserialize)]
struct List {
    incidents: Vec<Incident>,
}

/// All incidents of a running system, newest first.
///
/// # Errors
/// When nothing answers there, or not with what is expected.
pub fn incidents(remote: &RemoteArgs) -> Result<Vec<Incident>> {
    let url = format!("{}/api/v1/incidents?limit=10000", remote.url.trim_end_matches('/'));
    let mut request = ureq::get(&url);
    if let Some(token) = &remote.token {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    let mut answer = request.call().map_err(|error| match error {
        ureq::Error::StatusCode(401 | 403) => {
            anyhow::anyhow!("{} asks for a token; give one with --token", remote.url)
        }
        other => anyhow::anyhow!("{other}"),
    });
    if let Err(error) = &answer
        && !error.to_string().contains("--token")
    {
        bail!("no running faultline answers at {} ({error}); start one, or give --url", remote.url);
    }
    let body = answer.as_mut().map_err(|error| anyhow::anyhow!("{error}"))?.body_mut();
    let bytes = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
    let list: List = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} does not answer as faultline does", remote.url))?;
    Ok(list.incidents)
}
