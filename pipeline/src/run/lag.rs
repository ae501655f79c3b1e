//! How far each stage is behind the end of its log: looked at from outside every few seconds, so that
//! no stage waits for the answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use model::time::{Nanos, Timestamp};

use crate::clock;
use crate::http::HttpState;
use crate::http::health::Condition;
use crate::http::metrics::{Metric, Stage, UNKNOWN};
use crate::log::{Log, TopicPartition};
use crate::run::stop::Stop;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// So far ahead of our clock may a record be before its time is no measure of age.
const AHEAD: Nanos = Nanos::from_secs(60);

/// Where the stages are. Shared by them and by whoever compares.
#[derive(Debug, Default)]
pub struct LagBoard(Mutex<BTreeMap<Stage, Place>>);

/// Where one stage is.
#[derive(Clone, Debug, Default)]
struct Place {
    next_offsets: BTreeMap<TopicPartition, u64>,
    newest: Option<Timestamp>,
}

/// How far one stage is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lag {
    stage: Stage,
    /// Records that it has still to read; `None` if a partition did not say where it ends.
    records: Option<u64>,
    /// How old the newest record is that was read; zero for whoever is at the end. Unit: milliseconds.
    age_ms: Option<u64>,
}

impl LagBoard {
    /// A stage has come so far. A partition of which nothing was read yet has no place here; a record
    /// that is ahead of `now` says nothing about age.
    pub fn at(
        &self,
        stage: Stage,
        next_offsets: &BTreeMap<TopicPartition, u64>,
        newest: Option<Timestamp>,
        now: Timestamp,
    ) {
        let newest = newest.filter(|newest| *newest - now <= AHEAD);
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(stage).or_default();
        for (at, offset) in next_offsets {
            if place.next_offsets.get(at) != Some(offset) {
                place.next_offsets.insert(at.clone(), *offset);
            }
        }
        place.newest = place.newest.max(newest);
    }

    /// How far each stage is behind. `end` says where a partition ends, or that nobody answers.
    fn lags(&self, now: Timestamp, end: impl Fn(&TopicPartition) -> Option<u64>) -> Vec<Lag> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lag = |(stage, place): (Stage, Place)| {
            let behind = |(at, next): (&TopicPartition, &u64)| Some(end(at)?.saturating_sub(*next));
            let records: Option<u64> = place.next_offsets.iter().map(behind).sum();
            let age = |newest: Timestamp| (now.millis() - newest.millis()).max(0).unsigned_abs();
            let age_ms = match records {
                Some(0) => Some(0),
                Some(_) => place.newest.map(age),
                None => None,
            };
            Lag { stage, records, age_ms }
        };
        places.into_iter().map(lag).collect()
    }
}

/// Starts the thread that compares.
///
/// # Errors
/// When no thread can be started.
pub(super) fn watch(
    board: Arc<LagBoard>,
    log: Arc<dyn Log>,
    http: HttpState,
    stop: Stop,
) -> Result<JoinHandle<Result<()>>> {
    let body = move || {
        let mut has_room = true;
        while !stop.wait(EVERY) {
            let has_room_now = log.has_room();
            http.health.set_for_all(Condition::LogHasRoom, has_room_now);
            match (has_room, has_room_now) {
                (true, false) => tracing::error!(
                    "the disk of the log is full: nothing is taken until there is room"
                ),
                (false, true) => tracing::info!("the log has room again"),
                _ => {}
            }
            has_room = has_room_now;
            // Whoever is told to stop does not ask the next partition.
            let end = |at: &TopicPartition| log.end(at).ok().filter(|_| !stop.is_set());
            for lag in board.lags(clock::now(), end) {
                http.metrics.set(Metric::Lag, lag.stage, lag.records.unwrap_or(UNKNOWN));
                http.metrics.set(Metric::LagTime, lag.stage, lag.age_ms.unwrap_or(UNKNOWN));
            }
        }
        Ok(())
    };
    std::thread::Builder::new().name("lag".into()).spawn(body).context("cannot start a thread")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: u32) -> TopicPartition {
        TopicPartition::new("otlp_spans", partition)
    }

    fn lag(records: Option<u64>, age_ms: Option<u64>) -> Vec<Lag> {
        vec![Lag { stage: Stage::Observe, records, age_ms }]
    }

    #[test]
    fn who_is_at_the_end_has_no_lag_and_who_is_behind_has_both() {
        let board = LagBoard::default();
        let newest = Timestamp::from_millis(1_000);
        let next = BTreeMap::from([(at(0), 90), (at(1), 40)]);
        board.at(Stage::Observe, &next, Some(newest), newest);
        let now = Timestamp::from_millis(8_000);
        assert_eq!(board.lags(now, |_| Some(100)), lag(Some(70), Some(7_000)));
        assert_eq!(board.lags(now, |_| Some(40)), lag(Some(0), Some(0)));
    }

    #[test]
    fn nobody_who_does_not_answer_is_taken_for_one_at_the_end() {
        let board = LagBoard::default();
        let newest = Timestamp::from_millis(1_000);
        board.at(Stage::Observe, &BTreeMap::from([(at(0), 90), (at(1), 40)]), Some(newest), newest);
        let of_two = |place: &TopicPartition| (place.partition == 0).then_some(90);
        assert_eq!(board.lags(newest, of_two), lag(None, None));
    }

    #[test]
    fn an_older_record_does_not_make_the_lag_younger_and_one_of_tomorrow_does_not_hide_it() {
        let board = LagBoard::default();
        let next = BTreeMap::from([(at(0), 90)]);
        let now = Timestamp::from_millis(6_000);
        let tomorrow = now + Nanos::from_secs(86_400);
        board.at(Stage::Observe, &next, Some(tomorrow), now);
        assert_eq!(board.lags(now, |_| Some(91)), lag(Some(1), None));
        board.at(Stage::Observe, &next, Some(Timestamp::from_millis(5_000)), now);
        board.at(Stage::Observe, &next, Some(Timestamp::from_millis(2_000)), now);
        board.at(Stage::Observe, &next, Some(tomorrow), now);
        assert_eq!(board.lags(now, |_| Some(91)), lag(Some(1), Some(1_000)));
    }
}
