//! Candidates: every entity that could be the cause, with its evidence, with and without a change.

use std::collections::{BTreeMap, BTreeSet};

use model::entity::{Entity, EntityKind};
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm};
use model::name::Name;
use model::time::Timestamp;

use crate::correlate::change::Change;
use crate::correlate::limits::WALK_HOPS_MAX;
use crate::correlate::roots::is_blind;

use super::{View, change_term, common_cause, evidence, host, signs};

/// Changes, and targets of one, that become candidates without showing anything.
const CHANGED_MAX: usize = 20;

/// Services that become candidates only because something is said of them.
const SPOKEN_OF_MAX: usize = 50;

/// A hypothesis before it is scored.
pub(super) struct Draft {
    /// Who.
    pub(super) entity: Entity,
    /// What kind of cause.
    pub(super) kind: CauseKind,
    /// The change, if one is blamed.
    pub(super) change: Option<Change>,
    /// The ledger.
    pub(super) evidence: Vec<Evidence>,
}

impl Draft {
    /// The sum of the ledger. Unit: nats.
    pub(super) fn log_odds(&self) -> f64 {
        self.evidence.iter().map(|row| row.nats).sum()
    }

    /// The sum of what the entity itself shows, without prior, coverage and change.
    pub(super) fn own(&self) -> f64 {
        let own = self.evidence.iter().filter(|row| evidence::is_own(row.term));
        own.map(|row| row.nats).sum()
    }
}

/// All drafts but "nothing", in order of their names.
pub(super) fn drafts(view: &View<'_>) -> Vec<Draft> {
    let ranking = &view.config.ranking;
    let onset = view.config.width.start(view.case.onset());
    let changes = view.world.ledger.before(onset, ranking.change_window, ranking.change_skew);
    let mut names = names(view);
    names.extend(changed_upstream(view, &changes));
    names.extend(spoken_of_upstream(view));
    let prior = libm::log(0.5 / names.len().max(1) as f64);
    let own_onset = |name: &Name| {
        let own = view.case.onset_of(name).map(|pane| view.config.width.start(pane));
        own.unwrap_or(onset).max(onset)
    };
    let onsets: Vec<Timestamp> = names.iter().map(own_onset).collect();
    // All changes that any candidate is asked for: the latest onset may be long after the case's.
    let latest = onsets.iter().max().copied().unwrap_or(onset);
    let window = latest - (onset - ranking.change_window);
    let asked_for = view.world.ledger.before(latest, window, ranking.change_skew);
    let corpus = super::content::Corpus::new(view, &asked_for);
    let said = evidence::Said::new(view);
    // Each candidate's changes by its own onset: the case may have begun elsewhere, by other noise.
    let mut blamed: BTreeMap<Timestamp, Vec<Change>> = BTreeMap::from([(onset, changes)]);
    let mut drafts = Vec::new();
    for (name, onset) in names.iter().zip(onsets) {
        let entity = entity(view, name);
        let mut rows = vec![evidence::row(
            EvidenceTerm::Prior,
            prior,
            format!("one of {} candidates, before any evidence", names.len()),
        )];
        rows.extend(evidence::own(view, &said, name));
        for row in host::own(view, name) {
            // One row a term: its bound is for both together.
            match rows.iter_mut().find(|known| known.term == row.term) {
                Some(known) if known.nats >= row.nats => {}
                Some(known) => *known = row,
                None => rows.push(row),
            }
        }
        rows.extend(common_cause::term(view, name));
        rows.extend(evidence::coverage(view, name));
        rows.extend(evidence::absent(view, name));
        let kind = kind(view, &entity, &rows);
        let changes = blamed.entry(onset).or_insert_with(|| {
            view.world.ledger.before(onset, ranking.change_window, ranking.change_skew)
        });
        for change in &*changes {
            if let Some(terms) = change_term::terms(view, name, change, onset, &corpus) {
                let evidence = rows.iter().cloned().chain(terms).collect();
                let (entity, change) = (entity.clone(), Some(change.clone()));
                drafts.push(Draft { entity, kind: CauseKind::Change, change, evidence });
            }
        }
        drafts.push(Draft { entity, kind, change: None, evidence: rows });
    }
    drafts
}

