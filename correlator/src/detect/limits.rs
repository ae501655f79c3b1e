//! Every parameter and bound of the detector, with its reason.

use model::nats::Nats;
use model::time::PaneWidth;
use serde::{Deserialize, Serialize};

/// How a detector judges. Panes are those of the observers' configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectConfig {
    /// Width of a pane.
    pub width: PaneWidth,
    /// From this evidence on, of a pane or of a run of panes, a symptom is told.
    pub tell: Nats,
    /// A run that once reached this was no noise: what was held back of it is not learned.
    pub confirm: Nats,
    /// A generation of a baseline. Unit: panes with telemetry (180 of 10 s are half an hour).
    pub generation_panes: u64,
    /// How long settled panes wait before they are learned, so that the onset of a slow fault is
    /// seen before its first panes count as normal. Unit: panes.
    pub learning_delay: i64,
    /// A level that holds for so many panes is the new normal (720 of 10 s are two hours).
    pub accept_panes: u64,
    /// A level that holds for so many times as long as all that the baseline knows is the new normal
    /// too: of two samples that differ, the one four times larger is hardly the exception.
    pub outgrow: u64,
    /// But not before so many panes: a service that was just met may be met in trouble (90 of 10 s are a quarter
    /// of an hour, longer than most faults last before somebody ends them). For as long a new way into an error is
    /// not learned either.
    #[serde(default = "outgrow_panes")]
    pub outgrow_panes: u64,
    /// Quiet panes after which a run is over.
    pub calm_panes: u64,
}

/// Also what snapshots from before it was known are read with.
const fn outgrow_panes() -> u64 {
    90
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self {
            width: PaneWidth::default(),
            tell: Nats::from_int(3),
            confirm: Nats::from_int(12),
            generation_panes: 180,
            learning_delay: 3,
            accept_panes: 720,
            outgrow: 4,
            outgrow_panes: outgrow_panes(),
            calm_panes: 6,
        }
    }
}

/// Panes without any trace after which the next traces are at a border of the telemetry: their logs, or
/// the other half of their spans, may lie beyond it.
pub(crate) const BORDER_PANES: i64 = 12;
/// Operations of one service; the rest counts as one.
pub(crate) const OPERATIONS_MAX: usize = 64;
/// Callers of one service; the rest counts as one.
pub(crate) const CALLERS_MAX: usize = 256;
/// Names with a baseline that one caller alone brought: they come from attributes of its spans, where ids may stand, and a
/// baseline stays.
pub(crate) const CALLEES_MAX: u32 = 2048;
/// Log templates of one service.
pub(crate) const TEMPLATES_MAX: usize = 512;
/// Pairs of log templates of one operation.
pub(crate) const BIGRAMS_MAX: usize = 64;
/// New errors of one service that wait to be learned.
pub(crate) const UNPROVEN_MAX: usize = 512;
/// Versions of one service that are known at the same time.
pub(crate) const VERSIONS_MAX: usize = 64;
/// Metric series of one service or host.
pub(crate) const SERIES_MAX: usize = 2048;
/// Recent values of a series.
pub(crate) const WINDOW_MAX: usize = 60;
/// Values that a changed series must hold before they are its new normal.
pub(crate) const WINDOW_ACCEPT: usize = 30;
/// Runs of all keys together; the lowest keys stay.
pub(crate) const RUNS_MAX: usize = 100_000;
/// Panes that may wait for a slow observe task before the oldest are given up.
pub(crate) const RING_MAX: usize = 8192;
/// Log templates that one service is quoted with in one pane: enough for a stack of errors.
pub(crate) const VOICES_MAX: usize = 8;
/// Panes after which an unknown log template is news: before, everything is.
pub(crate) const VOICE_PANES_MIN: u64 = 30;
/// Metrics by which two versions of a service are compared.
pub(crate) const SPLIT_METRICS_MAX: usize = 64;
