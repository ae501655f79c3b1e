//! Who is whom in two runs.
//!
//! Ids do not tell: an id is a hash of the first entity and the onset's pane, so another pane width
//! or another first symptom is another id for the same trouble. What an incident holds does tell:
//!
//! * An **alert** is in both if it has the same fingerprint and the same start.
//! * A **symptom** is in both if it is of the same entity, test and detail, and the times from its
//!   first to its last pane overlap.
//! * Two incidents **may match** if they share at least a third of the members of the smaller one.
//!   The smaller: the small half of a split must find the whole it came from. A third: half would
//!   lose the parts of an incident that was cut in three, and a stray shared alert must not be enough.
//! * Those that may match are **paired**, the most alike first (shared members by all members of the
//!   two; of equals, the same id first), each at most once. Incidents of one run may share members: two
//!   small ones and a large one of the same services do. That alone makes nothing a merge, for each of
//!   them finds its like first.
//! * Whoever may match and found no partner **joins** the pair of the incident with which it shares
//!   most: that incident was split, or it took the joining one in. Pairs are **groups**, with those
//!   that joined: one to one, one to several (a split), several to one (a merge), several to several.
//! * Whoever may match nobody joins the other run's incident of the same id: it began with the same.
//!   Lists of members are bounded, and an incident that goes on forgets how it began.
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
    /// The two that are most alike; `None` if one side is empty.
    pub alike: Option<(usize, usize)>,
}

type SymptomKey<'a> = (&'a Entity, SymptomKind, &'a Name);

/// Groups the incidents of two runs; each is in exactly one group.
#[must_use]
pub fn groups(old: &[Told], new: &[Told]) -> Vec<Group> {
    let shared = shared(old, new);
    let candidates = candidates(old, new, &shared);
    let paired = pairs(&candidates);
    let mut ties: BTreeSet<(usize, usize)> = paired.iter().copied().collect();
    join(&candidates, &mut ties);
    join_by_id(old, new, &mut ties);
    components(old.len(), new.len(), &ties)
        .into_iter()
        .map(|(o, n)| {
            let pairs = o.iter().flat_map(|o| n.iter().map(move |n| (*o, *n)));
            let shared = pairs.filter_map(|pair| shared.get(&pair)).sum();
            let here = |(a, b): &&(usize, usize)| o.contains(a) && n.contains(b);
            let alike = paired.iter().chain(&ties).find(here).copied();
            Group { old: o, new: n, shared, alike }
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

/// Two incidents that may match.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    old: usize,
    new: usize,
    /// Members in both.
    shared: usize,
    /// Members of either.
    all: usize,
    /// Whether they have the same id.
    same_id: bool,
}

fn candidates(
    old: &[Told],
    new: &[Told],
    shared: &BTreeMap<(usize, usize), usize>,
) -> Vec<Candidate> {
    let candidate = |(&(o, n), &shared): (&(usize, usize), &usize)| {
        let (a, b) = (old.get(o)?, new.get(n)?);
        let (mine, theirs) = (a.members(), b.members());
        // A symptom of one may overlap several of the other, so `shared` may be above both.
        let all = (mine + theirs).saturating_sub(shared).max(shared);
        let same_id = a.incident.id == b.incident.id;
        let may = shared * SHARE >= mine.min(theirs);
        may.then_some(Candidate { old: o, new: n, shared, all, same_id })
    };
    let mut all: Vec<Candidate> = shared.iter().filter_map(candidate).collect();
    // Fractions are compared as products: no rounding decides who is whom.
    all.sort_by(|a, b| {
        let alike = (b.shared * a.all).cmp(&(a.shared * b.all));
        alike.then(b.same_id.cmp(&a.same_id)).then((a.old, a.new).cmp(&(b.old, b.new)))
    });
    all
}

/// Pairs candidates in their order, each incident at most once.
fn pairs(candidates: &[Candidate]) -> Vec<(usize, usize)> {
    let (mut olds, mut news) = (BTreeSet::new(), BTreeSet::new());
    let mut found = Vec::new();
    for one in candidates {
        if !olds.contains(&one.old) && !news.contains(&one.new) {
            olds.insert(one.old);
            news.insert(one.new);
            found.push((one.old, one.new));
        }
    }
    found
}

/// Those that are in ties already, of either run.
fn tied(ties: &BTreeSet<(usize, usize)>) -> (BTreeSet<usize>, BTreeSet<usize>) {
    ties.iter().copied().unzip()
}

/// Lets those join that found no partner.
fn join(candidates: &[Candidate], ties: &mut BTreeSet<(usize, usize)>) {
    let (olds, news) = tied(ties);
    let mut most: BTreeMap<(&str, usize), Candidate> = BTreeMap::new();
    for one in candidates {
        // Two without partner would have been paired.
        let alone = match (olds.contains(&one.old), news.contains(&one.new)) {
            (false, _) => ("old", one.old),
            (_, false) => ("new", one.new),
            _ => continue,
        };
        let best = most.entry(alone).or_insert(*one);
        if one.shared > best.shared {
            *best = *one;
        }
    }
    ties.extend(most.into_values().map(|one| (one.old, one.new)));
}

fn join_by_id(old: &[Told], new: &[Told], ties: &mut BTreeSet<(usize, usize)>) {
    let (olds, news) = tied(ties);
    for (o, told) in old.iter().enumerate() {
        let same = |(n, other): &(usize, &Told)| {
            other.incident.id == told.incident.id && !(olds.contains(&o) && news.contains(n))
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
    use super::{Candidate, components, join, pairs};
    use std::collections::BTreeSet;

    /// Who shares how many with whom, of how many that the two have.
    fn candidate((old, new): (usize, usize), shared: usize, all: usize) -> Candidate {
        Candidate { old, new, shared, all, same_id: old == new }
    }

    fn ties(candidates: &[Candidate]) -> BTreeSet<(usize, usize)> {
        let mut ties = pairs(candidates).into_iter().collect();
        join(candidates, &mut ties);
        ties
    }

    #[test]
    fn incidents_of_one_run_that_share_members_are_paired_with_their_likes() {
        // Two small ones share all that they have with a large one, in both runs.
        let candidates = vec![
            candidate((0, 0), 10, 10),
            candidate((0, 1), 3, 10),
            candidate((1, 0), 3, 10),
            candidate((1, 1), 3, 3),
            candidate((1, 2), 3, 3),
            candidate((2, 1), 3, 3),
            candidate((2, 2), 3, 3),
        ];
        assert_eq!(ties(&candidates), BTreeSet::from([(0, 0), (1, 1), (2, 2)]));
    }

    #[test]
    fn the_small_half_of_a_split_joins_the_whole_that_it_came_from() {
        let candidates = vec![
            candidate((0, 0), 7, 10),
            candidate((0, 1), 3, 10),
            candidate((1, 2), 4, 4),
            candidate((1, 1), 1, 6),
        ];
        assert_eq!(ties(&candidates), BTreeSet::from([(0, 0), (0, 1), (1, 2)]));
    }

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
