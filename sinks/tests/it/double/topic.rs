//! A double of the log that a sink writes to: one topic in memory, faults by schedule.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sinks::kafka::{Message, Publish, PublishError};

use super::{Asked, Fault, Schedule};

/// What the topic holds.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) records: Vec<Message>,
    pub(crate) faults: Schedule,
    pub(crate) requests: usize,
}

/// A topic that can be looked at while a sink writes to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topic(Arc<Mutex<Kept>>);

impl Topic {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publish for Topic {
    fn publish(&mut self, message: Message) -> Result<(), PublishError> {
        let mut kept = self.lock();
        kept.requests += 1;
        match kept.faults.next(Asked::Write) {
            Fault::Pass | Fault::Malformed => {
                kept.records.push(message);
                Ok(())
            }
            Fault::DoneThenError
            | Fault::DoneThenHang
            | Fault::DoneThenCut
            | Fault::DoneThenHuge => {
                kept.records.push(message);
                Err(PublishError::Unavailable)
            }
            Fault::Echo => {
                let all = String::from_utf8_lossy(&message.value).into_owned();
                Err(PublishError::Refused(all))
            }
            Fault::Status(_) | Fault::Throttled { .. } | Fault::Hang | Fault::Redirect => {
                Err(PublishError::Unavailable)
            }
        }
    }
}
