//! A new owner of OBSERVE, with a directory of its own, replaces what the one before it wrote (ADR 4).

use std::path::Path;

use pipeline::log::memory::MemoryLog;
use pipeline::log::{Log, NewRecord, TopicPartition};
use pipeline::run::epoch;
use pipeline::stages::observe::epoch_of;
use pipeline::stages::settings::Settings;
use pipeline::stages::wire;
use serde_json::json;

/// A pane as the start of an epoch stamps its first revision.
fn write(log: &dyn Log, settings: &Settings, epoch: u32) {
    let revision = (0..=u32::MAX >> 8).find(|revision| epoch_of(*revision) == epoch);
    let counts = json!({"signals": 0, "activity": {}, "services": {}});
    let pane = json!({
        "task": 0, "share": 0, "pane": 1, "revision": revision, "closed_through": 1, "settled_through": 0,
        "counts": counts,
    });
    let value = Some(wire::pack(&pane).expect("it is packed"));
    let to = TopicPartition::new(&settings.own.panes, 0);
    log.append(&to, vec![NewRecord { value, ..NewRecord::default() }]).expect("it is durable");
}

#[test]
fn who_takes_over_replaces_what_others_wrote_whatever_its_own_directory_says() {
    let (log, settings) = (MemoryLog::default(), Settings::default());
    log.ensure_topics(&settings.own.specs(1, 1)).expect("topics");
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let [one, other] = directories.each_ref().map(|directory| directory.path());
    let next = |directory: &Path, is_shared| {
        epoch::next(directory, &log, &settings, is_shared).expect("an epoch")
    };
    assert_eq!(next(one, true), 0);
    assert_eq!(next(one, true), 1, "the directory counts, too");
    write(&log, &settings, 1);
    assert_eq!(next(other, true), 2, "it has no number of its own");
    write(&log, &settings, 2);
    assert_eq!(next(one, true), 3, "its own number is older");
    assert_eq!(next(other, false), 3, "nobody else writes there");
}
