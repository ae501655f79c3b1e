//! What a change did, read from its paths and its diff: which words it brought or took, whether it
//! changed behaviour at all, which limit it moved and how far.
//!
//! Words that stand on both sides of a diff were moved, not changed, and comments promise, they do
//! not act: neither counts. Deliberately absent: any language's grammar.

use std::collections::{BTreeMap, BTreeSet};

use model::change::ChangeKind;
use model::name::Name;

use crate::correlate::change::Change;

use super::words::words;

/// Keys whose number, when changed, changes behaviour under load.
const LIMITS: [&str; 18] = [
    "timeout",
    "deadline",
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
    "sample",
    "replicas",
    "batch",
    "capacity",
    "budget",
];
/// Units of time in seconds, as code writes them.
const UNITS: [(&str, f64); 13] = [
    ("nanosecond", 1e-9),
    ("microsecond", 1e-6),
    ("millisecond", 1e-3),
    ("milliseconds", 1e-3),
    ("ms", 1e-3),
    ("second", 1.0),
    ("seconds", 1.0),
    ("s", 1.0),
    ("minute", 60.0),
    ("minutes", 60.0),
    ("m", 60.0),
    ("hour", 3600.0),
    ("h", 3600.0),
];

/// A change, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Words that were brought or taken.
    pub(super) turned: BTreeSet<String>,
    /// Words that name it: title and paths.
    pub(super) named: BTreeSet<String>,
    /// Words around: message, unchanged lines, what only moved.
    pub(super) around: BTreeSet<String>,
    /// Whether its source says what it did: a deploy alone does not.
    pub(super) has_text: bool,
}

/// Reads a change. Without a diff all words are words around.
pub(super) fn read(change: &Change) -> Reading {
    let mut reading = Reading::default();
    let (mut taken, mut brought) = (BTreeSet::new(), BTreeSet::new());
    for event in &change.events {
        reading.named.extend(words(&event.title));
        for path in &event.content.paths {
            reading.named.extend(words(path));
        }
        let tells = !matches!(event.kind, ChangeKind::Deploy | ChangeKind::Rollback);
        let has_any = !event.content.text.is_empty() || !event.content.paths.is_empty();
        reading.has_text |= tells && has_any;
        for line in event.content.text.lines() {
            let text = without_comment(line.get(1..).unwrap_or_default());
            match sign(line) {
                Some('-') => taken.extend(words(text)),
                Some(_) => brought.extend(words(text)),
                None => reading.around.extend(words(without_comment(line))),
            }
        }
    }
    reading.turned = taken.symmetric_difference(&brought).cloned().collect();
    reading.around.extend(taken.intersection(&brought).cloned());
    reading.named.retain(|word| !reading.turned.contains(word));
    reading.around.retain(|w| !reading.turned.contains(w) && !reading.named.contains(w));
    reading
}

fn sign(line: &str) -> Option<char> {
    let first = line.chars().next()?;
    let header = line.starts_with("---") || line.starts_with("+++");
    (matches!(first, '-' | '+') && !header && line.len() > 1).then_some(first)
}

/// A line up to its comment.
fn without_comment(line: &str) -> &str {
    let text = line.trim_start();
    let marks = ["//", "#", "/*", "* ", "--", "\"\"\""];
    if marks.iter().any(|mark| text.starts_with(mark)) {
        return "";
    }
    // `://` is an address.
    match line.find(" //") {
        Some(at) => line.get(..at).unwrap_or(line),
        None => line,
    }
}

/// Added and removed lines of a diff without its headers, comments and blank lines.
fn acting_lines(change: &Change) -> impl Iterator<Item = (char, &str)> {
    let texts = change.events.iter().map(|event| event.content.text.as_str());
    texts.flat_map(str::lines).filter_map(|line| {
        let text = without_comment(line.get(1..).unwrap_or_default()).trim();
        sign(line).filter(|_| !text.is_empty()).map(|sign| (sign, text))
    })
}

fn paths(change: &Change) -> Vec<&Name> {
    change.events.iter().flat_map(|event| &event.content.paths).collect()
}

/// Whether it touches only what does not run: documents, tests, styles, comments.
pub(super) fn is_without_behaviour(change: &Change) -> bool {
    let paths = paths(change);
    if !paths.is_empty() && paths.iter().all(|path| never_runs(path)) {
        return true;
    }
    let texts = change.events.iter().map(|event| event.content.text.as_str());
    let signed = texts.flat_map(str::lines).any(|line| sign(line).is_some());
    signed && acting_lines(change).next().is_none()
}

