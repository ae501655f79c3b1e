//! One change: the events that tell of it, folded, and the one that names it.
//!
//! A commit, its deploy, the steps of the roll-out and the new version that telemetry shows are one
//! change told several times. It is *named* by what people would take back (the commit, else the
//! first step) and *dated* by what put it into force. Deliberately absent: blame.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::change::{ChangeEvent, ChangeKind};
use model::name::Name;
use model::time::{Nanos, Timestamp};

use super::change_ledger::effective;
use super::union::Sets;

/// Steps of one roll-out follow each other within this time where no link ties them; staged
/// roll-outs wait for a quarter to half an hour between stages.
const ROLLOUT_WITHIN: Nanos = Nanos::from_secs(1800);

/// One change, with all events that tell of it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The event that names it: its commit, else its first announced step.
    pub(super) event: Arc<ChangeEvent>,
    /// All its events, in order of their ids, the one that names it among them.
    pub(super) events: Vec<Arc<ChangeEvent>>,
    /// When it took effect, as far as that lies before the onset.
    pub(super) at: Timestamp,
    /// What kind of event put it into force.
    pub(super) kind: ChangeKind,
    /// The version that it put into service.
    pub(super) version: Option<Name>,
    /// What it touched, over all events; sorted.
    pub(super) targets: Vec<Name>,
    /// How many commits the same deploy put into force, this one among them; at least 1.
    pub(super) commits: usize,
}

/// Folds events into changes. `latest` is the last instant at which a change may have acted.
pub(super) fn fold(events: &[Arc<ChangeEvent>], latest: Timestamp) -> Vec<Change> {
    let groups = groups(events);
    let parts = groups.into_iter().flat_map(by_commit);
    parts.filter_map(|(group, commits)| Change::of(group, commits, latest)).collect()
}

impl Change {
    fn of(mut events: Vec<Arc<ChangeEvent>>, commits: usize, latest: Timestamp) -> Option<Self> {
        events.sort_by(|a, b| a.id.cmp(&b.id));
        // Of several steps the last before the onset dates it: it is the one that reached everybody.
        let in_force = |c: &ChangeEvent| (c.kind != ChangeKind::Commit, effective(c, latest));
        let dated = events.iter().max_by_key(|c| (in_force(c), c.id.clone()))?;
        let (at, kind) = (effective(dated, latest), dated.kind);
        let event = naming(&events)?;
        let mut targets: Vec<Name> = events.iter().flat_map(|c| c.targets.clone()).collect();
        targets.sort();
        targets.dedup();
        let version = events.iter().find_map(|c| c.version.clone());
        Some(Self { event, events, at, kind, version, targets, commits: commits.max(1) })
    }
}

/// The commit; else what others link to; else the earliest that somebody announced.
fn naming(events: &[Arc<ChangeEvent>]) -> Option<Arc<ChangeEvent>> {
    let linked: BTreeSet<&Name> = events.iter().flat_map(|c| &c.links).collect();
    let standing = |c: &ChangeEvent| {
        (
            c.kind != ChangeKind::Commit,
            c.is_observed(),
            !linked.contains(&c.id),
            c.started_at.unwrap_or(c.at),
        )
    };
    events.iter().min_by(|a, b| (standing(a), &a.id).cmp(&(standing(b), &b.id))).cloned()
}

/// Groups events that tell of one change: linked by id, or steps of one roll-out.
fn groups(events: &[Arc<ChangeEvent>]) -> Vec<Vec<Arc<ChangeEvent>>> {
    let index: BTreeMap<&Name, usize> =
        events.iter().enumerate().map(|(at, change)| (&change.id, at)).collect();
    let mut sets = Sets::new(events.len());
    for (at, change) in events.iter().enumerate() {
        for link in change.links.iter().filter_map(|id| index.get(id)) {
            sets.join(at, *link);
        }
        for (earlier, other) in events.iter().enumerate().take(at) {
            if same_rollout(change, other) {
                sets.join(at, earlier);
            }
        }
    }
    let pick = |at: &usize| events.get(*at).cloned();
    sets.groups().into_iter().map(|group| group.iter().filter_map(pick).collect()).collect()
}

