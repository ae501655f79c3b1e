//! Activity: which services behave abnormally right now, since when and by how much evidence.
//!
//! The nodes that [`super::cluster`] ties together. Deliberately absent: any tie between them.

use std::collections::{BTreeMap, BTreeSet};

use model::entity::Entity;
use model::id::{Fingerprint, TraceId};
use model::name::Name;
use model::nats::Nats;
use model::symptom::{AT_LIMIT, Symptom, SymptomKind};
use model::time::{Nanos, Pane, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::CorrelateConfig;
use super::dedup::Alerts;
use super::habits::{Habits, TELLING_ALERT};
use super::limits::{ACTIVE_NODES_MAX, EXEMPLARS_MAX};
use super::people::Muted;
use super::ties;
use super::world::Fired;
use crate::sense::{self, Subject};

/// Evidence of one pane from which a symptom counts as present in it.
const PRESENT_FROM: Nats = Nats::from_int(1);

/// Evidence of a series at its limit from which it stands: two successive points.
const SATURATED_FROM: Nats = Nats::from_int(7);

/// Whether a pane itself speaks for a symptom. A run's sum gains little from each further pane, the more it
/// knows already; that there were hits at all above the usual share is enough to say that it lasts.
pub(super) fn is_present(symptom: &Symptom) -> bool {
    symptom.nats >= PRESENT_FROM || (symptom.kind != SymptomKind::Metric && symptom.hits > 0)
}

/// What clusters are made of: services, and rules whose alerts name no service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum NodeKey {
    /// A service or virtual node.
    Service(Name),
    /// The alerts of one rule that could not be bound.
    Rule(Name),
}

impl NodeKey {
    /// The service, if it is one.
    pub(super) fn service(&self) -> Option<&Name> {
        match self {
            Self::Service(name) => Some(name),
            Self::Rule(_) => None,
        }
    }
}

/// Identity of a symptom over panes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct SymptomKey {
    /// By which test.
    pub(super) kind: SymptomKind,
    /// Who.
    pub(super) entity: Entity,
    /// What exactly.
    pub(super) detail: Name,
}

