//! Reads a configuration file: what it says, what the command line sets over it, and everything that
//! is wrong with both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use serde_saphyr::{DefaultMessageFormatter, MessageFormatter as _};

use super::check::{Checker, Secrets};
use super::raw::RawConfig;
use super::usable::{Config, ConfigErrors};
use super::{schema, set, unknown};
use crate::auth::Keyring;

/// What to do about a configuration without a log.
const NO_LOG: &str = "log: is missing; say where the topics are, as `log: {kind: kafka, brokers: \
                      127.0.0.1:9092}` or `log: {kind: embedded, directory: ./log}`";

/// Reads and checks a configuration file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    load_with(path, &[])
}

/// As [`load`], with keys set over what the file says (`KEY=VALUE`).
///
/// # Errors
/// Everything that is wrong with file and keys.
pub fn load_with(path: &Path, sets: &[String]) -> Result<Config, ConfigErrors> {
    checked(path, sets, Secrets::Read)
}

/// As [`load_with`], for whoever wants parameters only: secrets are not read, and their fields are
/// empty.
///
/// # Errors
/// Everything else that is wrong with file and keys.
pub fn load_parameters(path: &Path, sets: &[String]) -> Result<Config, ConfigErrors> {
    checked(path, sets, Secrets::Left)
}

/// The configuration without a file. Its log is none that could be opened.
///
/// # Errors
/// Everything that is wrong with the keys.
pub fn defaults(sets: &[String]) -> Result<Config, ConfigErrors> {
    let value = json!({ "log": { "kind": "embedded", "directory": "/dev/null/no-log" } });
    let refused = |errors| ConfigErrors::new("--set", errors);
    let raw = parsed(None, value, sets).map_err(refused)?;
    Checker::new(Secrets::Left).check(raw).map_err(refused)
}

/// A configuration file, and what the command line sets over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    sets: Vec<String>,
}

/// The tokens of a configuration, and what is wrong with those that were left out.
pub struct Tokens {
    /// Of the API and the console.
    pub callers: Option<Keyring>,
    /// Of the intake.
    pub senders: Option<Keyring>,
    /// What is wrong with others, with their keys.
    pub problems: Vec<String>,
    /// Files of tokens that could not be read, though they may be there.
    pub unread: Vec<PathBuf>,
}

/// What is known of tokens from before.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Of the API and the console.
    pub callers: Option<Keyring>,
    /// Of the intake.
    pub senders: Option<Keyring>,
    /// Files that could not be read for so long that what was in them is good no more.
    pub given_up: BTreeSet<PathBuf>,
}

impl Source {
    /// Reads the tokens again, and nothing else: a token without a secret is left out, of one whose file cannot be
    /// read what is known stays.
    ///
    /// # Errors
    /// Everything that keeps the file from being read at all.
    pub fn tokens(&self, known: &Known) -> Result<Tokens, ConfigErrors> {
        let (file, text) = text(&self.path)?;
        let raw =
            from_text(&text, &self.sets).map_err(|errors| ConfigErrors::new(&file, errors))?;
        let mut checker = Checker::new(Secrets::Read);
        checker.kept.callers.clone_from(&known.callers);
        checker.kept.senders.clone_from(&known.senders);
        checker.kept.given_up.clone_from(&known.given_up);
        let (callers, senders) = (checker.callers(&raw.http), checker.senders(&raw.intake));
        let unread = std::mem::take(&mut checker.kept.unread);
        let problems = checker.done().err().unwrap_or_default();
        Ok(Tokens { callers, senders, problems, unread })
    }
}

fn checked(path: &Path, sets: &[String], secrets: Secrets) -> Result<Config, ConfigErrors> {
    let (file, text) = text(path)?;
    let refused = |errors| ConfigErrors::new(&file, errors);
    let raw = from_text(&text, sets).map_err(refused)?;
    let config = Checker::new(secrets).check(raw).map_err(refused)?;
    let source = Source { path: path.to_owned(), sets: sets.to_vec() };
    Ok(Config { source: Some(source), ..config })
}

/// A file's name, and what stands in it.
fn text(path: &Path) -> Result<(String, String), ConfigErrors> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!(
            "cannot read the file: {error}; name yours with -c FILE or FAULTLINE_CONFIG. \
             deploy/faultline.example.yaml is a start, `faultline config` lists every key"
        );
        ConfigErrors::new(&file, vec![what])
    })?;
    Ok((file, text))
}

