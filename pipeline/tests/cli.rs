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

/// Whether `check` takes a configuration; what it said.
fn checked(yaml: &str) -> (bool, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("faultline.yaml");
    std::fs::write(&path, yaml).expect("written");
    let output = faultline(&["check", "-c", &path.display().to_string()]);
    (output.status.success(), said(&output))
}

#[test]
fn the_configuration_of_the_tutorial_has_no_errors() {
    let all = examples("docs/tutorial.md");
    let of = |first: &str| -> Vec<&str> {
        all.iter().map(String::as_str).filter(|block| block.starts_with(first)).collect()
    };
    let (files, sinks, history) = (of("# faultline.yaml\n"), of("sinks:\n"), of("history:\n"));
    assert_eq!((files.len(), sinks.len(), history.len()), (1, 2, 1), "the file, two ITSMs, SQL");
    for sink in sinks {
        let tickets = format!("{}{sink}", files[0]);
        let (ok, said) = checked(&tickets);
        assert!(ok, "{said}");
        // A build without the history says that it has none.
        let (ok, said) = checked(&format!("{tickets}{}", history[0]));
        assert_eq!(ok, cfg!(feature = "history"), "{said}");
    }
}

#[test]
fn the_grouping_rules_of_the_documentation_have_no_errors() {
    let all = examples("docs/control.md");
    let rules: Vec<_> = all.iter().filter(|block| block.starts_with("grouping:\n")).collect();
    assert_eq!(rules.len(), 1);
    let (ok, said) = checked(&format!("log: {{kind: embedded, directory: d}}\n{}", rules[0]));
    assert!(ok, "{said}");
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

#[test]
fn every_command_with_wrong_input_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let embedded = directory.path().join("embedded.yaml");
    std::fs::write(&embedded, "log: {kind: embedded, directory: /nonexistent/log}\n")
        .expect("written");
    let embedded = embedded.display().to_string();
    let example =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/faultline.example.yaml");
    let example = example.display().to_string();
    let nobody = "http://127.0.0.1:9";
    let cases: &[(&[&str], i32, &str)] = &[
        (&["demoo"], 2, "'demo'"),
        (&["demo", "--listen", "nowhere"], 2, "127.0.0.1:7171"),
        (&["demo", "--json"], 2, "--headless"),
        (&["check", "-c", "no-such.yaml"], 78, "faultline.example.yaml"),
        (&["check", "-c", &example, "--set", "time.pnae_s=1"], 78, "did you mean `pane_s`"),
        (&["check", "-c", &example, "--set", "time"], 78, "KEY=VALUE"),
        (&["run", "-c", "no-such.yaml"], 78, "FAULTLINE_CONFIG"),
        (&["record", "-c", &embedded, "-o", "x.jsonl"], 1, "there is no embedded log"),
        (&["tap", "alerts", "-c", &embedded], 1, "there is no embedded log"),
        (&["dead-letters", "list", "-c", &embedded], 1, "there is no embedded log"),
        (&["dead-letters", "replay", "-c", &embedded], 2, "NUMBERS"),
        (&["dead-letters", "replay", "1", "--all", "-c", &embedded], 2, "--all"),
        (&["dead-letters", "show", "1", "--json", "--raw", "-c", &embedded], 2, "--raw"),
        (&["sinks", "test", "nope", "-c", &embedded], 1, "none is configured; docs/sinks.md"),
        (&["health", "--url", nobody], 1, "faultline run -c"),
        (&["replay", "nope.zst"], 1, "faultline record"),
        (&["replay"], 2, "RECORDINGS"),
        (&["replay", "--last", "4h"], 2, "--config"),
        (&["replay", "--last", "4x", "-c", &embedded], 2, "30m"),
        (&["replay", "--last", "4h", "-c", &embedded], 1, "there is no embedded log"),
        (&["replay", "--speed", "fast", "x"], 2, "`30x`"),
        (&["replay", "--against", "no-such.yaml", "x.jsonl"], 78, "no-such.yaml"),
        (&["replay", "--set", "log.x=1", "x.jsonl"], 78, "log.x"),
        (&["explain", "the-big-one"], 1, "16 hexadecimal digits"),
        (&["explain", "ab", "--file", "no-such.jsonl"], 1, "no-such.jsonl"),
        (&["incidents", "--url", "nonsense"], 1, "http://127.0.0.1:7070"),
        (&["incidents", "--url", nobody], 1, "faultline demo"),
        (&["incidents", "--state", "opne"], 2, "open"),
        (&["top", "--url", nobody], 1, "--once"),
        (&["top", "--once", "--url", nobody], 1, "faultline demo"),
        (&["top", "--every", "0"], 2, "0.5 to 3600"),
        (&["eval", "/nonexistent/suite"], 1, "/nonexistent/suite"),
        (&["corpus", "/dev/null/suite"], 1, "/dev/null/suite"),
        (&["man", "/dev/null/man"], 1, "/dev/null/man"),
        (&["completions", "tcsh"], 2, "fish"),
        (&["config", "yaml"], 2, "schema"),
    ];
    for (args, code, expected) in cases {
        let output = faultline(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(*code), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: expected {expected}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

#[test]
fn with_json_what_went_wrong_is_one_object_too() {
    let nobody = "http://127.0.0.1:9";
    let cases: &[(&[&str], i32, &str)] = &[
        (&["incidents", "--json", "--url", nobody], 1, "faultline demo"),
        (&["health", "--json", "--url", nobody], 1, "faultline run -c"),
        (&["replay", "--json", "nope.zst"], 1, "faultline record"),
        (&["run", "--json", "-c", "no-such.yaml"], 78, "no-such.yaml: 1 error"),
        (&["sinks", "list", "--json", "-c", "no-such.yaml"], 78, "no-such.yaml: 1 error"),
        (&["man", "--json", "/dev/null/man"], 1, "/dev/null/man"),
        (&["completions", "tcsh", "--json"], 2, "fish"),
        (&["incidents", "--json", "--state", "opne"], 2, "open"),
        (&["explian", "--json"], 2, "'explain'"),
    ];
    for (args, code, expected) in cases {
        let output = faultline(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(*code), "{args:?}: {said}");
        let told: serde_json::Value = serde_json::from_str(&said).expect(&said);
        assert_eq!(told["exit_code"], *code, "{args:?}: {said}");
        let error = told["error"].as_str().unwrap_or_default();
        assert!(error.contains(expected), "{args:?}: expected {expected}: {error}");
        assert_eq!(told["errors"].is_array(), *code == 78, "{said}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    let help = faultline(&["incidents", "--json", "--help"]);
    assert!(help.status.success() && !help.stdout.is_empty(), "help is no failure");
}

/// What was said, each line an object.
fn told(output: &Output) -> Vec<serde_json::Value> {
    said(output).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn with_json_each_of_several_failures_is_an_object_of_its_own() {
    let url = ["--url", "http://127.0.0.1:9", "--author", "ann", "--json"];
    let output = faultline(&[&["resolve", "bad1", "bad2"][..], &url].concat());
    let told = told(&output);
    assert_eq!((output.status.code(), told.len()), (Some(1), 2), "{told:?}");
    for id in ["bad1", "bad2"] {
        let is_told =
            |one: &&serde_json::Value| one["error"].as_str().is_some_and(|e| e.contains(id));
        assert_eq!(told.iter().filter(is_told).count(), 1, "{told:?}");
    }
}

#[test]
fn with_json_a_system_that_is_not_ready_is_a_failure_and_success_says_nothing_beside() {
    use std::io::{Read as _, Write as _};
    let double = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", double.local_addr().expect("an address"));
    let answers = std::thread::spawn(move || {
        let (mut asked, _) = double.accept().expect("asked");
        let _request = asked.read(&mut [0; 4_096]).expect("a request");
        let answer =
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        asked.write_all(answer.as_bytes()).expect("answered");
    });
    let output = faultline(&["health", "--json", "--url", &url]);
    answers.join().expect("answered");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &found["status"]), (Some(1), &503.into()));
    let told = told(&output);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["error"].as_str().is_some_and(|error| error.contains("503")), "{told:?}");

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().display().to_string();
    let output = faultline(&["corpus", &path, "--json", "--stream", "faultline-test-001"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
}

#[test]
fn a_port_that_is_taken_is_told_and_ends_the_service() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = faultline(&["demo", "--once", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains(&address) && said.contains("choose another port"), "{said}");
}

#[test]
fn check_tells_programs_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("wrong.yaml");
    std::fs::write(&path, "log: {kind: kafka, brokers: ''}\nsink: []\n").expect("written");
    let output = faultline(&["check", "--json", "-c", &path.display().to_string()]);
    assert_eq!(output.status.code(), Some(78));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["ok"], false);
    let errors: Vec<&str> =
        told["errors"].as_array().expect("a list").iter().filter_map(|e| e.as_str()).collect();
    assert!(errors.contains(&"sink: is no key; did you mean `sinks`?"), "{errors:?}");
    assert!(errors.iter().any(|error| error.starts_with("log.brokers")), "{errors:?}");
}

#[test]
fn shells_get_completions_and_people_manual_pages() {
    for shell in ["bash", "zsh", "fish"] {
        let output = faultline(&["completions", shell]);
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && script.contains("incidents"), "{shell}");
    }
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&faultline(args).stdout).expect("JSON")
    };
    let script = json(&["completions", "fish", "--json"]);
    assert_eq!(script["shell"], "fish");
    assert!(script["script"].as_str().is_some_and(|text| text.contains("incidents")), "{script}");
    let pages = json(&["man", "--json"]);
    assert_eq!(pages["pages"][0]["name"], "faultline.1");
    assert!(pages["pages"][0]["text"].as_str().is_some_and(|text| text.contains("EXIT STATUS")));
    let output = faultline(&["man"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("EXIT STATUS"));
    let directory = tempfile::tempdir().expect("a directory");
    let output = faultline(&["man", &directory.path().display().to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(directory.path().join("faultline-top.1").exists());
}

#[test]
fn a_recording_of_nothing_that_is_read_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("other.jsonl");
    std::fs::write(&path, "{\"topic\":\"spans_of_others\",\"timestamp\":1,\"value\":{}}\n")
        .expect("written");
    let output = faultline(&["replay", &path.display().to_string()]);
    assert!(said(&output).contains("none of the 1 records"), "{}", said(&output));
    assert!(said(&output).contains("otlp_spans"), "{}", said(&output));
}
