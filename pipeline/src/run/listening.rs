//! When a sink's destination is asked what people did there, and up to where it told.
//!
//! What is deliberately absent: the asking itself, and the log.

use model::name::Name;
use model::time::{Nanos, Timestamp};
use sinks::heard::{HeardRecord, More};
use sinks::sink::Wait;

/// Longest pause after failures, unless the destination asked for a longer one.
const PAUSE_MAX: Nanos = Nanos::from_secs(600);
/// Attempts to learn from where to listen for which everything else waits, and their pause.
const FIRST_TRIES: (u32, Nanos) = (3, Nanos::from_secs(5));
/// Least time between two asks that rings may bring about: a flood of hooks must not use up what a destination
/// lets us ask, because pages wait with it.
const RINGS_EVERY: Nanos = Nanos::from_secs(3);
/// Longest pause that a destination may ask for.
const TOLD_MAX: Nanos = Nanos::from_secs(2 * 3600);

/// The ear of one sink.
pub(super) struct Listening {
    sink: Name,
    every: Nanos,
    due_at: Timestamp,
    /// When it was asked last.
    asked_at: Option<Timestamp>,
    failures: u32,
    cursor: Option<String>,
}

impl Listening {
    /// Listens from now on, or from where `record` has it.
    pub(super) fn new(sink: Name, every: Nanos, record: Option<HeardRecord>) -> Self {
        let cursor = record.map(|record| record.cursor);
        Self { sink, every, due_at: Timestamp::EPOCH, asked_at: None, failures: 0, cursor }
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.due_at
    }

    /// The destination says that there is something to ask for: it is asked at once, but not twice within
    /// [`RINGS_EVERY`], and not where it has just failed or asked for quiet.
    pub(super) fn ring(&mut self, now: Timestamp) {
        if self.failures == 0 {
            let soonest = self.asked_at.map_or(now, |asked_at| now.max(asked_at + RINGS_EVERY));
            self.due_at = self.due_at.min(soonest);
        }
    }

    /// Whether it is not known yet from where to listen: that comes before anything is said, so
    /// that nothing done to our first ticket is missed. It holds nothing up for long.
    pub(super) fn is_first(&self) -> bool {
        self.cursor.is_none() && self.failures < FIRST_TRIES.0
    }

    /// Up to where it was heard.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// It was heard; the record is to be appended if there is one.
    pub(super) fn heard(
        &mut self,
        cursor: Option<String>,
        more: More,
        now: Timestamp,
    ) -> Option<HeardRecord> {
        self.failures = 0;
        self.asked_at = Some(now);
        self.due_at = match more {
            More::Yes => now,
            More::No => now + self.every,
        };
        let moved = cursor.filter(|cursor| Some(cursor) != self.cursor.as_ref())?;
        self.cursor = Some(moved.clone());
        Some(HeardRecord::new(&self.sink, moved, now))
    }

    /// The destination could not be asked: tells until when it is left alone.
    pub(super) fn failed(&mut self, wait: Wait, now: Timestamp) -> Timestamp {
        let doubled = Nanos(self.every.0.saturating_mul(1 << self.failures.min(10)));
        self.failures = self.failures.saturating_add(1);
        self.asked_at = Some(now);
        let pause = match wait {
            Wait::Backoff | Wait::Incident(_) if self.is_first() => FIRST_TRIES.1,
            Wait::Backoff | Wait::Incident(_) => {
                Nanos(doubled.0.min(PAUSE_MAX.0).max(self.every.0))
            }
            // What is said waits for it, so it is asked as soon as it may be.
            Wait::Told(told) if self.is_first() => Nanos(told.0.clamp(FIRST_TRIES.1.0, TOLD_MAX.0)),
            Wait::Told(told) => Nanos(told.0.clamp(self.every.0, TOLD_MAX.0)),
        };
        self.due_at = now + pause;
        self.due_at
    }

    /// Whether the last attempts failed; people are told of the first one only.
    pub(super) fn is_troubled(&self) -> bool {
        self.failures > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::EPOCH + Nanos::from_secs(secs)
    }

    fn listening() -> Listening {
        Listening::new("itsm".into(), Nanos::from_secs(30), None)
    }

