//! Laws of the fold with people in it: order, snapshots, revisions.

use std::collections::BTreeMap;

use model::alert::Severity::Critical;
use model::command::{CauseRef, Decision};
use model::id::{CellId, IncidentId};
use model::matcher::{MatchOp, Matcher};
use proptest::prelude::*;

use super::dsl::{Ending, Say, Story, at};
use super::laws::{canonical, shuffled, story};
use crate::correlate::{CorrelateConfig, Correlator};

/// All that a person may decide about one incident.
const SAYS: [Say; 12] = [
    |told| Decision::Acknowledge { incident: told.of("payment") },
    |told| Decision::Unacknowledge { incident: told.of("payment") },
    |told| Decision::Snooze { incident: told.of("payment"), until: at(1500) },
    |told| Decision::Assign { incident: told.of("payment"), to: Some("bob".into()) },
    |told| Decision::Comment { incident: told.of("payment") },
    |told| Decision::Resolve { incident: told.of("payment") },
    |told| Decision::Reopen { incident: told.of("payment") },
    |told| Decision::Merge { incident: told.of("ads"), into: told.of("payment") },
    |told| Decision::Split { incident: told.of("payment"), services: vec!["front".into()] },
    |told| {
        let incident = told.of("payment");
        Decision::ConfirmCause { incident, cause: told.first_cause(incident) }
    },
    |told| {
        let incident = told.of("payment");
        Decision::RejectCause { incident, cause: told.first_cause(incident) }
    },
    |told| Decision::ConfirmCause {
        incident: told.of("payment"),
        cause: CauseRef { service: Some("mail".into()), change: None },
    },
];

fn says() -> impl Strategy<Value = Vec<(i64, Say)>> {
    prop::collection::vec((660_i64..1500, 0..SAYS.len()), 1..8).prop_map(|mut said| {
        said.sort_unstable();
        said.into_iter().map(|(secs, which)| (secs, SAYS[which])).collect()
    })
}

/// A story with everything that mutes.
fn muted_story() -> Story {
    let matcher = |label: &str, value: &str| Matcher {
        label: label.into(),
        op: MatchOp::Regex,
        value: value.into(),
    };
    story()
        .act(
            300,
            Decision::Silence {
                matchers: vec![matcher("service", "fro.*")],
                starts_at: at(400),
                ends_at: at(700),
            },
        )
        .act(
            310,
            Decision::Maintenance {
                services: vec!["ads".into()],
                starts_at: at(590),
                ends_at: at(700),
            },
        )
        .act(
            320,
            Decision::Inhibit {
                source: vec![matcher("service", "payment")],
                target: vec![matcher("alertname", "Node.+")],
                equal: Vec::new(),
            },
        )
        .act(640, Decision::Expire { target: "act-10".into() })
        .fires(650, "Late service=mail", Critical)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_anywhere_changes_no_output_with_people(says in says(), place in 0_usize..180) {
        let (journal, straight) = Ending::with_people(&story().journal(), &says);
        let mut correlator = Correlator::new(CellId("test".into()), 1, CorrelateConfig::default());
        let mut ending = Ending::default();
        for (at, entry) in journal.iter().enumerate() {
            if at == place {
                let bytes = rmp_serde::to_vec_named(&correlator).unwrap();
                correlator = rmp_serde::from_slice(&bytes).unwrap();
            }
            correlator.step(entry);
            ending.take(&mut correlator);
        }
        prop_assert_eq!(ending.end(correlator).revisions, straight.revisions);
    }

    #[test]
    fn revisions_grow_by_one_and_ledgers_add_up_with_people(says in says()) {
        let (_, ending) = Ending::with_people(&story().journal(), &says);
        let mut seen: BTreeMap<IncidentId, u32> = BTreeMap::new();
        for (incident, _) in &ending.revisions {
            let last = seen.entry(incident.id).or_default();
            prop_assert_eq!(incident.revision, *last + 1);
            *last = incident.revision;
            let sum: f64 = incident.hypotheses.iter().map(|h| h.probability).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9);
            for hypothesis in &incident.hypotheses {
                let sum: f64 = hypothesis.evidence.iter().map(|row| row.nats).sum();
                prop_assert!((sum - hypothesis.log_odds).abs() < 2e-3);
            }
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_show_in_what_is_muted(
        jitter in prop::collection::vec(0_i64..55, 40..80),
    ) {
        let journal = muted_story().journal();
        let straight = Ending::of(&journal);
        let other = Ending::of(&shuffled(&journal, &jitter));
        prop_assert_eq!(canonical(&straight), canonical(&other));
    }
}

#[test]
fn the_muted_story_mutes_something() {
    assert_ne!(
        canonical(&Ending::of(&muted_story().journal())),
        canonical(&Ending::of(&story().journal()))
    );
}
