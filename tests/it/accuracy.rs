//! The figures of `faultline eval` do not fall below what `tests/accuracy/BASELINE.md` records.
//!
//! Needs the casebook; says so when it is absent. `FAULTLINE_BLESS=1` writes the figures of this
//! run into the file instead of comparing: on purpose, in the commit that explains them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests::{binary, casebook, say, workspace};

/// Figures that are held, whether more is better, and the tolerance that a new row gets: that of
/// one case where it is a share of faults (`None`).
const HELD: [(&str, Better, Option<f64>); 13] = [
    ("ac1", Better::More, None),
    ("ac3", Better::More, None),
    ("mrr", Better::More, None),
    ("change_hr1", Better::More, None),
    ("change_hr3", Better::More, None),
    ("decoy_hits", Better::Less, Some(1.0)),
    ("none_right", Better::More, Some(1.0)),
    ("jaccard", Better::More, Some(0.05)),
    ("detected", Better::More, None),
    ("onset_to_incident_p95_s", Better::Less, Some(15.0)),
    ("false_incidents_per_h", Better::Less, Some(0.5)),
    ("open_share", Better::Less, Some(0.02)),
    ("ece", Better::Less, Some(0.05)),
];

/// The line under which the table stands that this test reads and writes.
const HEAD: &str = "| suite | figure | value | tolerance |";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    suite: String,
    figure: String,
    value: f64,
    tolerance: f64,
}

/// The rows of the baseline's table.
fn rows(text: &str) -> Result<Vec<Row>, String> {
    let table = text.split_once(HEAD).ok_or("no table: its head is missing")?.1;
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Row> = lines.map(row).collect::<Result<_, _>>()?;
    if rows.is_empty() { Err("the table is empty".into()) } else { Ok(rows) }
}

fn row(line: &str) -> Result<Row, String> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [suite, figure, value, tolerance] = cells[..] else {
        return Err(format!("four cells: {line}"));
    };
    let number = |cell: &str| cell.parse().map_err(|_| format!("no number `{cell}`: {line}"));
    if !HELD.iter().any(|(held, ..)| *held == figure) {
        return Err(format!("unknown figure: {line}"));
    }
    let (value, tolerance) = (number(value)?, number(tolerance)?);
    Ok(Row { suite: suite.into(), figure: figure.into(), value, tolerance })
}

fn suite<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    report["suites"].as_array()?.iter().find(|suite| suite["suite"] == name)
}

/// What is worse than the baseline allows, and what is better by more than the tolerance.
fn compare(rows: &[Row], report: &Value) -> (Vec<String>, Vec<String>) {
    let (mut worse, mut better) = (Vec::new(), Vec::new());
    for row in rows {
        let Some(suite) = suite(report, &row.suite) else { continue };
        let name = format!("{} {}", row.suite, row.figure);
        let Some(now) = suite[row.figure.as_str()].as_f64() else {
            worse.push(format!("{name}: {} before, no figure now", row.value));
            continue;
        };
        let more = HELD.iter().any(|(held, b, _)| *held == row.figure && *b == Better::More);
        let gain = if more { now - row.value } else { row.value - now };
        // Figures are printed with four places.
        let text =
            format!("{name}: {now:.4}, baseline {} give or take {}", row.value, row.tolerance);
        if gain < -row.tolerance - 1e-4 {
            worse.push(text);
        } else if gain > row.tolerance + 1e-4 {
            better.push(text);
        }
    }
    (worse, better)
}

/// The table of a report; rows that are known keep their tolerance.
fn table(report: &Value, known: &[Row]) -> String {
    let mut text = format!("{HEAD}\n|---|---|---|---|\n");
    for suite in report["suites"].as_array().into_iter().flatten() {
        let name = suite["suite"].as_str().unwrap_or_default();
        let case = (1e4 / suite["faults"].as_f64().unwrap_or(1.0).max(1.0)).ceil() / 1e4;
        for (figure, _, usual) in HELD {
            let Some(value) = suite[figure].as_f64() else { continue };
            let kept = known.iter().find(|row| row.suite == name && row.figure == figure);
            let tolerance = kept.map_or(usual.unwrap_or(case), |row| row.tolerance);
            let value = (value * 1e4).round() / 1e4;
            writeln!(text, "| {name} | {figure} | {value} | {tolerance} |")
                .expect("a string grows");
        }
    }
    text
}

/// The file with another table; suites that were not measured keep their rows.
fn blessed(file: &str, report: &Value) -> String {
    let (before, rest) = file.split_once(HEAD).unwrap_or((file, ""));
    let known = rows(file).unwrap_or_default();
    let mut text = format!("{before}{}", table(report, &known));
    for row in known.iter().filter(|row| suite(report, &row.suite).is_none()) {
        let Row { suite, figure, value, tolerance } = row;
        writeln!(text, "| {suite} | {figure} | {value} | {tolerance} |").expect("a string grows");
    }
    let after: Vec<&str> = rest.lines().skip(1).skip_while(|line| line.starts_with('|')).collect();
    if !after.is_empty() {
        text.push_str(&after.join("\n"));
        text.push('\n');
    }
    text
}

/// The suites of a casebook, sorted.
fn suites(casebook: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(casebook).expect("the casebook can be read");
    let mut suites: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.join("suite.json").is_file() && path.join("labels.json").is_file())
        .collect();
    suites.sort();
    suites
}

