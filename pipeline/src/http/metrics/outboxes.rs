//! How far each sink is behind: the lag of `deliver`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::name::Name;
use model::time::Timestamp;
use sinks::delivery::outbox::Owed;

use super::names::Kind;
use super::{line, write_head};

/// Incidents that a sink should have been told of and was not.
pub const INCIDENTS: &str = "faultline_outbox_incidents";
/// How long the oldest of them has been due.
pub const OLDEST: &str = "faultline_outbox_oldest_seconds";
pub(super) const INCIDENTS_HELP: &str =
    "Incidents of which a sink should have been told by now and was not.";
pub(super) const OLDEST_HELP: &str =
    "How long the oldest of them has been due; 0 if there is none.";

/// Of each sink: what it should have been told. Sinks are as many as are configured, and their names
/// are of `a-z 0-9 - _`.
#[derive(Debug, Default)]
pub struct Outboxes(Mutex<BTreeMap<Name, Owed>>);

impl Outboxes {
    /// What a sink should have been told by now.
    pub fn set(&self, sink: &Name, owed: Owed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sink.clone(), owed);
    }

    /// What each sink should have been told by now.
    #[must_use]
    pub fn owed(&self) -> BTreeMap<Name, Owed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Appends the gauges; ages are those of this moment.
    pub fn render(&self, text: &mut String, now: Timestamp) {
        let sinks = self.owed();
        write_head(text, INCIDENTS, Kind::Gauge, INCIDENTS_HELP);
        for (sink, owed) in &sinks {
            line(text, format_args!("{INCIDENTS}{{sink=\"{sink}\"}} {}", owed.incidents));
        }
        write_head(text, OLDEST, Kind::SecondsGauge, OLDEST_HELP);
        for (sink, owed) in &sinks {
            let since = owed.oldest_since.unwrap_or(now);
            let ms = now.millis().saturating_sub(since.millis()).max(0);
            let (whole, part) = (ms / 1000, ms % 1000);
            line(text, format_args!("{OLDEST}{{sink=\"{sink}\"}} {whole}.{part:03}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_those_of_the_moment_and_nothing_owed_is_none() {
        let outboxes = Outboxes::default();
        let since = Timestamp::from_millis(10_000);
        outboxes.set(&"itsm".into(), Owed { incidents: 3, oldest_since: Some(since) });
        outboxes.set(&"chat".into(), Owed::default());
        let mut text = String::new();
        outboxes.render(&mut text, Timestamp::from_millis(72_034));
        for series in [
            "faultline_outbox_incidents{sink=\"itsm\"} 3\n",
            "faultline_outbox_incidents{sink=\"chat\"} 0\n",
            "faultline_outbox_oldest_seconds{sink=\"itsm\"} 62.034\n",
            "faultline_outbox_oldest_seconds{sink=\"chat\"} 0.000\n",
            "# TYPE faultline_outbox_oldest_seconds gauge\n",
        ] {
            assert!(text.contains(series), "{series}{text}");
        }
    }
}
