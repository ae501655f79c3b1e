//! From what people write to what the program uses. All errors are told at once, each with the
//! key and what to do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use model::id::CellId;
use model::time::{Nanos, PaneWidth};
use sinks::config::SinkConfig;
use sinks::config::secret::{Secret, SecretError, SecretRef};

use super::raw::{RawConfig, RawLog, default_session_s};
use super::usable::{Config, LogChoice};
use crate::auth::Keyring;
use crate::control::desk::ActClock;
use crate::grouping::Grouping;
use crate::log::kafka::KafkaConfig;
use crate::run::lease::finish_within;
use crate::stages::settings::Settings;
use crate::topics::{InputTopics, OwnTopics};

/// Whether secrets are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Secrets {
    /// They are, and a missing one is an error.
    #[default]
    Read,
    /// They are not: only parameters are wanted, and nobody is spoken to.
    Left,
}

/// Checks what was read.
#[derive(Default)]
pub(super) struct Checker {
    errors: Vec<String>,
    secrets: Secrets,
    pub(super) kept: Kept,
}

/// What is known of tokens from before, for files that cannot be read at the moment.
#[derive(Default)]
pub(super) struct Kept {
    /// Of the API and the console.
    pub(super) callers: Option<Keyring>,
    /// Of the intake.
    pub(super) senders: Option<Keyring>,
    /// Files that could not be read for too long.
    pub(super) given_up: BTreeSet<PathBuf>,
    /// Files of tokens that could not be read, by this checker.
    pub(super) unread: Vec<PathBuf>,
}

