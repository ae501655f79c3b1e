//! What an entity itself shows: one row per kind of evidence, each capped.
//!
//! Caps keep one loud modality from deciding alone; above its cap evidence counts by its logarithm,
//! so that more is still more and two candidates at the cap are not tied.

use std::collections::{BTreeMap, BTreeSet};

use model::entity::EntityKind;
use model::hypothesis::{Evidence, EvidenceTerm};
use model::id::TraceId;
use model::name::Name;
use model::nats::Nats;
use model::symptom::{AT_LIMIT, SymptomKind};
use model::template::readable;

use crate::correlate::activity::SymptomKey;
use crate::correlate::limits::{EXEMPLARS_MAX, WALK_HOPS_MAX};
use crate::correlate::releases;
use crate::correlate::sums::SymptomSum;
use crate::correlate::ties::ratio;
use crate::sense::{self, Subject};

use super::alerts::AlertKinds;
use super::{View, deeper, host, rounded, signs};

/// The kinds of telemetry evidence with the rows they make.
const KINDS: [(SymptomKind, EvidenceTerm); 7] = [
    (SymptomKind::ErrorOrigin, EvidenceTerm::ErrorOrigin),
    (SymptomKind::SlowSelf, EvidenceTerm::SlowSelf),
    (SymptomKind::SlowEdge, EvidenceTerm::SlowEdge),
    (SymptomKind::LogPath, EvidenceTerm::LogPath),
    (SymptomKind::OrphanCalls, EvidenceTerm::OrphanCalls),
    (SymptomKind::Silence, EvidenceTerm::Silence),
    (SymptomKind::Metric, EvidenceTerm::Metric),
];

/// Bound of the evidence of resource metrics. What a resource does explains what requests suffer;
/// it is no suffering itself, so it weighs half of what they may. Unit: nats.
const RESOURCE_CAP: f64 = 12.0;

/// What metrics of a service's requests count where something that it needs is in trouble: they say
/// as much about that.
const EXPLAINED: f64 = 0.5;

/// Traces to the credit of a service's own metrics: metrics count every request, traces are sampled, and a handful
/// of those says little about all. Some hundred failing traces outweigh them, as one pane of trouble has.
const UNSEEN: u64 = 10;

/// Share of an edge's evidence by star centrality: the callee's weight, then the caller's.
const EDGE_WEIGHTS: (f64, f64) = (1.2, 0.8);

/// Share of a log line's evidence that stays with a service whose trouble is explained by another.
const PASSED_ON: f64 = 0.25;

/// What was said of the case's services, read once for all candidates.
pub(super) struct Said<'a> {
    alerts: AlertKinds<'a>,
    explained: BTreeSet<Name>,
    /// Of services that complain of others, the share of their unusual log paths that does.
    complaining: BTreeMap<&'a Name, f64>,
}

impl<'a> Said<'a> {
    /// Reads alerts and signs.
    pub(super) fn new(view: &View<'a>) -> Self {
        let complaining = view.world.signs.complaining().into_iter();
        let share = |traces: BTreeSet<TraceId>, name| {
            let paths = deeper::traces(view, name, true);
            let both = paths.intersection(&traces).count();
            ratio(both as u64, paths.len() as u64)
        };
        Self {
            alerts: AlertKinds::new(view),
            explained: signs::explained(view),
            complaining: complaining.map(|(name, traces)| (name, share(traces, name))).collect(),
        }
    }
}

/// A row without pointers.
pub(super) fn row(term: EvidenceTerm, nats: f64, text: String) -> Evidence {
    let nats = rounded(nats);
    Evidence { term, nats, text, traces: Vec::new(), alerts: Vec::new(), changes: Vec::new() }
}

/// Whether a term is evidence of the entity itself.
pub(super) fn is_own(term: EvidenceTerm) -> bool {
    matches!(
        term,
        EvidenceTerm::Alerts
            | EvidenceTerm::CommonCause
            | EvidenceTerm::Complaint
            | EvidenceTerm::Deeper
            | EvidenceTerm::Platform
    ) || KINDS.iter().any(|(_, own)| *own == term)
}

/// Below the cap as it is; above, the cap and its tenth part for every e-fold.
pub(super) fn capped(nats: f64, cap: f64) -> f64 {
    if nats <= cap { nats.max(0.0) } else { cap + 0.1 * cap * libm::log(nats / cap) }
}

/// One row for each kind of evidence that the entity shows.
pub(super) fn own(view: &View<'_>, said: &Said<'_>, name: &Name) -> Vec<Evidence> {
    let mut rows = Vec::new();
    for (kind, term) in KINDS {
        rows.extend(telemetry(view, said, name, kind, term));
    }
    join_omissions(view, name, &mut rows);
    rows.extend(signs::complaints(view, name));
    rows.extend(signs::platform(view, name));
    bound_metrics(view, name, &mut rows);
    rows.extend(said.alerts.term(view, name));
    rows
}

