//! Reads what records say: one at a time, or, of much, on a second thread while the first works on
//! what was read before. To decode telemetry takes about as long as to join it.

use std::sync::mpsc::sync_channel;
use std::thread;

use model::signal::SignalBatch;

use crate::intake::decode::{DecodeError, Decoded, Decoder, Payload};
use crate::log::Record;
use crate::topics::InputTopics;

/// Records that may be read ahead of the one that is worked on.
const AHEAD: usize = 8;
/// What is worth a thread: to start one takes as long as to decode some kilobytes. Unit: bytes.
const MUCH_BYTES: usize = 256 << 10;

/// What a record says, or why it cannot be read; `None`: nothing that anybody asks for.
pub(super) type Said = Option<Result<Decoded, DecodeError>>;

/// Reads one record.
pub(super) fn one(decoder: &mut Decoder, inputs: &InputTopics, record: &Record) -> Said {
    let kind = inputs.kind_of(&record.partition.topic)?;
    let payload = Payload {
        kind,
        timestamp_ms: record.timestamp_ms,
        key: record.key.as_deref(),
        headers: &record.headers,
        value: record.value.as_deref()?,
    };
    Some(decoder.decode(&payload))
}

/// Reads records, and hands out each with what it says, in their order. `take` gives telemetry back that it is
/// done with.
pub(super) fn each<'r>(
    decoder: &mut Decoder,
    inputs: &InputTopics,
    records: &'r [Record],
    mut take: impl FnMut(&'r Record, Said) -> Option<SignalBatch>,
) {
    let is_much = records.iter().map(Record::bytes).sum::<usize>() >= MUCH_BYTES;
    if is_much && ahead(decoder, inputs, records, &mut take) {
        return;
    }
    for record in records {
        let said = one(decoder, inputs, record);
        if let Some(batch) = take(record, said) {
            decoder.take_back(batch);
        }
    }
}

/// Reads on a thread of its own; false, and nothing was done, if there is none to be had.
fn ahead<'r>(
    decoder: &mut Decoder,
    inputs: &InputTopics,
    records: &'r [Record],
    take: &mut impl FnMut(&'r Record, Said) -> Option<SignalBatch>,
) -> bool {
    thread::scope(|scope| {
        let (tell, said) = sync_channel(AHEAD);
        let (give_back, spare) = sync_channel(AHEAD);
        let read = move || {
            for record in records {
                if let Ok(batch) = spare.try_recv() {
                    decoder.take_back(batch);
                }
                if tell.send(one(decoder, inputs, record)).is_err() {
                    return;
                }
            }
        };
        if thread::Builder::new().name("read".to_owned()).spawn_scoped(scope, read).is_err() {
            return false;
        }
        for (record, said) in records.iter().zip(said) {
            if let Some(batch) = take(record, said) {
                // Memory that nobody waits for is given up.
                let _unwanted = give_back.try_send(batch).is_err();
            }
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use model::recording::{TopicRecord, topic};
    use simulator::Scale;

    use super::*;
    use crate::intake::decode::DecodeLimits;
    use crate::log::TopicPartition;

    fn records() -> Vec<Record> {
        let scenario = simulator::random(7, Scale { spans: 3_000, ..Scale::default() });
        let record = |(offset, record): (u64, TopicRecord)| Record {
            partition: TopicPartition::new(&record.topic, 0),
            offset,
            timestamp_ms: record.timestamp_ms,
            key: None,
            headers: record.headers.into_iter().map(|(k, v)| (k, v.into_bytes())).collect(),
            value: Some(record.value),
        };
        (0..).zip(scenario.records()).map(record).collect()
    }

    fn words(inputs: &InputTopics, records: &[Record], with_thread: bool) -> Vec<String> {
        let mut decoder = Decoder::new(DecodeLimits::default());
        let mut words = Vec::new();
        let mut take = |record: &Record, said: Said| {
            words.push(format!("{} {said:?}", record.offset));
            match said {
                Some(Ok(Decoded::Telemetry { batch, .. })) => Some(batch),
                _ => None,
            }
        };
        if with_thread {
            assert!(ahead(&mut decoder, inputs, records, &mut take));
        } else {
            for part in records.chunks(1) {
                each(&mut decoder, inputs, part, &mut take);
            }
        }
        words
    }

    #[test]
    fn what_is_read_ahead_is_what_is_read_one_by_one() {
        let inputs = InputTopics::default();
        let mut records = records();
        // One that nobody can read, a tombstone, and one of a topic that is not ours.
        records[3].value = Some(vec![0xff; 9]);
        records[5].value = None;
        records[7].partition = TopicPartition::new("elsewhere", 0);
        assert!(records.iter().any(|record| &*record.partition.topic == topic::SPANS));
        let (alone, ahead) = (words(&inputs, &records, false), words(&inputs, &records, true));
        assert_eq!(alone.len(), records.len());
        assert!(alone == ahead);
        assert!(alone[3].contains("Err") && alone[5].ends_with("None"));
    }
}
