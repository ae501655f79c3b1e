//! `faultline health`: whether a running system is ready, as an exit code, for images that hold no
//! other HTTP client.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::cli::HealthArgs;
use crate::failure;

/// How long the answer may take: less than a container runtime waits for a probe.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks `/readyz` (or `/livez`). What it learns is the exit code; why not is told on standard error.
///
/// # Errors
/// When nothing answers there.
pub fn health(args: &HealthArgs) -> Result<ExitCode> {
    let path = if args.live { "livez" } else { "readyz" };
    let url = format!("{}/{path}", args.url.trim_end_matches('/'));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .into();
    let answer = agent.get(&url).call().map_err(|error| {
        anyhow::anyhow!(
            "no running faultline answers at {} ({error}); start one (`faultline run -c FILE`), or \
             say where it is with --url (http.listen in its configuration)",
            args.url
        )
    })?;
    if args.json {
        let (ok, status) = (answer.status().is_success(), answer.status().as_u16());
        writeln!(io::stdout().lock(), "{}", json!({"url": url, "ok": ok, "status": status}))?;
    }
    if answer.status().is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    let why = format!("{url} answers {}; {url}?verbose says why", answer.status().as_u16());
    if args.json {
        eprintln!("{}", failure::told(&anyhow::anyhow!(why), true));
    } else {
        eprintln!("{why}");
    }
    Ok(ExitCode::FAILURE)
}