/// What a file says.
///
/// # Errors
/// Everything that keeps it from being read into types.
pub(super) fn from_text(text: &str, sets: &[String]) -> Result<RawConfig, Vec<String>> {
    let value: Value =
        serde_saphyr::from_str(text).map_err(|error| vec![format!("no YAML: {error}")])?;
    let value = if value.is_null() { Value::Object(Map::new()) } else { value };
    parsed(Some(text), value, sets)
}

/// Keys that nobody knows are told and taken out, so that what else is wrong is found as well.
fn parsed(text: Option<&str>, mut value: Value, sets: &[String]) -> Result<RawConfig, Vec<String>> {
    if !value.is_object() {
        return Err(vec!["the file is no mapping of keys; begin with `log:`".to_owned()]);
    }
    let mut errors = Vec::new();
    let schema = schema::schema();
    for text in sets {
        if let Err(error) = set::set(&mut value, &schema, text) {
            errors.push(error);
        }
    }
    errors.extend(unknown::take_out(&mut value, &schema));
    if value.get("log").is_none() {
        errors.push(NO_LOG.to_owned());
        if let Some(all) = value.as_object_mut() {
            all.insert("log".to_owned(), json!({ "kind": "embedded", "directory": "." }));
        }
    }
    let as_written = text.filter(|_| sets.is_empty() && errors.is_empty());
    let read = match as_written {
        // From the text: errors name line and column.
        Some(text) => serde_saphyr::from_str(text).map_err(|error| error.to_string()),
        // What was taken out and set stands in no file: errors name the key.
        None => written_anew(&value),
    };
    match read {
        Ok(raw) if errors.is_empty() => Ok(raw),
        Ok(raw) => {
            // Not used any more, but what else is wrong is told at once.
            errors.extend(Checker::new(Secrets::Left).check(raw).err().unwrap_or_default());
            Err(errors)
        }
        Err(error) => {
            errors.push(error);
            Err(errors)
        }
    }
}