/// Calls that a service no longer makes and log lines that it no longer writes are one departure from its usual
/// way, seen twice: together they say what the stronger of the two says.
fn join_omissions(view: &View<'_>, name: &Name, rows: &mut Vec<Evidence>) {
    let mut silences = view.case.symptoms.keys().filter(|key| {
        key.kind == SymptomKind::Silence && key.entity.service == *name && !is_void(view, key)
    });
    if !silences.all(is_omission) {
        return;
    }
    let of = |term| move |row: &Evidence| row.term == term;
    let said: f64 =
        rows.iter().filter(|row| of(EvidenceTerm::LogPath)(row)).map(|row| row.nats).sum();
    for row in rows.iter_mut().filter(|row| of(EvidenceTerm::Silence)(row)) {
        row.nats = rounded((row.nats - said).max(0.0));
    }
    rows.retain(|row| row.term != EvidenceTerm::Silence || row.nats > 0.0);
}

/// Whether a silence is of calls that the service no longer makes.
fn is_omission(key: &SymptomKey) -> bool {
    !key.detail.is_empty() && !key.detail.starts_with(releases::DETAIL)
}

/// Metrics support: where requests tell of the case, they at most double what requests say of the
/// entity, unless something of it is used up.
fn bound_metrics(view: &View<'_>, name: &Name, rows: &mut [Evidence]) {
    let mut keys = view.case.symptoms.keys();
    let is_told = keys.clone().any(|key| key.kind != SymptomKind::Metric);
    let is_used_up = keys.any(|key| {
        key.entity.service == *name
            && key.kind == SymptomKind::Metric
            && key.detail.ends_with(AT_LIMIT)
    });
    if !is_told || is_used_up {
        return;
    }
    let requests = rows.iter().filter(|row| row.term != EvidenceTerm::Metric);
    let bound: f64 = requests.map(|row| row.nats).sum();
    for row in rows.iter_mut().filter(|row| row.term == EvidenceTerm::Metric) {
        row.nats = row.nats.min(bound);
    }
}

fn telemetry(
    view: &View<'_>,
    said: &Said<'_>,
    name: &Name,
    kind: SymptomKind,
    term: EvidenceTerm,
) -> Option<Evidence> {
    let ranking = &view.config.ranking;
    let mut seen = Seen::default();
    let traced = !view.case.reach.is_empty();
    let may_be_passed = kind == SymptomKind::Metric && !traced && needs_troubled(view, name);
    let mut traces: BTreeSet<TraceId> = BTreeSet::new();
    let mut heaviest: Option<(&SymptomKey, &SymptomSum, f64)> = None;
    for (key, sum) in view.case.symptoms.iter().filter(|(key, _)| key.kind == kind) {
        let share = share(view, key, name);
        if share <= 0.0 {
            continue;
        }
        let mut share = share * own_share(key, said);
        let is_own = || sense::callee_of(&key.detail).is_none_or(|to| name.as_str() == to);
        if kind == SymptomKind::Metric && !is_of_resource(key) && is_own() {
            share *= if may_be_passed { EXPLAINED } else { originated(view, name) };
        }
        seen.add(key, share, sum);
        traces.extend(sum.exemplars.iter().copied());
        let part = share * sum.early.to_f64();
        if heaviest.is_none_or(|(_, _, most)| part > most) {
            heaviest = Some((key, sum, part));
        }
    }
    let (key, sum, _) = heaviest?;
    let cap = if kind == SymptomKind::Metric { ranking.metric_cap } else { ranking.telemetry_cap };
    let mut found = row(term, seen.nats(cap), sentence(kind, key, sum, seen.hits, seen.trials));
    found.traces = traces.into_iter().take(EXEMPLARS_MAX).collect();
    Some(found)
}

/// What the symptoms of one kind say, and the part of it that speaks against one entity.
#[derive(Default)]
struct Seen {
    all: f64,
    own: f64,
    resources: f64,
    hits: u64,
    trials: u64,
}

impl Seen {
    fn add(&mut self, key: &SymptomKey, share: f64, sum: &SymptomSum) {
        let nats = sum.early.to_f64();
        if is_of_resource(key) {
            self.resources += share * nats;
        } else {
            self.all += nats;
            self.own += share * nats;
        }
        self.hits = self.hits.saturating_add(sum.hits);
        self.trials = self.trials.saturating_add(sum.trials);
    }

    /// That something is wrong is bounded, and then parted: two ends of a slow way at the bound would be
    /// equally to blame, however the traces of the others divide it.
    fn nats(&self, cap: f64) -> f64 {
        let resources = capped(self.resources, RESOURCE_CAP);
        let all = self.all + resources;
        if all <= 0.0 { 0.0 } else { (self.own + resources) / all * capped(all, cap) }
    }
}

