//! The laws of delivery under any order of revisions, crashes and faults.

use model::incident::{Incident, IncidentState, Priority};
use model::time::Nanos;
use proptest::prelude::*;

use crate::double::Fault;
use crate::double::receiver::Receiver;
use crate::double::servicenow::{PASSWORD, ServiceNow};
use crate::fixture::{at, in_state, with_service};
use crate::world::{Crash, World};
use crate::{servicenow, webhook};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The next revision.
    Publish {
        state: IncidentState,
        service: u8,
        priority: Priority,
    },
    /// A revision that was published before arrives again.
    Repeat,
    /// Time goes on, and what is due is said.
    Run(i64),
    Crash(Crash),
    Fault(Fault),
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop_oneof![
        6 => Just(IncidentState::Open),
        1 => Just(IncidentState::Suspected),
        2 => Just(IncidentState::Resolved),
        1 => Just(IncidentState::Withdrawn),
    ];
    let priority = prop_oneof![Just(Priority::P1), Just(Priority::P3)];
    let fault = prop_oneof![
        Just(Fault::Pass),
        Just(Fault::Status(500)),
        Just(Fault::Status(503)),
        Just(Fault::DoneThenError),
        Just(Fault::DoneThenCut),
        Just(Fault::Malformed),
        Just(Fault::Throttled { retry_after: Some(3), reset: None }),
    ];
    prop_oneof![
        6 => (state, 0_u8..4, priority)
            .prop_map(|(state, service, priority)| Step::Publish { state, service, priority }),
        1 => Just(Step::Repeat),
        4 => (1_i64..60).prop_map(Step::Run),
        2 => prop_oneof![Just(Crash::AfterIntent), Just(Crash::AfterAnswer)].prop_map(Step::Crash),
        3 => fault.prop_map(Step::Fault),
    ]
}

fn revision(number: u32, state: IncidentState, service: u8, priority: Priority) -> Incident {
    let mut incident = with_service(number, &format!("service-{service}"));
    incident.state = state;
    incident.priority = priority;
    incident.resolved_at = in_state(number, state).resolved_at;
    incident
}

/// Plays a story, heals everything and runs to the end; gives the last revision.
fn play(world: &mut World, steps: &[Step], mut fail: impl FnMut(Fault)) -> Option<Incident> {
    let mut now = at(10);
    let mut published: Vec<Incident> = Vec::new();
    for step in steps {
        match step {
            Step::Publish { state, service, priority } => {
                let number = u32::try_from(published.len()).expect("few") + 1;
                let next = revision(number, *state, *service, *priority);
                world.publish(&next, now);
                published.push(next);
            }
            Step::Repeat => {
                if let Some(old) = published.first() {
                    world.outbox.on_incident(std::sync::Arc::new(old.clone()), now);
                }
            }
            Step::Run(secs) => {
                now = now + Nanos::from_secs(*secs);
                world.run(now);
            }
            Step::Crash(crash) => world.crash(*crash, now),
            Step::Fault(fault) => fail(*fault),
        }
    }
    world.drain(now);
    published.pop()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn there_is_one_ticket_and_it_says_the_last_state(steps in prop::collection::vec(step(), 1..24)) {
        let double = ServiceNow::start();
        let mut world = World::new(&servicenow::sink_config(&double, PASSWORD));
        let last = play(&mut world, &steps, |fault| double.fail(&[fault]));
        let table = double.table();
        prop_assert!(table.rows.len() <= 1, "{:#?}", table.rows);
        let Some(last) = last else { return Ok(()) };
        let expected = match last.state {
            IncidentState::Open => Some(false),
            IncidentState::Resolved => Some(true),
            IncidentState::Withdrawn if !table.rows.is_empty() => Some(true),
            // Nobody was told, or the ticket stays as the last told state had it.
            _ => None,
        };
        let Some(row) = table.rows.first() else {
            prop_assert!(expected.is_none(), "{:?} has no ticket", last.state);
            return Ok(());
        };
        if let Some(resolved) = expected {
            prop_assert_eq!(row.get("state") == "6", resolved, "{:#?}", row);
        }
        let mut revisions: Vec<u32> = row.work_notes.iter().map(|note| said_in(note)).collect();
        let in_order = revisions.clone();
        revisions.sort_unstable();
        revisions.dedup();
        prop_assert_eq!(in_order, revisions, "notes in order, none twice: {:#?}", row.work_notes);
    }

    #[test]
    fn the_last_revision_worth_saying_arrives_and_none_out_of_order(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let receiver: Receiver = webhook::receiver();
        receiver.inbox().now_secs = None;
        let mut world = World::new(&webhook::sink_config(&receiver));
        let last = play(&mut world, &steps, |fault| receiver.fail(&[fault]));
        let inbox = receiver.inbox();
        let revisions: Vec<u64> = inbox
            .events
            .iter()
            .filter_map(|event| event.json.get("data")?.get("revision")?.as_u64())
            .collect();
        prop_assert!(revisions.is_sorted(), "{revisions:?}");
        let Some(last) = last else { return Ok(()) };
        let heard = inbox.events.last().and_then(|event| event.json.get("data"));
        match (last.state, heard) {
            (IncidentState::Open | IncidentState::Resolved, heard) => {
                let state = heard.and_then(|data| data.get("state")).cloned();
                prop_assert_eq!(state, serde_json::to_value(last.state).ok());
                let services = heard.and_then(|data| data.get("services")).cloned();
                prop_assert_eq!(services, serde_json::to_value(&last.services).ok());
            }
            // Told or untold: but never silent about an incident that was told to be open.
            (IncidentState::Withdrawn, Some(heard)) => {
                prop_assert_eq!(heard.get("state").cloned(), serde_json::to_value(last.state).ok());
            }
            _ => {}
        }
    }
}

fn said_in(note: &str) -> u32 {
    note.strip_prefix("faultline, revision ")
        .and_then(|rest| rest.split_once(':'))
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or(0)
}