impl Checker {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, ..Self::default() }
    }

    pub(super) fn check(mut self, raw: RawConfig) -> Result<Config, Vec<String>> {
        let settings = self.settings(&raw);
        let (mut log, create_topics) = self.log(&raw.log);
        let session = self.session(&raw.log);
        if let LogChoice::Kafka(config) = &mut log {
            // A record that is written late would come behind those of the next at work.
            config.append_timeout = config.append_timeout.min(finish_within(session));
        }
        let http = self.http("http.listen", &raw.http);
        let intake = self.intake(&raw.intake);
        if http.address == intake.address && http.address.port() != 0 {
            self.error("intake.listen", "is the same address as http.listen; choose another port");
        }
        self.errors.extend(sinks::config::validate(&raw.sinks).iter().map(ToString::to_string));
        self.sink_topics(&raw.sinks, &settings);
        let history = raw.history.as_ref().and_then(|raw| super::history::check(raw, &mut self));
        let telemetry = self.telemetry(&raw.telemetry, intake.address);
        self.done()?;
        Ok(Config {
            settings,
            log,
            data_dir: raw.data_dir,
            input_partitions: raw.topics.input_partitions,
            create_topics,
            session,
            http,
            intake,
            sinks: raw.sinks,
            act_clock: ActClock::Wall,
            history,
            telemetry,
            source: None,
        })
    }

    /// A sink may not write to a topic that the stages read or write.
    fn sink_topics(&mut self, sinks: &[SinkConfig], settings: &Settings) {
        let own = settings.own.specs(1, 1);
        let inputs = settings.inputs.all();
        for sink in sinks {
            let SinkConfig::Kafka(config) = sink else { continue };
            let is_ours = own.iter().any(|spec| spec.name == config.topic)
                || inputs.iter().any(|(name, _)| *name == config.topic);
            if is_ours {
                let key = format!("sinks.{}.topic", config.name);
                self.error(&key, "is a topic that faultline itself uses; choose another");
            }
        }
    }

    /// How much was wrong so far.
    pub(super) fn count(&self) -> usize {
        self.errors.len()
    }

    /// What was wrong so far.
    pub(super) fn done(self) -> Result<(), Vec<String>> {
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }

    /// Whether files and variables of secrets are looked at.
    #[cfg(feature = "history")]
    pub(super) fn reads_secrets(&self) -> bool {
        self.secrets == Secrets::Read
    }

    pub(super) fn error(&mut self, key: &str, what: &str) {
        self.errors.push(format!("{key}: {what}"));
    }

    pub(super) fn within(&mut self, key: &str, value: i64, low: i64, high: i64) -> i64 {
        if !(low..=high).contains(&value) {
            self.error(key, &format!("{value} is not between {low} and {high}"));
        }
        value.clamp(low, high)
    }

    fn settings(&mut self, raw: &RawConfig) -> Settings {
        let mut settings = Settings {
            cells: self.cells(&raw.cells),
            observe_tasks: self.within("tasks.observe", raw.tasks.observe.into(), 1, 256) as u32,
            detect_tasks: self.within("tasks.detect", raw.tasks.detect.into(), 1, 256) as u32,
            inputs: self.inputs(raw),
            own: OwnTopics::with_prefix(&raw.topics.prefix),
            ..Settings::default()
        };
        self.within("topics.input_partitions", raw.topics.input_partitions.into(), 1, 10_000);
        let width = PaneWidth::from_secs(self.within("time.pane_s", raw.time.pane_s, 1, 600));
        let delay = self.within("time.watermark_delay_s", raw.time.watermark_delay_s, 0, 600);
        let lateness = self.within("time.lateness_s", raw.time.lateness_s, 0, 3600);
        let incidents = &raw.incidents;
        let day = 86_400;
        let quiet = self.within("incidents.resolve_after_s", incidents.resolve_after_s, 10, day);
        let reopen =
            self.within("incidents.reopen_within_s", incidents.reopen_within_s, 0, 7 * day);
        let stale = self.within(
            "incidents.alert_stale_after_s",
            incidents.alert_stale_after_s,
            60,
            30 * day,
        );
        settings.observe.width = width;
        settings.observe.watermark_delay = Nanos::from_secs(delay);
        settings.observe.lateness = Nanos::from_secs(lateness);
        settings.observe.shares = settings.detect_tasks;
        settings.detect.width = width;
        settings.correlate.width = width;
        settings.correlate.settle_after = Nanos::from_secs(2 * lateness);
        settings.correlate.quiet_after = Nanos::from_secs(quiet);
        settings.correlate.reopen_within = Nanos::from_secs(reopen);
        settings.correlate.alert_stale_after = Nanos::from_secs(stale);
        match Grouping::compile(&raw.grouping, settings.correlate.bindings.clone()) {
            Ok(grouping) => settings.grouping = grouping,
            Err(errors) => self.errors.extend(errors),
        }
        settings
    }

    fn cells(&mut self, names: &[String]) -> Vec<CellId> {
        if names.is_empty() {
            self.error("cells", "must name at least one; `[default]` is the default");
        }
        for (place, name) in names.iter().enumerate() {
            if name.is_empty() || names.iter().take(place).any(|earlier| earlier == name) {
                self.error("cells", &format!("`{name}` is empty or named twice"));
            }
        }
        names.iter().map(|name| CellId(name.as_str().into())).collect()
    }

    fn inputs(&mut self, raw: &RawConfig) -> InputTopics {
        let topics = &raw.topics;
        let inputs = InputTopics {
            spans: topics.spans.clone(),
            logs: topics.logs.clone(),
            metrics: topics.metrics.clone(),
            alerts: topics.alerts.clone(),
            changes: topics.changes.clone(),
            topology: topics.topology.clone(),
        };
        let names: Vec<&str> = inputs.all().into_iter().map(|(name, _)| name).collect();
        for (place, name) in names.iter().enumerate() {
            let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            if name.is_empty() || name.len() > 249 || !name.bytes().all(legal) {
                self.error("topics", &format!("`{name}` is no name of a Kafka topic"));
            }
            if names.iter().take(place).any(|earlier| earlier == name) {
                self.error("topics", &format!("`{name}` is named twice; each input has its own"));
            }
        }
        inputs
    }

    fn log(&mut self, raw: &RawLog) -> (LogChoice, bool) {
        match raw {
            RawLog::Embedded { directory } => (LogChoice::Embedded(directory.clone()), true),
            RawLog::Kafka { brokers, properties, secret_properties, create_topics, .. } => {
                if brokers.trim().is_empty() {
                    self.error("log.brokers", "is empty; give `host:port`, joined by commas");
                }
                let mut properties = properties.clone();
                for (key, secret) in secret_properties {
                    let at = format!("log.secret_properties.{key}");
                    if let Some(value) = self.secret(&at, secret) {
                        properties.insert(key.clone(), value.expose().to_owned());
                    }
                }
                let secure = properties.get("security.protocol");
                if secure.is_some_and(|protocol| protocol.to_ascii_lowercase().contains("ssl"))
                    && !cfg!(feature = "tls")
                {
                    self.error(
                        "log.properties.security.protocol",
                        "this build has no TLS for Kafka: build with `--features tls`",
                    );
                }
                let config = KafkaConfig { properties, ..KafkaConfig::new(brokers) };
                (LogChoice::Kafka(config), *create_topics)
            }
        }
    }

    fn session(&mut self, raw: &RawLog) -> Duration {
        let session_s = match raw {
            RawLog::Kafka { session_s, .. } => *session_s,
            RawLog::Embedded { .. } => default_session_s(),
        };
        // Brokers take more, but a stop may have to wait for one.
        Duration::from_secs(self.within("log.session_s", session_s.into(), 6, 120).unsigned_abs())
    }

    pub(super) fn secret(&mut self, key: &str, secret: &SecretRef) -> Option<Secret> {
        if self.secrets == Secrets::Left {
            return None;
        }
        secret.read().map_err(|error| self.error(key, &error)).ok()
    }

    /// A token's secret; `Err`, told as well, when its file says nothing at the moment.
    pub(super) fn token(
        &mut self,
        key: &str,
        secret: &SecretRef,
    ) -> Result<Option<Secret>, PathBuf> {
        if self.secrets == Secrets::Left {
            return Ok(None);
        }
        let error = match secret.look() {
            Ok(secret) => return Ok(Some(secret)),
            Err(error) => error,
        };
        self.error(key, &error.to_string());
        match (error, secret) {
            (SecretError::Unread(_), SecretRef::File(file)) => {
                self.kept.unread.push(file.clone());
                Err(file.clone())
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str) -> Result<Config, Vec<String>> {
        let raw: RawConfig = serde_saphyr::from_str(yaml).map_err(|e| vec![e.to_string()])?;
        Checker::default().check(raw)
    }

    #[test]
    fn three_lines_are_a_configuration() {
        let config = check("log:\n  kind: kafka\n  brokers: 127.0.0.1:9092\n").unwrap();
        assert_eq!(config.settings.own.incidents, "faultline.incidents");
        assert_eq!(config.http.address.port(), 7070);
    }

    #[test]
    fn all_errors_are_told_at_once_and_name_their_keys() {
        let errors = check(
            "log: {kind: kafka, brokers: ''}\ncells: [a, a]\ntime: {pane_s: 0}\n\
             http: {listen: '0.0.0.0:7070'}\nintake: {listen: nowhere}\ntopics: {spans: 'a b'}\n",
        )
        .unwrap_err();
        for key in ["log.brokers", "cells", "time.pane_s", "http.listen", "intake.listen", "topics"]
        {
            assert!(errors.iter().any(|error| error.starts_with(key)), "{key}: {errors:#?}");
        }
    }

    #[cfg(feature = "history")]
    #[test]
    fn a_history_is_kept_in_one_place_and_served_to_strangers_only_behind_tls() {
        let with = |history: &str| {
            check(&format!("log: {{kind: embedded, directory: d}}\nhistory: {history}\n"))
        };
        let kept = with("{directory: ./h, pg: {}}").unwrap().history.unwrap();
        assert_eq!(kept.pg.unwrap().listen.to_string(), "127.0.0.1:5433");
        for (history, key) in [
            ("{}", "history"),
            ("{directory: h, s3: {url: 's3://b/p'}}", "history"),
            ("{s3: {url: 'http://b'}}", "history.s3.url"),
            ("{directory: h, retention_days: 0}", "history.retention_days"),
            ("{directory: h, pg: {listen: '0.0.0.0:5433'}}", "history.pg"),
            ("{directory: h, pg: {listen: nowhere}}", "history.pg.listen"),
            ("{directory: h, pg: {tls: {certificate: /no, key: /no}}}", "history.pg.tls"),
            ("{directory: h, pg: {password: {env: NOT_SET_ANYWHERE}}}", "history.pg.password"),
        ] {
            let errors = with(history).unwrap_err();
            assert!(
                errors.iter().any(|e| e.starts_with(&format!("{key}:"))),
                "{history}: {errors:?}"
            );
        }
    }

    #[test]
    fn a_sink_may_not_write_to_a_topic_of_ours() {
        for topic in ["faultline.incidents", "alerts"] {
            let yaml = format!(
                "log: {{kind: embedded, directory: d}}\n\
                 sinks: [{{kafka: {{name: feed, topic: {topic}}}}}]\n"
            );
            let errors = check(&yaml).unwrap_err();
            assert!(errors[0].starts_with("sinks.feed.topic"), "{errors:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let errors = check("log: {kind: embedded, directory: d}\nlogs: 3\n").unwrap_err();
        assert!(errors[0].contains("logs"), "{errors:?}");
    }
}