/// How much of what a service logs, and of the calls that it no longer makes, is taken for its own. Of an
/// untraced line not all, where a failure that others speak of explains it; inside of traces the deepest span has the
/// credit already. Of a traced path not all, where the same traces hold a complaint of another service: it
/// is the other, or the way there, that it speaks of.
fn own_share(key: &SymptomKey, said: &Said<'_>) -> f64 {
    let service = &key.entity.service;
    let is_log = key.kind == SymptomKind::LogPath;
    let is_omission = key.kind == SymptomKind::Silence && !key.detail.is_empty();
    if is_log && key.entity.kind == EntityKind::Service {
        return if said.explained.contains(service) { PASSED_ON } else { 1.0 };
    }
    let passed_on = said.complaining.get(service).filter(|_| is_log || is_omission);
    1.0 - passed_on.copied().unwrap_or_default() * (1.0 - PASSED_ON)
}

/// How much of a symptom speaks against an entity: all of its own, and of a slow edge the part that
/// star centrality gives to either end: many slow edges at one node blame the node.
fn share(view: &View<'_>, key: &SymptomKey, name: &Name) -> f64 {
    if is_void(view, key) {
        return 0.0;
    }
    let owns = key.entity.service == *name;
    if !is_of_a_way(key) {
        return if owns { 1.0 } else { 0.0 };
    }
    let Some(from) = key.entity.edge_from() else { return if owns { 1.0 } else { 0.0 } };
    if !owns && from != name.as_str() {
        return 0.0;
    }
    let callee = EDGE_WEIGHTS.0 * centrality(view, &key.entity.service);
    let caller = EDGE_WEIGHTS.1 * centrality(view, &Name::from(from));
    let own = if owns { callee } else { caller };
    if callee + caller > 0.0 { own / (callee + caller) } else { 0.0 }
}

/// Whether a version that was silent has been heard of since: then it was only late.
fn is_void(view: &View<'_>, key: &SymptomKey) -> bool {
    let version = key.detail.strip_prefix(releases::DETAIL);
    key.kind == SymptomKind::Silence
        && version.is_some_and(|version| {
            !view.world.releases.is_unheard(&key.entity.service, &version.into())
        })
}

/// Whether something that a service needs is in trouble of its own. Traces tell whose failure it
/// is; metrics of requests cannot: errors and waiting pass from callee to caller.
fn needs_troubled(view: &View<'_>, name: &Name) -> bool {
    let is_troubled = |service: &Name| {
        let own = view.case.symptoms.iter().filter(|(key, _)| {
            key.entity.service == *service
                && key.entity.edge_from().is_none()
                && !is_void(view, key)
        });
        own.map(|(_, sum)| sum.early).sum::<Nats>() >= view.config.support_level
    };
    let needs = view.world.map.callees(name);
    needs.iter().any(|other| is_troubled(other) && !view.world.map.callees(other).contains(name))
}

/// Most of the failing and slow traces through a service that may originate in it, as a share; one where none pass it. Its metrics of
/// requests count what it waits for and what it passes on as well: by Little's law its open requests rise with
/// the time that a way below it takes. A few traces prove nothing: see [`UNSEEN`].
fn originated(view: &View<'_>, name: &Name) -> f64 {
    let through = view.case.reach.iter().filter(|((_, reached), _)| reached == name);
    let (mut own, mut all) = (0_u64, 0_u64);
    for ((origin, _), traces) in through {
        all = all.saturating_add(*traces);
        own = own.saturating_add(if origin == name { *traces } else { 0 });
    }
    ratio(own.saturating_add(UNSEEN), all.saturating_add(UNSEEN))
}

/// Whether a symptom is of a resource that moved, and is not used up.
fn is_of_resource(key: &SymptomKey) -> bool {
    key.kind == SymptomKind::Metric
        && !key.detail.ends_with(AT_LIMIT)
        && sense::subject_of(&key.detail) == Subject::Resource
}

/// Whether a symptom lies between two services, so that either end may be to blame.
fn is_of_a_way(key: &SymptomKey) -> bool {
    let lies_between = key.entity.edge_from().is_some();
    key.kind == SymptomKind::SlowEdge || key.kind == SymptomKind::Metric && lies_between
}

/// `(affected edges / (edges + 0.5))^2` of a node.
fn centrality(view: &View<'_>, name: &Name) -> f64 {
    let slow = view.case.symptoms.keys().filter(|key| is_of_a_way(key));
    let touches = |key: &&SymptomKey| {
        key.entity.service == *name || key.entity.edge_from() == Some(name.as_str())
    };
    let affected = slow.filter(touches).map(|key| &key.entity).collect::<BTreeSet<_>>().len();
    let map = &view.world.map;
    let edges = (map.callers(name).len() + map.callees(name).len()).max(affected);
    let share = affected as f64 / (edges as f64 + 0.5);
    share * share
}

