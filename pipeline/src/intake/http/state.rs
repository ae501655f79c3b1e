//! What the routes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use model::time::Timestamp;
use tokio::sync::Semaphore;

use super::door::Door;
use crate::http::metrics::Metrics;
use crate::intake::decode::DecodeLimits;
use crate::log::Log;
use crate::topics::InputTopics;

/// Requests that may be decoded and appended at once; more wait. Bounds memory: each holds a body
/// and what was decoded of it.
const REQUESTS_AT_ONCE: usize = 8;

/// What the intake needs. Cheap to clone.
#[derive(Clone)]
pub struct IntakeState {
    pub(super) log: Arc<dyn Log>,
    pub(super) topics: Arc<InputTopics>,
    pub(super) limits: DecodeLimits,
    pub(super) now: fn() -> Timestamp,
    pub(super) door: Door,
    pub(super) metrics: Arc<Metrics>,
    pub(super) permits: Arc<Semaphore>,
    next_partition: Arc<AtomicU32>,
    served: Arc<AtomicUsize>,
}

impl IntakeState {
    /// An intake that appends to `log`, with times by `now`.
    #[must_use]
    pub fn new(
        log: Arc<dyn Log>,
        topics: InputTopics,
        limits: DecodeLimits,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            log,
            topics: Arc::new(topics),
            limits,
            now,
            door: Door::default(),
            metrics: Arc::default(),
            permits: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)),
            next_partition: Arc::default(),
            served: Arc::default(),
        }
    }

    /// Takes only what this door lets in, and counts what it does not.
    #[must_use]
    pub fn behind(mut self, door: Door, metrics: Arc<Metrics>) -> Self {
        self.door = door;
        self.metrics = metrics;
        self
    }

    /// How many records were made durable.
    #[must_use]
    pub fn appended(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    pub(super) fn count_appended(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    /// Partitions in turn: traces are re-sharded by their id behind the topic.
    pub(super) fn partition(&self, partitions: u32) -> u32 {
        self.next_partition.fetch_add(1, Ordering::Relaxed) % partitions.max(1)
    }
}
