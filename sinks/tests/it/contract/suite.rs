//! What every sink keeps to, whatever breaks where.

use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use model::time::{Nanos, Timestamp};
use sinks::delivery::outbox::DoneResult;
use sinks::sink::Trouble;

use super::{Destination, Over, ROWS, Repeats, Row, Seen, Shown};
use crate::double::Fault;
use crate::fixture::{at, in_state, incident, with_service};
use crate::injection::{CORPUS, poisoned};
use crate::world::{Crash, World, failed};

const ACTIVE: Seen = Seen { active: Some(true), doubles: 0 };
const OVER: Seen = Seen { active: Some(false), doubles: 0 };

fn each(test: impl Fn(&Row, &dyn Destination)) {
    for row in &ROWS {
        let double = (row.start)();
        test(row, &*double);
    }
}

/// Opened, updated, resolved, reopened.
fn story() -> [Incident; 4] {
    [
        incident(1),
        with_service(2, "cart"),
        in_state(3, IncidentState::Resolved),
        with_service(4, "cart"),
    ]
}

fn results(world: &mut World, now: Timestamp) -> Vec<DoneResult> {
    world.run(now).into_iter().map(|done| done.result).collect()
}

#[test]
fn every_state_of_an_incident_arrives_once() {
    each(|row, double| {
        let mut world = double.world();
        let mut now = at(10);
        for (revision, expected) in story().iter().zip([ACTIVE, ACTIVE, OVER, ACTIVE]) {
            world.publish(revision, now);
            now = world.drain(now) + Nanos::from_secs(60);
            assert_eq!(double.seen(), expected, "{} {}", row.name, revision.revision);
        }
        let asked = double.requests();
        world.restart(now);
        world.drain(now);
        assert_eq!(double.requests(), asked, "{}: what was said is remembered", row.name);
        assert_eq!(double.broken(), Vec::<String>::new(), "{}", row.name);
    });
}

/// More than any delivery writes.
const WRITES_MAX: usize = 6;

/// The process dies at each point of each delivery; the answer to each of its writes is lost in each
/// way.
#[test]
fn a_lost_answer_loses_nothing_and_doubles_nothing_where_that_can_be_told() {
    let faults = [Fault::Pass, Fault::Status(503), Fault::DoneThenError, Fault::DoneThenCut];
    for row in &ROWS {
        for crash in [None, Some(Crash::AfterIntent), Some(Crash::AfterAnswer)] {
            for fault in faults {
                // OTLP's statuses say what may be sent again: 500 may not.
                if row.name == "otlp" && fault == Fault::DoneThenError {
                    continue;
                }
                for place in 0..story().len() {
                    // Nothing was asked before the first crash: later writes are as without one.
                    let once = fault == Fault::Pass || crash == Some(Crash::AfterIntent);
                    let writes = if once { 1 } else { WRITES_MAX };
                    let mut each = (0..writes).map(|passing| {
                        let case = format!("{} {crash:?} {fault:?} {place} {passing}", row.name);
                        lose_an_answer(row, crash, (passing, fault), place, &case)
                    });
                    // Until there are no more writes to fail.
                    let all = each.all(|happened| happened);
                    assert!(!all || writes == 1, "{}: a delivery of {WRITES_MAX} writes", row.name);
                }
            }
        }
    }
}

/// Whether there was such a write.
fn lose_an_answer(
    row: &Row,
    crash: Option<Crash>,
    (passing, fault): (usize, Fault),
    place: usize,
    case: &str,
) -> bool {
    let double = (row.start)();
    let mut world = double.world();
    let mut now = at(100);
    let mut happened = false;
    for (count, revision) in story().iter().enumerate() {
        now = now + Nanos::from_secs(60);
        world.publish(revision, now);
        if count == place {
            double.fail_write(passing, fault);
            if let Some(crash) = crash {
                world.crash(crash, now);
            }
        }
        now = world.drain(now);
        if count == place {
            happened = double.heal();
        }
    }
    let seen = double.seen();
    assert_eq!(seen.active, Some(true), "{case}");
    if row.repeats == Repeats::Recognised {
        assert_eq!(seen.doubles, 0, "{case}");
    }
    assert_eq!(double.broken(), Vec::<String>::new(), "{case}");
    happened
}

/// New, changed, resolved, reopened and so on; the last of fifty is reopened, with a service that was
/// not named before.
fn turn(revision: u32) -> Incident {
    let mut incident = with_service(revision, &format!("service-{revision}"));
    if revision > 1 && revision % 4 == 1 {
        incident.state = IncidentState::Resolved;
        incident.resolved_at = Some(incident.updated_at);
    }
    incident
}

