//! Releases that should have been heard of by now: a version was put into service, others of the
//! service write telemetry, and no instance of it does.
//!
//! A new instance that starts, crashes and starts again shows nothing of itself: its silence is the
//! evidence. Deliberately absent: what the others suffer from it; that has symptoms of its own.

use std::collections::{BTreeMap, BTreeSet};

use model::change::{ChangeEvent, ChangeKind, ChangeOutcome};
use model::entity::Entity;
use model::name::Name;
use model::nats::Nats;
use model::symptom::{Symptom, SymptomKind};
use model::time::{Nanos, Pane, PaneWidth, Timestamp};
use serde::{Deserialize, Serialize};

use super::change_ledger::ChangeLedger;
use super::limits::{SEEN_SERVICES_MAX, SEEN_VERSIONS_MAX};
use super::map::Map;

/// How long after its release a version may keep quiet: start-up, and two exports at the default
/// interval of OpenTelemetry's metric reader (60 s).
const GRACE: Nanos = Nanos::from_secs(180);
/// How long a release is waited for. Then it is somebody else's matter, or told under other names.
const WATCH: Nanos = Nanos::from_secs(1800);
/// How long a service counts as just released.
const FRESH: Nanos = Nanos::from_secs(1800);
/// What each pane with telemetry but without a word of it says: of fifty instances that run and
/// are heard of at all, one misses such a pane (`ln 50 = 3.9`). Unit: nats.
const PANE_NATS: Nats = Nats::from_int(4);
/// More is not needed by anyone.
const LEVEL_MAX: i64 = 60;
/// What the detail of such a symptom begins with; the version follows.
pub(super) const DETAIL: &str = "no word of version ";

/// Which versions of which services telemetry has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Releases {
    seen: BTreeMap<Name, BTreeSet<Name>>,
}

impl Releases {
    /// Notes versions that telemetry shows.
    pub(super) fn note(&mut self, first_seen: &[(Name, Name)]) {
        for (service, version) in first_seen {
            if !self.seen.contains_key(service) && self.seen.len() >= SEEN_SERVICES_MAX {
                continue;
            }
            let versions = self.seen.entry(service.clone()).or_default();
            if versions.len() < SEEN_VERSIONS_MAX {
                versions.insert(version.clone());
            }
        }
    }

    /// Whether a service that tells its version has never told this one.
    pub(super) fn is_unheard(&self, service: &Name, version: &Name) -> bool {
        self.seen.get(service).is_some_and(|seen| !seen.contains(version))
    }

    /// Symptoms of releases that are overdue in a pane, sorted by service and version. The names of
    /// versions must have proved to be those of telemetry: one other release was heard of.
    pub(super) fn overdue(
        &self,
        ledger: &ChangeLedger,
        map: &Map,
        pane: Pane,
        width: PaneWidth,
    ) -> Vec<Symptom> {
        let now = width.end(pane);
        if self.seen.is_empty() || ledger.is_empty() {
            return Vec::new();
        }
        let released = releases(ledger, map, now);
        let is_due = |(service, version): &(Name, Name), event: &ChangeEvent| {
            self.is_unheard(service, version)
                && now - event.at >= GRACE
                && now - event.at <= WATCH
                && !is_superseded(&released, service, event)
        };
        let due: Vec<_> = released.iter().filter(|(key, event)| is_due(key, event)).collect();
        if due.is_empty() || !self.speaks_the_language(ledger, map) {
            return Vec::new();
        }
        due.into_iter().map(|(key, event)| symptom(key, event, pane, width)).collect()
    }

    fn speaks_the_language(&self, ledger: &ChangeLedger, map: &Map) -> bool {
        ledger.events().filter(|event| announces(event)).any(|event| {
            let heard = |service: &Name| {
                let versions = self.seen.get(service);
                event.version.as_ref().is_some_and(|v| versions.is_some_and(|s| s.contains(v)))
            };
            targets(event, map).iter().any(heard)
        })
    }
}

/// Services that a release, a migration or a setting touched within the last half hour: where
/// trouble is to be expected, less evidence of it is enough.
pub(super) fn fresh(ledger: &ChangeLedger, map: &Map, now: Timestamp) -> BTreeSet<Name> {
    let acts = |event: &&ChangeEvent| {
        let since = event.started_at.unwrap_or(event.at).min(event.at);
        event.kind != ChangeKind::Commit && since <= now && now - event.at <= FRESH
    };
    ledger.events().filter(acts).flat_map(|event| targets(event, map)).collect()
}

/// The first event of each release of the last while, by service and version.
fn releases<'l>(
    ledger: &'l ChangeLedger,
    map: &Map,
    now: Timestamp,
) -> BTreeMap<(Name, Name), &'l ChangeEvent> {
    let mut found: BTreeMap<(Name, Name), &ChangeEvent> = BTreeMap::new();
    for event in ledger.events().filter(|event| announces(event) && event.at <= now) {
        let Some(version) = &event.version else { continue };
        for service in targets(event, map) {
            let first = found.entry((service, version.clone())).or_insert(event);
            if (event.at, &event.id) < (first.at, &first.id) {
                *first = event;
            }
        }
    }
    found
}

fn announces(event: &ChangeEvent) -> bool {
    let done = matches!(event.outcome, ChangeOutcome::Succeeded | ChangeOutcome::Unknown);
    event.kind == ChangeKind::Deploy && done && event.version.is_some() && !event.is_observed()
}

fn is_superseded(
    all: &BTreeMap<(Name, Name), &ChangeEvent>,
    service: &Name,
    event: &ChangeEvent,
) -> bool {
    all.iter().any(|((other, _), later)| {
        other == service && later.version != event.version && later.at > event.at
    })
}

fn targets(event: &ChangeEvent, map: &Map) -> Vec<Name> {
    event.targets.iter().map(|name| map.node(name)).collect()
}

fn symptom(
    (service, version): &(Name, Name),
    event: &ChangeEvent,
    pane: Pane,
    width: PaneWidth,
) -> Symptom {
    let began = width.pane_of(event.started_at.unwrap_or(event.at).min(event.at));
    let silent = pane.since(width.pane_of(event.at + GRACE)).max(0) + 1;
    Symptom {
        entity: Entity::service(service.clone()),
        kind: SymptomKind::Silence,
        detail: format!("{DETAIL}{version}").into(),
        nats: PANE_NATS,
        level: Nats::from_int(silent.min(LEVEL_MAX)),
        onset: began,
        hits: 0,
        trials: 1,
        expected_ppm: 1_000_000,
        exemplars: Vec::new(),
    }
}