impl SymptomKey {
    /// The identity of a symptom.
    pub(super) fn of(symptom: &Symptom) -> Self {
        Self { kind: symptom.kind, entity: symptom.entity.clone(), detail: symptom.detail.clone() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Track {
    level: Nats,
    onset: Pane,
    last: Pane,
    /// The smallest ids of those that the last panes gave.
    exemplars: BTreeSet<TraceId>,
}

/// A node that is abnormal now.
#[derive(Clone, Debug)]
pub(super) struct ActiveNode {
    /// Which.
    pub(super) key: NodeKey,
    /// Since when.
    pub(super) onset: Pane,
    /// Whether the onset is a change-point of telemetry, or only what a monitor said.
    pub(super) measured: bool,
    /// Sequential evidence of telemetry without metrics.
    pub(super) level: Nats,
    /// Sequential evidence of metrics.
    pub(super) metric_level: Nats,
    /// Whether what is abnormal here says enough to tie it to others: requests show it, something is used up,
    /// or an alert fires that seldom does. Where the cell has no requests at all, its metrics do.
    pub(super) ties: bool,
    /// Whether the map or telemetry knows it, not only the alert that names it.
    pub(super) is_known: bool,
    /// Whether something of it is used up: that needs no request to suffer from it yet.
    pub(super) is_saturated: bool,
    /// Sequential evidence of metrics of requests, where a change was just made: it may open.
    pub(super) fresh_level: Nats,
    /// What is abnormal.
    pub(super) symptoms: Vec<SymptomKey>,
    /// Of each symptom of requests, traces of the last panes that show it.
    pub(super) shown_by: Vec<BTreeSet<TraceId>>,
    /// What fires.
    pub(super) alerts: Vec<Fingerprint>,
    /// The keys that grouping rules gave to what fires.
    pub(super) keys: BTreeSet<Name>,
}

impl ActiveNode {
    /// Evidence that may open an incident: metrics only double what telemetry says, and never open
    /// alone, unless they speak of requests to a service that was just changed: there the budget of
    /// false alarms is spent on few services, and trouble is what one looks for.
    pub(super) fn opening_level(&self) -> Nats {
        let doubled = self.level + self.metric_level.min(self.level);
        doubled.max(self.level + self.fresh_level)
    }

    /// Evidence that supports an alert: what requests say. A metric that moved is what many an alert is
    /// made of; it does not confirm it.
    pub(super) fn supporting_level(&self) -> Nats {
        self.level.max(self.fresh_level)
    }

    /// Whether the metrics of requests alone would open: their evidence is persistent by itself, and
    /// is there between two scrapes as well.
    pub(super) fn opens_by_metrics(&self, from: Nats) -> bool {
        self.fresh_level >= from
    }
}

/// Symptoms that were seen lately, by service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Activity {
    tracks: BTreeMap<Name, BTreeMap<SymptomKey, Track>>,
}

impl Activity {
    /// Takes the symptoms of a pane in and forgets what was not seen for `active_panes`.
    pub(super) fn update(&mut self, pane: Pane, symptoms: &[Symptom], active_panes: i64) {
        for symptom in symptoms {
            let key = SymptomKey::of(symptom);
            let tracks = self.tracks.entry(symptom.entity.service.clone()).or_default();
            if !is_present(symptom) {
                // The sequential sum only fades: it shows how bad it was, not that it lasts.
                if let Some(track) = tracks.get_mut(&key) {
                    track.level = symptom.level;
                }
                continue;
            }
            let track = tracks.entry(key).or_default();
            track.level = symptom.level;
            track.onset = symptom.onset.min(pane);
            track.last = pane;
            track.exemplars.extend(symptom.exemplars.iter().copied());
            while track.exemplars.len() > EXEMPLARS_MAX {
                track.exemplars.pop_last();
            }
        }
        for tracks in self.tracks.values_mut() {
            tracks.retain(|_, track| pane.since(track.last) < active_panes);
        }
        self.tracks.retain(|_, tracks| !tracks.is_empty());
    }

    /// Whether telemetry of a service is abnormal.
    pub(super) fn is_abnormal(&self, service: &Name) -> bool {
        self.tracks.contains_key(service.as_str())
    }

    /// The service at which a trace fails.
    pub(super) fn service_of_trace(&self, trace: TraceId) -> Option<Name> {
        let shows = |track: &Track| track.exemplars.contains(&trace);
        let found = self.tracks.iter().find(|(_, tracks)| tracks.values().any(shows));
        found.map(|(service, _)| service.clone())
    }

    /// All nodes that are abnormal at the end of a pane, sorted by key, at most
    /// [`ACTIVE_NODES_MAX`], the strongest first kept, then those that are known. Alerts in `fired` count even if they were
    /// resolved inside the pane: no alert is dropped. Those in `muted` do not count.
    pub(super) fn nodes(
        &self,
        now: Timestamp,
        (alerts, habits): (&Alerts, &Habits),
        (fired, muted): (&Fired, &Muted),
        has_requests: bool,
        fresh: &BTreeSet<Name>,
        config: &CorrelateConfig,
    ) -> Vec<ActiveNode> {
        let mut nodes: BTreeMap<NodeKey, ActiveNode> = BTreeMap::new();
        for (service, tracks) in &self.tracks {
            let key = NodeKey::Service(service.clone());
            let mut node = measured_node(key.clone(), tracks, fresh.contains(service), config);
            let is_told = node.level > Nats::ZERO || node.fresh_level > Nats::ZERO;
            node.ties = is_told || node.is_saturated || !has_requests;
            nodes.insert(key, node);
        }
        for (fingerprint, state) in alerts.iter() {
            let fires =
                state.holds(now, config.alert_stale_after) || fired.contains_key(&fingerprint);
            if !fires || muted.contains_key(&fingerprint) {
                continue;
            }
            let key = state.node();
            let since = alert_onset(state.since, now);
            let onset = config.width.pane_of(since);
            let node = nodes.entry(key.clone()).or_insert_with(|| alerted_node(key, onset));
            if !node.measured {
                node.onset = node.onset.min(onset);
            }
            node.is_known |= state.binding.known().is_some();
            node.ties |= habits.surprise(&state.alert) >= TELLING_ALERT;
            node.alerts.push(fingerprint);
            node.keys.extend(state.alert.group.clone());
        }
        let mut nodes: Vec<ActiveNode> = nodes.into_values().collect();
        if nodes.len() > ACTIVE_NODES_MAX {
            nodes.sort_by(|a, b| (b.level, b.is_known, &a.key).cmp(&(a.level, a.is_known, &b.key)));
            nodes.truncate(ACTIVE_NODES_MAX);
            nodes.sort_by(|a, b| a.key.cmp(&b.key));
        }
        nodes
    }
}

/// A monitor may say that its alert began days ago; more than this before now is not believed.
const ALERT_PAST_MAX: Nanos = Nanos::from_secs(900);

fn alert_onset(since: Timestamp, now: Timestamp) -> Timestamp {
    since.max(now - ALERT_PAST_MAX)
}

fn alerted_node(key: NodeKey, onset: Pane) -> ActiveNode {
    ActiveNode {
        key,
        onset,
        measured: false,
        level: Nats::ZERO,
        metric_level: Nats::ZERO,
        ties: false,
        is_known: false,
        is_saturated: false,
        fresh_level: Nats::ZERO,
        symptoms: Vec::new(),
        shown_by: Vec::new(),
        alerts: Vec::new(),
        keys: BTreeSet::new(),
    }
}

/// The onset of a service is the earliest of its telling symptoms: those with at least a quarter of
/// the strongest one's evidence. A weak one that has been there for hours says nothing; nor, where
/// requests tell of trouble, does a metric that moved before anybody suffered.
fn measured_node(
    key: NodeKey,
    tracks: &BTreeMap<SymptomKey, Track>,
    is_fresh: bool,
    config: &CorrelateConfig,
) -> ActiveNode {
    let rests_on_metrics = tracks.keys().all(|key| key.kind == SymptomKind::Metric);
    let counts = |key: &SymptomKey| rests_on_metrics || key.kind != SymptomKind::Metric;
    let told = || tracks.iter().filter(|(key, _)| counts(key)).map(|(_, track)| track);
    let strongest = told().map(|track| track.level).max().unwrap_or_default();
    let telling = told().filter(|track| Nats(track.level.0.saturating_mul(4)) >= strongest);
    let onset = telling.map(|track| track.onset).min().unwrap_or_default();
    let of_its_time = |track: &Track| {
        let (at, onset) = ((track.onset, true), (onset, true));
        ties::onsets_in_order(at, onset, config) || ties::onsets_in_order(onset, at, config)
    };
    let metrics = tracks.iter().filter(|(key, _)| key.kind == SymptomKind::Metric);
    let metrics = metrics.map(|(_, track)| track).filter(|track| of_its_time(track));
    let shown = || {
        let mut of: BTreeMap<&Entity, Nats> = BTreeMap::new();
        for (key, track) in tracks.iter().filter(|(key, _)| key.kind != SymptomKind::Metric) {
            let most = of.entry(&key.entity).or_default();
            *most = (*most).max(track.level);
        }
        of.into_values().sum::<Nats>()
    };
    let speaks = |key: &SymptomKey| {
        key.kind == SymptomKind::Metric && sense::subject_of(&key.detail) == Subject::Requests
    };
    let of_requests = tracks.iter().filter(|(key, _)| speaks(key)).map(|(_, t)| t.level).sum();
    ActiveNode {
        key,
        onset,
        measured: true,
        level: shown(),
        metric_level: metrics.map(|track| track.level).sum(),
        ties: false,
        is_known: true,
        is_saturated: tracks.iter().any(|(key, track)| {
            key.kind == SymptomKind::Metric
                && key.detail.ends_with(AT_LIMIT)
                && track.level >= SATURATED_FROM
        }),
        fresh_level: if is_fresh { of_requests } else { Nats::ZERO },
        symptoms: tracks.keys().cloned().collect(),
        shown_by: tracks
            .values()
            .filter(|track| !track.exemplars.is_empty())
            .map(|track| track.exemplars.clone())
            .collect(),
        alerts: Vec::new(),
        keys: BTreeSet::new(),
    }
}
