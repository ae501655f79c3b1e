//! The checks. Each has topics of its own, so they share one log.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pipeline::clock::StopWatch;
use pipeline::log::{LogError, LogReader, NewRecord, Record, Start, TopicPartition};

use super::world::{PATIENCE, World, append, keyed, read_some, read_to_end, text, texts};

type Check = fn(&World<'_>) -> Result<()>;

/// All checks by name.
pub(super) const CHECKS: &[(&str, Check)] = &[
    ("records come back in order", records_come_back_in_order),
    ("everything of a record comes back", everything_of_a_record_comes_back),
    ("reading starts where it is told", reading_starts_where_it_is_told),
    ("newest means from now on", newest_means_from_now_on),
    ("the end is behind the newest record", the_end_is_behind_the_newest_record),
    (SINCE, a_start_since_a_time_leaves_nothing_out),
    ("a start beyond the end means the end", a_start_beyond_the_end_means_the_end),
    ("readers do not disturb each other", readers_do_not_disturb_each_other),
    (TURNS, partitions_take_turns),
    ("the newest of each key is found", the_newest_of_each_key_is_found),
    ("a waiting reader is woken", a_waiting_reader_is_woken),
    ("waiting ends in time", waiting_ends_in_time),
    ("caught up is told once and after the last record", caught_up_is_told_once),
    ("large records pass", large_records_pass),
    ("too large records are refused whole", too_large_records_are_refused),
    ("making topics again changes nothing", making_topics_again_changes_nothing),
    (UNKNOWN_TOPICS, unknown_topics_are_refused),
    ("appenders side by side keep their order", appenders_keep_their_order),
    ("appending nothing is nothing", appending_nothing_is_nothing),
    ("release leaves what is still to be read", release_leaves_the_rest),
    ("progress can be published", progress_can_be_published),
];

/// Not asked of the mock broker, which answers the fetches of each partition in its own time: under
/// load a small partition's records may not be at the client before a large one is through. The
/// real broker answers for all partitions at once.
pub(super) const TURNS: &str = "partitions take turns";

/// Not asked of the mock broker, which knows the ends of partitions but no times.
pub(super) const SINCE: &str = "a start since a time leaves nothing out";

/// Not asked of the mock broker, which creates whatever is asked for.
pub(super) const UNKNOWN_TOPICS: &str = "unknown topics are refused and not created";

fn one(partitions: Vec<TopicPartition>) -> Result<TopicPartition> {
    partitions.into_iter().next().context("a partition")
}

fn records_come_back_in_order(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("order", 1)?)?;
    let mut last = None;
    let mut sent = Vec::new();
    for batch in 0..20 {
        let values: Vec<String> = (0..7).map(|i| format!("{batch}/{i}")).collect();
        let offset = world.append(&at, &values.iter().map(String::as_str).collect::<Vec<_>>())?;
        ensure!(last.is_none_or(|last| offset > last), "offset {offset} after {last:?}");
        last = Some(offset);
        sent.extend(values);
    }
    let read = world.read_all(&[at], Start::Oldest)?;
    ensure!(texts(&read) == sent, "read {:?}", texts(&read));
    ensure!(read.is_sorted_by(|a, b| a.offset < b.offset), "offsets do not grow");
    ensure!(read.last().map(|r| r.offset) == last, "append said {last:?}");
    Ok(())
}

fn everything_of_a_record_comes_back(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("whole", 1)?)?;
    let headers = vec![
        ("a".to_owned(), b"1".to_vec()),
        ("b".to_owned(), vec![]),
        ("a".to_owned(), vec![0xff, 0, 0xfe]),
    ];
    let with = |key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(String, Vec<u8>)], ms| {
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        NewRecord { timestamp_ms: ms, key, headers: headers.to_vec(), value }
    };
    let sent = vec![
        with(Some(b"k"), Some(b"v"), &headers, 1_700_000_000_123),
        with(Some(b"k"), None, &headers, 1_700_000_000_124),
        with(Some(b"k"), Some(b""), &[], 1),
        with(None, Some(&[0, 0xff, 0x80]), &[], 1_600_000_000_000),
        with(Some(b""), Some(b"v"), &[], 1_700_000_000_000),
        with(None, None, &[], 1_700_000_000_000),
    ];
    world.log.append(&at, sent.clone())?;
    let read = world.read_all(std::slice::from_ref(&at), Start::Oldest)?;
    ensure!(read.len() == sent.len(), "{} records", read.len());
    for (record, sent) in read.into_iter().zip(sent) {
        let Record { partition, timestamp_ms, key, headers, value, .. } = record;
        ensure!(partition == at, "came from {partition:?}");
        let read = NewRecord { timestamp_ms, key, headers, value };
        ensure!(read == sent, "sent {sent:?}, read {read:?}");
    }
    Ok(())
}

