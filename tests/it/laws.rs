//! The second strength of determinism, over many seeds: another order of arrival inside the
//! lateness, another number of partitions or tasks, the same incidents.

use model::incident::Incident;
use model::recording::TopicRecord;
use pipeline::player::final_incidents;
use pipeline::stages::settings::Settings;
use serde_json::Value;
use simulator::disorder::shuffle;
use simulator::{Scale, Scenario};
use tests::canonical;

/// Seeds of the law. `FAULTLINE_SEEDS=1000` for a long run.
const SEEDS: u64 = 12;
/// Records may change places inside this. Unit: milliseconds. Below the lateness of 60 s.
const SHUFFLE_MS: i64 = 45_000;

fn seeds() -> u64 {
    std::env::var("FAULTLINE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS)
}

fn play(records: &[TopicRecord], partitions: u32, tasks: u32) -> Vec<(Incident, Vec<u8>)> {
    let mut settings = Settings { observe_tasks: tasks, ..Settings::default() };
    settings.observe.shares = settings.detect_tasks;
    let records = records.iter().cloned().map(Ok);
    final_incidents(settings, partitions, records, |_| {}).expect("simulated records are fine")
}

fn told(incidents: &[(Incident, Vec<u8>)]) -> Vec<Value> {
    canonical(incidents.iter().map(|(incident, _)| incident))
}

fn scenario(seed: u64) -> Scenario {
    simulator::random(seed, Scale::default())
}

#[test]
fn the_same_records_give_the_same_bytes() {
    let records: Vec<TopicRecord> = scenario(3).records().collect();
    let first = play(&records, 1, 1);
    for _ in 0..2 {
        assert!(play(&records, 1, 1) == first, "a replay differed");
    }
}

#[test]
fn order_inside_the_lateness_partitions_and_tasks_do_not_matter() {
    let mut seen = 0;
    for seed in 0..seeds() {
        let records: Vec<TopicRecord> = scenario(seed).records().collect();
        let expected = told(&play(&records, 1, 1));
        seen += expected.len();
        let shuffled = shuffle(records.clone(), seed, SHUFFLE_MS);
        for (what, records, partitions, tasks) in [
            ("shuffled", &shuffled, 1, 1),
            ("over 3 partitions", &records, 3, 1),
            ("over 12 partitions", &records, 12, 1),
            ("with 3 observe tasks", &records, 1, 3),
            ("shuffled, 12 partitions, 3 tasks", &shuffled, 12, 3),
        ] {
            let told = told(&play(records, partitions, tasks));
            assert_same(&expected, &told, &format!("seed {seed}, {what}"));
        }
    }
    assert!(seen > 0, "no scenario had an incident: the law was not tried");
}

fn assert_same(expected: &[Value], told: &[Value], what: &str) {
    assert_eq!(expected.len(), told.len(), "{what}: number of incidents");
    for (expected, told) in expected.iter().zip(told) {
        if let Some(path) = difference(expected, told, String::new()) {
            panic!("{what}: {path}");
        }
    }
}

/// Where two values differ first.
fn difference(a: &Value, b: &Value, at: String) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            a.iter().find_map(|(k, v)| {
                difference(v, b.get(k).unwrap_or(&Value::Null), format!("{at}.{k}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(i, (a, b))| difference(a, b, format!("{at}[{i}]")))
        }
        _ if a == b => None,
        _ => Some(format!("{at}: {a} against {b}")),
    }
}
