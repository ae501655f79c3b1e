//! The seam for measures of whole streams that the casebook's own scoring does not know.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::id::IncidentId;
use model::incident::Incident;
use serde_json::Value;

use crate::stages::observe::ObserveStats;

/// A stream that has been played, as a measure of its own sees it.
pub struct StreamEnd<'a> {
    /// Its id.
    pub stream: &'a str,
    /// The last revision of each incident that exists in every order of arrival, by onset and id;
    /// suspected, merged and withdrawn ones among them.
    pub incidents: &'a [Arc<Incident>],
    /// Those that were ever open: the ones that woke somebody.
    pub opened: &'a BTreeSet<IncidentId>,
    /// Firing alerts that arrived, repeats among them.
    pub firing_alerts: u64,
    /// What was read: how many alerts, spans ...
    pub stats: ObserveStats,
    /// All that `labels.json` says of it.
    pub labels: &'a Value,
}

/// A measure of whole streams: grouping, noise.
pub trait StreamMeasure: Sync {
    /// The figure's name in the report, and its field of a suite in the JSON.
    fn name(&self) -> &'static str;

    /// Judges one stream; `None` if its labels say nothing of this.
    fn judge(&self, end: &StreamEnd<'_>) -> Option<Value>;

    /// Sums up what it said of a suite's streams, in the suite's order; never of none.
    fn sum(&self, judged: &[&Value]) -> Value;
}
