//! The names: stages, what is counted, and how it is told.

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
    /// Snapshots that could not be written.
    SnapshotsFailed,
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
    /// Times that the file of a token could not be read.
    TokensUnread,
    /// Exports of metrics, lines and spans of our own telemetry that could not be sent.
    TelemetryUnsent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    /// Kept in milliseconds, shown in seconds.
    SecondsGauge,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 20] = [
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
        Self::SnapshotsFailed,
        Self::Lag,
        Self::LagTime,
        Self::Open,
        Self::Acts,
        Self::ActsRefused,
        Self::AlertsMuted,
        Self::RequestsRefused,
        Self::TokensUnread,
        Self::TelemetryUnsent,
    ];

    #[expect(clippy::too_many_lines, reason = "one line of text for each of them")]
    pub(super) const fn family(self) -> (&'static str, Kind, &'static str) {
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
            Self::SnapshotsFailed => (
                "faultline_snapshots_failed_total",
                Kind::Counter,
                "Snapshots that could not be written.",
            ),
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
            Self::TokensUnread => (
                "faultline_tokens_unread_total",
                Kind::Counter,
                "Times that the file of a token could not be read.",
            ),
            Self::TelemetryUnsent => (
                "faultline_telemetry_unsent_total",
                Kind::Counter,
                "Exports of metrics, log lines and spans of faultline's own telemetry that were not sent.",
            ),
        }
    }

    /// The name in the exposition.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.family().0
    }
}
