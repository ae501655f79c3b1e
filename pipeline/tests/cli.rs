//! The binary as people meet it: exit codes and what is said.

use std::path::PathBuf;
use std::process::{Command, Output};

fn faultline(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_faultline")).args(args).output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_example_configuration_has_no_errors() {
    let example =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/faultline.example.yaml");
    let output = faultline(&["check", "-c", &example.display().to_string()]);
    assert!(output.status.success(), "{}", said(&output));
}

/// The YAML examples of a document.
fn examples(document: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let text = std::fs::read_to_string(path).expect("the document is there");
    let blocks = text.split("```yaml\n").skip(1);
    blocks.filter_map(|block| Some(block.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn the_configuration_of_the_tutorial_has_no_errors() {
    let is_ours =
        |block: &String| block.starts_with("# faultline.yaml\n") || block.starts_with("sinks:\n");
    let blocks: Vec<String> = examples("docs/tutorial.md").into_iter().filter(is_ours).collect();
    assert_eq!(blocks.len(), 2, "the file and its sinks");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("faultline.yaml");
    std::fs::write(&path, blocks.concat()).expect("written");
    let output = faultline(&["check", "-c", &path.display().to_string()]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_wrong_configuration_exits_78_and_names_every_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("wrong.yaml");
    std::fs::write(&path, "log: {kind: kafka, brokers: ''}\ntime: {pane_s: -1}\n")
        .expect("written");
    let output = faultline(&["check", "-c", &path.display().to_string()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(said(&output).contains("log.brokers"), "{}", said(&output));
    assert!(said(&output).contains("time.pane_s"), "{}", said(&output));
}

#[test]
fn a_missing_or_broken_recording_is_told_and_is_no_success() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("broken.jsonl");
    std::fs::write(&path, "not a record\n").expect("written");
    for (name, expected) in
        [("no-such-file.jsonl", "no-such-file"), ("broken.jsonl", "broken.jsonl:1")]
    {
        let path = directory.path().join(name);
        let output = faultline(&["replay", "--json", &path.display().to_string()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
}

#[test]
fn what_cannot_be_decoded_becomes_a_dead_letter_and_its_neighbour_is_processed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mixed.jsonl");
    let alert = r#"{"topic":"alerts","timestamp":1700000000000,"key":null,"headers":{},"value":{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Down","service":"cart","severity":"critical"},"annotations":{},"startsAt":"2023-11-14T22:13:20Z"}]}}"#;
    let broken = r#"{"topic":"otlp_spans","timestamp":1700000000000,"key":null,"headers":{"encoding":"otlp_proto"},"value_base64":"CgoS/w=="}"#;
    std::fs::write(&path, format!("{broken}\n{alert}\n{broken}\n")).expect("written");
    let output = faultline(&["replay", "--json", "--final", &path.display().to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).matches("dead letter").count(), 2, "{}", said(&output));
    assert!(said(&output).contains("otlp_spans/0@0"), "{}", said(&output));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("\"cart\""), "{told}");
}

#[test]
fn commands_that_look_at_a_running_system_say_so_when_there_is_none() {
    for args in [
        &["incidents", "--url", "http://127.0.0.1:9"][..],
        &["explain", "ab", "--url", "http://127.0.0.1:9"],
    ] {
        let output = faultline(args);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("127.0.0.1:9"), "{}", said(&output));
    }
}

#[test]
fn a_suite_that_is_not_whole_is_refused_with_what_to_do() {
    let home = tempfile::tempdir().expect("a directory");
    let shown = home.path().display().to_string();
    let file =
        |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("written");
    let refused = |expected: &str| {
        let output = faultline(&["eval", &shown]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(expected), "{}", said(&output));
    };
    refused("name the suites themselves");
    file("suite.json", r#"{"suite":"s","streams":[{"id":"a","segments":["one"],"windows":[]}]}"#);
    refused("segment one is not there");
    file("one.jsonl", "not a record\n");
    refused("labels.json is missing");
    file("labels.json", r#"{"a":{"faults":[]}}"#);
    refused("one.jsonl:1");
    file("one.jsonl", "");
    let output = faultline(&["eval", &shown]);
    assert!(output.status.success(), "{}", said(&output));
    let output = faultline(&["eval", &shown, "--stream", "b"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no stream `b`"), "{}", said(&output));
}