fn reading_starts_where_it_is_told(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("starts", 1)?)?;
    world.append(&at, &["0", "1", "2", "3", "4"])?;
    let all = world.read_all(std::slice::from_ref(&at), Start::Oldest)?;
    let third = all.get(2).context("a third record")?.offset;
    for (start, expected) in [
        (Start::Oldest, &["0", "1", "2", "3", "4"][..]),
        (Start::At(third), &["2", "3", "4"]),
        (Start::Newest, &[]),
        (Start::At(0), &["0", "1", "2", "3", "4"]),
    ] {
        let read = texts(&world.read_all(std::slice::from_ref(&at), start)?);
        ensure!(read == expected, "{start:?} read {read:?}");
    }
    Ok(())
}

fn newest_means_from_now_on(world: &World<'_>) -> Result<()> {
    let at = world.topic("newest", 2)?;
    let [first, second] = &at[..] else { anyhow::bail!("two partitions") };
    world.append(first, &["before"])?;
    let mut reader = world.reader(&at, Start::Newest)?;
    // Not polled yet: the start was resolved when the reader was made.
    world.append(first, &["after"])?;
    world.append(second, &["after too"])?;
    let mut read = texts(&read_some(&mut *reader, 2)?);
    read.sort();
    ensure!(read == ["after", "after too"], "read {read:?}");
    Ok(())
}

fn the_end_is_behind_the_newest_record(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("end", 1)?)?;
    ensure!(world.log.end(&at)? == 0, "an empty partition ends at 0");
    let last = world.append(&at, &["a", "b", "c"])?;
    let end = world.log.end(&at)?;
    ensure!(end == last + 1, "the end is {end}, the last record is at {last}");
    Ok(())
}

fn a_start_since_a_time_leaves_nothing_out(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("since", 1)?)?;
    let dated = |timestamp_ms| NewRecord { timestamp_ms, ..text(&timestamp_ms.to_string()) };
    let first = 1_700_000_000_000;
    world.log.append(&at, (0..10).map(|second| dated(first + second * 1_000)).collect())?;
    for (since, least) in [(first, 10), (first + 7_000, 3), (first + 60_000, 0)] {
        let start = world.log.start_since(&at, since)?;
        let read = world.read_all(std::slice::from_ref(&at), start)?;
        let kept = read.iter().filter(|record| record.timestamp_ms >= since).count();
        ensure!(kept == least, "since {since}: {kept} of {least} records");
    }
    Ok(())
}

fn a_start_beyond_the_end_means_the_end(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("beyond", 1)?)?;
    world.append(&at, &["old"])?;
    let mut reader = world.reader(std::slice::from_ref(&at), Start::At(1_000_000))?;
    world.append(&at, &["new"])?;
    let read = texts(&read_some(&mut *reader, 1)?);
    ensure!(read == ["new"], "read {read:?}");
    Ok(())
}

fn readers_do_not_disturb_each_other(world: &World<'_>) -> Result<()> {
    let at = world.topic("two", 1)?;
    world.append(&one(at.clone())?, &["a", "b", "c"])?;
    let mut slow = world.reader(&at, Start::Oldest)?;
    let first = read_some(&mut *slow, 1)?;
    let mut fast = world.reader(&at, Start::Oldest)?;
    ensure!(texts(&read_to_end(&mut *fast, &at)?) == ["a", "b", "c"], "the second reader");
    drop(fast);
    let rest = read_to_end(&mut *slow, &at)?;
    ensure!(texts(&[first, rest].concat()) == ["a", "b", "c"], "the first reader");
    Ok(())
}

// One partition has far more than the others: they are not kept waiting behind it. (Over a network
// the others may arrive a request later than the first of it, and it takes four requests.)
fn partitions_take_turns(world: &World<'_>) -> Result<()> {
    let at = world.topic("turns", 3)?;
    let text = "x".repeat(200);
    for (at, count) in at.iter().zip([20_000, 5, 5]) {
        world.append(at, &vec![text.as_str(); count])?;
    }
    let mut reader = world.reader(&at, Start::Oldest)?;
    let first = read_some(&mut *reader, 15_000)?;
    let from_small = first.iter().filter(|record| record.partition.partition > 0).count();
    ensure!(from_small == 10, "{from_small} of 10 among the first 15,000");
    read_some(&mut *reader, 5_010).context("the rest")?;
    Ok(())
}

