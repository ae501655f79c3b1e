//! What a stage tells of itself while it runs: health, counters, and a line in the log when its
//! state changes. Names are typed; nothing from outside becomes a label.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::StopWatch;
use crate::http::HttpState;
use crate::http::health::Condition;
use crate::http::metrics::{Metric, Stage};
use crate::log::LogError;
use crate::stages::Tally;
use crate::telemetry::spans::Begun;
use model::time::Timestamp;

/// The monitor of one stage.
pub struct StageMonitor {
    stage: Stage,
    http: HttpState,
    troubled: AtomicBool,
    unwritten: AtomicBool,
    told: Mutex<Told>,
}

/// What bounds took is said at most so often.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What was told of a stage's work.
#[derive(Default)]
struct Told {
    tally: Tally,
    /// What bounds took and was not said aloud yet.
    unsaid: u64,
    said: Option<StopWatch>,
}

impl StageMonitor {
    /// A monitor; from now on readiness waits for the stage.
    #[must_use]
    pub fn new(stage: Stage, http: HttpState) -> Self {
        http.health.expect(stage);
        Self {
            stage,
            http,
            troubled: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
            told: Mutex::default(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Its inputs are open and its state is that of their offsets.
    pub fn ready(&self) {
        self.partitions_known();
        self.state_restored();
    }

    /// Its inputs are open.
    pub fn partitions_known(&self) {
        self.http.health.set(self.stage, Condition::PartitionsKnown, true);
    }

    /// Its state is that of their offsets.
    pub fn state_restored(&self) {
        self.http.health.set(self.stage, Condition::StateRestored, true);
        tracing::info!(stage = self.stage.label(), "ready");
    }

    /// Records were read.
    pub fn read(&self, records: u64, bytes: u64) {
        self.http.metrics.add(Metric::RecordsRead, self.stage, records);
        self.http.metrics.add(Metric::BytesRead, self.stage, bytes);
    }

    /// Event time has come so far in what was read; ages on the console are counted against it.
    pub fn event_time(&self, at: Timestamp) {
        if self.stage == Stage::Correlate {
            self.http.incidents.observe_time(at);
        }
    }

    /// Records were made durable.
    pub fn written(&self, records: u64) {
        self.http.metrics.add(Metric::RecordsWritten, self.stage, records);
    }

    /// Records became dead letters.
    pub fn dead_letters(&self, records: u64) {
        self.http.metrics.add(Metric::DeadLetters, self.stage, records);
    }

    /// So many items are held in memory, waiting.
    pub fn open(&self, items: u64) {
        self.http.metrics.set(Metric::Open, self.stage, items);
    }

    /// A snapshot was written. Said when the one before was not.
    pub fn snapshot(&self) {
        self.http.metrics.add(Metric::Snapshots, self.stage, 1);
        self.http.health.set(self.stage, Condition::SnapshotsWritten, true);
        if self.unwritten.swap(false, Ordering::Relaxed) {
            tracing::info!(stage = self.stage.label(), "snapshots are written again");
        }
    }

    /// A snapshot could not be written: it costs time after a restart, nothing else. Said once until one is.
    pub fn no_snapshot(&self, error: &std::io::Error) {
        self.http.metrics.add(Metric::SnapshotsFailed, self.stage, 1);
        self.http.health.set(self.stage, Condition::SnapshotsWritten, false);
        if !self.unwritten.swap(true, Ordering::Relaxed) {
            tracing::error!(
                stage = self.stage.label(),
                %error,
                "a snapshot was not written, trying again; free space in data_dir"
            );
        }
    }

    /// A batch begins; `None` if nobody wants to know of it.
    #[must_use]
    pub fn batch_begins(&self) -> Option<Begun> {
        self.http.batches.begin(self.stage)
    }

    /// A batch has ended: so many records and bytes, the first of this topic.
    pub fn batch_ends(&self, begun: Option<Begun>, topic: &str, size: (u64, u64)) {
        if let Some(begun) = begun {
            self.http.batches.end(begun, self.stage, topic, size);
        }
    }

    /// What the stage has done since it was last told. What bounds took is said aloud, with whose it mostly was, but
    /// not more often than once a minute.
    pub fn tally(&self, now: &Tally) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (metrics, stage) = (&self.http.metrics, self.stage);
        let add = |metric, now: u64, before: u64| {
            metrics.add(metric, stage, now.saturating_sub(before));
        };
        add(Metric::ItemsProcessed, now.processed, told.tally.processed);
        add(Metric::ItemsLate, now.late, told.tally.late);
        add(Metric::Repeats, now.repeats, told.tally.repeats);
        add(Metric::ItemsDropped, now.dropped, told.tally.dropped);
        told.unsaid += now.dropped.saturating_sub(told.tally.dropped);
        told.tally = now.clone();
        let is_due = told.said.is_none_or(|said| said.elapsed() >= SAID_EVERY);
        if told.unsaid > 0 && is_due {
            let (loudest, of_it) = match &now.loudest {
                Some((name, items)) => (name.as_str(), *items),
                None => ("nobody in particular", 0),
            };
            tracing::warn!(
                stage = stage.label(),
                items = told.unsaid,
                loudest,
                of_it,
                "a bound was reached, items are left out; see faultline_items_dropped_total"
            );
            (told.unsaid, told.said) = (0, Some(StopWatch::start()));
        }
    }

    /// What the stage had done when its state was saved: told by the process that did it.
    pub fn resumes(&self, at: &Tally) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).tally = at.clone();
    }

    /// The log answers. Said once when it had not.
    pub fn well(&self) {
        if self.troubled.swap(false, Ordering::Relaxed) {
            tracing::info!(stage = self.stage.label(), "the log answers again");
        }
    }

    /// The log does not answer; the stage tries again. Said once until it answers.
    pub fn trouble(&self, doing: &'static str, error: &LogError) {
        self.http.metrics.add(Metric::Retries, self.stage, 1);
        if !self.troubled.swap(true, Ordering::Relaxed) {
            tracing::warn!(stage = self.stage.label(), doing, %error, "the log does not answer, trying again");
        }
    }

    /// The stage has ended before it was told to.
    pub fn dead(&self, error: &dyn std::error::Error) {
        self.http.health.set_dead();
        tracing::error!(stage = self.stage.label(), %error, "the stage cannot go on");
    }
}
