//! Versions of services: a version first seen beside a known one is a change.

use std::collections::{BTreeMap, BTreeSet};

use model::change::{ChangeContent, ChangeEvent, ChangeKind, ChangeOutcome, OBSERVED_PREFIX};
use model::name::Name;
use model::time::Timestamp;

use super::limits::VERSIONS_MAX;
use crate::observe::PaneCounts;

/// Known versions by service.
pub(crate) type Versions = BTreeMap<Name, BTreeSet<Name>>;

/// What a pane shows of versions.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Versions first seen beside a known one.
    pub(crate) changes: Vec<ChangeEvent>,
    /// All versions first seen: (service, version), sorted.
    pub(crate) first_seen: Vec<(Name, Name)>,
}

/// What a pane shows, and the versions known after it. `settled` is what was known before all
/// unsettled panes, `recent` what those before this one added.
pub(crate) fn changes(
    pane: &PaneCounts,
    at: Timestamp,
    settled: &Versions,
    recent: &mut Versions,
) -> Shown {
    let mut shown = Shown::default();
    for (service, counts) in &pane.services {
        if counts.versions.is_empty() {
            continue;
        }
        let known_settled = settled.get(service.as_str());
        let known_recent = recent.entry(service.clone()).or_default();
        let count = known_settled.map_or(0, BTreeSet::len) + known_recent.len();
        let is_new = |version: &Name| {
            !known_recent.contains(version) && !known_settled.is_some_and(|k| k.contains(version))
        };
        let room = VERSIONS_MAX.saturating_sub(count);
        let new: Vec<Name> =
            counts.versions.keys().filter(|version| is_new(version)).take(room).cloned().collect();
        if count > 0 {
            shown.changes.extend(new.iter().map(|version| change(service, version, at)));
        }
        let seen = new.iter().map(|version| (service.clone(), version.clone()));
        shown.first_seen.extend(seen);
        known_recent.extend(new);
    }
    shown
}

fn change(service: &Name, version: &Name, at: Timestamp) -> ChangeEvent {
    ChangeEvent {
        id: format!("{OBSERVED_PREFIX}{service}:{version}").into(),
        kind: ChangeKind::Deploy,
        at,
        started_at: None,
        targets: vec![service.clone()],
        environment: None,
        title: format!("{service} runs version {version}").into(),
        author: None,
        version: Some(version.clone()),
        outcome: ChangeOutcome::Succeeded,
        content: ChangeContent::default(),
        links: Vec::new(),
        url: None,
    }
}