fn the_newest_of_each_key_is_found(world: &World<'_>) -> Result<()> {
    let at = world.compacted("latest", 2)?;
    let [first, second] = &at[..] else { anyhow::bail!("two partitions") };
    let name = world.name("latest");
    ensure!(world.log.latest_by_key(&name)?.is_empty(), "an empty topic has keys");
    world.log.append(first, vec![keyed("b", Some("1")), keyed("d", Some("1"))])?;
    world.log.append(second, vec![keyed("c", Some("1")), keyed("a", Some("1"))])?;
    world.log.append(first, vec![keyed("b", Some("2")), keyed("b", Some("3"))])?;
    world.log.append(first, vec![keyed("d", None)])?;
    world.log.append(second, vec![keyed("a", None), keyed("a", Some(""))])?;
    let latest = world.log.latest_by_key(&name)?;
    let keys: Vec<_> = latest.iter().filter_map(|r| r.key.as_deref()).collect();
    ensure!(keys == [b"a", b"b", b"c"], "found {keys:?}");
    ensure!(texts(&latest) == ["", "3", "1"], "found {:?}", texts(&latest));
    ensure!(latest.iter().all(|r| (r.partition == *first) == (r.key == Some(b"b".to_vec()))));
    Ok(())
}

fn a_waiting_reader_is_woken(world: &World<'_>) -> Result<()> {
    let at = world.topic("woken", 1)?;
    let mut reader = world.reader(&at, Start::Oldest)?;
    read_to_end(&mut *reader, &at)?;
    let to = one(at)?;
    let log = &*world.log;
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| append(log, &to, &["here"]));
        let watch = StopWatch::start();
        let batch = reader.poll(10, PATIENCE)?;
        ensure!(texts(&batch.records) == ["here"], "read {batch:?}");
        ensure!(watch.elapsed() < PATIENCE / 2, "woken after {:?}", watch.elapsed());
        appending.join().map_err(|_| anyhow::anyhow!("the appender panicked"))??;
        Ok(())
    })
}

fn waiting_ends_in_time(world: &World<'_>) -> Result<()> {
    let at = world.topic("idle", 1)?;
    let mut reader = world.reader(&at, Start::Oldest)?;
    read_to_end(&mut *reader, &at)?;
    let watch = StopWatch::start();
    let batch = reader.poll(10, Duration::from_millis(50))?;
    ensure!(batch.records.is_empty() && batch.caught_up.is_empty(), "read {batch:?}");
    ensure!(watch.elapsed() >= Duration::from_millis(50), "ended after {:?}", watch.elapsed());
    ensure!(watch.elapsed() < PATIENCE, "ended after {:?}", watch.elapsed());
    Ok(())
}

fn caught_up_is_told_once(world: &World<'_>) -> Result<()> {
    let at = world.topic("caught-up", 2)?;
    let mut reader = world.reader(&at, Start::Oldest)?;
    ensure!(read_to_end(&mut *reader, &at)?.is_empty(), "an empty topic has records");
    let to = one(at)?;
    // One by one: of several, a reader that waits at the end may see some, and the end, before the others are there.
    for round in 1..=10 {
        world.append(&to, &["x"])?;
        let told = until_caught_up(&mut *reader, 1)?;
        ensure!(told == [to.clone()], "round {round}: told {told:?}");
    }
    let mut another = world.reader(std::slice::from_ref(&to), Start::Oldest)?;
    let told = until_caught_up(&mut *another, 10)?;
    ensure!(told == [to.clone()], "from the begin: told {told:?}");
    Ok(())
}

/// Reads by three until a partition is caught up, which has to be with the last of so many records.
fn until_caught_up(reader: &mut dyn LogReader, records: usize) -> Result<Vec<TopicPartition>> {
    let watch = StopWatch::start();
    let mut read = 0;
    loop {
        ensure!(watch.elapsed() < PATIENCE, "never caught up");
        let batch = reader.poll(3, Duration::from_millis(200))?;
        read += batch.records.len();
        if !batch.caught_up.is_empty() {
            ensure!(read == records, "caught up after {read} of {records}");
            return Ok(batch.caught_up);
        }
    }
}

fn large_records_pass(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("large", 1)?)?;
    // Bytes that do not compress, so that it is the wire that carries 900 kB.
    let mut state = 1_u64;
    let noise = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let value: Vec<u8> = (0..900_000).map(noise).collect();
    for _ in 0..4 {
        world.log.append(&at, vec![NewRecord { value: Some(value.clone()), ..text("") }])?;
    }
    let read = world.read_all(&[at], Start::Oldest)?;
    ensure!(read.len() == 4, "{} records", read.len());
    ensure!(read.iter().all(|r| r.value.as_ref() == Some(&value)), "a value came back changed");
    Ok(())
}

