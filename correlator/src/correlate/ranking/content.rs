//! Content: what a change touched, against what went wrong, by their words.
//!
//! Words that are rare among the changes count most; names of services do not count at all, for
//! locality has spoken of them. Deliberately absent: understanding of the text.

use std::collections::{BTreeMap, BTreeSet};

use model::hypothesis::{Evidence, EvidenceTerm};
use model::name::Name;

use crate::correlate::change::Change;

use super::{View, evidence};

/// Bound of the overlap. Unit: nats.
const OVERLAP_CAP: f64 = 3.0;
/// Words of one text that are looked at: a diff is bounded, its words are too.
const WORDS_MAX: usize = 4_000;
/// Words that say nothing.
const STOP: [&str; 40] = [
    "the", "and", "for", "with", "from", "that", "this", "not", "are", "was", "has", "have", "fix",
    "add", "added", "update", "updated", "change", "changed", "service", "version", "release",
    "new", "old", "error", "errors", "failed", "failure", "high", "low", "rate", "http", "https",
    "get", "post", "src", "main", "deploy", "deployed", "value",
];
/// Keys whose number, when changed, changes behaviour under load.
const LIMITS: [&str; 12] = [
    "timeout",
    "limit",
    "pool",
    "size",
    "max",
    "min",
    "retry",
    "retries",
    "ttl",
    "interval",
    "threshold",
    "connections",
];

/// The words of the anomaly and how rare each is among the changes.
pub(super) struct Corpus {
    anomaly: BTreeSet<String>,
    rarity: BTreeMap<String, f64>,
}

impl Corpus {
    /// Reads what went wrong, and all changes.
    pub(super) fn new(view: &View<'_>, changes: &[Change]) -> Self {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for service in view.case.services() {
            names.extend(words(&service));
        }
        let mut anomaly = BTreeSet::new();
        for key in view.case.symptoms.keys() {
            anomaly.extend(words(&key.detail));
            anomaly.extend(key.entity.operation_name().map(words).unwrap_or_default());
        }
        let alerts = view.case.alerts.keys().filter_map(|fp| view.world.alerts.get(*fp));
        for state in alerts.take(200) {
            anomaly.extend(words(&state.alert.name));
            let texts = ["summary", "description"].iter();
            for text in texts.filter_map(|key| state.alert.annotations.get(key)) {
                anomaly.extend(words(text));
            }
        }
        anomaly.retain(|word| !names.contains(word));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for change in changes {
            for word in change_words(change) {
                *counts.entry(word).or_default() += 1;
            }
        }
        let all = changes.len() as f64;
        let rare = |(word, n): (String, usize)| (word, libm::log(1.0 + all / n as f64));
        Self { anomaly, rarity: counts.into_iter().map(rare).collect() }
    }

    /// The content row of a change, if its text says anything.
    pub(super) fn term(&self, change: &Change) -> Option<Evidence> {
        let shared: Vec<String> =
            change_words(change).into_iter().filter(|word| self.anomaly.contains(word)).collect();
        let weight = |word: &String| self.rarity.get(word).copied().unwrap_or(0.0);
        let overlap: f64 = shared.iter().map(weight).sum();
        let mut nats = (0.6 * overlap).min(OVERLAP_CAP);
        let mut says: Vec<String> = Vec::new();
        if !shared.is_empty() {
            let told = shared.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            says.push(format!("shares words with what went wrong: {told}"));
        }
        if is_without_behaviour(change) {
            nats = -3.0;
            says = vec![String::from("touches only documents, tests or comments")];
        } else {
            if let Some(key) = changed_limit(change) {
                nats += 1.5;
                says.push(format!("changes the number of {key}"));
            }
            if removes_calls(change) {
                nats += 1.0;
                says.push(String::from("removes a call or a check"));
            }
        }
        if says.is_empty() {
            return None;
        }
        Some(evidence::row(EvidenceTerm::ChangeContent, nats.min(4.0), says.join("; ")))
    }
}

