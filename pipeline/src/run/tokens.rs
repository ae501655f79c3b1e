//! Tokens read anew while the service runs: one that is added to the configuration or to its file is good within
//! seconds, one that is taken out ends, with its sessions and event streams.
//!
//! The files are read again every two seconds, rather than at a signal or by their times: what mounts secrets
//! (Kubernetes, systemd) swaps them without telling anybody, often under an older time, and a token that was
//! withdrawn must not live on because a signal was forgotten. What cannot be read as a configuration changes
//! nothing, since it may be half written; a token whose own file is gone is gone. Whether anybody is asked at
//! all is decided at start. What is deliberately absent: any other key; those want a restart.

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use super::stop::Stop;
use crate::auth::Keyring;
use crate::config::Config;
use crate::config::read::Source;

const EVERY: Duration = Duration::from_secs(2);

/// The tokens that are in use, and where they come from.
struct Watched {
    source: Source,
    callers: Option<Keyring>,
    senders: Option<Keyring>,
    /// What was wrong when they were read last: told once.
    problems: Vec<String>,
}

/// Watches the tokens of a configuration, if it has some and came from a file.
///
/// # Errors
/// When there can be no thread.
pub(super) fn watch(config: &Config, stop: Stop) -> Result<Option<JoinHandle<Result<()>>>> {
    let Some(mut watched) = Watched::of(config) else { return Ok(None) };
    let body = move || {
        while !stop.wait(EVERY) {
            watched.look();
        }
        Ok(())
    };
    let thread = std::thread::Builder::new().name("tokens".into()).spawn(body);
    thread.map(Some).context("cannot start a thread")
}

impl Watched {
    fn of(config: &Config) -> Option<Self> {
        let callers = config.http.security.keyring().cloned();
        let senders = config.intake.door.senders().cloned();
        let source = config.source.clone()?;
        let has_some = callers.is_some() || senders.is_some();
        has_some.then(|| Self { source, callers, senders, problems: Vec::new() })
    }

    fn look(&mut self) {
        let problems = match self.source.tokens() {
            Ok(read) => {
                replace("console", self.callers.as_ref(), read.callers);
                replace("intake", self.senders.as_ref(), read.senders);
                read.problems
            }
            Err(errors) => errors.all().to_vec(),
        };
        if problems != self.problems {
            for problem in &problems {
                tracing::warn!(problem, "reading the tokens again");
            }
            self.problems = problems;
        }
    }
}

fn replace(of: &'static str, held: Option<&Keyring>, read: Option<Keyring>) {
    let Some(held) = held else { return };
    if held.replace(&read.unwrap_or_default()) {
        tracing::info!(of, tokens = held.count(), "the tokens have changed");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::auth::Role;
    use crate::config::load;

    const ANN: &str = "ann-has-this-long-token";
    const BOB: &str = "bob-has-that-long-token";

    fn write(directory: &Path, tokens: &str) {
        let text = format!(
            "log: {{kind: embedded, directory: d}}\nhttp: {{auth: {{tokens: [{tokens}]}}}}\n\
             intake: {{token: {{file: {}}}}}\n",
            directory.join("sender").display()
        );
        fs::write(directory.join("faultline.yaml"), text).unwrap();
    }

    fn token(directory: &Path, name: &str, role: &str) -> String {
        let file = directory.join(name);
        format!("{{name: {name}, role: {role}, secret: {{file: {}}}}}", file.display())
    }

    fn role(ring: &Keyring, token: &str) -> Option<Role> {
        ring.by_token(token.as_bytes()).map(|caller| caller.role)
    }

    #[test]
    fn tokens_come_change_and_go_with_their_files_and_their_lines() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        for (name, text) in [("ann", ANN), ("bob", BOB), ("sender", "a-sender-has-a-token")] {
            fs::write(at.join(name), format!("{text}\n")).unwrap();
        }
        write(at, &token(at, "ann", "viewer"));
        let config = load(&at.join("faultline.yaml")).unwrap();
        let callers = config.http.security.keyring().unwrap().clone();
        let senders = config.intake.door.senders().unwrap().clone();
        let mut watched = Watched::of(&config).unwrap();
        watched.look();
        assert_eq!((role(&callers, ANN), role(&callers, BOB)), (Some(Role::Viewer), None));

        // A line more, another role.
        write(at, &[token(at, "ann", "responder"), token(at, "bob", "admin")].join(","));
        watched.look();
        assert_eq!(role(&callers, ANN), Some(Role::Responder));
        assert_eq!(role(&callers, BOB), Some(Role::Admin));

        // Another secret under the same line, put in place as mounts do it: renamed, with an older time.
        fs::write(at.join("new"), "ann-has-another-token").unwrap();
        fs::rename(at.join("new"), at.join("ann")).unwrap();
        watched.look();
        assert_eq!(role(&callers, ANN), None);
        assert_eq!(role(&callers, "ann-has-another-token"), Some(Role::Responder));

        // The file is gone, or says nothing: so is the token, and nobody else's.
        fs::remove_file(at.join("ann")).unwrap();
        fs::write(at.join("sender"), "").unwrap();
        watched.look();
        assert_eq!(role(&callers, "ann-has-another-token"), None);
        assert_eq!(role(&callers, BOB), Some(Role::Admin));
        assert_eq!(role(&senders, "a-sender-has-a-token"), None);
        assert_eq!(watched.problems.len(), 2, "{:?}", watched.problems);
        assert!(!watched.problems.concat().contains(BOB));

        // Half a configuration changes nothing; none of its tokens leaves nobody.
        fs::write(at.join("faultline.yaml"), "log: {kind: emb").unwrap();
        watched.look();
        assert_eq!(role(&callers, BOB), Some(Role::Admin));
        write(at, "");
        watched.look();
        assert_eq!((role(&callers, BOB), callers.count()), (None, 0));
    }

    #[test]
    fn a_service_that_asks_nobody_has_nothing_to_watch() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("faultline.yaml");
        fs::write(&file, "log: {kind: embedded, directory: d}\n").unwrap();
        assert!(Watched::of(&load(&file).unwrap()).is_none());
    }
}