fn sentence(
    kind: SymptomKind,
    key: &SymptomKey,
    sum: &SymptomSum,
    hits: u64,
    trials: u64,
) -> String {
    let expected = f64::from(sum.expected_ppm) / 10_000.0;
    let detail = &key.detail;
    match kind {
        SymptomKind::ErrorOrigin => {
            format!(
                "{hits} of {trials} calls fail here and nowhere deeper (expected {expected:.2} %): {detail}"
            )
        }
        SymptomKind::SlowSelf => {
            format!("{hits} of {trials} calls spend far more time here than usual: {detail}")
        }
        SymptomKind::SlowEdge => {
            format!("{hits} of {trials} calls lose time on the way: {}", key.entity.id)
        }
        SymptomKind::LogPath => {
            format!("{hits} log lines out of the ordinary: {}", readable(detail))
        }
        SymptomKind::OrphanCalls => {
            format!("{hits} of {trials} calls to it get no answer (expected {expected:.2} %)")
        }
        SymptomKind::Silence if detail.starts_with(releases::DETAIL) => {
            format!("{detail} since its release, though the others of it write")
        }
        SymptomKind::Silence if !detail.is_empty() => {
            format!(
                "{hits} calls fewer to {detail} than the {trials} that its requests lead to expect"
            )
        }
        SymptomKind::Silence => {
            format!("{hits} calls where {trials} were expected, while callers still try")
        }
        SymptomKind::Metric => format!("out of its range: {detail}"),
        // Signs are no symptoms of a case; see [`super::signs`].
        SymptomKind::Complaint | SymptomKind::Platform => detail.to_string(),
    }
}

/// Share of the failing traces that come from the entity; without traces, share of the members that
/// are it or depend on it. A tie-breaker where there is other evidence.
pub(super) fn coverage(view: &View<'_>, name: &Name) -> Option<Evidence> {
    let ranking = &view.config.ranking;
    let own = |key: &(Name, Name)| key.0 == key.1;
    let total: u64 = view.case.reach.iter().filter(|(key, _)| own(key)).map(|(_, n)| *n).sum();
    if total > 0 {
        let from = |origin: &Name| {
            view.case.reach.get(&(origin.clone(), origin.clone())).copied().unwrap_or(0)
        };
        let guests: u64 = host::slow_guests(view, name).iter().map(from).sum();
        let explained = from(name) + guests;
        let share = (explained as f64 + 0.5) / (total as f64 + 1.0);
        let text = format!("{explained} of {total} failing or slow traces come from here");
        let nats = ranking.coverage_weight * libm::log(share);
        return Some(row(EvidenceTerm::Coverage, nats.max(-6.0), text));
    }
    let members = view.case.services();
    if members.len() < 2 {
        return None;
    }
    let below: BTreeSet<Name> =
        view.world.map.downstream(name, WALK_HOPS_MAX).into_iter().map(|d| d.0).collect();
    let explained = members.iter().filter(|m| *m == name || below.contains(*m)).count();
    let share = (explained as f64 + 0.5) / (members.len() as f64 + 1.0);
    let text = format!("{explained} of {} troubled services are it or depend on it", members.len());
    let nats = ranking.coverage_weight_alerts * libm::log(share);
    Some(row(EvidenceTerm::Coverage, nats.max(-9.0), text))
}

/// What it should have caused and did not: direct callers that are well. Half a nat each, at most
/// three.
pub(super) fn absent(view: &View<'_>, name: &Name) -> Option<Evidence> {
    let case = view.case;
    if case.reach.is_empty() || !case.reach.contains_key(&(name.clone(), name.clone())) {
        return None;
    }
    let members = case.services();
    let well = |caller: &&Name| {
        !members.contains(*caller) && !case.reach.contains_key(&(name.clone(), (*caller).clone()))
    };
    let callers = view.world.map.callers(name);
    let missing: Vec<&str> = callers.iter().filter(well).map(Name::as_str).take(3).collect();
    if missing.is_empty() {
        return None;
    }
    let text = format!("{} call it and are well", missing.join(", "));
    Some(row(EvidenceTerm::Absent, -0.5 * missing.len() as f64, text))
}

/// Whether a metric of CPU, memory, disk or connections is among the symptoms of a service.
pub(super) fn has_resource_metric(view: &View<'_>, name: &Name) -> bool {
    const RESOURCES: [&str; 6] = ["cpu", "mem", "disk", "fs", "connection", "heap"];
    let own = view.case.symptoms.keys().filter(|key| key.entity.service == *name);
    let speaks = |detail: &str| RESOURCES.iter().any(|word| detail.to_lowercase().contains(word));
    own.filter(|key| key.kind == SymptomKind::Metric).any(|key| speaks(&key.detail))
}
