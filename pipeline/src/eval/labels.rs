//! `labels.json`: what is true of a suite's streams. Only the scorer opens it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use model::time::{Nanos, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::suite::{Stream, Window};

/// How long a fault lasts that neither labels nor its window tell the end of: the usual length of
/// an injection in public sets (three minutes in the Nezha data).
const FAULT_LASTS: Nanos = Nanos::from_secs(180);
/// How long before a fault an incident may say that it began: `casebook/FORMAT.md`.
const ONSET_EARLY: Nanos = Nanos::from_secs(120);

/// Who is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RootCause {
    /// The service.
    pub service: String,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Fault {
    /// The window it lies in.
    pub window: String,
    /// When it began.
    pub onset: Timestamp,
    /// How far off that may be, either way. Unit: seconds.
    #[serde(default)]
    pub onset_uncertainty_s: f64,
    /// How long it lasted, where the source says so. Unit: seconds.
    #[serde(default)]
    pub duration_s: Option<f64>,
    /// What kind of fault, in the source's words.
    #[serde(default)]
    pub kind: String,
    /// Who is to blame; `None` when nothing inside the system is.
    pub root_cause: Option<RootCause>,
    /// The guilty change; `None` when no change is guilty.
    pub change_id: Option<String>,
    /// Further events of the same change.
    #[serde(default)]
    pub change_aliases: Option<Vec<String>>,
    /// Innocent changes.
    #[serde(default)]
    pub decoy_change_ids: Option<Vec<String>>,
    /// Further events of the innocent changes.
    #[serde(default)]
    pub decoy_aliases: Option<Vec<String>>,
    /// The services that it reached, where the source says so.
    #[serde(default)]
    pub affected: Option<Vec<String>>,
}

impl Fault {
    /// How far off the onset may be.
    #[must_use]
    pub fn uncertainty(&self) -> Nanos {
        seconds(self.onset_uncertainty_s)
    }

    /// The earliest onset of an incident that may be this fault's, whatever its window.
    #[must_use]
    pub fn earliest(&self) -> Timestamp {
        self.onset - self.uncertainty() - ONSET_EARLY
    }

    /// When it was over at the latest: as labelled; else at the end of its window, and not before
    /// [`FAULT_LASTS`]. A window is the source's own idea of where the fault can be seen.
    #[must_use]
    pub fn end(&self, window: &Window) -> Timestamp {
        let end = match self.duration_s {
            Some(duration) => self.onset + seconds(duration),
            None => window.end.max(self.onset + FAULT_LASTS),
        };
        end + self.uncertainty()
    }

    /// Whether a change is the guilty one.
    #[must_use]
    pub fn is_guilty(&self, change: &str) -> bool {
        let Some(guilty) = &self.change_id else { return false };
        guilty == change || listed(self.change_aliases.as_ref(), change)
    }

    /// Whether a change is one of the innocent ones that the source planted.
    #[must_use]
    pub fn is_decoy(&self, change: &str) -> bool {
        listed(self.decoy_change_ids.as_ref(), change)
            || listed(self.decoy_aliases.as_ref(), change)
    }

    /// The service to blame.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.root_cause.as_ref().map(|cause| cause.service.as_str())
    }
}

fn listed(ids: Option<&Vec<String>>, id: &str) -> bool {
    ids.is_some_and(|ids| ids.iter().any(|known| known == id))
}

/// Seconds of a label as a length of time; what is no length is none.
fn seconds(seconds: f64) -> Nanos {
    Nanos((seconds.max(0.0) * 1e9) as i64)
}

/// What is true of one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamLabels {
    /// Its faults. None means healthy: every incident is a false one.
    pub faults: Vec<Fault>,
    /// All that the labels say of it, for measures of their own.
    pub raw: Value,
}

/// What is true of a suite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(BTreeMap<String, StreamLabels>);

#[derive(Deserialize)]
struct Entry {
    faults: Vec<Fault>,
}

impl Labels {
    /// Reads a suite's labels.
    ///
    /// # Errors
    /// When they are missing or cannot be read.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("labels.json");
        let shown = path.display();
        if !path.is_file() {
            bail!(
                "{shown} is missing: without labels nothing can be scored (`faultline replay` \
                 plays recordings without them)"
            );
        }
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
        let raw: BTreeMap<String, Value> =
            serde_json::from_str(&text).with_context(|| format!("{shown} holds no labels"))?;
        let mut labels = BTreeMap::new();
        for (stream, raw) in raw {
            let entry = Entry::deserialize(&raw)
                .with_context(|| format!("{shown}: the labels of stream {stream}"))?;
            labels.insert(stream, StreamLabels { faults: entry.faults, raw });
        }
        Ok(Self(labels))
    }

    /// The labels of a stream.
    #[must_use]
    pub fn of(&self, stream: &str) -> Option<&StreamLabels> {
        self.0.get(stream)
    }

    /// Checks that every stream has labels and every fault a window.
    ///
    /// # Errors
    /// The first that has none.
    pub fn check(&self, streams: &[Stream]) -> Result<()> {
        for stream in streams {
            let Some(labels) = self.of(&stream.id) else {
                bail!("labels.json holds no labels for stream {}", stream.id);
            };
            for fault in &labels.faults {
                if !stream.windows.iter().any(|window| window.id == fault.window) {
                    bail!("stream {} has no window {}, where a fault is", stream.id, fault.window);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::eval::fixture::{at, fault, window};

    #[test]
    fn a_fault_ends_where_labels_say_else_with_its_window_but_not_at_once() {
        let mut fault = fault(100, "cart");
        assert_eq!(fault.end(&window(0, 1000)), at(1000), "the window tells");
        assert_eq!(fault.end(&window(0, 150)), at(280), "180 s at least");
        fault.duration_s = Some(30.0);
        assert_eq!(fault.end(&window(0, 1000)), at(130), "as labelled");
        fault.onset_uncertainty_s = 10.0;
        assert_eq!(fault.end(&window(0, 1000)), at(140), "it may have begun later");
        assert_eq!(fault.earliest(), at(100 - 10 - 120));
    }

    #[test]
    fn events_of_one_change_count_as_it() {
        let mut fault = fault(0, "cart");
        assert!(!fault.is_guilty("c1"));
        fault.change_id = Some("c1".into());
        fault.change_aliases = Some(vec!["c1-step-2".into()]);
        fault.decoy_change_ids = Some(vec!["d1".into()]);
        fault.decoy_aliases = Some(vec!["d1-step-2".into()]);
        assert!(fault.is_guilty("c1") && fault.is_guilty("c1-step-2") && !fault.is_guilty("d1"));
        assert!(fault.is_decoy("d1") && fault.is_decoy("d1-step-2") && !fault.is_decoy("c1"));
    }
}
