//! How far each stage is behind the end of its log: looked at from outside every few seconds, so that
//! no stage waits for the answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use model::time::Timestamp;

use crate::clock;
use crate::http::HttpState;
use crate::http::metrics::{Metric, Stage};
use crate::log::{Log, TopicPartition};
use crate::run::stop::Stop;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Where the stages are. Shared by them and by whoever compares.
#[derive(Debug, Default)]
pub struct LagBoard(Mutex<BTreeMap<Stage, Place>>);

/// Where one stage is.
#[derive(Clone, Debug, Default)]
struct Place {
    next_offsets: BTreeMap<TopicPartition, u64>,
    newest: Option<Timestamp>,
}

impl LagBoard {
    /// A stage has come so far. A partition of which nothing was read yet has no place here.
    pub fn at(
        &self,
        stage: Stage,
        next_offsets: &BTreeMap<TopicPartition, u64>,
        newest: Option<Timestamp>,
    ) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(stage).or_default();
        for (at, offset) in next_offsets {
            if place.next_offsets.get(at) != Some(offset) {
                place.next_offsets.insert(at.clone(), *offset);
            }
        }
        place.newest = place.newest.max(newest);
    }

    /// Records behind, and how old the newest record is that was read; zero for whoever is at the
    /// end. Unit of the second: milliseconds. `end` says where a partition ends; a partition that does
    /// not answer is left out.
    fn lags(
        &self,
        now: Timestamp,
        end: impl Fn(&TopicPartition) -> Option<u64>,
    ) -> Vec<(Stage, u64, u64)> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lag = |(stage, place): (Stage, Place)| {
            let behind: u64 = place
                .next_offsets
                .iter()
                .filter_map(|(at, next)| Some(end(at)?.saturating_sub(*next)))
                .sum();
            let newest = place.newest.filter(|_| behind > 0);
            let old_ms = newest.map_or(0, |newest| (now.millis() - newest.millis()).max(0));
            (stage, behind, old_ms.unsigned_abs())
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
        while !stop.wait(EVERY) {
            let end = |at: &TopicPartition| log.end(at).ok();
            for (stage, records, old_ms) in board.lags(clock::now(), end) {
                http.metrics.set(Metric::Lag, stage, records);
                http.metrics.set(Metric::LagTime, stage, old_ms);
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

    #[test]
    fn who_is_at_the_end_has_no_lag_and_who_is_behind_has_both() {
        let board = LagBoard::default();
        let newest = Timestamp::from_millis(1_000);
        let next = BTreeMap::from([(at(0), 90), (at(1), 40)]);
        board.at(Stage::Observe, &next, Some(newest));
        let now = Timestamp::from_millis(8_000);
        assert_eq!(board.lags(now, |_| Some(100)), [(Stage::Observe, 70, 7_000)]);
        assert_eq!(board.lags(now, |_| Some(40)), [(Stage::Observe, 0, 0)]);
        assert_eq!(board.lags(now, |_| None), [(Stage::Observe, 0, 0)], "nobody answers");
    }

    #[test]
    fn an_older_record_does_not_make_the_lag_younger() {
        let board = LagBoard::default();
        let next = BTreeMap::from([(at(0), 90)]);
        board.at(Stage::Detect, &next, Some(Timestamp::from_millis(5_000)));
        board.at(Stage::Detect, &next, Some(Timestamp::from_millis(2_000)));
        let lags = board.lags(Timestamp::from_millis(6_000), |_| Some(91));
        assert_eq!(lags, [(Stage::Detect, 1, 1_000)]);
    }
}
