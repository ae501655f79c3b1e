//! Who is whom in two runs.
//!
//! Ids do not tell: an id is a hash of the first entity and the onset's pane, so another pane width
//! or another first symptom is another id for the same trouble. What an incident holds does tell:
//!
//! * An **alert** is in both if it has the same fingerprint and the same start.
//! * A **symptom** is in both if it is of the same entity, test and detail, and the times from its
//!   first to its last pane overlap.
//! * Two incidents **match** if they share at least a third of the members of the smaller one. The
//!   smaller: the small half of a split must find the whole it came from. A third: half would lose
//!   the parts of an incident that was cut in three, and a stray shared alert must not be enough.
//! * Incidents that are tied by matches, directly or through others, are one **group**: one to one,
//!   one to several (a split), several to one (a merge), several to several.
//! * Whoever has no match is tied to the other run's incident of the same id, if that has none
//!   either: lists of members are bounded, so two long ones may share nothing.
//!
//! Cells are compared as well, unless the two configurations name different cells.

use std::collections::{BTreeMap, BTreeSet};

use model::entity::Entity;
use model::id::{CellId, Fingerprint};
use model::name::Name;
use model::symptom::SymptomKind;
use model::time::Timestamp;

use super::told::Told;

/// Shared members times this must reach the members of the smaller incident.
const SHARE: usize = 3;

/// Incidents that are about the same trouble; places in the lists of the two runs, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Those of the older configuration.
    pub old: Vec<usize>,
    /// Those of the newer one.
    pub new: Vec<usize>,
    /// Members that are in both.
    pub shared: usize,
}

type SymptomKey<'a> = (&'a Entity, SymptomKind, &'a Name);

/// Groups the incidents of two runs; each is in exactly one group.
#[must_use]
pub fn groups(old: &[Told], new: &[Told]) -> Vec<Group> {
    let shared = shared(old, new);
    let mut ties: BTreeSet<(usize, usize)> = shared
        .iter()
        .filter(|((o, n), count)| {
            let members = |told: Option<&Told>| told.map_or(0, Told::members);
            **count * SHARE >= members(old.get(*o)).min(members(new.get(*n)))
        })
        .map(|(pair, _)| *pair)
        .collect();
    tie_by_id(old, new, &mut ties);
    components(old.len(), new.len(), &ties)
        .into_iter()
        .map(|(o, n)| {
            let pairs = o.iter().flat_map(|o| n.iter().map(move |n| (*o, *n)));
            let shared = pairs.filter_map(|pair| shared.get(&pair)).sum();
            Group { old: o, new: n, shared }
        })
        .collect()
}

/// How many members each pair of incidents shares; pairs that share none are left out.
fn shared(old: &[Told], new: &[Told]) -> BTreeMap<(usize, usize), usize> {
    let mut alerts: BTreeMap<(Fingerprint, Timestamp), BTreeSet<usize>> = BTreeMap::new();
    let mut symptoms: BTreeMap<SymptomKey<'_>, Vec<(usize, Timestamp, Timestamp)>> =
        BTreeMap::new();
    for (place, told) in new.iter().enumerate() {
        for alert in &told.incident.alerts {
            alerts.entry((alert.fingerprint, alert.starts_at)).or_default().insert(place);
        }
        for s in &told.incident.symptoms {
            let key = (&s.entity, s.kind, &s.detail);
            symptoms.entry(key).or_default().push((place, s.first_at, s.last_at));
        }
    }
    let cells = |run: &[Told]| -> BTreeSet<CellId> {
        run.iter().map(|told| told.incident.cell.clone()).collect()
    };
    let same_cells = cells(old) == cells(new);
    let mut shared: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (place, told) in old.iter().enumerate() {
        let mut count = |with: BTreeSet<usize>| {
            for other in with {
                let cell = new.get(other).map(|other| &other.incident.cell);
                if !same_cells || cell == Some(&told.incident.cell) {
                    *shared.entry((place, other)).or_insert(0) += 1;
                }
            }
        };
        for alert in &told.incident.alerts {
            let with = alerts.get(&(alert.fingerprint, alert.starts_at));
            count(with.cloned().unwrap_or_default());
        }
        for s in &told.incident.symptoms {
            let with = symptoms.get(&(&s.entity, s.kind, &s.detail)).into_iter().flatten();
            let overlap = with.filter(|(_, first, last)| *first < s.last_at && s.first_at < *last);
            count(overlap.map(|(other, _, _)| *other).collect());
        }
    }
    shared
}

fn tie_by_id(old: &[Told], new: &[Told], ties: &mut BTreeSet<(usize, usize)>) {
    let tied_old: BTreeSet<usize> = ties.iter().map(|(o, _)| *o).collect();
    let tied_new: BTreeSet<usize> = ties.iter().map(|(_, n)| *n).collect();
    for (o, told) in old.iter().enumerate().filter(|(o, _)| !tied_old.contains(o)) {
        let same = |(n, other): &(usize, &Told)| {
            !tied_new.contains(n) && other.incident.id == told.incident.id
        };
        ties.extend(new.iter().enumerate().find(same).map(|(n, _)| (o, n)));
    }
}

/// The connected parts, those with an old incident first, by their lowest place.
fn components(
    old: usize,
    new: usize,
    ties: &BTreeSet<(usize, usize)>,
) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut found = Vec::new();
    let (mut seen_old, mut seen_new) = (BTreeSet::<usize>::new(), BTreeSet::<usize>::new());
    for first in 0..old {
        if seen_old.contains(&first) {
            continue;
        }
        let (mut olds, mut news) = (BTreeSet::from([first]), BTreeSet::<usize>::new());
        loop {
            let before = (olds.len(), news.len());
            for (o, n) in ties {
                if olds.contains(o) || news.contains(n) {
                    olds.insert(*o);
                    news.insert(*n);
                }
            }
            if (olds.len(), news.len()) == before {
                break;
            }
        }
        seen_old.extend(&olds);
        seen_new.extend(&news);
        found.push((olds.into_iter().collect(), news.into_iter().collect()));
    }
    let alone = (0..new).filter(|n| !seen_new.contains(n));
    found.extend(alone.map(|n| (Vec::new(), vec![n])));
    found
}

#[cfg(test)]
mod tests {
    use super::components;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_tied_through_others_is_one_group() {
        let ties = BTreeSet::from([(0, 0), (0, 1), (2, 1), (3, 3)]);
        let found = components(4, 4, &ties);
        assert_eq!(
            found,
            [(vec![0, 2], vec![0, 1]), (vec![1], vec![]), (vec![3], vec![3]), (vec![], vec![2]),]
        );
    }
}
