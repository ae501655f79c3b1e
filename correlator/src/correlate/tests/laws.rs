//! Laws of the fold: order, snapshots, revisions, sums.

use std::collections::BTreeMap;

use model::alert::Severity::{Critical, Warning};
use model::blast_radius::Graph;
use model::change::ChangeKind::{Config, Deploy};
use model::id::{CellId, IncidentId};
use model::incident::Incident;
use model::journal::JournalEntry;
use model::time::Timestamp;
use proptest::prelude::*;

use super::dsl::{Ending, Story};
use crate::correlate::{CorrelateConfig, Correlator};

pub(super) fn story() -> Story {
    Story::new("front>checkout checkout>payment front>ads checkout>db:db payment>db:db", 1600)
        .change(200, "ads-v2", Deploy, "ads", "new banner")
        .change(440, "cfg", Config, "payment", "pool size")
        .slow("payment", 500, 900, &["checkout", "front"])
        .errors("checkout", 520, 900, &["front"])
        .errors("ads", 600, 760, &["front"])
        .fires(530, "Slow service=checkout", Warning)
        .fires(545, "Errors service=front", Critical)
        .fires(548, "Errors service=payment pod=payment-1", Critical)
        .fires(561, "NodePressure zone=a", Warning)
        .resolves(930, "Errors service=front", Critical)
        .resolves(931, "Slow service=checkout", Warning)
        .resolves(935, "Errors service=payment pod=payment-1", Critical)
        .resolves(940, "NodePressure zone=a", Warning)
}

/// What must not depend on order: everything but ids, revisions and moments of decision.
pub(super) fn canonical(ending: &Ending) -> Vec<String> {
    let mut all: Vec<String> = ending
        .last
        .values()
        .map(|incident| {
            let mut incident: Incident = incident.clone();
            incident.id = IncidentId(0);
            incident.revision = 0;
            incident.opened_at = Timestamp::EPOCH;
            incident.updated_at = Timestamp::EPOCH;
            incident.lineage.merged_from.clear();
            incident.lineage.split_from = None;
            serde_json::to_string(&incident).unwrap()
        })
        .collect();
    all.sort();
    all
}

/// Moves every entry by at most `jitter` seconds in the order of the journal.
pub(super) fn shuffled(journal: &[JournalEntry], jitter: &[i64]) -> Vec<JournalEntry> {
    let moved = journal.iter().zip(jitter.iter().cycle());
    let mut keyed: Vec<(i64, usize, &JournalEntry)> = moved
        .enumerate()
        .map(|(place, (entry, jitter))| (entry.arrival.0 / 1_000_000_000 + jitter, place, entry))
        .collect();
    keyed.sort_by_key(|(at, place, _)| (*at, *place));
    keyed.into_iter().map(|(_, _, entry)| entry.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_inside_the_lateness_does_not_show(
        jitter in prop::collection::vec(0_i64..55, 40..80),
    ) {
        let journal = story().journal();
        let straight = Ending::of(&journal);
        let other = Ending::of(&shuffled(&journal, &jitter));
        prop_assert_eq!(canonical(&straight), canonical(&other));
    }

    #[test]
    fn a_snapshot_anywhere_changes_no_output(place in 0_usize..160) {
        let journal = story().journal();
        let place = place.min(journal.len());
        let cell = CellId("test".into());
        let mut correlator = Correlator::new(cell, 1, CorrelateConfig::default());
        let mut ending = Ending::default();
        for (at, entry) in journal.iter().enumerate() {
            if at == place {
                let bytes = rmp_serde::to_vec_named(&correlator).unwrap();
                correlator = rmp_serde::from_slice(&bytes).unwrap();
            }
            correlator.step(entry);
            ending.take(&mut correlator);
        }
        let restored = ending.end(correlator);
        prop_assert_eq!(restored.revisions, Ending::of(&journal).revisions);
    }
}

#[test]
fn repeats_of_every_record_change_nothing() {
    let journal = story().journal();
    let twice: Vec<JournalEntry> = journal.iter().flat_map(|e| [e.clone(), e.clone()]).collect();
    assert_eq!(Ending::of(&journal).revisions, Ending::of(&twice).revisions);
}

#[test]
fn revisions_grow_by_one_and_polling_late_shows_the_same() {
    let journal = story().journal();
    let ending = Ending::of(&journal);
    let mut seen: BTreeMap<IncidentId, u32> = BTreeMap::new();
    for (incident, _) in &ending.revisions {
        let last = seen.entry(incident.id).or_default();
        assert_eq!(incident.revision, *last + 1);
        *last = incident.revision;
    }
    assert!(!seen.is_empty());
    let mut late = Correlator::new(CellId("test".into()), 1, CorrelateConfig::default());
    journal.iter().for_each(|entry| late.step(entry));
    let late = Ending::default().end(late);
    assert_eq!(late.revisions, ending.revisions);
}

#[test]
fn every_record_adds_up_and_its_picture_is_closed() {
    for (incident, _) in Ending::of(&story().journal()).revisions {
        let sum: f64 = incident.hypotheses.iter().map(|h| h.probability).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        for hypothesis in &incident.hypotheses {
            let sum: f64 = hypothesis.evidence.iter().map(|row| row.nats).sum();
            assert!((sum - hypothesis.log_odds).abs() < 1e-3);
        }
        let nothing = |h: &&model::hypothesis::Hypothesis| h.entity.id.is_empty();
        assert_eq!(incident.hypotheses.iter().filter(nothing).count(), 1);
        let Graph { nodes, edges } = &incident.blast_radius.graph;
        let known = |name: &model::name::Name| nodes.iter().any(|node| node.id == *name);
        assert!(edges.iter().all(|edge| known(&edge.from) && known(&edge.to)));
        let json = serde_json::to_string(&incident).unwrap();
        let back: Incident = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), json, "finite and whole");
    }
}
