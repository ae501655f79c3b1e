//! What a frame shows, from the newest look and the one before it.

use model::incident::{IncidentState, Priority};
use model::time::Timestamp;
use serde::Serialize;

use super::look::Look;
use crate::http::metrics::{Metric, Stage, outboxes};
use crate::http::summary::IncidentSummary;
use crate::tell::{cause, clean, hands, short_id};

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageRow {
    /// Its name.
    pub stage: &'static str,
    /// Records read, per second; null without an earlier look.
    pub read_per_s: Option<f64>,
    /// Bytes read, per second.
    pub read_bytes_per_s: Option<f64>,
    /// Records written, per second.
    pub written_per_s: Option<f64>,
    /// Records behind the end of the log; null while it does not answer.
    pub lag_records: Option<u64>,
    /// How old the newest record is that was read, while there is more to read. Unit: seconds; null
    /// if that is not known.
    pub lag_s: Option<f64>,
    /// Records that became dead letters, were dropped or came too late, since the start.
    pub lost: u64,
    /// Attempts that were tried again, since the start.
    pub retries: u64,
}

/// One sink.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SinkRow {
    /// Its name.
    pub sink: String,
    /// Incidents of which it should have been told by now and was not.
    pub owed_count: u64,
    /// How long the oldest of them has been due. Unit: seconds.
    pub oldest_s: f64,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IncidentRow {
    /// First digits of its id.
    pub id: String,
    /// Priority.
    pub priority: Priority,
    /// State.
    pub state: &'static str,
    /// Since its onset, in event time; since it was told, where telemetry shows it later. Unit: seconds.
    pub age_s: u64,
    /// One line.
    pub title: String,
    /// The first hypothesis.
    pub cause: String,
    /// Who works on it, else who owns the first hypothesis.
    pub who: Option<String>,
    /// What people did about it, each behind a bar; may be empty.
    pub people: String,
    /// Services that take part.
    pub services_count: usize,
    /// Alerts that fire.
    pub alerts_firing_count: usize,
}

/// A frame's content. All text is safe for a terminal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Where the system is.
    pub url: String,
    /// Its version.
    pub version: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Conditions that do not hold.
    pub failing: Vec<String>,
    /// The newest event time.
    pub event_time: Option<Timestamp>,
    /// How far event time is behind the clock: the delay of the watermark and of everything before
    /// it. Unit: seconds; null without event time.
    pub behind_clock_s: Option<u64>,
    /// Incidents that are open, suspected, resolved.
    pub open_count: u64,
    /// As above.
    pub suspected_count: u64,
    /// As above.
    pub resolved_count: u64,
    /// The stages, in walking order.
    pub stages: Vec<StageRow>,
    /// The sinks that this process tells.
    pub sinks: Vec<SinkRow>,
    /// Active incidents: open before suspected, then by priority, then the oldest.
    pub incidents: Vec<IncidentRow>,
    /// How many active incidents there are.
    pub matching: usize,
}

impl Shown {
    /// What to show of a look, with rates since an earlier one.
    #[must_use]
    pub fn new(url: &str, look: &Look, before: Option<&Look>) -> Self {
        let status = &look.status;
        let count = |state: &str| status.incidents.get(state).copied().unwrap_or(0);
        let failing = status.checks.iter().filter(|check| !check.holds);
        let mut incidents: Vec<&IncidentSummary> = look.incidents.iter().collect();
        incidents.sort_by_key(|i| (i.state != IncidentState::Open, i.priority, i.onset_at, i.id));
        let now = status.now;
        Self {
            url: clean(url),
            version: clean(&status.version),
            ready: status.ready,
            failing: failing
                .map(|check| clean(&format!("{}: {}", check.stage, check.condition)))
                .collect(),
            event_time: now,
            behind_clock_s: now.map(|now| seconds(now, look.at)),
            open_count: count("open"),
            suspected_count: count("suspected"),
            resolved_count: count("resolved"),
            stages: Stage::ALL.iter().map(|stage| stage_row(*stage, look, before)).collect(),
            sinks: sink_rows(look),
            incidents: incidents
                .into_iter()
                .map(|i| incident_row(i, now.unwrap_or(look.at)))
                .collect(),
            matching: look.matching,
        }
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    (to.millis() - from.millis()).max(0).unsigned_abs() / 1000
}

fn stage_row(stage: Stage, look: &Look, before: Option<&Look>) -> StageRow {
    let value = |look: &Look, metric: Metric| look.metrics.get(metric.name(), stage.label());
    let rate = |metric: Metric| {
        let before = before?;
        let passed_s = (look.at.millis() - before.at.millis()) as f64 / 1000.0;
        let grown = value(look, metric)? - value(before, metric)?;
        // A counter that fell is that of a process that was started anew.
        (passed_s > 0.0 && grown >= 0.0).then_some(grown / passed_s)
    };
    let known = |metric: Metric| value(look, metric).filter(|value| value.is_finite());
    let sum = |metrics: &[Metric]| {
        metrics.iter().filter_map(|metric| value(look, *metric)).sum::<f64>().max(0.0) as u64
    };
    StageRow {
        stage: stage.label(),
        read_per_s: rate(Metric::RecordsRead),
        read_bytes_per_s: rate(Metric::BytesRead),
        written_per_s: rate(Metric::RecordsWritten),
        lag_records: known(Metric::Lag).map(|records| records as u64),
        lag_s: known(Metric::LagTime),
        lost: sum(&[Metric::DeadLetters, Metric::ItemsDropped, Metric::ItemsLate]),
        retries: sum(&[Metric::Retries]),
    }
}

fn sink_rows(look: &Look) -> Vec<SinkRow> {
    let value = |name, sink: &str| look.metrics.get(name, sink).unwrap_or(0.0).max(0.0);
    let row = |sink: &str| SinkRow {
        sink: clean(sink),
        owed_count: value(outboxes::INCIDENTS, sink) as u64,
        oldest_s: value(outboxes::OLDEST, sink),
    };
    look.metrics.labels(outboxes::INCIDENTS).map(row).collect()
}

fn incident_row(incident: &IncidentSummary, now: Timestamp) -> IncidentRow {
    IncidentRow {
        id: short_id(incident.id),
        priority: incident.priority,
        state: incident.state.label(),
        age_s: seconds(incident.onset_at.min(incident.opened_at), now),
        title: clean(&incident.title),
        cause: clean(&cause(incident)),
        who: incident.assignee.as_ref().or(incident.owner.as_ref()).map(|who| clean(who)),
        people: clean(&hands(incident)),
        services_count: incident.services.len(),
        alerts_firing_count: incident.alerts_firing_count,
    }
}
