//! The corpus: frozen streams for measuring what public sets do not offer - clustering, noise,
//! overlapping faults, decoys, poor observation - as scenarios and their labels.
//!
//! Two lists that share no system: [`Seeds::Test`] is measured on and never tuned on,
//! [`Seeds::Development`] is there to be looked at. They differ in names, shapes of the call graph,
//! traffic, strength and kinds of faults. The lists are frozen: a test holds the hash of every byte.
//!
//! Walking order: `systems` (what worlds there are), `plan` (which stream holds what), `places` (where
//! a fault strikes), `guilt` and `decoys` (changes), `chatter` (noise alerts), `stream` (all put
//! together).

mod chatter;
mod decoys;
mod guilt;
mod places;
mod plan;
mod stream;
mod systems;

use serde_json::{Map, Value, json};

use crate::scenario::Scenario;

/// Which list of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// What is measured on. Never tune on it.
    Test,
    /// What may be looked at.
    Development,
}

impl Seeds {
    /// The suite's name.
    #[must_use]
    pub const fn suite(self) -> &'static str {
        match self {
            Self::Test => "faultline-test",
            Self::Development => "faultline-development",
        }
    }
}

/// A stream of the corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// What it is there for: `single`, `overlap-disjoint`, `storm`, ...
    pub family: &'static str,
    /// What happens in it.
    pub scenario: Scenario,
}

impl Stream {
    /// Its entry in `labels.json`: the faults, the family, and `members`, every alert with the windows
    /// of its faults (none for noise). It plays the worlds that did not happen.
    #[must_use]
    pub fn label(&self) -> Value {
        let truth = self.scenario.truth();
        let mut faults = json!(truth.faults);
        for (entry, fault) in faults.as_array_mut().into_iter().flatten().zip(&self.scenario.faults)
        {
            if let Some(entry) = entry.as_object_mut() {
                entry.insert("ends_at".to_owned(), json!(fault.end));
                let lasts = (fault.end - fault.start).as_secs_f64();
                entry.insert("duration_s".to_owned(), json!(lasts));
            }
        }
        json!({ "family": self.family, "faults": faults, "members": self.scenario.members() })
    }
}

/// All streams of a list, in order. The same list gives the same streams, always.
#[must_use]
pub fn corpus(seeds: Seeds) -> Vec<Stream> {
    plan::plan(seeds).iter().enumerate().map(|(at, plan)| stream::stream(seeds, at, plan)).collect()
}

/// `suite.json` of some streams of a list.
#[must_use]
pub fn suite(seeds: Seeds, streams: &[Stream]) -> Value {
    let scenarios: Vec<Scenario> = streams.iter().map(|it| it.scenario.clone()).collect();
    let mut suite = crate::recording::suite(seeds.suite(), &scenarios);
    if let Some(suite) = suite.as_object_mut() {
        suite.insert("system".to_owned(), json!("several"));
    }
    suite
}

/// `labels.json` of labelled streams.
#[must_use]
pub fn labels(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(entries.into_iter().collect::<Map<String, Value>>())
}