/// Reads what is in no file, by the rules of one: an empty section is one without keys, a number may be text.
fn written_anew(value: &Value) -> Result<RawConfig, String> {
    let text = serde_saphyr::to_string(value).map_err(|error| error.to_string())?;
    let mut told = None;
    let read = serde_saphyr::with_deserializer_from_str(&text, |yaml| {
        serde_path_to_error::deserialize(yaml).map_err(|error| {
            // Without line and column, which are of a text that nobody has.
            let what = DefaultMessageFormatter.format_message(error.inner()).into_owned();
            told = Some((error.path().to_string(), what));
            error.into_inner()
        })
    });
    read.map_err(|error| {
        let Some((key, what)) = told else { return error.to_string() };
        // JSON's error shows the value. It is stricter, so it counts only where it is about the same key.
        let shown = serde_path_to_error::deserialize::<_, RawConfig>(value).err();
        let shown = shown.filter(|error| error.path().to_string() == key);
        let what = shown.map_or(what, |error| error.inner().to_string());
        if key == "." { what } else { format!("{key}: {what}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::RawLog;

    fn errors(yaml: &str, sets: &[&str]) -> Vec<String> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        from_text(yaml, &sets).err().unwrap_or_default()
    }

    #[test]
    fn an_unknown_key_is_told_with_the_one_that_was_meant() {
        let errors = errors(
            "log: {kind: kafka, broker: 'h:1', brokers: 'h:1'}\nincident: {}\ntime: {pane: 1}\n",
            &[],
        );
        let expected = [
            "log.broker: is no key; did you mean `brokers`?",
            "incident: is no key; did you mean `incidents`?",
            "time.pane: is no key; did you mean `pane_s`?",
        ];
        for one in expected {
            assert!(errors.iter().any(|error| error == one), "{one}: {errors:#?}");
        }
    }

    #[test]
    fn what_else_is_wrong_beside_an_unknown_key_names_its_key() {
        let yaml = "log: {kind: embedded, directory: d}\nzzz: 1\ntime: {pane_s: soon}\n";
        let errors = errors(yaml, &[]);
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[1].starts_with("time.pane_s: invalid type: string"), "{errors:?}");
        let sink =
            "log: {kind: embedded, directory: d}\nsinks: [{teams: {name: t, url: 'http://x'}}]\n";
        let errors = super::tests::errors(sink, &[]);
        assert_eq!(errors[1], "sinks[0].teams: missing field `webhook`");
    }

    #[test]
    fn what_the_command_line_sets_makes_no_file_stricter() {
        let yaml = "log: {kind: embedded, directory: d}\nhttp:\n  # listen: '127.0.0.1:1'\n\
                    topics: {prefix: 2024}\ntime: {pane_s: 30}\n";
        let file = from_text(yaml, &[]).unwrap();
        let sets = ["time.pane_s=20".to_owned(), "cells=[1, 2]".to_owned()];
        let set = from_text(yaml, &sets).unwrap();
        assert_eq!((set.time.pane_s, set.cells), (20, vec!["1".to_owned(), "2".to_owned()]));
        assert_eq!((&*file.topics.prefix, &*set.topics.prefix), ("2024", "2024"));
        let raw = from_text(yaml, &["topics.prefix=7".to_owned()]).unwrap();
        assert_eq!(raw.topics.prefix, "7");
        // Beside an unknown key, nothing of it is an error.
        assert_eq!(errors(&format!("{yaml}zzz: 1\n"), &[]).len(), 1);
        let text = format!("{yaml}zzz: 1\n").replace("30", "soon");
        let errors = errors(&text, &[]);
        assert!(errors.len() == 2 && errors[1].starts_with("time.pane_s: "), "{errors:?}");
    }

    #[test]
    fn a_key_that_is_like_none_is_told_with_those_that_are_known() {
        let errors = errors("log: {kind: embedded, directory: d, zzz: 1}\n", &[]);
        assert_eq!(errors, ["log.zzz: is no key; known here: directory, kind"]);
    }

    #[test]
    fn unknown_keys_hide_nothing_else_that_is_wrong() {
        let errors = errors("time: {pane_s: 0}\nlogs: 1\n", &[]);
        for one in ["logs: is no key; did you mean `log`?", "time.pane_s: 0", "log: is missing"] {
            assert!(errors.iter().any(|error| error.starts_with(one)), "{one}: {errors:#?}");
        }
    }

    #[test]
    fn what_the_command_line_sets_goes_over_the_file() {
        let yaml = "log: {kind: kafka, brokers: 'h:1'}\ntime: {pane_s: 30}\n";
        let sets = ["time.pane_s=20".to_owned(), "cells=[a, b]".to_owned()];
        let raw = from_text(yaml, &sets).unwrap();
        assert_eq!(raw.time.pane_s, 20);
        assert_eq!(raw.cells, ["a", "b"]);
        assert_eq!(raw.time.lateness_s, 60);
    }

    #[test]
    fn what_the_command_line_sets_is_checked_like_the_file() {
        let yaml = "log: {kind: kafka, brokers: 'h:1'}\n";
        assert!(errors(yaml, &["time.pnae_s=20"])[0].contains("did you mean `pane_s`"));
        assert!(errors(yaml, &["time.pane_s"])[0].contains("KEY=VALUE"));
        assert!(errors(yaml, &["log.kind.x=1"])[0].contains("log.kind"));
        assert!(errors(yaml, &["time.pane_s=soon"])[0].contains("soon"));
    }

    #[test]
    fn names_that_people_choose_may_have_dots() {
        let yaml = "log: {kind: kafka, brokers: 'h:1'}\n";
        let sets = [
            "log.properties.security.protocol=SSL".to_owned(),
            "log.secret_properties.sasl.password={env: PASSWORD}".to_owned(),
        ];
        let raw = from_text(yaml, &sets).unwrap();
        let RawLog::Kafka { properties, secret_properties, .. } = raw.log else { panic!() };
        assert_eq!(properties["security.protocol"], "SSL");
        assert!(secret_properties.contains_key("sasl.password"));
    }

    #[test]
    fn parameters_are_read_without_any_secret() {
        let yaml = "log: {kind: embedded, directory: d}\n\
                    http: {listen: '127.0.0.1:1', token: {env: NOT_SET_ANYWHERE}}\n";
        let raw = from_text(yaml, &[]).unwrap();
        assert!(Checker::new(Secrets::Read).check(raw.clone()).is_err());
        assert!(Checker::new(Secrets::Left).check(raw).is_ok());
        #[cfg(feature = "history")]
        {
            let history = "history: {s3: {url: 's3://b/p', access_key_id: {env: NOT_SET_ANYWHERE}}, \
                           pg: {password: {file: /no/such}, tls: {certificate: /no, key: /no}}}\n";
            let raw = from_text(&format!("{yaml}{history}"), &[]).unwrap();
            assert_eq!(Checker::new(Secrets::Left).check(raw).err(), None);
        }
    }

    #[test]
    fn errors_of_types_name_the_place_in_the_file() {
        let errors = errors("log: {kind: kafka, brokers: 'h:1'}\ntime:\n  pane_s: soon\n", &[]);
        assert!(errors[0].contains("3"), "{errors:?}");
    }

    #[test]
    fn an_empty_file_says_what_is_missing() {
        assert_eq!(errors("", &[]), [NO_LOG]);
        assert!(errors("- a\n", &[])[0].contains("mapping"));
    }
}
