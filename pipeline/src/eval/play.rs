//! Plays one stream through a fresh engine, as `faultline replay` does.

use std::sync::Arc;

use anyhow::{Context, Result};
use model::incident::Incident;
use model::recording::{TopicRecord, topic};
use model::time::{Nanos, Timestamp};

use super::history::History;
use super::stretches::Stretches;
use super::suite::Stream;
use crate::player::Player;
use crate::recording::Recordings;
use crate::stages::line::LineOutput;
use crate::stages::observe::ObserveStats;
use crate::stages::settings::Settings;

/// Telemetry covers the time until the next record that comes no later than this: twice the usual
/// scrape interval of a minute. A longer pause is a gap, which says nothing of anybody's health.
const COVERED_FOR: Nanos = Nanos::from_secs(120);

/// What a stream came to.
pub struct Played {
    /// Its incidents over all their revisions.
    pub history: History,
    /// The last revision of each incident that exists in every order of arrival, by onset and id.
    pub finals: Vec<Arc<Incident>>,
    /// When its records arrived.
    pub coverage: Coverage,
    /// What was read.
    pub stats: ObserveStats,
}

/// When records arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The first and the last record.
    pub extent: Option<(Timestamp, Timestamp)>,
    telemetry: Vec<(Timestamp, Timestamp)>,
}

impl Coverage {
    /// Notes a record.
    pub fn note(&mut self, record: &TopicRecord) {
        let at = Timestamp::from_millis(record.timestamp_ms);
        let extent = self.extent.get_or_insert((at, at));
        *extent = (extent.0.min(at), extent.1.max(at));
        if ![topic::SPANS, topic::LOGS, topic::METRICS].contains(&record.topic.as_str()) {
            return;
        }
        match self.telemetry.last_mut() {
            Some((from, to)) if *from <= at && at - *to <= COVERED_FOR => *to = (*to).max(at),
            _ => self.telemetry.push((at, at)),
        }
    }

    /// The time with telemetry.
    #[must_use]
    pub fn telemetry(&self) -> Stretches {
        Stretches::union(self.telemetry.iter().copied())
    }
}

/// Plays a stream. `each` sees every record before the engine does.
///
/// # Errors
/// When a recording cannot be read.
pub fn play(
    stream: &Stream,
    settings: &Settings,
    each: &mut dyn FnMut(&TopicRecord),
) -> Result<Played> {
    let mut player = Player::new(settings.clone(), 1);
    let mut history = History::new(stream.windows.iter().map(|window| window.end));
    let mut coverage = Coverage::default();
    let mut keep = |output: LineOutput| {
        // What cannot be read is the recording's; the engine goes on, and so does the score.
        if let LineOutput::Revision(incident, _) = output {
            history.take(*incident);
        }
        Ok(())
    };
    for record in Recordings::new(stream.segments.clone()) {
        let record = record.with_context(|| format!("stream {}", stream.id))?;
        coverage.note(&record);
        each(&record);
        player.play(record, &mut keep)?;
    }
    player.finish(&mut keep)?;
    let settled = player.line().settled_ids();
    let mut finals: Vec<Arc<Incident>> = history
        .courses
        .iter()
        .filter(|(id, _)| settled.contains(id))
        .map(|(_, course)| course.last.clone())
        .collect();
    finals.sort_by_key(|incident| (incident.onset_at, incident.id));
    Ok(Played { history, finals, coverage, stats: player.line().stats() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::at;

    #[test]
    fn a_pause_of_all_telemetry_is_no_time_that_counts() {
        let mut coverage = Coverage::default();
        for (seconds, topic) in [
            (0, topic::METRICS),
            (100, topic::SPANS),
            (400, topic::ALERTS),
            (500, topic::LOGS),
            (560, topic::LOGS),
        ] {
            coverage.note(&TopicRecord {
                topic: topic.into(),
                timestamp_ms: seconds * 1000,
                key: None,
                headers: Vec::new(),
                value: Vec::new(),
            });
        }
        assert_eq!(coverage.extent, Some((at(0), at(560))));
        assert_eq!(coverage.telemetry(), Stretches::union([(at(0), at(100)), (at(500), at(560))]));
    }
}
