//! The corpus: frozen, honest about its plan, and with no system that both lists share.

use std::collections::BTreeSet;

use model::id::stable_hash;
use model::recording::topic;
use simulator::corpus::{Seeds, Stream, corpus, suite};

use crate::reading::json;

/// The hash of every byte of a list: records, `suite.json` and `labels.json`. When it changes, the
/// corpus is another one, and figures of before and after must not be compared: change it on purpose.
const TEST_HASH: u64 = 0x3cca_6fab_da08_32b9;
const DEVELOPMENT_HASH: u64 = 0xa29b_992a_67c0_cf08;

fn hash(seeds: Seeds) -> u64 {
    let streams = corpus(seeds);
    let mut hash = stable_hash(&[suite(seeds, &streams).to_string().as_bytes()]);
    for stream in &streams {
        for record in stream.scenario.records() {
            hash = stable_hash(&[
                &hash.to_le_bytes(),
                record.topic.as_bytes(),
                &record.timestamp_ms.to_le_bytes(),
                format!("{:?}", record.headers).as_bytes(),
                &record.value,
            ]);
        }
        let label = stream.label().to_string();
        hash = stable_hash(&[&hash.to_le_bytes(), label.as_bytes()]);
    }
    hash
}

#[test]
fn the_test_list_is_the_one_that_was_frozen() {
    let hash = hash(Seeds::Test);
    assert_eq!(hash, TEST_HASH, "{hash:#018x}");
}

#[test]
fn the_development_list_is_the_one_that_was_frozen() {
    let hash = hash(Seeds::Development);
    assert_eq!(hash, DEVELOPMENT_HASH, "{hash:#018x}");
}

#[test]
fn the_lists_share_no_service_no_seed_and_no_stream() {
    let (test, development) = (corpus(Seeds::Test), corpus(Seeds::Development));
    assert!((40..=60).contains(&test.len()), "{} streams", test.len());
    let names = |streams: &[Stream]| -> BTreeSet<String> {
        let services = streams.iter().flat_map(|it| it.scenario.world.services.iter());
        services.map(|service| service.name.clone()).collect()
    };
    assert!(names(&test).is_disjoint(&names(&development)));
    let seeds = |streams: &[Stream]| -> BTreeSet<u64> {
        streams.iter().map(|it| it.scenario.seed).collect()
    };
    assert_eq!(seeds(&test).len(), test.len());
    assert!(seeds(&test).is_disjoint(&seeds(&development)));
}

#[test]
fn every_stream_holds_what_its_family_promises() {
    for stream in corpus(Seeds::Test).into_iter().chain(corpus(Seeds::Development)) {
        let (name, scenario) = (&stream.scenario.name, &stream.scenario);
        let faults = scenario.truth().faults;
        let wanted = match stream.family {
            "healthy" | "flapping" => 0,
            "overlap-disjoint" | "overlap-touching" => 2,
            _ => 1,
        };
        assert_eq!(faults.len(), wanted, "{name}");
        if stream.family == "decoys" || stream.family == "all-of-it" {
            assert_eq!(faults[0].decoy_change_ids.len(), 5, "{name}");
        }
        if stream.family == "decoys" {
            assert!(faults[0].change_id.is_some(), "{name}");
        }
        if let [first, second] = faults.as_slice() {
            let common = first.affected.iter().any(|it| second.affected.contains(it));
            assert_eq!(common, stream.family == "overlap-touching", "{name}");
            let [one, other] = scenario.windows.as_slice() else { panic!("{name}: two windows") };
            assert!(one.0 < first.onset && first.onset < one.1, "{name}");
            assert!(other.0 < second.onset && second.onset < other.1, "{name}");
            assert!(scenario.faults[1].start < scenario.faults[0].end, "{name}: they overlap");
        }
        for fault in &faults {
            assert!(!fault.affected.is_empty(), "{name}");
        }
    }
}

#[test]
fn members_are_told_from_noise_by_worlds_that_did_not_happen() {
    let streams = corpus(Seeds::Development);
    let of = |family: &str| streams.iter().find(|it| it.family == family).unwrap();
    for member in of("flapping").scenario.members() {
        assert_eq!(member.windows, Vec::<String>::new(), "{}", member.name);
    }
    let overlap = of("overlap-disjoint").scenario.members();
    let count = |window: &str| overlap.iter().filter(|it| it.windows == [window]).count();
    assert!(count("w1") >= 2 && count("w2") >= 2, "{overlap:?}");
    let noise = overlap.iter().filter(|it| it.windows.is_empty());
    assert!(noise.into_iter().any(|it| it.name == "Watchdog"));
}

#[test]
fn a_storm_is_hundreds_of_firing_alerts() {
    for stream in corpus(Seeds::Test).into_iter().filter(|it| it.family == "storm") {
        let alerts = stream.scenario.records().filter(|it| it.topic == topic::ALERTS);
        let firing = |record| {
            let payload = json(&record);
            let alerts = payload["alerts"].as_array().unwrap().clone();
            alerts.iter().filter(|alert| alert["status"] == "firing").count()
        };
        let count: usize = alerts.map(firing).sum();
        assert!(count >= 250, "{}: {count}", stream.scenario.name);
    }
}