fn never_runs(path: &str) -> bool {
    const ENDINGS: [&str; 9] =
        [".md", ".rst", ".txt", ".css", ".scss", ".svg", ".png", ".golden", "owners"];
    const FOLDERS: [&str; 9] =
        ["docs", "doc", "test", "tests", "testdata", "fixtures", ".github", ".gitlab", "examples"];
    let path = path.to_lowercase();
    ENDINGS.iter().any(|end| path.ends_with(end))
        || path.split('/').any(|part| FOLDERS.contains(&part))
        || path.contains("_test.")
        || path.contains(".test.")
        || path.ends_with("readme")
        || path
            .rsplit('/')
            .next()
            .is_some_and(|file| file.starts_with('.') && file.contains("lint"))
}

/// Whether it touches code that several services share: libraries, schemas, common settings.
pub(super) fn is_shared(change: &Change) -> bool {
    const FOLDERS: [&str; 12] = [
        "pkg", "lib", "libs", "common", "shared", "internal", "proto", "schema", "schemas", "api",
        "platform", "core",
    ];
    paths(change).iter().any(|path| {
        path.split('/').next().is_some_and(|first| FOLDERS.contains(&first)) && path.contains('/')
    })
}

/// The limit that it moved furthest, and how far: the absolute logarithm of new over old.
pub(super) fn moved_limit(change: &Change) -> Option<(&'static str, f64)> {
    let mut sides: BTreeMap<&'static str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for (sign, line) in acting_lines(change) {
        let found = words(line);
        for key in LIMITS.iter().filter(|key| found.iter().any(|word| word.contains(**key))) {
            let side = sides.entry(key).or_default();
            let values = if sign == '-' { &mut side.0 } else { &mut side.1 };
            values.extend(numbers(line));
        }
    }
    let moved = |(key, (old, new)): (&&'static str, &(Vec<f64>, Vec<f64>))| {
        let kept = |value: &f64, others: &[f64]| others.iter().any(|other| other == value);
        let was = old.iter().find(|value| **value > 0.0 && !kept(value, new))?;
        let is = new.iter().find(|value| **value > 0.0 && !kept(value, old))?;
        Some((*key, libm::log(is / was).abs()))
    };
    sides.iter().filter_map(moved).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(a.0)))
}

/// Numbers of a line in base units: `300*time.Millisecond` and `15m` are seconds.
fn numbers(line: &str) -> Vec<f64> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let inside_name = rest.get(..at).and_then(|head| head.chars().next_back());
        let tail = rest.get(at..).unwrap_or_default();
        let end = tail.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'));
        let (digits, after) = tail.split_at(end.unwrap_or(tail.len()));
        rest = after;
        if inside_name.is_some_and(|c| c.is_alphabetic() || c == '_') {
            continue;
        }
        let Ok(number) = digits.replace('_', "").trim_end_matches('.').parse::<f64>() else {
            continue;
        };
        found.push(number * unit(after));
    }
    found
}

fn unit(after: &str) -> f64 {
    let text = after.trim_start_matches([' ', '*']).trim_start_matches("time.");
    let word: String = text.chars().take_while(|c| c.is_alphabetic()).collect();
    let word = word.to_lowercase();
    UNITS.iter().find(|(name, _)| *name == word).map_or(1.0, |(_, secs)| *secs)
}

/// Whether it takes out calls, or checks, without putting others in their place.
pub(super) fn removes_guards(change: &Change) -> bool {
    let count = |sign: char, test: fn(&str) -> bool| {
        acting_lines(change).filter(|(side, line)| *side == sign && test(line)).count()
    };
    let is_call = |line: &str| line.contains('(');
    let is_check = |line: &str| {
        let starts = line.starts_with("if ") || line.starts_with("if(");
        starts || line.contains("assert") || line.contains("Lock()")
    };
    let gone = |test: fn(&str) -> bool| count('-', test) > 0 && count('+', test) == 0;
    gone(is_call) || gone(is_check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_their_units() {
        assert_eq!(numbers("ctx, 5*time.Second)"), [5.0]);
        assert_eq!(numbers("ctx, 300*time.Millisecond)"), [0.3]);
        assert_eq!(numbers("default_ttl: 15m"), [900.0]);
        assert_eq!(numbers("sha256 v2"), Vec::<f64>::new());
    }

    #[test]
    fn tests_and_documents_never_run() {
        assert!(never_runs("pkg/reco/reco_test.go") && never_runs("docs/api/search.md"));
        assert!(!never_runs("services/search/index/mapping.go"));
    }
}
