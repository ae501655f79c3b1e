//! Deeper: what a service shows only because something that it needs shows it as well.
//!
//! A failure below is logged above: the caller takes another path through its log statements, and makes
//! none of the calls that would have come next. Such evidence is contagious, along dependencies and in one
//! direction, so the deepest of two comparable candidates takes the credit (notes 6.4). Own time and origins
//! of errors are not contagious. Deliberately absent: any gain; the term only takes away.

use std::collections::{BTreeMap, BTreeSet};

use model::hypothesis::EvidenceTerm;
use model::id::TraceId;
use model::name::Name;
use model::symptom::SymptomKind;

use crate::correlate::limits::WALK_HOPS_MAX;
use crate::correlate::ties::ratio;

use super::candidates::Draft;
use super::{View, evidence};

/// Takes from every candidate what a deeper one explains: as much as that one shows itself, and all of it
/// that the same traces show.
pub(super) fn explain(view: &View<'_>, drafts: &mut [Draft]) {
    let shown: BTreeMap<Name, f64> =
        drafts.iter().map(|draft| (draft.entity.service.clone(), of_requests(draft))).collect();
    for draft in drafts {
        let name = draft.entity.service.clone();
        let contagious = contagious(view, draft);
        if contagious <= 0.0 {
            continue;
        }
        let paths = traces(view, &name, true);
        let explained = |other: &Name, nats: f64| {
            let both = shared(&paths, &traces(view, other, false));
            nats.max(contagious * both).min(contagious)
        };
        let deeper = shown
            .iter()
            .filter(|(other, nats)| **nats > 0.0 && is_deeper(view, &name, other))
            .map(|(other, nats)| (other, explained(other, *nats)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(a.0)));
        if let Some((other, nats)) = deeper {
            let text = format!("{other}, which it needs, shows as much of itself");
            draft.evidence.push(evidence::row(EvidenceTerm::Deeper, -nats, text));
        }
    }
}

/// The traces that show what is abnormal of a service, or its unusual log paths alone.
pub(super) fn traces(view: &View<'_>, service: &Name, paths_only: bool) -> BTreeSet<TraceId> {
    let own = view.case.symptoms.iter().filter(|(key, _)| {
        key.entity.service == *service && (!paths_only || key.kind == SymptomKind::LogPath)
    });
    own.flat_map(|(_, sum)| sum.exemplars.iter().copied()).collect()
}

/// Share of some traces that are among others. Both sides hold the smallest ids, so beyond the largest of
/// the other side nothing is known.
pub(super) fn shared(mine: &BTreeSet<TraceId>, theirs: &BTreeSet<TraceId>) -> f64 {
    let Some(known_to) = theirs.last() else { return 0.0 };
    let comparable: Vec<&TraceId> = mine.range(..=known_to).collect();
    let both = comparable.iter().filter(|trace| theirs.contains(**trace)).count();
    ratio(both as u64, comparable.len() as u64)
}

/// Whether one needs the other, and not the other way round.
fn is_deeper(view: &View<'_>, name: &Name, other: &Name) -> bool {
    let needs = |a: &Name, b: &Name| view.world.map.distance(a, b, WALK_HOPS_MAX).is_some();
    name != other && needs(name, other) && !needs(other, name)
}

/// What requests show of a candidate. Unit: nats.
fn of_requests(draft: &Draft) -> f64 {
    use EvidenceTerm::{ErrorOrigin, LogPath, OrphanCalls, Silence, SlowEdge, SlowSelf};
    let rows = draft.evidence.iter().filter(|row| {
        matches!(row.term, ErrorOrigin | LogPath | OrphanCalls | Silence | SlowEdge | SlowSelf)
    });
    rows.map(|row| row.nats).sum()
}

/// Unusual log paths, and calls that it no longer makes. Unit: nats.
fn contagious(view: &View<'_>, draft: &Draft) -> f64 {
    let name = &draft.entity.service;
    let omits = view.case.symptoms.keys().any(|key| {
        key.kind == SymptomKind::Silence && key.entity.service == *name && !key.detail.is_empty()
    });
    let rows = draft.evidence.iter().filter(|row| {
        row.term == EvidenceTerm::LogPath || (omits && row.term == EvidenceTerm::Silence)
    });
    rows.map(|row| row.nats).sum()
}
