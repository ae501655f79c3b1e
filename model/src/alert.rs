//! Alerts as Alertmanager means them: labels identify, annotations explain.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Fingerprint, TraceId, stable_hash};
use crate::name::Name;
use crate::time::Timestamp;

/// Labels or annotations: pairs sorted by name, names unique. A clone is shared: what a rule says to explain
/// itself, it says with each of its alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Labels(Arc<[(Name, Name)]>);

/// Of so many labels the fingerprint is taken without memory of its own.
const FEW_LABELS: usize = 32;

impl Labels {
    /// Sorts by name; of equal names the last value counts.
    #[must_use]
    pub fn new(mut pairs: Vec<(Name, Name)>) -> Self {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(&mut later.1, &mut kept.1);
            }
            same
        });
        Self(pairs.into())
    }

    /// Of pairs that are sorted by name, each name once; `None` of others. Takes them out of `pairs`.
    #[must_use]
    pub fn sorted(pairs: &mut Vec<(Name, Name)>) -> Option<Self> {
        let sorted = pairs.is_sorted_by(|(name, _), (next, _)| name < next);
        let pairs = pairs.drain(..);
        sorted.then(|| Self(pairs.collect()))
    }

    /// The value of a label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Name> {
        let place = self.0.binary_search_by(|(key, _)| key.as_str().cmp(name)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// All pairs in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Name)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A stable hash of all pairs; the order in which they came does not matter.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let pairs = || self.0.iter().map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let mut few = [[[].as_slice(); 2]; FEW_LABELS];
        if let Some(few) = few.get_mut(..self.0.len()) {
            few.iter_mut().zip(pairs()).for_each(|(place, pair)| *place = pair);
            return Fingerprint(stable_hash(few.as_flattened()));
        }
        let many: Vec<[&[u8]; 2]> = pairs().collect();
        Fingerprint(stable_hash(many.as_flattened()))
    }
}

/// Whether the monitor's condition holds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It holds.
    Firing,
    /// It no longer holds.
    Resolved,
}

/// What the monitor said of an alert's weight.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing was said.
    #[default]
    Unknown,
    /// For information.
    Info,
    /// Look at it some time.
    Warning,
    /// Something is broken.
    Error,
    /// Somebody must get up.
    Critical,
}

/// What monitors call them.
const HABITS: [(Severity, &[&str]); 4] = [
    (
        Severity::Critical,
        &["critical", "crit", "page", "fatal", "emergency", "p1", "sev1", "disaster"],
    ),
    (Severity::Error, &["error", "err", "major", "high", "p2", "sev2"]),
    (Severity::Warning, &["warning", "warn", "minor", "average", "medium", "p3", "sev3"]),
    (Severity::Info, &["info", "information", "informational", "notice", "low", "p4", "p5"]),
];

impl Severity {
    /// How machines write it, the record too: `critical` ...
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Reads the habits of monitors (`critical`, `page`, `P1`, `warning`, `minor` ...).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        let found = HABITS.iter().find(|(_, words)| is_one_of(words));
        found.map_or(Self::Unknown, |(severity, _)| *severity)
    }
}

/// One alert, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Hash of the identifying labels: ours, over all labels, whatever the source sent.
    pub fingerprint: Fingerprint,
    /// The rule: `alertname`, else the source's title.
    pub name: Name,
    /// Firing or resolved.
    pub status: AlertStatus,
    /// What identifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// When the condition began, by the source.
    pub starts_at: Timestamp,
    /// When the condition ended, by the source; only of resolved alerts.
    pub ends_at: Option<Timestamp>,
    /// What the monitor said of its weight.
    pub severity: Severity,
    /// The trace it points to, if a label or annotation names one.
    pub trace_id: Option<TraceId>,
    /// Where the rule lives: a link for people, never followed.
    pub generator_url: Option<Name>,
    /// The key that a grouping rule gave it where it entered the journal: alerts with the same key
    /// are in one incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Name>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect())
    }

    #[test]
    fn severities_are_labelled_as_the_record_has_them() {
        use Severity::{Critical, Error, Info, Unknown, Warning};
        for severity in [Unknown, Info, Warning, Error, Critical] {
            assert_eq!(serde_json::json!(severity), severity.label());
        }
    }

    #[test]
    fn fingerprints_ignore_the_order_of_labels() {
        let a = labels(&[("alertname", "Slow"), ("service", "cart")]);
        let b = labels(&[("service", "cart"), ("alertname", "Slow")]);
        assert_eq!(a.fingerprint(), b.fingerprint());
        assert_ne!(a.fingerprint(), labels(&[("alertname", "Slow")]).fingerprint());
    }

    #[test]
    fn fingerprints_of_few_and_of_many_labels_are_hashes_of_their_pairs() {
        for count in [0, 1, FEW_LABELS - 1, FEW_LABELS, FEW_LABELS + 1, 100] {
            let pairs = (0..count).map(|n| (format!("l{n:03}").into(), format!("v{n}").into()));
            let pairs: Vec<(Name, Name)> = pairs.collect();
            let parts: Vec<&[u8]> = pairs
                .iter()
                .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
                .collect();
            let hash = Fingerprint(stable_hash(&parts));
            assert_eq!(Labels::new(pairs.clone()).fingerprint(), hash, "{count}");
        }
    }

    #[test]
    fn severities_are_read_in_any_case() {
        assert_eq!(Severity::parse(" CRIT\n"), Severity::Critical);
        assert_eq!(Severity::parse("Sev3"), Severity::Warning);
        assert_eq!(Severity::parse("criticality"), Severity::Unknown);
    }

    #[test]
    fn sorted_pairs_are_taken_and_others_refused() {
        let pair = |name: &str| (Name::from(name), Name::from("v"));
        let mut pairs = vec![pair("a"), pair("b")];
        assert_eq!(Labels::sorted(&mut pairs), Some(labels(&[("a", "v"), ("b", "v")])));
        assert!(pairs.is_empty());
        for odd in [[pair("b"), pair("a")], [pair("a"), pair("a")]] {
            assert_eq!(Labels::sorted(&mut odd.to_vec()), None);
        }
    }

    #[test]
    fn of_equal_names_the_last_value_counts() {
        let all = labels(&[("a", "1"), ("b", "2"), ("a", "3")]);
        assert_eq!(all.get("a").map(Name::as_str), Some("3"));
        assert_eq!(all.len(), 2);
    }
}
