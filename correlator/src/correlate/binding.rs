//! Binding: which service an alert speaks of, and how we know.
//!
//! Labels are asked in a configured order. Labels that name software are taken at their word; those
//! that name places (job, instance, host, pod) only if the map knows the place. Deliberately
//! absent: guessing from parts of words.

use model::alert::Alert;
use model::id::TraceId;
use model::name::Name;
use serde::{Deserialize, Serialize};

use super::map::Map;

/// Which service an alert speaks of, and how we know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Binding {
    /// A label names it, and the map knows the name.
    Label { label: Name, node: Name },
    /// A label names it; the map does not know it (yet).
    Unmapped { label: Name, node: Name },
    /// The trace it points to fails there.
    Trace { node: Name },
    /// Its text mentions exactly one service that the map knows.
    Mentioned { node: Name },
    /// Nothing names it: it joins by the similarity of its labels, or stands alone.
    Unbound,
}

impl Binding {
    /// The service, if any.
    pub(super) fn node(&self) -> Option<&Name> {
        match self {
            Self::Label { node, .. }
            | Self::Unmapped { node, .. }
            | Self::Trace { node }
            | Self::Mentioned { node } => Some(node),
            Self::Unbound => None,
        }
    }

    /// The service, if the map knows it: nobody can make such a name up.
    pub(super) fn known(&self) -> Option<&Name> {
        match self {
            Self::Label { node, .. } | Self::Trace { node } | Self::Mentioned { node } => {
                Some(node)
            }
            Self::Unmapped { .. } | Self::Unbound => None,
        }
    }
}

/// Labels whose value is a place, not a name of software: good only if the map knows it.
const PLACES: [&str; 9] = [
    "job",
    "instance",
    "node",
    "host",
    "pod",
    "container",
    "k8s_pod_name",
    "k8s.pod.name",
    "component",
];

/// Binds an alert. `trace_at` tells which service a failing trace points to.
pub(super) fn bind(
    alert: &Alert,
    labels: &[Name],
    map: &Map,
    trace_at: impl Fn(TraceId) -> Option<Name>,
) -> Binding {
    let mut few = [None; FEW_BINDINGS];
    match few.get_mut(..labels.len()) {
        Some(values) => fill(values, alert, labels),
        None => return bind_named(alert, map, trace_at, || said(alert, labels)),
    }
    let named = || labels.iter().zip(few).filter_map(|(label, value)| Some((label, value?)));
    bind_named(alert, map, trace_at, named)
}

/// So many labels are looked for in one walk over those of the alert.
const FEW_BINDINGS: usize = 32;

/// Puts the value of each label that the alert has into its place. There are more labels to look for than an alert
/// has, and most of them it does not have.
fn fill<'a>(values: &mut [Option<&'a Name>], alert: &'a Alert, labels: &[Name]) {
    for (label, value) in alert.labels.iter() {
        let places = labels.iter().zip(&mut *values);
        for (_, place) in places.filter(|(wanted, _)| *wanted == label) {
            *place = Some(value);
        }
    }
}

/// What an alert says under each of some labels, one look at a time.
fn said<'a>(alert: &'a Alert, labels: &'a [Name]) -> impl Iterator<Item = (&'a Name, &'a Name)> {
    labels.iter().filter_map(|label| Some((label, alert.labels.get(label)?)))
}

fn bind_named<'a, N: Iterator<Item = (&'a Name, &'a Name)>>(
    alert: &Alert,
    map: &Map,
    trace_at: impl Fn(TraceId) -> Option<Name>,
    named: impl Fn() -> N,
) -> Binding {
    for (label, value) in named().filter(|(_, value)| !value.is_empty()) {
        if let Some(node) = map.bind(value).or_else(|| without_port(value, map)) {
            return Binding::Label { label: label.clone(), node };
        }
    }
    for (label, value) in named().filter(|(_, value)| !value.is_empty()) {
        if !PLACES.contains(&label.as_str()) {
            return Binding::Unmapped { label: label.clone(), node: value.clone() };
        }
    }
    if let Some(node) = alert.trace_id.and_then(trace_at) {
        return Binding::Trace { node };
    }
    mentioned(alert, map).map_or(Binding::Unbound, |node| Binding::Mentioned { node })
}

fn without_port(value: &str, map: &Map) -> Option<Name> {
    let (host, port) = value.rsplit_once(':')?;
    if port.bytes().all(|b| b.is_ascii_digit()) { map.bind(host) } else { None }
}

fn mentioned(alert: &Alert, map: &Map) -> Option<Name> {
    let texts = ["summary", "description", "title", "message"];
    let mut found: Option<Name> = None;
    for text in texts.iter().filter_map(|key| alert.annotations.get(key)) {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
        for word in words.filter(|word| word.len() >= 3) {
            let Some(node) = map.bind(word) else { continue };
            if found.as_ref().is_some_and(|other| *other != node) {
                return None;
            }
            found = Some(node);
        }
    }
    found
}

/// The share of label pairs that two alerts have in common, without those that name the rule.
pub(super) fn similarity(a: &Alert, b: &Alert) -> f64 {
    let telling = |name: &Name| !matches!(name.as_str(), "alertname" | "severity" | "priority");
    let pairs = |alert: &Alert| -> std::collections::BTreeSet<(Name, Name)> {
        let all = alert.labels.iter().filter(|(name, _)| telling(name));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let (left, right) = (pairs(a), pairs(b));
    let union = left.union(&right).count();
    if union == 0 {
        return 0.0;
    }
    left.intersection(&right).count() as f64 / union as f64
}

#[cfg(test)]
mod tests {
    use model::alert::{AlertStatus, Labels, Severity};
    use model::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn alert(labels: Vec<(Name, Name)>) -> Alert {
        let labels = Labels::new(labels);
        Alert {
            fingerprint: labels.fingerprint(),
            name: "A".into(),
            status: AlertStatus::Firing,
            labels,
            annotations: Labels::default(),
            starts_at: Timestamp::EPOCH,
            ends_at: None,
            severity: Severity::Unknown,
            trace_id: None,
            generator_url: None,
            group: None,
        }
    }

    fn names() -> impl Strategy<Value = Vec<Name>> {
        prop::collection::vec("[a-e]{1,2}".prop_map(Name::from), 0..40)
    }

    proptest! {
        #[test]
        fn one_walk_finds_what_single_looks_find(wanted in names(), has in names()) {
            let alert = alert(has.into_iter().map(|name| (name.clone(), name)).collect());
            let mut values = vec![None; wanted.len()];
            fill(&mut values, &alert, &wanted);
            let found = wanted.iter().zip(values).filter_map(|(label, value)| Some((label, value?)));
            prop_assert!(found.eq(said(&alert, &wanted)));
        }
    }
}
