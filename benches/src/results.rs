//! What was measured, kept as data (`benches/results`), and the report that is made of it
//! (`benches/REPORT.md`): every figure with its bar, met or not.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::figures::short;

/// Which side of its bar a figure should be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    AtLeast,
    AtMost,
    /// What the bench itself brings: no bar, for it cannot be missed.
    Offered,
}

/// One aim: bench, field of its object, what it says, side, bar, stretch.
type Aim = (&'static str, &'static str, &'static str, Side, f64, f64);

use Side::{AtLeast, AtMost, Offered};

const AIMS: [Aim; 28] = [
    (
        "line-rate",
        "ratio",
        "spans/s to incidents / no-op consumer, worst form",
        AtLeast,
        0.65,
        0.85,
    ),
    ("line-rate", "cpu_ratio", "the same in CPU seconds, worst form", AtLeast, 0.40, 0.60),
    ("line-rate", "a_spans_per_s_331_none", "spans/s from Kafka, 331 bytes", AtLeast, 2e6, 4e6),
    ("decode", "ratio", "OTLP protobuf to columns / prost", AtLeast, 10.0, 20.0),
    ("decode-json", "ratio", "OTLP/JSON to columns / serde_json", AtLeast, 3.0, 4.0),
    ("latency", "ratio", "alert to incident / echo, p99", AtMost, 2.0, 1.3),
    ("latency", "ratio_p999", "the same, p99.9", AtMost, 3.0, 3.0),
    ("alerts", "ratio", "alerts/s / Alertmanager", AtLeast, 5.0, 10.0),
    ("alerts", "cpu_ratio", "Alertmanager's CPU per alert / ours", AtLeast, 20.0, 40.0),
    ("alerts", "a", "alerts/s from Kafka", AtLeast, 250e3, 250e3),
    ("growth", "ratio", "blast radius, 10^6 items / 10^3", AtMost, 6.0, 3.0),
    ("memory", "trace_bytes", "bytes per open trace of 8 spans", AtMost, 320.0, 128.0),
    ("memory", "alert_bytes", "bytes per active alert", AtMost, 256.0, 128.0),
    ("memory", "ci_bytes", "bytes per item with 4 relations", AtMost, 96.0, 64.0),
    ("storm", "lost", "alerts lost", AtMost, 0.0, 0.0),
    ("storm", "memory_ratio", "peak / steady memory", AtMost, 2.0, 1.5),
    ("storm", "p99_ratio", "p99 in the storm / before", AtMost, 5.0, 2.0),
    ("storm", "drain_ratio", "drain time / storm time", AtMost, 0.25, 0.1),
    ("storm", "incidents_per_fault", "incidents per true fault", AtMost, 1.2, 1.0),
    ("skew", "ratio", "throughput under skew / spread evenly", AtLeast, 0.6, 0.8),
    ("scaling", "ratio", "two observers / one, per CPU second", AtLeast, 0.9, 0.95),
    ("allocations", "per_span", "heap allocations per span", AtMost, 0.0, 0.0),
    ("allocations", "per_alert", "heap allocations per alert", AtMost, 2.0, 0.0),
    (
        "scale-slice",
        "machine_percent",
        "percent of the machine, 312,500 spans/s",
        AtMost,
        50.0,
        25.0,
    ),
    ("scale-slice", "free_after_s", "seconds until it has caught up", AtMost, 5.0, 1.0),
    ("scale-slice", "items", "items that its map holds", AtLeast, 1e6, 1e6),
    ("scale-slice", "spans_per_s", "spans/s of a 32nd of a large fleet", Offered, 0.0, 0.0),
    ("scale-slice", "open_traces", "open traces meanwhile", Offered, 0.0, 0.0),
];

fn room() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// Keeps what a bench found, in place of what it found before.
pub(crate) fn keep(bench: &str, object: &str) -> Result<()> {
    fs::create_dir_all(room())?;
    let pretty: Value = serde_json::from_str(object)?;
    let text = serde_json::to_string_pretty(&pretty)? + "\n";
    let path = room().join(format!("{bench}.json"));
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// Writes `REPORT.md` from all that was kept; gives its path.
pub(crate) fn write_report() -> Result<PathBuf> {
    let mut found: Vec<Value> = Vec::new();
    for entry in fs::read_dir(room()).context("nothing was kept yet; run benches with --keep")? {
        found.push(serde_json::from_slice(&fs::read(entry?.path())?)?);
    }
    found.sort_by_key(|object| place(text(object, "bench")));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REPORT.md");
    fs::write(&path, report(&found))?;
    Ok(path)
}

fn place(bench: &str) -> usize {
    AIMS.iter().position(|aim| aim.0 == bench).unwrap_or(AIMS.len())
}

fn text<'v>(object: &'v Value, field: &str) -> &'v str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn report(found: &[Value]) -> String {
    let mut out = String::from(
        "# Speed\n\nMade by `cargo run --release -p benches -- report` from what\n\
         `cargo run --release -p benches -- NAME --keep` found (`benches/results`). Ratios are medians of pairs that\n\
         were measured in turn in one run; others may have used the machine meanwhile (load), so read ratios, not\n\
         absolutes.\n\n| bench | what | found | bar | stretch | |\n|---|---|---|---|---|---|\n",
    );
    for (bench, field, what, side, bar, stretch) in AIMS {
        let object = found.iter().find(|object| text(object, "bench") == bench);
        let figure = object.and_then(|object| object.get(field)).and_then(Value::as_f64);
        let aim = |sign: &str, aim: f64| {
            if side == Offered { "-".to_owned() } else { format!("{sign}{}", short(aim)) }
        };
        let sign = if side == AtLeast { ">= " } else { "<= " };
        let (shown, verdict) = match figure {
            Some(figure) => (short(figure), verdict(side, figure, bar, stretch)),
            None => ("-".to_owned(), "not measured"),
        };
        // Writing into a string cannot fail.
        let _written = writeln!(
            out,
            "| `{bench}` | {what} | {shown} | {} | {} | {verdict} |",
            aim(sign, bar),
            aim("", stretch)
        );
    }
    for object in found {
        section(&mut out, object);
    }
    out
}

