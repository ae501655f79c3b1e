//! The sequential rule: evidence of successive panes adds up, less what a healthy pane says by chance
//! (a one-sided CUSUM, Page 1954): `S = max(0, S + L - 1/4)`. Its level and begin stand in every symptom.
//!
//! Shares are judged over the run as a whole: hits and trials add up from pane to pane, and `L` is what the
//! sum says more than it said before. So an operation of one call a pane is heard as well as a busy
//! one, and a thin baseline bounds what any number of panes can say.

use std::collections::BTreeMap;

use model::entity::EntityKind;
use model::nats::Nats;
use model::symptom::{Symptom, SymptomKind};
use model::time::Pane;
use serde::{Deserialize, Serialize};

use super::evidence::{Against, Direction, Evidence, Key};
use super::limits::RUNS_MAX;

/// What every pane takes from a run: the mean of a one-sided log-likelihood ratio under its null is
/// half the mean of half a chi-square of one degree of freedom, a quarter of a nat.
const DRIFT: Nats = Nats(Nats::from_int(1).0 / 4);
/// A fading run below this is over: less than a nat is no evidence of anything.
const FADED: Nats = Nats::from_int(1);
/// More is not needed by anyone, and takes too long to fall.
const LEVEL_MAX: Nats = Nats::from_int(60);
/// A run of which nothing is heard for so many panes is forgotten.
const NEWS_PANES: i64 = 12;

/// Good points between two bad ones of a metric that still persist.
const SPARED_MAX: u8 = 1;

/// The run of one key. A key without evidence has no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) level: Nats,
    onset: Pane,
    /// Last pane that could have spoken of the key.
    heard: Pane,
    /// A lone deviating metric point, waiting for a second.
    waiting: Option<(Direction, Nats, Pane)>,
    /// Good points since then: one is forgiven, for a load balancer spares an instance now and then.
    spared: u8,
    /// Hits and trials of the run, and what they say together.
    hits: u64,
    trials: u64,
    sum: Nats,
}

/// All runs, by key.
pub(crate) type Runs = BTreeMap<Key, Run>;

/// Moves all runs on by one pane and tells the symptoms. `evidence` is sorted by key; `speaks`
/// says of a key without evidence whether the pane could have had some.
pub(crate) fn step(
    runs: &mut Runs,
    pane: Pane,
    evidence: &[Evidence],
    tell: Nats,
    speaks: impl Fn(&Key) -> bool,
) -> Vec<Symptom> {
    let mut symptoms = Vec::new();
    runs.retain(|_, run| pane.since(run.heard) <= NEWS_PANES);
    for (key, run) in runs.iter_mut() {
        if evidence.binary_search_by(|one| one.key.cmp(key)).is_ok() {
            continue;
        }
        if speaks(key) {
            run.calm(pane);
        }
        if run.level >= tell {
            symptoms.push(symptom(key, run, Nats::ZERO, None));
        }
    }
    for one in evidence {
        let mut run = runs.get(&one.key).copied().unwrap_or_else(|| Run::new(pane));
        let counted = run.add(pane, one);
        if counted >= tell || run.level >= tell {
            symptoms.push(symptom(&one.key, &run, counted, Some(one)));
        }
        if runs.contains_key(&one.key) || runs.len() < RUNS_MAX {
            runs.insert(one.key.clone(), run);
        }
    }
    runs.retain(|_, run| run.level > Nats::ZERO || run.waiting.is_some() || run.hits > 0);
    symptoms.sort_by(|a, b| (&a.entity, a.kind, &a.detail).cmp(&(&b.entity, b.kind, &b.detail)));
    strongest_paths(&mut symptoms);
    symptoms
}

/// The pairs of one operation's log path are one piece of evidence seen many times: only the
/// strongest is told. Needs sorted symptoms; ties go to the first.
fn strongest_paths(symptoms: &mut Vec<Symptom>) {
    symptoms.dedup_by(|later, kept| {
        let same = later.kind == SymptomKind::LogPath
            && kept.kind == SymptomKind::LogPath
            && later.entity.kind == EntityKind::Operation
            && later.entity == kept.entity;
        if same && later.level > kept.level {
            std::mem::swap(later, kept);
        }
        same
    });
}

impl Run {
    fn new(pane: Pane) -> Self {
        Self {
            level: Nats::ZERO,
            onset: pane,
            heard: pane,
            waiting: None,
            spared: 0,
            hits: 0,
            trials: 0,
            sum: Nats::ZERO,
        }
    }