/// A deploy of several commits is as many changes as it has commits: one of them is to blame, and
/// that is what has to be taken back. Each comes with the number of its like.
fn by_commit(group: Vec<Arc<ChangeEvent>>) -> Vec<(Vec<Arc<ChangeEvent>>, usize)> {
    let (commits, others): (Vec<_>, Vec<_>) =
        group.into_iter().partition(|change| change.kind == ChangeKind::Commit);
    if commits.len() < 2 {
        let all: Vec<_> = commits.into_iter().chain(others).collect();
        return vec![(all, 1)];
    }
    let count = commits.len();
    let part = |commit: Arc<ChangeEvent>| {
        let tells = |other: &&Arc<ChangeEvent>| {
            other.links.contains(&commit.id) || commit.links.contains(&other.id)
        };
        let direct: Vec<_> = others.iter().filter(tells).cloned().collect();
        let steps = others
            .iter()
            .filter(|other| !tells(other) && direct.iter().any(|known| same_rollout(other, known)));
        let all: Vec<_> =
            steps.cloned().chain(direct.clone()).chain([Arc::clone(&commit)]).collect();
        (all, if direct.is_empty() { 1 } else { count })
    };
    commits.into_iter().map(part).collect()
}

fn same_rollout(a: &ChangeEvent, b: &ChangeEvent) -> bool {
    let apart = Nanos((a.at.0.saturating_sub(b.at.0)).saturating_abs());
    a.kind == b.kind
        && a.version.is_some()
        && a.version == b.version
        && !a.targets.is_empty()
        && a.targets == b.targets
        && apart <= ROLLOUT_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::change::{ChangeContent, ChangeOutcome};

    fn event(id: &str, kind: ChangeKind, secs: i64, links: &[&str]) -> Arc<ChangeEvent> {
        let deployed = kind == ChangeKind::Deploy;
        Arc::new(ChangeEvent {
            id: id.into(),
            kind,
            at: Timestamp(0) + Nanos::from_secs(secs),
            started_at: None,
            targets: if deployed { vec!["shop".into()] } else { Vec::new() },
            environment: None,
            title: id.into(),
            author: None,
            version: deployed.then(|| "v2".into()),
            outcome: ChangeOutcome::Succeeded,
            content: ChangeContent::default(),
            links: links.iter().map(|link| (*link).into()).collect(),
            url: None,
        })
    }

    fn told(events: &[Arc<ChangeEvent>]) -> Vec<(String, i64, usize)> {
        let latest = Timestamp(0) + Nanos::from_secs(10_000);
        let line = |c: Change| (c.event.id.to_string(), (c.at - Timestamp(0)).secs(), c.commits);
        let mut lines: Vec<_> = fold(events, latest).into_iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_commit_names_a_change_and_its_deploy_dates_it() {
        let events = [
            event("commit", ChangeKind::Commit, 10, &[]),
            event("deploy", ChangeKind::Deploy, 90, &["commit"]),
        ];
        assert_eq!(told(&events), [("commit".to_owned(), 90, 1)]);
    }

    #[test]
    fn steps_and_the_version_that_telemetry_shows_are_the_first_step() {
        let events = [
            event("roll-1", ChangeKind::Deploy, 100, &[]),
            event("roll-1-step-2", ChangeKind::Deploy, 1900, &["roll-1"]),
            event("version:shop:v2", ChangeKind::Deploy, 70, &[]),
        ];
        assert_eq!(told(&events), [("roll-1".to_owned(), 1900, 1)]);
    }

    #[test]
    fn a_deploy_of_two_commits_is_two_changes() {
        let events = [
            event("a", ChangeKind::Commit, 10, &[]),
            event("b", ChangeKind::Commit, 20, &[]),
            event("deploy", ChangeKind::Deploy, 90, &["a", "b"]),
        ];
        assert_eq!(told(&events), [("a".to_owned(), 90, 2), ("b".to_owned(), 90, 2)]);
    }
}