fn verdict(side: Side, figure: f64, bar: f64, stretch: f64) -> &'static str {
    if side == Offered {
        return "offered";
    }
    let reached = |aim: f64| if side == AtLeast { figure >= aim } else { figure <= aim };
    match (reached(bar), reached(stretch)) {
        (_, true) => "**met, and the stretch**",
        (true, false) => "**met**",
        (false, _) => "not met",
    }
}

fn section(out: &mut String, object: &Value) {
    let number = |field: &str| object.get(field).and_then(Value::as_f64).unwrap_or_default();
    let _written = write!(
        out,
        "\n## {}\n\nA: {}; B: {}. Commit {}, seed {}, {} pairs, {} ({} cores), load {}.\n\n\
         | figure | median | least | most |\n|---|---|---|---|\n\
         | A / B | {} | {} | {} |\n| A ({}) | {} | | |\n| B ({}) | {} | | |\n",
        text(object, "bench"),
        text(object, "a_is"),
        text(object, "b_is"),
        text(object, "commit"),
        number("seed"),
        number("pairs"),
        text(object, "processor"),
        number("cores"),
        short(number("load")),
        short(number("ratio")),
        short(number("ratio_min")),
        short(number("ratio_max")),
        text(object, "unit"),
        short(number("a")),
        text(object, "unit"),
        short(number("b")),
    );
    if object.get("faults").is_some_and(Value::is_number) {
        let _written =
            writeln!(out, "| faults found | {} of {} | | |", number("found"), number("faults"));
    }
    const SHOWN: [&str; 10] =
        ["ratio", "ratio_min", "ratio_max", "a", "b", "seed", "found", "faults", "cores", "load"];
    for (name, value) in object.as_object().into_iter().flatten() {
        let hidden = SHOWN.contains(&name.as_str()) || name == "pairs";
        if let (false, Some(figure)) = (hidden, value.as_f64()) {
            let _written = writeln!(out, "| {name} | {} | | |", short(figure));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_report_says_what_is_met_and_what_is_not() {
        let decode = json!({"bench": "decode", "ratio": 12.0, "unit": "B/s", "a": 1.0, "b": 1.0});
        let storm = json!({"bench": "storm", "lost": 0, "p99_ratio": 7.5, "found": 1, "faults": 2});
        let slice =
            json!({"bench": "scale-slice", "spans_per_s": 9.0, "free_after_s": 7.0, "items": 1e6});
        let text = report(&[decode, storm, slice]);
        assert!(text.contains("fleet | 9.00 | - | - | offered |"), "{text}");
        assert!(text.contains("caught up | 7.00 | <= 5.00 | 1.00 | not met |"), "{text}");
        assert!(text.contains("| 12.0 | >= 10.0 | 20.0 | **met** |"), "{text}");
        assert!(text.contains("| 7.50 | <= 5.00 | 2.00 | not met |"), "{text}");
        assert!(
            text.contains("alerts lost | 0.000 | <= 0.000 | 0.000 | **met, and the stretch** |")
        );
        assert!(text.contains("| - | >= 3.00 | 4.00 | not measured |"), "{text}");
        assert!(text.contains("faults found | 1 of 2"), "{text}");
    }
}
