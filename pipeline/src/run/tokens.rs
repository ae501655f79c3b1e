//! Tokens read anew while the service runs: one that is added to the configuration or to its file is good within
//! seconds, one that is taken out ends, with its sessions and event streams.
//!
//! The files are read again every two seconds, rather than at a signal or by their times: what mounts secrets
//! (Kubernetes, systemd) swaps them without telling anybody, often under an older time, and a token that was
//! withdrawn must not live on because a signal was forgotten. What cannot be read as a configuration changes
//! nothing, since it may be half written; a token whose own file is gone is gone. A file that cannot be read (a mount
//! that is away, too many open files) says neither that a token is good nor that it was withdrawn: what was known of it
//! is good for ten more minutes, which is time for a person to be woken, and no way to keep a token for good by
//! breaking its disk. Whether anybody is asked at all is decided at start. What is deliberately absent: any other key;
//! those want a restart.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use super::stop::Stop;
use crate::auth::Keyring;
use crate::clock::StopWatch;
use crate::config::Config;
use crate::config::read::{Known, Source};
use crate::http::metrics::{Metric, Metrics, Stage};

const EVERY: Duration = Duration::from_secs(2);
/// For so long a token is good whose file cannot be read.
const GOOD_UNREAD: Duration = Duration::from_secs(600);

/// The tokens that are in use, and where they come from.
struct Watched {
    source: Source,
    callers: Option<Keyring>,
    senders: Option<Keyring>,
    /// Since when files cannot be read.
    unread: BTreeMap<PathBuf, StopWatch>,
    good_unread: Duration,
    metrics: Arc<Metrics>,
    /// What was wrong when they were read last: told once.
    problems: Vec<String>,
}

/// Watches the tokens of a configuration, if it has some and came from a file.
///
/// # Errors
/// When there can be no thread.
pub(super) fn watch(
    config: &Config,
    metrics: Arc<Metrics>,
    stop: Stop,
) -> Result<Option<JoinHandle<Result<()>>>> {
    let Some(mut watched) = Watched::of(config, metrics) else { return Ok(None) };
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
    fn of(config: &Config, metrics: Arc<Metrics>) -> Option<Self> {
        let callers = config.http.security.keyring().cloned();
        let senders = config.intake.door.senders().cloned();
        let source = config.source.clone()?;
        let has_some = callers.is_some() || senders.is_some();
        has_some.then(|| Self {
            source,
            callers,
            senders,
            unread: BTreeMap::new(),
            good_unread: GOOD_UNREAD,
            metrics,
            problems: Vec::new(),
        })
    }

    fn look(&mut self) {
        let too_long = self.unread.iter().filter(|(_, since)| since.elapsed() >= self.good_unread);
        let known = Known {
            callers: self.callers.clone(),
            senders: self.senders.clone(),
            given_up: too_long.map(|(file, _)| file.clone()).collect(),
        };
        let problems = match self.source.tokens(&known) {
            Ok(read) => {
                self.note_unread(read.unread);
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

    /// Counts the files that could not be read, and remembers since when.
    fn note_unread(&mut self, files: Vec<PathBuf>) {
        if !files.is_empty() {
            self.metrics.add(Metric::TokensUnread, Stage::Console, files.len() as u64);
        }
        let mut before = std::mem::take(&mut self.unread);
        for file in files {
            let since = before.remove(&file).unwrap_or_else(StopWatch::start);
            self.unread.insert(file, since);
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
        let mut watched = Watched::of(&config, Arc::default()).unwrap();
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
    fn a_file_that_cannot_be_read_withdraws_nothing_for_a_while_and_one_that_is_gone_does() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        for (name, text) in [("ann", ANN), ("bob", BOB), ("sender", "a-sender-has-a-token")] {
            fs::write(at.join(name), text).unwrap();
        }
        write(at, &[token(at, "ann", "viewer"), token(at, "bob", "admin")].join(","));
        let config = load(&at.join("faultline.yaml")).unwrap();
        let callers = config.http.security.keyring().unwrap().clone();
        let senders = config.intake.door.senders().unwrap().clone();
        let metrics = Arc::new(Metrics::default());
        let mut watched = Watched::of(&config, metrics.clone()).unwrap();
        watched.look();

        // A directory in its place gives an error to whoever reads, as a disk does that is broken.
        let away = |name: &str| {
            fs::remove_file(at.join(name)).unwrap();
            fs::create_dir(at.join(name)).unwrap();
        };
        away("ann");
        away("sender");
        for looks in 1..=3 {
            watched.look();
            assert_eq!(role(&callers, ANN), Some(Role::Viewer));
            assert!(senders.by_token(b"a-sender-has-a-token").is_some());
            assert_eq!(metrics.get(Metric::TokensUnread, Stage::Console), 2 * looks);
        }
        assert_eq!(watched.problems.len(), 2, "{:?}", watched.problems);
        // Others go on being read: one is replaced, one is withdrawn.
        write(at, &[token(at, "ann", "responder"), token(at, "bob", "admin")].join(","));
        fs::write(at.join("bob"), "bob-has-another-token").unwrap();
        watched.look();
        assert_eq!((role(&callers, ANN), role(&callers, BOB)), (Some(Role::Responder), None));

        // It can be read again, and what it says now counts.
        fs::remove_dir(at.join("sender")).unwrap();
        fs::write(at.join("sender"), "the-sender-has-a-new-token").unwrap();
        watched.look();
        assert!(senders.by_token(b"a-sender-has-a-token").is_none());
        assert!(senders.by_token(b"the-sender-has-a-new-token").is_some());

        // Not for good; and what is gone is gone at once.
        watched.good_unread = Duration::ZERO;
        watched.look();
        assert_eq!(role(&callers, ANN), None);
        watched.good_unread = GOOD_UNREAD;
        fs::remove_file(at.join("bob")).unwrap();
        watched.look();
        assert_eq!(callers.count(), 0);
    }

    #[test]
    fn a_service_that_asks_nobody_has_nothing_to_watch() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("faultline.yaml");
        fs::write(&file, "log: {kind: embedded, directory: d}\n").unwrap();
        assert!(Watched::of(&load(&file).unwrap(), Arc::default()).is_none());
    }
}
