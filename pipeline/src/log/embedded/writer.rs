//! The one thread that writes. Appends that arrive while it waits for the disk are written together
//! and share the next sync (group commit); readers see a record when it is durable, never before.
//!
//! A failed write or sync is final: what the disk then holds is unknown, so the log refuses every
//! later append and says why. A disk that is nearly full is told before ([`super::room`]), and nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use fjall::OwnedWriteBatch;

use super::codec;
use super::compact::Compaction;
use super::room::Room;
use super::store::Store;
use crate::log::{LogError, NewRecord, TopicPartition};

/// Bound on what one group holds beyond its first request.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// Records for one partition, encoded by the appending thread.
pub(super) struct Request {
    pub(super) to: TopicPartition,
    pub(super) records: Vec<Encoded>,
    pub(super) reply: SyncSender<Answer>,
}

pub(super) struct Encoded {
    /// The record's key; kept for compacted topics only.
    pub(super) key: Option<Vec<u8>>,
    pub(super) bytes: Vec<u8>,
}

impl Encoded {
    pub(super) fn new(record: NewRecord) -> Self {
        let bytes = codec::encode(&record);
        Self { key: record.key, bytes }
    }
}

pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) requests: Receiver<Request>,
    pub(super) compaction: Compaction,
    pub(super) room: Room,
}

/// Where a request's records go, as the store stood before the group.
struct Place {
    topic: u32,
    compacted: bool,
    next: u64,
}

/// The offset of a request's last record, or why it was refused.
type Answer = Result<u64, LogError>;

/// Offset behind the last record of each partition that a group touches.
type Ends = BTreeMap<TopicPartition, u64>;

impl Writer {
    /// Writes until nobody can ask any more.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.requests.recv() {
            let group = self.gather(first);
            if let Some(missing) = self.room.missing(size_of(&group)) {
                self.refuse(&group, missing);
                continue;
            }
            match self.write(&group) {
                Ok((ends, answers)) => {
                    self.publish(ends);
                    for (request, said) in group.iter().zip(answers) {
                        answer(request, said);
                    }
                }
                Err(error) => self.fail(&group, &error),
            }
        }
    }

    fn gather(&self, first: Request) -> Vec<Request> {
        let size = |request: &Request| request.records.iter().map(|r| r.bytes.len()).sum::<usize>();
        let mut bytes = size(&first);
        let mut group = vec![first];
        while bytes < GROUP_BYTES_MAX {
            let Ok(request) = self.requests.try_recv() else { break };
            bytes += size(&request);
            group.push(request);
        }
        group
    }

    /// Writes a group; returns the new ends and each request's last offset or refusal.
    fn write(&mut self, group: &[Request]) -> Result<(Ends, Vec<Answer>), fjall::Error> {
        let mut batch = self.store.batch();
        let mut ends = Ends::new();
        let mut answers = Vec::with_capacity(group.len());
        for request in group {
            answers.push(match self.place_of(request) {
                Ok(place) => Ok(self.put(&mut batch, &mut ends, request, place)?),
                Err(refusal) => Err(refusal),
            });
        }
        if ends.is_empty() {
            return Ok((ends, answers));
        }
        let new = ends.iter().map(|(at, next)| next - self.next_of(at)).sum::<u64>();
        let count = self.store.lock().count + new;
        self.store.put_count(&mut batch, count);
        batch.commit()?;
        self.store.acknowledge(count);
        self.store.lock().count = count;
        self.compaction.committed();
        Ok((ends, answers))
    }

    /// Where a partition ended before the group.
    fn next_of(&self, at: &TopicPartition) -> u64 {
        self.store.lock().span(at).map_or(0, |(_, span)| span.next)
    }

    fn place_of(&self, request: &Request) -> Result<Place, LogError> {
        let known = self.store.lock();
        if let Some(why) = &known.failure {
            return Err(LogError::Corrupt(why.clone()));
        }
        let (topic, span) = known.span(&request.to)?;
        Ok(Place { topic: topic.id, compacted: topic.compacted, next: span.next })
    }

    /// Puts a request's records into the batch; returns the offset of the last one.
    fn put(
        &mut self,
        batch: &mut OwnedWriteBatch,
        ends: &mut Ends,
        request: &Request,
        Place { topic, compacted, next }: Place,
    ) -> Result<u64, fjall::Error> {
        let partition = request.to.partition;
        let mut next = ends.get(&request.to).copied().unwrap_or(next);
        for record in &request.records {
            if let (true, Some(key)) = (compacted, &record.key) {
                let key = codec::newest_key(topic, partition, key);
                self.compaction.replace(batch, &request.to, &key, next)?;
            }
            let key = codec::record_key(topic, partition, next);
            batch.insert(&self.store.records, key, record.bytes.as_slice());
            next += 1;
        }
        if compacted {
            self.compaction.clean_some(batch, topic, &request.to, next)?;
        }
        batch.insert(&self.store.ends, codec::partition_key(topic, partition), next.to_be_bytes());
        ends.insert(request.to.clone(), next);
        Ok(next.saturating_sub(1))
    }

    fn publish(&self, ends: Ends) {
        let mut known = self.store.lock();
        for (at, next) in ends {
            if let Some(span) = known.span_mut(&at) {
                span.next = next;
            }
        }
        drop(known);
        self.store.wake_readers();
    }

    /// Takes nothing of a group; whoever asked may ask again.
    fn refuse(&self, group: &[Request], missing: u64) {
        for request in group {
            let directory = self.store.directory.clone();
            answer(request, Err(LogError::Full { directory, missing }));
        }
    }

    fn fail(&self, group: &[Request], error: &fjall::Error) {
        let why = format!(
            "{}: a write failed ({error}); nothing is appended any more",
            self.store.directory
        );
        tracing::error!(directory = %self.store.directory, %error, "the embedded log failed to write");
        self.store.lock().failure = Some(why.clone());
        for request in group {
            answer(request, Err(LogError::Corrupt(why.clone())));
        }
    }
}

fn size_of(group: &[Request]) -> u64 {
    let records = group.iter().flat_map(|request| &request.records);
    records.map(|record| record.bytes.len() as u64).sum()
}

/// Whoever asked may have gone; the records are durable all the same.
fn answer(request: &Request, answer: Answer) {
    request.reply.try_send(answer).ok();
}