    #[test]
    fn it_is_due_at_once_then_each_time_and_again_at_once_when_there_is_more() {
        let mut ear = listening();
        assert!(ear.is_due(at(1)) && ear.is_first());
        assert!(ear.heard(Some("7".to_owned()), More::Yes, at(1)).is_some());
        assert!(ear.is_due(at(1)) && !ear.is_first());
        assert!(ear.heard(Some("9".to_owned()), More::No, at(1)).is_some());
        assert!(!ear.is_due(at(30)));
        assert!(ear.is_due(at(31)));
        assert_eq!(ear.heard(Some("9".to_owned()), More::No, at(31)), None, "nothing moved");
        assert_eq!(ear.cursor(), Some("9"));
    }

    #[test]
    fn a_ring_makes_it_due_at_once_but_not_while_the_destination_is_in_trouble() {
        let mut ear = listening();
        assert!(ear.heard(Some("7".to_owned()), More::No, at(1)).is_some());
        assert!(!ear.is_due(at(5)));
        ear.ring(at(5));
        assert!(ear.is_due(at(5)));
        ear.failed(Wait::Backoff, at(5));
        ear.ring(at(9));
        assert!(!ear.is_due(at(9)));
    }

    #[test]
    fn a_flood_of_rings_has_it_asked_every_three_seconds_and_the_last_one_is_not_lost() {
        let mut ear = listening();
        let mut asked = Vec::new();
        for tenths in 0..150 {
            let now = Timestamp::EPOCH + Nanos(tenths * 100_000_000);
            if tenths < 100 {
                ear.ring(now);
            }
            if ear.is_due(now) {
                asked.push(now);
                assert!(ear.heard(Some(tenths.to_string()), More::No, now).is_some());
            }
        }
        assert_eq!(asked, [at(0), at(3), at(6), at(9), at(12)]);
    }

    #[test]
    fn pauses_double_up_to_their_bound_and_a_told_time_is_kept() {
        let record = HeardRecord::new(&"itsm".into(), "42".to_owned(), at(1));
        let mut ear = Listening::new("itsm".into(), Nanos::from_secs(30), Some(record));
        let pauses = [1, 2, 3].map(|_| ear.failed(Wait::Backoff, at(0)));
        assert_eq!(pauses, [at(30), at(60), at(120)]);
        for _ in 0..20 {
            ear.failed(Wait::Backoff, at(0));
        }
        assert_eq!(ear.failed(Wait::Backoff, at(0)), at(600));
        assert_eq!(ear.failed(Wait::Told(Nanos::from_secs(900)), at(0)), at(900));
        assert_eq!(ear.failed(Wait::Told(Nanos(i64::MAX)), at(0)), at(7_200));
    }

    #[test]
    fn what_is_said_waits_a_few_tries_for_where_to_listen_from() {
        let mut ear = listening();
        let tries: Vec<_> =
            (0..3).map(|_| (ear.is_first(), ear.failed(Wait::Backoff, at(0)))).collect();
        assert_eq!(tries, [(true, at(5)), (true, at(5)), (true, at(120))]);
        assert!(!ear.is_first(), "then it holds up nothing");
        assert_eq!(ear.cursor(), None);
    }

    #[test]
    fn a_told_time_is_not_drawn_out_while_everything_waits_for_where_to_listen_from() {
        let told = |secs| Wait::Told(Nanos::from_secs(secs));
        let mut ear = Listening::new("itsm".into(), Nanos::from_secs(600), None);
        assert_eq!(ear.failed(told(9), at(0)), at(9));
        assert_eq!(ear.failed(told(0), at(0)), at(5), "but it does not run wild");
        assert_eq!(ear.failed(told(9), at(0)), at(600), "then it holds up nothing");
    }

    #[test]
    fn it_goes_on_from_where_the_record_has_it() {
        let record = HeardRecord::new(&"itsm".into(), "42".to_owned(), at(1));
        let ear = Listening::new("itsm".into(), Nanos::from_secs(30), Some(record));
        assert_eq!(ear.cursor(), Some("42"));
        assert!(!ear.is_first());
    }
}