/// Members, the origins of their failing traces, what changed just before and could reach them, and
/// the nodes without telemetry that several members need.
fn names(view: &View<'_>) -> BTreeSet<Name> {
    let mut names = view.case.services();
    names.extend(view.case.symptoms.keys().map(|key| key.entity.service.clone()));
    names
        .extend(view.case.symptoms.keys().filter_map(|key| key.entity.edge_from().map(Name::from)));
    names.extend(view.case.reach.keys().map(|(origin, _)| origin.clone()));
    let members = view.case.services();
    for member in &members {
        let needed = view.world.map.callees(member);
        names.extend(needed.into_iter().filter(|name| is_blind(&view.world.map, name)));
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What the newest changes touched, where those that carry the case need it: it may be guilty without
/// showing anything.
fn changed_upstream(view: &View<'_>, changes: &[Change]) -> Vec<Name> {
    let map = &view.world.map;
    let core = view.case.core();
    let mut found = Vec::new();
    for change in changes.iter().rev().take(CHANGED_MAX) {
        for target in change.targets.iter().take(CHANGED_MAX).filter_map(|name| map.bind(name)) {
            if core.iter().any(|member| map.distance(member, &target, 2).is_some()) {
                found.push(target);
            }
        }
    }
    found
}

/// What others complain about or the platform reports, where those that carry the case (its members,
/// if nothing but alerts tells of it) need it: it may have no telemetry of its own.
fn spoken_of_upstream(view: &View<'_>) -> Vec<Name> {
    let map = &view.world.map;
    let core = Some(view.case.core()).filter(|core| !core.is_empty());
    let core = core.unwrap_or_else(|| view.case.services());
    let needed = |name: &&Name| core.iter().any(|c| map.distance(c, name, WALK_HOPS_MAX).is_some());
    view.world
        .signs
        .subjects(signs::since(view))
        .filter(needed)
        .take(SPOKEN_OF_MAX)
        .cloned()
        .collect()
}

fn entity(view: &View<'_>, name: &Name) -> Entity {
    let told = view.case.symptoms.keys().map(|key| &key.entity);
    let virtual_node = |e: &&Entity| e.service == *name && e.id == *name;
    if let Some(entity) = told.clone().find(virtual_node) {
        return entity.clone();
    }
    match view.world.map.kind(name) {
        None | Some(EntityKind::Service) => Entity::service(name.clone()),
        Some(kind) => Entity::standalone(kind, name.clone()),
    }
}

/// The kind of cause that the heaviest row speaks for.
fn kind(view: &View<'_>, entity: &Entity, rows: &[Evidence]) -> CauseKind {
    let heaviest = rows.iter().filter(|row| evidence::is_own(row.term)).fold(
        None::<&Evidence>,
        |best, row| match best {
            Some(kept) if kept.nats >= row.nats => Some(kept),
            _ => Some(row),
        },
    );
    match (entity.kind, heaviest.map(|row| row.term)) {
        (EntityKind::External, _) => CauseKind::External,
        (EntityKind::Host, _) | (_, Some(EvidenceTerm::Metric)) => CauseKind::Resource,
        (
            _,
            Some(
                EvidenceTerm::Silence
                | EvidenceTerm::OrphanCalls
                | EvidenceTerm::Complaint
                | EvidenceTerm::Platform,
            ),
        ) => CauseKind::Unavailable,
        (_, Some(EvidenceTerm::SlowEdge)) => CauseKind::Network,
        (EntityKind::Database | EntityKind::Messaging, _) => CauseKind::Resource,
        _ if evidence::has_resource_metric(view, &entity.service) => CauseKind::Resource,
        _ => CauseKind::Code,
    }
}
