//! Metrics: a small typed registry and its Prometheus text form (version 0.0.4).
//!
//! Names are an enum and the only label is the stage, so the number of series is fixed when the
//! program is compiled: nothing from outside can become a label. What is deliberately absent:
//! histograms (the clock is read in few places; lag and counts answer the questions of today).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// The stages that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// HTTP intake.
    Intake,
    /// Spans to panes.
    Observe,
    /// Panes to symptoms.
    Detect,
    /// Journal to incidents.
    Correlate,
    /// Incidents to sinks.
    Deliver,
    /// Incidents to the view behind this API.
    Console,
    /// Incidents, alerts, changes and deliveries to files.
    History,
}

impl Stage {
    /// All of them, in walking order.
    pub const ALL: [Self; 7] = [
        Self::Intake,
        Self::Observe,
        Self::Detect,
        Self::Correlate,
        Self::Deliver,
        Self::Console,
        Self::History,
    ];

    /// The label's value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Observe => "observe",
            Self::Detect => "detect",
            Self::Correlate => "correlate",
            Self::Deliver => "deliver",
            Self::Console => "console",
            Self::History => "history",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Records read.
    RecordsRead,
    /// Bytes of records read.
    BytesRead,
    /// Items decoded or folded: spans, symptoms, journal entries, revisions.
    ItemsProcessed,
    /// Records written.
    RecordsWritten,
    /// Records that were put aside: undecodable, or an act that was not carried out.
    DeadLetters,
    /// Items dropped because a bound was reached.
    ItemsDropped,
    /// Items that came after the allowed lateness.
    ItemsLate,
    /// Repeats that were recognised.
    Repeats,
    /// Attempts that failed and were tried again.
    Retries,
    /// Snapshots written.
    Snapshots,
    /// Records between the end of the log and what was read.
    Lag,
    /// Age of the newest record that was read, while there are more to read. Set in milliseconds.
    LagTime,
    /// Records that wait for their order of arrival.
    Open,
    /// People's decisions that were carried out.
    Acts,
    /// People's decisions that were not.
    ActsRefused,
    /// Alerts that fire and are muted.
    AlertsMuted,
    /// HTTP requests that were refused: no token, a wrong one, a role or a site that may not.
    RequestsRefused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    /// Kept in milliseconds, shown in seconds.
    SecondsGauge,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::RecordsRead,
        Self::BytesRead,
        Self::ItemsProcessed,
        Self::RecordsWritten,
        Self::DeadLetters,
        Self::ItemsDropped,
        Self::ItemsLate,
        Self::Repeats,
        Self::Retries,
        Self::Snapshots,
        Self::Lag,
        Self::LagTime,
        Self::Open,
        Self::Acts,
        Self::ActsRefused,
        Self::AlertsMuted,
        Self::RequestsRefused,
    ];

    const fn family(self) -> (&'static str, Kind, &'static str) {
        match self {
            Self::RecordsRead => ("faultline_records_read_total", Kind::Counter, "Records read."),
            Self::BytesRead => {
                ("faultline_read_bytes_total", Kind::Counter, "Bytes of records read.")
            }
            Self::ItemsProcessed => (
                "faultline_items_processed_total",
                Kind::Counter,
                "Spans, symptoms, journal entries or revisions processed.",
            ),
            Self::RecordsWritten => {
                ("faultline_records_written_total", Kind::Counter, "Records written.")
            }
            Self::DeadLetters => (
                "faultline_dead_letters_total",
                Kind::Counter,
                "Records put aside: they could not be decoded, or an act was not carried out.",
            ),
            Self::ItemsDropped => (
                "faultline_items_dropped_total",
                Kind::Counter,
                "Items dropped because a bound was reached.",
            ),
            Self::ItemsLate => (
                "faultline_items_late_total",
                Kind::Counter,
                "Items that came after the allowed lateness.",
            ),
            Self::Repeats => {
                ("faultline_repeats_total", Kind::Counter, "Repeated records recognised.")
            }
            Self::Retries => {
                ("faultline_retries_total", Kind::Counter, "Attempts that were tried again.")
            }
            Self::Snapshots => ("faultline_snapshots_total", Kind::Counter, "Snapshots written."),
            Self::Lag => {
                let help = "Records behind the end of the log; NaN while the log does not answer.";
                ("faultline_lag_records", Kind::Gauge, help)
            }
            Self::LagTime => (
                "faultline_lag_seconds",
                Kind::SecondsGauge,
                "Age of the newest record that was read, while there are more to read; NaN if not known.",
            ),
            Self::Open => (
                "faultline_open_items",
                Kind::Gauge,
                "Records that wait for their order of arrival.",
            ),
            Self::Acts => {
                ("faultline_acts_total", Kind::Counter, "Decisions of people carried out.")
            }
            Self::ActsRefused => (
                "faultline_acts_refused_total",
                Kind::Counter,
                "Decisions of people not carried out; the dead letters say why.",
            ),
            Self::AlertsMuted => {
                ("faultline_alerts_muted", Kind::Gauge, "Alerts that fire and are muted.")
            }
            Self::RequestsRefused => (
                "faultline_requests_refused_total",
                Kind::Counter,
                "HTTP requests refused for who asks or from where.",
            ),
        }
    }

    /// The name in the exposition.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.family().0
    }
}

/// The value of a gauge that nobody knows now: shown as `NaN`.
pub const UNKNOWN: u64 = u64::MAX;