/// The destination did it, and the process is killed before it hears so: at each write of what is
/// new, changed, resolved and reopened.
#[test]
fn fifty_kills_between_call_and_answer_leave_one_record_that_says_the_newest() {
    for row in &ROWS {
        for passing in 0..WRITES_MAX {
            let double = (row.start)();
            let mut world = double.world();
            let mut now = at(100);
            let mut killed = 0;
            for revision in 1..=50 {
                now = now + Nanos::from_secs(60);
                world.publish(&turn(revision), now);
                double.fail_write(passing, Fault::DoneThenCut);
                world.crash(Crash::AfterAnswer, now);
                killed += usize::from(double.heal());
                now = world.drain(now);
            }
            // CDEvents has no word for an update.
            let expected = if row.name == "cdevents" { 25 } else { 50 };
            assert!(passing > 0 || killed >= expected, "{}: {killed} kills", row.name);
            if row.repeats == Repeats::Recognised {
                assert_eq!(double.seen(), ACTIVE, "{} {passing}", row.name);
            }
            assert_eq!(double.seen().active, Some(true), "{} {passing}", row.name);
            let texts = double.texts();
            let newest = |shown: &Shown| shown.text().contains("service-50");
            assert!(texts.iter().any(newest), "{} {passing}: {texts:?}", row.name);
            if killed == 0 {
                break;
            }
        }
    }
}

#[test]
fn a_rate_limit_quiets_the_sink_for_as_long_as_it_was_told() {
    each(|row, double| {
        if row.over == Over::Log {
            return;
        }
        let mut world = double.world();
        double.fail(&[Fault::Throttled { retry_after: Some(90), reset: None }]);
        world.publish(&incident(1), at(10));
        let results = results(&mut world, at(10));
        assert_eq!(results, [DoneResult::Later(at(100), Trouble::Throttled)], "{}", row.name);
        let mut other = incident(1);
        other.id = IncidentId(0xcd);
        world.publish(&other, at(50));
        assert!(world.run(at(99)).is_empty(), "{}", row.name);
        assert_eq!(double.requests(), 1, "{}: nothing more is asked in between", row.name);
        world.drain(at(100));
        assert_eq!(double.seen(), ACTIVE, "{}", row.name);
    });
}

#[test]
fn what_may_heal_is_tried_again_and_what_will_not_is_given_up() {
    each(|row, double| {
        let mut world = double.world();
        for (count, fault) in
            [Fault::Status(503), Fault::Hang, Fault::Status(502)].into_iter().enumerate()
        {
            let mut one = incident(1);
            one.id = IncidentId(0xab + count as u64);
            double.fail(&[fault]);
            world.publish(&one, at(10));
            let done = world.run(at(10));
            assert!(!done.is_empty() && done.iter().all(failed), "{} {fault:?}", row.name);
            world.drain(at(10));
        }
        assert_eq!(double.seen(), ACTIVE, "{}", row.name);
        if row.over == Over::Log {
            return;
        }
        double.fail(&[Fault::Status(400)]);
        let mut one = incident(1);
        one.id = IncidentId(0xee);
        world.publish(&one, at(1_000));
        let refused = results(&mut world, at(1_000));
        assert!(
            matches!(
                refused.as_slice(),
                [DoneResult::Refused(Trouble::Rejected { status: 400, .. })]
            ),
            "{}: {refused:?}",
            row.name
        );
    });
}

#[test]
fn wrong_credentials_wait_and_lose_nothing() {
    each(|row, double| {
        if row.over == Over::Log {
            return;
        }
        let mut world = double.world();
        double.fail(&[Fault::Status(401)]);
        world.publish(&incident(1), at(10));
        let results = results(&mut world, at(10));
        assert!(
            matches!(results.as_slice(), [DoneResult::Later(_, Trouble::Credentials(401))]),
            "{}: {results:?}",
            row.name
        );
        world.drain(at(10));
        assert_eq!(double.seen(), ACTIVE, "{}", row.name);
    });
}

#[test]
fn a_redirect_is_never_followed() {
    each(|row, double| {
        if row.over == Over::Log {
            return;
        }
        let mut world = double.world();
        double.fail(&[Fault::Redirect]);
        world.publish(&incident(1), at(10));
        let results = results(&mut world, at(10));
        assert_eq!(results, [DoneResult::Refused(Trouble::Redirect(307))], "{}", row.name);
        assert_eq!(double.requests(), 1, "{}", row.name);
    });
}

#[test]
fn after_an_outage_only_the_newest_revision_is_said() {
    each(|row, double| {
        let mut world = double.world();
        double.fail(&[Fault::Status(503); 200]);
        let mut now = at(10);
        for revision in 1..=50 {
            world.publish(&with_service(revision, &format!("service-{revision}")), now);
            world.run(now);
            now = now + Nanos::from_secs(1);
        }
        let asked = double.requests();
        assert!(asked < 12, "{}: backoff and breaker held in {asked} requests", row.name);
        double.heal();
        world.drain(now);
        let texts = double.texts();
        let said = |word: &str| texts.iter().any(|shown| shown.text().contains(word));
        assert!(said("service-50"), "{}: {texts:?}", row.name);
        // A Collector's double keeps refused requests, too.
        assert!(row.name == "otlp" || !said("service-49"), "{}: {texts:?}", row.name);
        assert_eq!(double.seen(), ACTIVE, "{}", row.name);
    });
}

