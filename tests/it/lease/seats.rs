//! What the lease rests on, asked of the real brokers: a group gives its work to one, and takes a term from its
//! present members alone.

use std::time::Duration;

use pipeline::log::kafka::{KafkaConfig, KafkaLog};
use pipeline::log::seat::{Seat, SeatEvent, SeatSpec};
use pipeline::log::{Log, TopicSpec};
use tests::kafka;

use super::{SESSION, pause, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

struct Group {
    log: KafkaLog,
    topic: String,
}

impl Group {
    fn new(brokers: &str, name: &str) -> Self {
        let log = KafkaLog::connect(KafkaConfig::new(brokers)).expect("Kafka answers");
        let topic = format!("t{}-{name}.lease", pipeline::clock::now().0);
        let spec = TopicSpec { name: topic.clone(), partitions: 1, compacted: false };
        log.ensure_topics(&[spec]).expect("a topic");
        Self { log, topic }
    }

    fn join(&self, identity: Option<&str>) -> Box<dyn Seat> {
        let spec = SeatSpec {
            topic: self.topic.clone(),
            group: format!("{}.observe", self.topic),
            session: SESSION,
            identity: identity.map(str::to_owned),
        };
        self.log.seats().expect("Kafka is shared").join(&spec).expect("it joins")
    }
}

/// Waits for an event, and tells how long that took.
fn await_event(seat: &mut Box<dyn Seat>, wanted: &SeatEvent) -> Duration {
    wait_for(&format!("{wanted:?}"), PATIENCE, || seat.poll().contains(wanted))
}

fn assert_taken(seat: &mut Box<dyn Seat>, term: u64) {
    // While others join, the group may refuse for a moment.
    wait_for("a term that is taken", PATIENCE, || {
        seat.poll();
        seat.prove(term).is_ok()
    });
    assert_eq!(seat.newest_term().expect("the group answers"), Some(term));
}

#[test]
fn the_work_stays_where_it_is_until_its_owner_leaves() {
    let Some(brokers) = kafka() else { return };
    for identities in [[None, None], [Some("one"), Some("two")]] {
        let group = Group::new(&brokers, "seats");
        let mut first = group.join(identities[0]);
        await_event(&mut first, &SeatEvent::Given);
        assert_eq!(first.newest_term().expect("the group answers"), None);
        assert_taken(&mut first, 1);
        let mut second = group.join(identities[1]);
        // Others coming and going takes nothing from the one at work.
        for _ in 0..100 {
            assert_eq!((first.poll(), second.poll()), (vec![], vec![]));
            pause(50);
        }
        assert_taken(&mut first, 1);
        first.leave();
        let took = await_event(&mut second, &SeatEvent::Given);
        assert!(took < SESSION / 2, "handed over only after {took:?}");
        assert_eq!(second.newest_term().expect("the group answers"), Some(1));
        assert_taken(&mut second, 2);
    }
}

#[test]
fn who_died_is_replaced_after_the_session_and_known_again_by_its_identity() {
    let Some(brokers) = kafka() else { return };
    let group = Group::new(&brokers, "died");
    let mut first = group.join(Some("one"));
    await_event(&mut first, &SeatEvent::Given);
    assert_taken(&mut first, 1);
    // Closed without leaving: to the group the same as one that died.
    drop(first);
    let mut again = group.join(Some("one"));
    let took = await_event(&mut again, &SeatEvent::Given);
    assert!(took < SESSION / 2, "known again only after {took:?}");
    assert_taken(&mut again, 2);
    drop(again);
    let mut other = group.join(Some("two"));
    let took = await_event(&mut other, &SeatEvent::Given);
    assert!(took > SESSION / 2, "given away after {took:?} already");
}

#[test]
fn who_has_left_can_write_no_term() {
    let Some(brokers) = kafka() else { return };
    let group = Group::new(&brokers, "fenced");
    let mut first = group.join(Some("one"));
    await_event(&mut first, &SeatEvent::Given);
    assert_taken(&mut first, 1);
    // Another takes its place under the same identity, which faultline never lets happen.
    let mut second = group.join(Some("one"));
    await_event(&mut second, &SeatEvent::Given);
    assert_taken(&mut second, 2);
    first.prove(1).expect_err("it is no member any more");
    assert_eq!(second.newest_term().expect("the group answers"), Some(2));
}