/// The value of a gauge that nobody has measured yet, or ever will: it has no series.
pub const UNMEASURED: u64 = u64::MAX - 1;

const SERIES: usize = Metric::ALL.len() * Stage::ALL.len();

/// The registry. All operations are single relaxed atomics.
#[derive(Debug)]
pub struct Metrics {
    slots: [AtomicU64; SERIES],
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self { slots: std::array::from_fn(|_| AtomicU64::new(0)) };
        for stage in Stage::ALL {
            metrics.set(Metric::Lag, stage, UNMEASURED);
            metrics.set(Metric::LagTime, stage, UNMEASURED);
        }
        metrics
    }
}

impl Metrics {
    fn slot(&self, metric: Metric, stage: Stage) -> Option<&AtomicU64> {
        // Discriminants count from zero in the order of `ALL`; a test holds them together.
        self.slots.get(metric as usize * Stage::ALL.len() + stage as usize)
    }

    /// Adds to a counter or gauge.
    pub fn add(&self, metric: Metric, stage: Stage, amount: u64) {
        if let Some(slot) = self.slot(metric, stage) {
            slot.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Sets a gauge, or a counter that is kept elsewhere; unit of [`Metric::LagTime`]: milliseconds.
    pub fn set(&self, metric: Metric, stage: Stage, value: u64) {
        if let Some(slot) = self.slot(metric, stage) {
            slot.store(value, Ordering::Relaxed);
        }
    }

    /// The value now.
    #[must_use]
    pub fn get(&self, metric: Metric, stage: Stage) -> u64 {
        self.slot(metric, stage).map_or(0, |slot| slot.load(Ordering::Relaxed))
    }

    /// The exposition. Every series but what is unmeasured is printed from the start, so that rates begin at
    /// zero.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(SERIES * 64);
        for metric in Metric::ALL {
            let (name, kind, help) = metric.family();
            write_head(&mut text, name, kind, help);
            for stage in Stage::ALL {
                let label = stage.label();
                let value = self.get(metric, stage);
                if value == UNMEASURED {
                    continue;
                }
                let shown = match kind {
                    Kind::Gauge | Kind::SecondsGauge if value == UNKNOWN => "NaN".to_owned(),
                    Kind::SecondsGauge => format!("{}.{:03}", value / 1000, value % 1000),
                    Kind::Counter | Kind::Gauge => value.to_string(),
                };
                line(&mut text, format_args!("{name}{{stage=\"{label}\"}} {shown}"));
            }
        }
        text
    }
}

/// Appends one gauge with one label whose values are known when the program is compiled.
pub fn render_gauge(
    text: &mut String,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&'static str, u64)],
) {
    write_head(text, name, Kind::Gauge, help);
    for (of, value) in values {
        line(text, format_args!("{name}{{{label}=\"{of}\"}} {value}"));
    }
}

fn write_head(text: &mut String, name: &str, kind: Kind, help: &str) {
    let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
    line(text, format_args!("# HELP {name} {help}"));
    line(text, format_args!("# TYPE {name} {kind}"));
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    if text.write_fmt(what).is_ok() {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_its_own_slot() {
        let metrics = Metrics::default();
        for (m, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, m, "{} is out of order in ALL", metric.name());
            for (s, stage) in Stage::ALL.into_iter().enumerate() {
                assert_eq!(stage as usize, s);
                metrics.set(metric, stage, (m * 10 + s) as u64);
                metrics.add(metric, stage, 1);
            }
        }
        for (m, metric) in Metric::ALL.into_iter().enumerate() {
            for (s, stage) in Stage::ALL.into_iter().enumerate() {
                assert_eq!(metrics.get(metric, stage), (m * 10 + s) as u64 + 1);
            }
        }
    }

    #[test]
    fn names_follow_prometheus() {
        for metric in Metric::ALL {
            let (name, kind, help) = metric.family();
            assert!(name.starts_with("faultline_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn time_is_kept_in_milliseconds_and_shown_in_seconds() {
        let metrics = Metrics::default();
        metrics.set(Metric::LagTime, Stage::Detect, 12_034);
        let text = metrics.render();
        assert!(text.contains("faultline_lag_seconds{stage=\"detect\"} 12.034\n"), "{text}");
        assert!(text.contains("# TYPE faultline_lag_seconds gauge\n"));
    }

    #[test]
    fn what_nobody_measures_has_no_series_until_somebody_does() {
        let metrics = Metrics::default();
        assert!(!metrics.render().contains("faultline_lag_seconds{"), "{}", metrics.render());
        metrics.set(Metric::Lag, Stage::Observe, 0);
        let text = metrics.render();
        assert!(text.contains("faultline_lag_records{stage=\"observe\"} 0\n"), "{text}");
        assert!(!text.contains("faultline_lag_records{stage=\"deliver\"}"), "{text}");
    }

    #[test]
    fn what_nobody_knows_is_no_number() {
        let metrics = Metrics::default();
        metrics.set(Metric::LagTime, Stage::Detect, UNKNOWN);
        metrics.set(Metric::Lag, Stage::Detect, UNKNOWN);
        let text = metrics.render();
        assert!(text.contains("faultline_lag_seconds{stage=\"detect\"} NaN\n"), "{text}");
        assert!(text.contains("faultline_lag_records{stage=\"detect\"} NaN\n"), "{text}");
    }
}