/// Services of the case or the map that a change without targets names in its paths or title.
pub(super) fn mentioned_services(view: &View<'_>, change: &Change) -> Vec<Name> {
    let mut found = BTreeSet::new();
    for event in &change.events {
        let paths = event.content.paths.iter().flat_map(|path| path.split('/'));
        let title = event.title.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
        for part in paths.chain(title).filter(|part| part.len() >= 3) {
            found.extend(view.world.map.bind(part));
        }
    }
    found.into_iter().collect()
}

/// Lower-case words of a text, split at everything that is no letter or digit and inside camel case.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut word = String::new();
    let mut was_lower = false;
    for c in text.chars().chain(std::iter::once(' ')) {
        let ends = !c.is_alphanumeric() || (c.is_uppercase() && was_lower);
        if ends && !word.is_empty() {
            let done = std::mem::take(&mut word);
            let number = done.bytes().all(|b| b.is_ascii_digit());
            if done.len() >= 3 && !number && !STOP.contains(&done.as_str()) {
                found.insert(done);
            }
            if found.len() >= WORDS_MAX {
                break;
            }
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    found
}

fn change_words(change: &Change) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for event in &change.events {
        found.extend(words(&event.title));
        found.extend(words(&event.content.text));
        for path in &event.content.paths {
            found.extend(words(path));
        }
    }
    found
}

fn paths(change: &Change) -> Vec<&Name> {
    change.events.iter().flat_map(|event| &event.content.paths).collect()
}

fn is_without_behaviour(change: &Change) -> bool {
    let paths = paths(change);
    let harmless = |path: &&Name| {
        let path = path.to_lowercase();
        let ending = [".md", ".rst", ".txt", ".css", ".scss", ".svg", ".png"];
        ending.iter().any(|end| path.ends_with(end))
            || path.split('/').any(|part| matches!(part, "docs" | "doc" | "test" | "tests"))
            || path.contains("_test.")
            || path.contains(".test.")
            || path.ends_with("readme")
    };
    if !paths.is_empty() && paths.iter().all(harmless) {
        return true;
    }
    let (mut changed, mut comments) = (0, 0);
    for line in diff_lines(change) {
        let text = line.get(1..).unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        changed += 1;
        let marks = ["//", "#", "/*", "*", "--", "\"\"\""];
        comments += usize::from(marks.iter().any(|mark| text.starts_with(mark)));
    }
    changed > 0 && changed == comments
}

/// Added and removed lines of a diff, without its headers.
fn diff_lines(change: &Change) -> impl Iterator<Item = &str> {
    let texts = change.events.iter().map(|event| event.content.text.as_str());
    texts.flat_map(str::lines).filter(|line| {
        (line.starts_with('-') && !line.starts_with("---") && line.len() > 1)
            || (line.starts_with('+') && !line.starts_with("+++") && line.len() > 1)
    })
}

/// A line that differs from a removed one in its numbers alone, at a key that limits something.
fn changed_limit(change: &Change) -> Option<&'static str> {
    let masked = |line: &str| -> String {
        let body = line.get(1..).unwrap_or_default().trim();
        body.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>()
    };
    let squeezed = |line: &str| {
        let mut text = masked(line);
        while text.contains("00") {
            text = text.replace("00", "0");
        }
        text
    };
    let removed: BTreeSet<String> =
        diff_lines(change).filter(|line| line.starts_with('-')).map(squeezed).collect();
    for line in diff_lines(change).filter(|line| line.starts_with('+')) {
        if line.bytes().any(|b| b.is_ascii_digit()) && removed.contains(&squeezed(line)) {
            let found = words(line);
            if let Some(key) = LIMITS.iter().find(|key| found.contains(**key)) {
                return Some(key);
            }
        }
    }
    None
}

fn removes_calls(change: &Change) -> bool {
    let count = |sign: char| {
        diff_lines(change).filter(|line| line.starts_with(sign) && line.contains('(')).count()
    };
    let (removed, added) = (count('-'), count('+'));
    removed > 0 && added == 0
}
