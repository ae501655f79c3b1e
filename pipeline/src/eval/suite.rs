//! A suite of the casebook: `suite.json`, its streams and their segments.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use model::time::Timestamp;
use serde::Deserialize;

use super::labels::Labels;

/// A span of time that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Window {
    /// Its id inside the stream.
    pub id: String,
    /// Its first instant.
    pub start: Timestamp,
    /// Its last instant.
    pub end: Timestamp,
}

/// Recordings that are played one after the other into a fresh engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its id inside the suite.
    pub id: String,
    /// Its recordings.
    pub segments: Vec<PathBuf>,
    /// Its windows. Ids are unique.
    pub windows: Vec<Window>,
    /// Size of the recordings. Unit: bytes.
    pub bytes: u64,
}

/// A suite with its labels. Invariant: every segment is a file, and every stream has labels whose
/// windows are the stream's.
#[derive(Debug)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Its streams.
    pub streams: Vec<Stream>,
    /// What is true of them.
    pub labels: Labels,
}

#[derive(Deserialize)]
struct SuiteFile {
    suite: String,
    streams: Vec<StreamEntry>,
}

#[derive(Deserialize)]
struct StreamEntry {
    id: String,
    segments: Vec<String>,
    windows: Vec<Window>,
}

impl Suite {
    /// Opens a suite's directory.
    ///
    /// # Errors
    /// When the directory, one of its two descriptions, or a segment is missing or unreadable; the
    /// text says what to do.
    pub fn open(directory: &Path) -> Result<Self> {
        let shown = directory.display();
        if !directory.is_dir() {
            bail!(
                "{shown} is no directory; name directories of casebook suites, such as casebook/*"
            );
        }
        let description = directory.join("suite.json");
        if !description.is_file() {
            bail!(
                "{shown} holds no suite.json, so it is no casebook suite; name the suites \
                 themselves ({shown}/*), not the casebook"
            );
        }
        let text = std::fs::read_to_string(&description)
            .with_context(|| format!("cannot read {}", description.display()))?;
        let file: SuiteFile = serde_json::from_str(&text)
            .with_context(|| format!("{} is no suite", description.display()))?;
        let streams = file
            .streams
            .into_iter()
            .map(|entry| stream(directory, entry))
            .collect::<Result<_>>()?;
        let labels = Labels::open(directory)?;
        let suite = Self { name: file.suite, streams, labels };
        suite.labels.check(&suite.streams).with_context(|| format!("suite {}", suite.name))?;
        Ok(suite)
    }

    /// Under which name a stream is told: streams of several windows are told apart from those of
    /// one where a suite has both.
    #[must_use]
    pub fn group_of(&self, stream: &Stream) -> String {
        let several = |stream: &Stream| stream.windows.len() > 1;
        let both = self.streams.iter().any(several) && !self.streams.iter().all(several);
        if both && several(stream) { format!("{}-day", self.name) } else { self.name.clone() }
    }
}

fn stream(directory: &Path, entry: StreamEntry) -> Result<Stream> {
    let mut segments = Vec::new();
    let mut bytes = 0;
    for segment in &entry.segments {
        let path = segment_path(directory, segment)
            .with_context(|| format!("stream {} of {}", entry.id, directory.display()))?;
        bytes += path.metadata().map_or(0, |about| about.len());
        segments.push(path);
    }
    Ok(Stream { id: entry.id, segments, windows: entry.windows, bytes })
}

fn segment_path(directory: &Path, segment: &str) -> Result<PathBuf> {
    let names = [format!("{segment}.jsonl.zst"), format!("{segment}.jsonl")];
    let found = names.iter().map(|name| directory.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!(
            "segment {segment} is not there (neither {} nor {}); copy the suite again, whole",
            names[0], names[1]
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture;

    fn refused(path: &Path) -> String {
        format!("{:#}", Suite::open(path).expect_err("it is not whole"))
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path();
        assert!(refused(&path.join("nowhere")).contains("no directory"));
        assert!(refused(path).contains("suite.json"));
        let suite = r#"{"suite":"s","streams":[{"id":"a","segments":["one"],"windows":[]}]}"#;
        std::fs::write(path.join("suite.json"), suite).unwrap();
        let told = refused(path);
        assert!(told.contains("segment one") && told.contains("stream a"), "{told}");
        std::fs::write(path.join("one.jsonl"), "").unwrap();
        assert!(refused(path).contains("labels.json"));
        std::fs::write(path.join("labels.json"), "{}").unwrap();
        assert!(refused(path).contains("no labels for stream a"));
        std::fs::write(path.join("labels.json"), r#"{"a":{"faults":[]}}"#).unwrap();
        assert_eq!(Suite::open(path).unwrap().streams.len(), 1);
    }

    #[test]
    fn a_fault_in_an_unknown_window_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path();
        let suite = r#"{"suite":"s","streams":[{"id":"a","segments":[],"windows":[]}]}"#;
        std::fs::write(path.join("suite.json"), suite).unwrap();
        let labels = r#"{"a":{"faults":[{"window":"w9","onset":"2026-01-01T00:00:00Z",
            "root_cause":{"service":"cart"},"change_id":null}]}}"#;
        std::fs::write(path.join("labels.json"), labels).unwrap();
        assert!(refused(path).contains("w9"));
    }

    #[test]
    fn streams_of_several_windows_are_told_apart_only_where_there_are_both() {
        let one = fixture::stream("a", &[(0, 60)]);
        let day = fixture::stream("b", &[(0, 60), (60, 120)]);
        let suite = |streams: &[&Stream]| Suite {
            name: "s".into(),
            streams: streams.iter().map(|s| (*s).clone()).collect(),
            labels: Labels::default(),
        };
        assert_eq!(suite(&[&one, &day]).group_of(&one), "s");
        assert_eq!(suite(&[&one, &day]).group_of(&day), "s-day");
        assert_eq!(suite(&[&day]).group_of(&day), "s");
    }
}