fn too_large_records_are_refused(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("too-large", 1)?)?;
    let value = Some(vec![0; world.record_bytes_max + 1]);
    let batch = vec![text("beside it"), NewRecord { value, ..text("") }];
    match world.log.append(&at, batch) {
        Err(LogError::TooLarge { topic, bytes, limit }) => {
            ensure!(*topic == *at.topic && bytes > limit, "{topic}: {bytes} and {limit}");
        }
        other => anyhow::bail!("append said {other:?}"),
    }
    ensure!(world.read_all(&[at], Start::Oldest)?.is_empty(), "some of it was stored");
    Ok(())
}

fn making_topics_again_changes_nothing(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("again", 3)?)?;
    world.append(&at, &["kept"])?;
    let mut specs = vec![world.spec("again", 8, true), world.spec("again", 3, false)];
    world.log.ensure_topics(&specs)?;
    specs.clear();
    world.log.ensure_topics(&specs)?;
    let partitions = world.log.partitions(&at.topic)?;
    ensure!(partitions == 3, "{partitions} partitions");
    ensure!(texts(&world.read_all(&[at], Start::Oldest)?) == ["kept"], "the record is gone");
    Ok(())
}

fn unknown_topics_are_refused(world: &World<'_>) -> Result<()> {
    let known = world.topic("known", 2)?;
    for at in [
        TopicPartition::new(&world.name("never-made"), 0),
        TopicPartition { partition: 2, ..one(known)? },
    ] {
        let append = world.log.append(&at, vec![text("x")]);
        ensure!(matches!(append, Err(LogError::UnknownTopic(_))), "append: {append:?}");
        let reader = world.log.reader(&[(at.clone(), Start::Oldest)]).map(|_| ());
        ensure!(matches!(reader, Err(LogError::UnknownTopic(_))), "reader: {reader:?}");
    }
    let never = world.name("never-made");
    let latest = world.log.latest_by_key(&never);
    ensure!(matches!(latest, Err(LogError::UnknownTopic(_))), "latest: {latest:?}");
    ensure!(world.log.partitions(&never)? == 0, "asking for a topic made it");
    Ok(())
}

fn appenders_keep_their_order(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("appenders", 1)?)?;
    let log = &*world.log;
    std::thread::scope(|scope| {
        let at = &at;
        let append_all = move |who: usize| {
            for batch in 0..25 {
                let values: Vec<_> = (0..3).map(|i| format!("{who} {}", batch * 3 + i)).collect();
                append(log, at, &values.iter().map(String::as_str).collect::<Vec<_>>())?;
            }
            anyhow::Ok(())
        };
        let threads: Vec<_> = (0..4).map(|who| scope.spawn(move || append_all(who))).collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("an appender panicked"))??;
        }
        anyhow::Ok(())
    })?;
    let mut seen: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for text in texts(&world.read_all(&[at], Start::Oldest)?) {
        let (who, number) = text.split_once(' ').context("two words")?;
        seen.entry(who.to_owned()).or_default().push(number.parse()?);
    }
    ensure!(seen.len() == 4, "{} appenders", seen.len());
    for (who, numbers) in seen {
        ensure!(numbers.iter().copied().eq(0..75), "appender {who}: {numbers:?}");
    }
    Ok(())
}

fn appending_nothing_is_nothing(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("nothing", 1)?)?;
    let last = world.log.append(&at, vec![])?;
    ensure!(last.is_none(), "offset {last:?}");
    ensure!(world.read_all(&[at], Start::Oldest)?.is_empty(), "something was stored");
    Ok(())
}

fn release_leaves_the_rest(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("release", 1)?)?;
    let last = world.append(&at, &["0", "1", "2", "3"])?;
    let mut reader = world.reader(std::slice::from_ref(&at), Start::At(last))?;
    world.log.release(&[(at.clone(), last)]);
    let next = world.append(&at, &["4"])?;
    ensure!(next > last, "offset {next} after {last}");
    ensure!(texts(&read_some(&mut *reader, 2)?) == ["3", "4"], "a reader that had begun");
    let read = texts(&world.read_all(&[at], Start::Oldest)?);
    ensure!(read.ends_with(&["3".to_owned(), "4".to_owned()]), "read {read:?}");
    Ok(())
}

fn progress_can_be_published(world: &World<'_>) -> Result<()> {
    let at = one(world.topic("progress", 1)?)?;
    let next = world.append(&at, &["0", "1"])? + 1;
    world.log.publish_progress(&world.name("group"), &[(at, next)])?;
    Ok(())
}
