//! Every stream of the casebook replays to its end, within its memory.
//!
//! Reads `suite.json` and recordings, never labels.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use tests::{binary, casebook, say};

/// Bound of a replay's resident memory. Unit: bytes.
const MEMORY_MAX: u64 = 1 << 30;

#[derive(Deserialize)]
struct Suite {
    suite: String,
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    id: String,
    segments: Vec<String>,
}

#[test]
fn every_stream_replays_without_error_inside_one_gibibyte() {
    let Some(casebook) = casebook() else { return };
    let every = std::env::var_os("FAULTLINE_ALL_STREAMS").is_some();
    let (mut played, mut failures) = (0, Vec::new());
    let mut suites: Vec<_> = std::fs::read_dir(&casebook)
        .expect("the casebook can be read")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.join("suite.json").is_file())
        .collect();
    suites.sort();
    for directory in suites {
        let text = std::fs::read_to_string(directory.join("suite.json")).expect("readable");
        let suite: Suite = serde_json::from_str(&text).expect("a suite");
        let step = if every { 1 } else { suite.streams.len().div_ceil(8).max(1) };
        for stream in suite.streams.iter().rev().step_by(step) {
            played += 1;
            if let Err(failure) = play(&directory, stream) {
                failures.push(format!("{} {}: {failure}", suite.suite, stream.id));
            }
        }
    }
    say(&format!("replayed {played} streams (FAULTLINE_ALL_STREAMS=1 replays all)"));
    assert!(played > 0, "the casebook holds no streams");
    assert!(failures.is_empty(), "{failures:#?}");
}

fn play(directory: &Path, stream: &Stream) -> Result<(), String> {
    let segments = stream.segments.iter().map(|s| directory.join(format!("{s}.jsonl.zst")));
    // `time` would need a package; the kernel enforces the bound itself.
    let limit = format!("ulimit -v {}; exec \"$@\"", MEMORY_MAX / 1024 * 2);
    let output = Command::new("bash")
        .args(["-c", &limit, "replay"])
        .arg(binary())
        .args(["replay", "--final", "--json"])
        .args(segments)
        .output()
        .map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{}: {told}", output.status));
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let incident: model::incident::Incident =
            serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        if incident.hypotheses.is_empty() {
            return Err(format!("incident {} has no hypotheses", incident.id));
        }
    }
    let peak = peak_bytes(&told);
    match peak {
        Some(bytes) if bytes > MEMORY_MAX => Err(format!("peak memory {bytes} bytes")),
        _ => Ok(()),
    }
}

/// The peak that the replay tells of itself (`FAULTLINE_LOG=info`), if it does.
fn peak_bytes(told: &str) -> Option<u64> {
    let digits = told.split("peak_bytes=").nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
