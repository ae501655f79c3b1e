//! What a command says when it fails: text for people, with `--json` one JSON object a line.

use std::ffi::OsStr;

use serde_json::{Value, json};

use crate::commands::check::EXIT_CONFIG;
use crate::config::ConfigErrors;
use crate::run::lease::Lost;

/// Exit code of what could not be done.
pub const EXIT_FAILED: u8 = 1;
/// Exit code of a service of which another has taken a role over: to be started again, to stand by.
pub const EXIT_LOST: u8 = 75;
/// Exit code of a wrong command line.
pub const EXIT_USAGE: u8 = 2;

/// Whether `--json` is among the words of a command line, also of one that is wrong.
#[must_use]
pub fn wants_json<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> bool {
    let is_json =
        |word: &OsStr| word == "--json" || word.as_encoded_bytes().starts_with(b"--json=");
    let before = |word: &S| word.as_ref() != "--";
    words.into_iter().take_while(before).any(|word| is_json(word.as_ref()))
}

/// The exit code of an error: 78 when the configuration is wrong, 75 when another process has taken over, else 1.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigErrors>() {
        EXIT_CONFIG
    } else if error.is::<Lost>() {
        EXIT_LOST
    } else {
        EXIT_FAILED
    }
}

/// What is said on standard error.
#[must_use]
pub fn told(error: &anyhow::Error, as_json: bool) -> String {
    if as_json { json_of(error).to_string() } else { format!("faultline: {error:#}") }
}

/// What is said on standard error though nothing failed.
#[must_use]
pub fn note(text: String, as_json: bool) -> String {
    if as_json { json!({ "note": text }).to_string() } else { text }
}

fn json_of(error: &anyhow::Error) -> Value {
    let code = exit_code(error);
    match error.downcast_ref::<ConfigErrors>() {
        Some(wrong) => {
            let said = wrong.to_string();
            let first = said.lines().next().unwrap_or_default();
            json!({"error": first, "exit_code": code, "file": wrong.file(), "errors": wrong.all()})
        }
        None => json!({"error": format!("{error:#}"), "exit_code": code}),
    }
}

/// What is said of a wrong command line.
#[must_use]
pub fn usage(error: &clap::Error) -> String {
    let said = error.render().to_string();
    let said = said.trim().trim_start_matches("error: ");
    json!({"error": said, "exit_code": EXIT_USAGE}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_wanted_where_it_is_an_option_and_not_where_it_is_a_word() {
        assert!(wants_json(["incidents", "--json"]));
        assert!(wants_json(["eval", "suite", "--json=-"]));
        assert!(!wants_json(["comment", "2a07", "--", "--json"]));
        assert!(!wants_json(["comment", "2a07", "--jsonish"]));
    }

    #[test]
    fn a_wrong_configuration_names_each_error_of_its_own() {
        let wrong = ConfigErrors::new("f.yaml", vec!["cells: twice".into(), "log: none".into()]);
        let error = anyhow::Error::new(wrong);
        let value: Value = serde_json::from_str(&told(&error, true)).unwrap();
        assert_eq!(value["error"], "f.yaml: 2 errors in the configuration");
        assert_eq!((&value["exit_code"], &value["errors"][1]), (&json!(78), &json!("log: none")));
        assert!(told(&error, false).starts_with("faultline: f.yaml: 2 errors"));
    }

    #[test]
    fn a_note_is_no_error() {
        let value: Value = serde_json::from_str(&note("the newest \"2\"".into(), true)).unwrap();
        assert_eq!(value, json!({"note": "the newest \"2\""}));
        assert_eq!(note("the newest 2".into(), false), "the newest 2");
    }

    #[test]
    fn another_failure_tells_its_whole_chain() {
        let error = anyhow::anyhow!("no such file").context("cannot read x");
        let value: Value = serde_json::from_str(&told(&error, true)).unwrap();
        assert_eq!(value, json!({"error": "cannot read x: no such file", "exit_code": 1}));
    }
}
