//! The house rules that a machine can hold: arrows between crates, headers, the map.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tests::workspace;

/// Which of our crates a crate may use (outside of tests), and for the pure ones every outside
/// package too.
const ARROWS: [(&str, &[&str]); 9] = [
    ("model", &[]),
    ("topology", &["model"]),
    ("correlator", &["model", "topology"]),
    ("sinks", &["model"]),
    ("history", &["model"]),
    ("simulator", &["model"]),
    ("pipeline", &["model", "topology", "correlator", "sinks", "history", "simulator"]),
    ("benches", &["model", "topology", "correlator", "sinks", "history", "simulator", "pipeline"]),
    ("tests", &["model", "topology", "correlator", "sinks", "history", "simulator", "pipeline"]),
];

/// Where a crate lives: in the folder of its name, the history beside the other voices.
fn room(name: &str) -> PathBuf {
    workspace().join(if name == "history" { "sinks/history" } else { name })
}

/// The query engine and the file format are heavy: only the history may know them.
const ONLY_HISTORY: [&str; 7] = [
    "datafusion",
    "datafusion-pg-catalog",
    "parquet",
    "object_store",
    "arrow-pg",
    "pgwire",
    "tokio-rustls",
];

/// What the pure crates may use from outside: nothing that reads a clock, a file or a socket.
const PURE: [(&str, &[&str]); 3] = [
    (
        "model",
        &[
            "arcstr",
            "serde",
            "serde_json",
            "schemars",
            "xxhash-rust",
            "jiff",
            "thiserror",
            "base64",
        ],
    ),
    ("topology", &["serde", "petgraph", "libm", "xxhash-rust"]),
    ("correlator", &["serde", "serde_bytes", "libm", "regex", "thiserror", "xxhash-rust"]),
];

fn dependencies(manifest: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(manifest).expect("a manifest is there");
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn crates_use_only_whom_the_table_allows() {
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in ARROWS {
        let manifest = room(name).join("Cargo.toml");
        let used = dependencies(&manifest.display().to_string());
        let inside: BTreeSet<&str> =
            used.iter().map(String::as_str).filter(|used| ours.contains(used)).collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let forbidden: Vec<_> = inside.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{name} may not use {forbidden:?}");
    }
}

#[test]
fn the_query_engine_stays_in_its_room() {
    for (name, _) in ARROWS.into_iter().filter(|(name, _)| *name != "history") {
        let used = dependencies(&room(name).join("Cargo.toml").display().to_string());
        let heavy: Vec<_> = ONLY_HISTORY.iter().filter(|heavy| used.contains(**heavy)).collect();
        assert!(heavy.is_empty(), "{name} may not use {heavy:?}: it costs everybody's builds");
    }
}

#[test]
fn the_pure_crates_use_nothing_that_does_io() {
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in PURE {
        let manifest = room(name).join("Cargo.toml");
        let outside = dependencies(&manifest.display().to_string());
        let unknown: Vec<_> = outside
            .iter()
            .filter(|used| !ours.contains(used.as_str()) && !allowed.contains(&used.as_str()))
            .collect();
        assert!(unknown.is_empty(), "{name} gained {unknown:?}: is it pure? then add it here");
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a source folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (name, _) in ARROWS {
        let source = if name == "tests" { "it" } else { "src" };
        sources(&room(name).join(source), &mut found);
    }
    found
}

#[test]
fn every_module_says_what_it_is() {
    let bare: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("readable").starts_with("//!"))
        .collect();
    assert!(bare.is_empty(), "no header: {bare:#?}");
}

#[test]
fn no_file_becomes_the_place_where_everything_happens() {
    let lengths: BTreeMap<_, _> = all_sources()
        .into_iter()
        .map(|path| (fs::read_to_string(&path).expect("readable").lines().count(), path))
        .filter(|(lines, _)| *lines > 700)
        .collect();
    assert!(lengths.is_empty(), "too long, find the second idea in it: {lengths:#?}");
}

#[test]
fn the_pure_core_does_not_sleep_spawn_or_read_files() {
    let banned = ["std::thread", "std::fs", "std::net", "std::env", "async fn", "tokio"];
    for name in ["model", "topology", "correlator"] {
        let mut found = Vec::new();
        sources(&workspace().join(name).join("src"), &mut found);
        for path in found {
            let text = fs::read_to_string(&path).expect("readable");
            for word in banned {
                assert!(!text.contains(word), "{} contains {word}", path.display());
            }
        }
    }
}

#[test]
fn every_path_that_the_map_names_is_there() {
    let map = fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("the map is there");
    let rooms: Vec<String> = ARROWS.iter().map(|(name, _)| format!("{name}/")).collect();
    for word in map.split(['`', '(', ')']) {
        let is_path = rooms.iter().any(|room| word.starts_with(room.as_str()))
            || word.starts_with("docs/")
            || word.starts_with("deploy/");
        if is_path && !word.contains([' ', '*', '{', '\n']) {
            assert!(workspace().join(word).exists(), "ARCHITECTURE.md names {word}, which is gone");
        }
    }
}