#[test]
fn secrets_are_in_no_error_note_or_debug_output() {
    each(|row, double| {
        let mut world = double.world();
        let mut said = String::new();
        for (count, fault) in
            [Fault::Echo, Fault::Status(401), Fault::Status(500), Fault::Malformed, Fault::Pass]
                .into_iter()
                .enumerate()
        {
            let mut one = incident(1);
            one.id = IncidentId(0xab + count as u64);
            double.fail(&[fault]);
            world.publish(&one, at(10));
            for done in world.run(at(10)) {
                if let DoneResult::Refused(trouble) | DoneResult::Later(_, trouble) = &done.result {
                    said.push_str(&trouble.to_string());
                }
                said.push_str(&format!("{done:?}"));
            }
        }
        said.push_str(&format!("{:?} {:?}", world.outbox, world.config()));
        for value in world.records.values() {
            said.push_str(&String::from_utf8_lossy(value));
        }
        for secret in double.secrets() {
            // Half of a secret is half of a secret too many.
            let half: String = secret.chars().take(secret.len() / 2 + 1).collect();
            let tail: String = secret.chars().skip(secret.len() / 2).collect();
            for part in [half, tail] {
                assert!(!said.contains(&part), "{}: {part} in {said}", row.name);
            }
        }
    });
}

#[test]
fn no_text_from_outside_becomes_markup_mention_or_link() {
    for row in &ROWS {
        for (text, forbidden) in CORPUS {
            let double = (row.start)();
            let mut world = double.world();
            world.publish(&incident(1), at(10));
            let mut later = poisoned(text);
            later.revision = 2;
            world.run(at(10));
            world.publish(&later, at(100));
            world.run(at(100));
            let mut fresh = poisoned(text);
            fresh.id = IncidentId(0xef);
            world.publish(&fresh, at(200));
            world.drain(at(200));
            let texts = double.texts();
            assert!(texts.len() >= 2, "{}: {text:?} was said", row.name);
            for shown in &texts {
                is_inert(row.name, shown, text, forbidden);
            }
            assert_eq!(double.broken(), Vec::<String>::new(), "{} {text:?}", row.name);
        }
    }
}

pub(super) fn is_inert(row: &str, shown: &Shown, text: &str, forbidden: &[&str]) {
    match shown {
        Shown::Words(words) => {
            for part in forbidden {
                assert!(!words.contains(part), "{row}: {part:?} of {text:?} in {words:?}");
            }
        }
        Shown::Mrkdwn(words) => {
            let ours = words.starts_with("<https://faultline.example/incidents/")
                && words.ends_with("|Open in faultline>")
                && words.matches('<').count() == 1;
            assert!(ours || !words.contains(['<', '>', '*', '~', '`']), "{row}: {words:?}");
            for part in forbidden {
                assert!(!words.contains(part), "{row}: {part:?} of {text:?} in {words:?}");
            }
        }
        Shown::Data(bytes) => {
            let raw = std::str::from_utf8(bytes).expect("UTF-8");
            assert!(!raw.contains(['<', '>', '&', '\n', '\r', '\u{1b}', '\0']), "{row}: {raw}");
            assert!(
                !raw.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}']),
                "{row}: {raw}"
            );
            for escaped in ["\\u001b", "\\u0000", "\\u0007", "\\r"] {
                assert!(!raw.contains(escaped), "{row}: {text:?}: {raw}");
            }
        }
    }
}

#[test]
fn a_huge_incident_fits_into_every_limit() {
    each(|row, double| {
        let mut huge = poisoned(&"a <b> \u{fc} ".repeat(50_000));
        huge.services =
            (0..5_000).map(|n| format!("service-{n}-{}", "x".repeat(90)).into()).collect();
        let mut world = double.world();
        world.publish(&huge, at(10));
        world.drain(at(10));
        assert_eq!(double.broken(), Vec::<String>::new(), "{}", row.name);
        assert_eq!(double.seen(), ACTIVE, "{}", row.name);
    });
}

#[test]
fn what_ended_before_anybody_was_told_leaves_nothing_open() {
    each(|row, double| {
        let mut world = double.world();
        world.publish(&in_state(2, IncidentState::Resolved), at(100));
        world.drain(at(100));
        assert_ne!(double.seen().active, Some(true), "{}", row.name);
        assert_eq!(double.broken(), Vec::<String>::new(), "{}", row.name);
    });
}