fn evaluate(suites: &[PathBuf], more: &[&str]) -> Value {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("figures.json");
    let output = Command::new(binary())
        .arg("eval")
        .args(suites)
        .args(["--json", &path.display().to_string()])
        .args(more)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&path).expect("figures");
    serde_json::from_str(&text).expect("figures are JSON")
}

#[test]
fn figures_do_not_fall_below_the_baseline() {
    let Some(casebook) = casebook() else { return };
    let suites = suites(&casebook);
    assert!(!suites.is_empty(), "{} holds no suites with labels", casebook.display());
    let report = evaluate(&suites, &[]);
    let path = workspace().join("tests/accuracy/BASELINE.md");
    let file = std::fs::read_to_string(&path).expect("the baseline is there");
    if std::env::var_os("FAULTLINE_BLESS").is_some() {
        std::fs::write(&path, blessed(&file, &report)).expect("the baseline can be written");
        say(&format!("wrote the figures of this run into {}", path.display()));
        return;
    }
    let rows = rows(&file).expect("the baseline's table");
    let recorded: BTreeSet<&str> = rows.iter().map(|row| row.suite.as_str()).collect();
    for name in recorded.iter().filter(|name| suite(&report, name).is_none()) {
        say(&format!("NOT MEASURED: the casebook holds no suite {name}"));
    }
    let (worse, better) = compare(&rows, &report);
    for line in &better {
        say(&format!("better than recorded: {line}"));
    }
    assert!(worse.is_empty(), "worse than recorded:\n{}", worse.join("\n"));
}

#[test]
fn a_fall_is_seen_and_a_rise_is_told() {
    let file = format!(
        "Words.\n\n{HEAD}\n|---|---|---|---|\n| a | ac1 | 0.8 | 0.05 |\n| a | open_share | 0.1 | 0.02 |\n\nMore words.\n"
    );
    let rows = rows(&file).expect("a table");
    let report = |ac1: f64, open: f64| json!({"suites":[{"suite":"a","faults":20,"ac1":ac1,"open_share":open}]});
    let fails = |ac1, open| compare(&rows, &report(ac1, open)).0;
    assert!(fails(0.76, 0.11).is_empty(), "inside the tolerance");
    assert_eq!(fails(0.74, 0.11).len(), 1);
    assert_eq!(fails(0.8, 0.13).len(), 1, "of this one less is better");
    assert_eq!(compare(&rows, &report(0.9, 0.0)).1.len(), 2);
    let gone = json!({"suites":[{"suite":"a","faults":20,"open_share":0.1}]});
    assert_eq!(compare(&rows, &gone).0.len(), 1, "a figure that is gone is a fall");

    let blessed = blessed(&file, &report(0.9, 0.0));
    assert!(blessed.contains("| a | ac1 | 0.9 | 0.05 |"), "{blessed}");
    assert!(blessed.starts_with("Words.") && blessed.ends_with("More words.\n"), "{blessed}");
    assert!(self::rows("no table").is_err());
    assert!(self::rows(&file.replace("0.8", "much")).is_err());
}

/// A suite of one stream in a directory of its own: the story of the demo, with its truth.
fn suite_of_the_story(home: &Path, culprit: &str) {
    let story = simulator::the_two_oh_seven();
    let truth = story.truth();
    let fault = truth.faults.first().expect("the story has a fault");
    let mut writer =
        pipeline::recording::Writer::create(&home.join("story.jsonl.zst")).expect("written");
    let mut last = 0;
    for record in story.records() {
        last = last.max(record.timestamp_ms);
        writer.write(&record).expect("written");
    }
    writer.finish().expect("written");
    let end = model::time::Timestamp::from_millis(last);
    let onset = fault.onset;
    let start = onset - model::time::Nanos::from_secs(300);
    let file = |name: &str, value: Value| {
        std::fs::write(home.join(name), value.to_string()).expect("written");
    };
    let window = json!([{"id":"w1","start":start,"end":end}]);
    let stream = |id: &str| json!({"id":id,"segments":["story"],"windows":window});
    file("suite.json", json!({"suite":"story","streams":[stream("one"), stream("two")]}));
    let labels = json!({"faults":[{"window":"w1","onset":onset,"root_cause":{"service":culprit},
        "change_id":fault.change_id,"kind":"story"}]});
    file("labels.json", json!({"one":labels,"two":labels}));
}

#[test]
fn eval_scores_the_demos_story_whatever_the_threads() {
    let home = tempfile::tempdir().expect("a directory");
    suite_of_the_story(home.path(), "payment");
    let suites = [home.path().to_path_buf()];
    let report = evaluate(&suites, &["--threads", "1"]);
    assert_eq!(report, evaluate(&suites, &["--threads", "2"]));
    let story = suite(&report, "story").expect("its suite");
    assert_eq!(
        (&story["streams"], &story["ac1"], &story["change_hr1"]),
        (&json!(2), &json!(1.0), &json!(1.0))
    );
    assert_eq!(evaluate(&suites, &["--stream", "two"])["suites"][0]["streams"], json!(1));

    suite_of_the_story(home.path(), "nobody");
    let output = Command::new(binary())
        .args(["eval", "--explain", "--stream", "one"])
        .arg(home.path())
        .output()
        .expect("the binary starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("the truth is no hypothesis"), "{told}");
    assert!(told.contains("AC@1 0.000"), "{told}");
}
