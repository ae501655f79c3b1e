//! Batches of the stages that wait to be sent as spans: at most one a second of each stage, so that they cost nothing
//! however many there are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::time::Timestamp;
use uuid::Uuid;

use crate::clock::{self, StopWatch};
use crate::http::metrics::Stage;

/// Batches that wait; of more the oldest go.
const WAITING_MAX: usize = 512;
/// Of the batches of one stage the first in so long is told.
const ONE_IN: Duration = Duration::from_secs(1);

/// A batch that a stage handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) stage: Stage,
    /// The topic of its first record.
    pub(super) destination: String,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// What is told of batches. Cloning shares it; by default nobody listens and nothing is kept.
#[derive(Clone, Debug, Default)]
pub struct Batches(Option<Arc<Mutex<Waiting>>>);

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    told: BTreeMap<Stage, StopWatch>,
}

/// A batch that has begun and will be told.
pub struct Begun {
    from: Timestamp,
}

impl Batches {
    /// Some that are kept until somebody takes them.
    #[must_use]
    pub(super) fn kept() -> Self {
        Self(Some(Arc::default()))
    }

    /// A batch of a stage begins; `None` if nobody wants to know of it.
    #[must_use]
    pub fn begin(&self, stage: Stage) -> Option<Begun> {
        let mut waiting = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.told.get(&stage).is_some_and(|told| told.elapsed() < ONE_IN) {
            return None;
        }
        waiting.told.insert(stage, StopWatch::start());
        Some(Begun { from: clock::now() })
    }

    /// It has ended: so many records, the first of this topic.
    pub fn end(&self, begun: Begun, stage: Stage, destination: &str, (records, bytes): (u64, u64)) {
        let Some(waiting) = &self.0 else { return };
        let mut span = [0; 8];
        let drawn = Uuid::new_v4().into_bytes();
        span.iter_mut().zip(drawn).for_each(|(to, from)| *to = from);
        let batch = Batch {
            trace: Uuid::new_v4().into_bytes(),
            span,
            stage,
            destination: destination.to_owned(),
            from: begun.from,
            to: clock::now().max(begun.from),
            records,
            bytes,
        };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.batches.len() >= WAITING_MAX {
            waiting.batches.pop_front();
        }
        waiting.batches.push_back(batch);
    }

    /// All that wait.
    pub(super) fn take(&self) -> Vec<Batch> {
        let Some(waiting) = &self.0 else { return Vec::new() };
        waiting.lock().unwrap_or_else(PoisonError::into_inner).batches.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_batch_in_a_second_of_each_stage_is_told_and_nothing_where_nobody_listens() {
        let nobody = Batches::default();
        assert!(nobody.begin(Stage::Observe).is_none());
        let batches = Batches::kept();
        for stage in [Stage::Observe, Stage::Detect] {
            let begun = batches.begin(stage).unwrap();
            batches.end(begun, stage, "panes", (3, 40));
            assert!(batches.begin(stage).is_none(), "within the same second");
        }
        let told = batches.take();
        let told: Vec<_> = told.iter().map(|one| (one.stage, one.records, one.bytes)).collect();
        assert_eq!(told, [(Stage::Observe, 3, 40), (Stage::Detect, 3, 40)]);
        assert!(batches.take().is_empty());
    }
}
