//! What the integration tests share: incidents without what may depend on order, the binary, the
//! casebook.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use model::incident::Incident;
use serde_json::Value;

/// What may differ between two orders of arrival: ids, revision numbers and moments of decision.
/// Everything else must be equal (DESIGN section 5).
const FREE_FIELDS: [&str; 8] = [
    "id",
    "revision",
    "opened_at",
    "updated_at",
    "resolved_at",
    "merged_into",
    "merged_from",
    "split_from",
];

/// Incidents as values without ids, revision numbers and moments of decision, in a canonical order.
#[must_use]
pub fn canonical<'a>(incidents: impl IntoIterator<Item = &'a Incident>) -> Vec<Value> {
    let mut values: Vec<Value> = incidents
        .into_iter()
        .map(|incident| {
            let mut value = serde_json::to_value(incident).expect("an incident is JSON");
            strip(&mut value);
            value
        })
        .collect();
    values.sort_by_key(Value::to_string);
    values
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("schema_version") || fields.contains_key("merged_from") {
                fields.retain(|name, _| !FREE_FIELDS.contains(&name.as_str()));
            }
            if let Some(Value::Array(entries)) = fields.get_mut("timeline") {
                entries.retain(|entry| entry.get("kind").is_none_or(|kind| kind != "state"));
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Says something that must be seen although a test that passes is silent.
pub fn say(text: &str) {
    let mut out = std::io::stderr();
    // Nobody is told if standard error is gone.
    drop(writeln!(out, "{text}"));
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

/// The casebook, if it is on this machine. Says plainly when it is not.
#[must_use]
pub fn casebook() -> Option<PathBuf> {
    let beside = || workspace().join("../shared/casebook");
    let path = std::env::var_os("FAULTLINE_CASEBOOK").map_or_else(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    say(&format!("SKIPPED: no casebook at {}; set FAULTLINE_CASEBOOK", path.display()));
    None
}

/// The real Kafka that the tests may use, as `host:port`. Says plainly when there is none.
#[must_use]
pub fn kafka() -> Option<String> {
    let brokers = std::env::var("FAULTLINE_TEST_KAFKA").ok();
    if brokers.is_none() {
        say("SKIPPED: no Kafka; `tests/run.sh` starts one and sets FAULTLINE_TEST_KAFKA");
    }
    brokers
}

/// The directory of a real Request Tracker that the tests may use (`tests/rt.sh`). Says plainly when
/// there is none.
#[must_use]
pub fn request_tracker() -> Option<PathBuf> {
    let directory = std::env::var_os("FAULTLINE_TEST_RT").map(PathBuf::from);
    if directory.is_none() {
        say("SKIPPED: no Request Tracker; `tests/run.sh` starts one and sets FAULTLINE_TEST_RT");
    }
    directory
}

/// The binary `faultline`, built beside this test.
///
/// # Panics
/// When it is not there: `cargo test --workspace` builds it, `cargo test -p tests` does not.
#[must_use]
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    let binary = target.join("faultline");
    assert!(binary.is_file(), "{} is missing: `cargo build -p pipeline` first", binary.display());
    binary
}
