//! Every bound of the observer, with its reason.

use serde::{Deserialize, Serialize};

/// What an observer holds at most. Whatever is dropped for a bound is counted in its stats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserveLimits {
    /// Spans of one trace: a runaway loop must not own the task. The smallest span ids stay.
    pub spans_per_trace: usize,
    /// Log records of one trace. The earliest stay.
    pub logs_per_trace: usize,
    /// Open traces of one task (about one minute of them).
    pub traces: usize,
    /// Open traces that end further ahead of event time than any trusted source says.
    pub traces_ahead: usize,
    /// Metric series of one service or host in one pane.
    pub series: usize,
    /// Log templates of one service in one pane, outside of traces.
    pub templates: usize,
    /// Panes that hold untraced logs and metrics at the same time.
    pub panes: usize,
}

impl Default for ObserveLimits {
    fn default() -> Self {
        Self {
            spans_per_trace: 4096,
            logs_per_trace: 4096,
            traces: 1_000_000,
            traces_ahead: 10_000,
            series: 20_000,
            templates: 1024,
            panes: 256,
        }
    }
}

/// Operations of one service in one pane of one task; a hint of ids inside operation names. The
/// detector folds much earlier; this bound keeps the record itself small.
pub(crate) const OPERATIONS_MAX: usize = 1024;
/// Names that one service calls and no span answers for, in one pane of one task; the rest counts as one. They come from
/// attributes (an address, a host), where ids may stand.
pub(crate) const CALLEES_MAX: u64 = 1024;
/// Origins of the traces of one entry operation in one pane of one task; the rest counts as one.
pub(crate) const ORIGINS_MAX: usize = 1024;
/// Versions of one service in one pane of one task. The detector knows fewer.
pub(crate) const VERSIONS_MAX: usize = 256;
/// Log templates of one service in one pane of one task, inside of traces.
pub(crate) const TRACED_TEMPLATES_MAX: usize = 1024;
/// Distinct bigrams of one operation in one pane of one task.
pub(crate) const BIGRAMS_MAX: usize = 256;
/// Log records of one span that take part in its log path.
pub(crate) const LOG_PATH_MAX: usize = 256;
/// Where operations beyond a bound are counted.
pub(crate) const OTHER: &str = "(other)";
/// Texts of one log template that are told apart in a pane.
pub(crate) const TEXTS_MAX: usize = 4;
