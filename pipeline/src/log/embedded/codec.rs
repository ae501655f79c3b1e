//! Bytes of the embedded log: keys that sort as the log reads, and records with a checksum.
//!
//! A record is `version u8, crc32 u32, timestamp i64, flags u8, [key], headers, [value]`, numbers
//! big-endian, byte strings with a `u32` length before them. The checksum covers everything behind
//! itself. Decoding checks each length against what is there before anything is allocated.

use crate::log::NewRecord;

const VERSION: u8 = 1;
const HAS_KEY: u8 = 1;
const HAS_VALUE: u8 = 2;
/// Version and checksum.
const PREAMBLE_BYTES: usize = 5;

/// Key of a record: topic, partition, offset.
pub(super) fn record_key(topic: u32, partition: u32, offset: u64) -> [u8; 16] {
    let mut key = [0; 16];
    let (place, rest) = key.split_at_mut(8);
    place.copy_from_slice(&partition_key(topic, partition));
    rest.copy_from_slice(&offset.to_be_bytes());
    key
}

/// The offset in a [`record_key`].
pub(super) fn offset_of(record_key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(record_key.get(8..)?.try_into().ok()?))
}

/// Prefix of all that belongs to a partition.
pub(super) fn partition_key(topic: u32, partition: u32) -> [u8; 8] {
    ((u64::from(topic) << 32) | u64::from(partition)).to_be_bytes()
}

/// The partition in a key that begins with a [`partition_key`].
pub(super) fn partition_of(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(key.get(4..8)?.try_into().ok()?))
}

/// Key of the index from a record's key to its newest offset.
pub(super) fn newest_key(topic: u32, partition: u32, key: &[u8]) -> Vec<u8> {
    [&partition_key(topic, partition)[..], key].concat()
}

/// A topic as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TopicEntry {
    pub(super) id: u32,
    pub(super) partitions: u32,
    pub(super) compacted: bool,
}

impl TopicEntry {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.compacted)];
        out.extend(self.id.to_be_bytes());
        out.extend(self.partitions.to_be_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        if take_u8(&mut rest)? != VERSION {
            return None;
        }
        let compacted = take_u8(&mut rest)? != 0;
        Some(Self { compacted, id: take_u32(&mut rest)?, partitions: take_u32(&mut rest)? })
    }
}

/// Encodes a record. Lengths fit: the log refuses larger records before.
pub(super) fn encode(record: &NewRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.bytes() + 32 + 8 * record.headers.len());
    out.extend([VERSION, 0, 0, 0, 0]);
    out.extend(record.timestamp_ms.to_be_bytes());
    let flags = if record.key.is_some() { HAS_KEY } else { 0 }
        | if record.value.is_some() { HAS_VALUE } else { 0 };
    out.push(flags);
    if let Some(key) = &record.key {
        put_bytes(&mut out, key);
    }
    put_len(&mut out, record.headers.len());
    for (name, value) in &record.headers {
        put_bytes(&mut out, name.as_bytes());
        put_bytes(&mut out, value);
    }
    if let Some(value) = &record.value {
        put_bytes(&mut out, value);
    }
    if let Some((head, body)) = out.split_at_mut_checked(PREAMBLE_BYTES)
        && let Some(crc) = head.get_mut(1..)
    {
        crc.copy_from_slice(&crc32fast::hash(body).to_be_bytes());
    }
    out
}

/// Decodes a record; `None` if it is not what was written.
pub(super) fn decode(bytes: &[u8]) -> Option<NewRecord> {
    let mut rest = bytes;
    let version = take_u8(&mut rest)?;
    let crc = take_u32(&mut rest)?;
    if version != VERSION || crc32fast::hash(rest) != crc {
        return None;
    }
    let timestamp_ms = i64::from_be_bytes(take(&mut rest, 8)?.try_into().ok()?);
    let flags = take_u8(&mut rest)?;
    let key = if flags & HAS_KEY == 0 { None } else { Some(take_bytes(&mut rest)?.to_vec()) };
    let mut headers = Vec::new();
    for _ in 0..take_u32(&mut rest)? {
        let name = std::str::from_utf8(take_bytes(&mut rest)?).ok()?.to_owned();
        headers.push((name, take_bytes(&mut rest)?.to_vec()));
    }
    let value = if flags & HAS_VALUE == 0 { None } else { Some(take_bytes(&mut rest)?.to_vec()) };
    rest.is_empty().then_some(NewRecord { timestamp_ms, key, headers, value })
}

/// Reads a big-endian number that is a whole stored value.
pub(super) fn decode_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend(bytes);
}

fn take<'b>(rest: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn take_u8(rest: &mut &[u8]) -> Option<u8> {
    take(rest, 1)?.first().copied()
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take_bytes<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let len = usize::try_from(take_u32(rest)?).ok()?;
    take(rest, len)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn any_record() -> impl Strategy<Value = NewRecord> {
        let header = (".{0,8}", vec(any::<u8>(), 0..8));
        let bytes = || option::of(vec(any::<u8>(), 0..40));
        (any::<i64>(), bytes(), vec(header, 0..4), bytes()).prop_map(
            |(timestamp_ms, key, headers, value)| NewRecord { timestamp_ms, key, headers, value },
        )
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(record in any_record()) {
            prop_assert_eq!(decode(&encode(&record)), Some(record));
        }

        #[test]
        fn a_flipped_bit_is_noticed(record in any_record(), at in any::<usize>(), bit in 0_u8..8) {
            let mut bytes = encode(&record);
            let at = at % bytes.len();
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(decode(&bytes), None);
        }

        #[test]
        fn a_torn_record_is_noticed(record in any_record(), cut in any::<usize>()) {
            let bytes = encode(&record);
            prop_assert_eq!(decode(&bytes[..cut % bytes.len()]), None);
        }

        #[test]
        fn record_keys_sort_as_the_log_reads(
            a in any::<(u32, u32, u64)>(), b in any::<(u32, u32, u64)>()
        ) {
            let key = |(t, p, o)| record_key(t, p, o);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(offset_of(&key(a)), Some(a.2));
        }

        #[test]
        fn a_topic_comes_back_as_it_was(id: u32, partitions: u32, compacted: bool) {
            let entry = TopicEntry { id, partitions, compacted };
            prop_assert_eq!(TopicEntry::decode(&entry.encode()), Some(entry));
        }
    }
}