    /// A pane with trials and without evidence speaks for health: the run halves.
    fn calm(&mut self, pane: Pane) {
        self.heard = pane;
        self.spared = self.spared.saturating_add(1);
        if self.spared > SPARED_MAX {
            self.waiting = None;
        }
        self.level = Nats((self.level - DRIFT).0.max(0) / 2);
        self.hits /= 2;
        self.trials /= 2;
        self.sum = Nats(self.sum.0 / 2);
        if self.level < FADED && self.hits <= 1 {
            // What comes later has an onset of its own.
            (self.level, self.hits, self.trials, self.sum) = (Nats::ZERO, 0, 0, Nats::ZERO);
        }
    }

    /// Adds evidence; returns how much of it counts.
    fn add(&mut self, pane: Pane, evidence: &Evidence) -> Nats {
        self.heard = pane;
        let is_new = self.level == Nats::ZERO && self.hits == 0;
        let (counted, began) = match (evidence.key.kind, evidence.against) {
            (SymptomKind::Metric, _) => self.persistent(pane, evidence),
            (_, Some(against)) => (self.pool(evidence, against), pane),
            _ => (evidence.nats, pane),
        };
        if is_new {
            self.onset = began;
        }
        self.level = (self.level + counted - DRIFT).clamp(Nats::ZERO, LEVEL_MAX);
        counted.max(Nats::ZERO)
    }

    /// What the run's hits say with this pane's more than without them.
    fn pool(&mut self, evidence: &Evidence, against: Against) -> Nats {
        self.hits = self.hits.saturating_add(evidence.hits);
        self.trials = self.trials.saturating_add(evidence.trials);
        let sum = against.nats(self.hits, self.trials);
        let gain = against.weighed(sum - self.sum);
        self.sum = sum;
        gain
    }

    /// The weaker of two successive points on the same side, and when the first of them was.
    fn persistent(&mut self, pane: Pane, evidence: &Evidence) -> (Nats, Pane) {
        self.spared = 0;
        let before = self.waiting.replace((evidence.direction, evidence.nats, pane));
        match before {
            Some((direction, nats, since)) if direction == evidence.direction => {
                (nats.min(evidence.nats), since)
            }
            _ => (Nats::ZERO, pane),
        }
    }
}

fn symptom(key: &Key, run: &Run, nats: Nats, evidence: Option<&Evidence>) -> Symptom {
    Symptom {
        entity: key.entity.clone(),
        kind: key.kind,
        detail: key.detail.clone(),
        nats,
        level: run.level,
        onset: run.onset,
        hits: evidence.map_or(0, |one| one.hits),
        trials: evidence.map_or(0, |one| one.trials),
        expected_ppm: evidence.map_or(0, |one| one.expected_ppm),
        exemplars: evidence.map(|one| one.exemplars.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::entity::Entity;

    fn evidence(kind: SymptomKind, nats: i64) -> Evidence {
        Evidence {
            key: Key { entity: Entity::service("a".into()), kind, detail: "d".into() },
            nats: Nats::from_int(nats),
            direction: Direction::Up,
            hits: 1,
            trials: 1,
            expected_ppm: 0,
            against: None,
            exemplars: Vec::new(),
        }
    }

    fn run(kind: SymptomKind, panes: &[i64]) -> Vec<(i64, i64, i64)> {
        let mut runs = Runs::new();
        let mut told = Vec::new();
        for (pane, &nats) in (0_i64..).zip(panes) {
            let list = if nats > 0 { vec![evidence(kind, nats)] } else { Vec::new() };
            for symptom in step(&mut runs, Pane(pane), &list, Nats::from_int(3), |_| true) {
                told.push((pane, symptom.level.0 >> 20, symptom.onset.0));
            }
        }
        told
    }

    #[test]
    fn evidence_adds_up_from_its_onset_and_health_ends_it() {
        let told = run(SymptomKind::ErrorOrigin, &[0, 2, 3, 9, 0, 0, 0, 0, 5]);
        assert_eq!(told, [(2, 4, 1), (3, 13, 1), (4, 6, 1), (5, 3, 1), (8, 4, 8)]);
    }

    #[test]
    fn a_lone_metric_point_says_nothing() {
        assert_eq!(run(SymptomKind::Metric, &[0, 8, 0, 0, 8, 0]), []);
        assert_eq!(run(SymptomKind::Metric, &[0, 8, 6, 0]), [(2, 5, 1)]);
    }

    #[test]
    fn one_good_point_between_two_bad_ones_is_forgiven() {
        assert_eq!(run(SymptomKind::Metric, &[0, 8, 0, 8]), [(3, 7, 1)]);
    }
}
