//! The documents: every link leads somewhere, and what is generated is what the types say.

use std::fs;
use std::path::{Path, PathBuf};

use pipeline::config::{reference, schema};
use tests::workspace;

/// Every Markdown file that people read: at the top, and in the folders that hold documents.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/adr", "deploy", "tests/accuracy"] {
        for entry in fs::read_dir(workspace().join(folder)).expect("a folder is there") {
            let path = entry.expect("it can be read").path();
            if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 10, "too few documents were found: {found:?}");
    found
}

/// The targets of `[text](target)` outside of code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second part lies between back-ticks.
        for part in line.split('`').step_by(2) {
            let after = part.split("](").skip(1);
            found.extend(after.filter_map(|rest| rest.split(')').next()).map(str::to_owned));
        }
    }
    found
}

/// A heading's anchor, as Git hosts make it: lower case, blanks to hyphens, punctuation left out.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

fn anchors(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).expect("readable");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("readable");
        for link in links(&text) {
            let link = link.split(' ').next().unwrap_or_default().to_owned();
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (path, part) = link.split_once('#').unwrap_or((&link, ""));
            let folder = document.parent().expect("a document is in a folder");
            let target = if path.is_empty() { document.clone() } else { folder.join(path) };
            let lost = !target.exists()
                || (!part.is_empty()
                    && target.is_file()
                    && !anchors(&target).contains(&part.to_owned()));
            if lost {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
    assert!(seen > 10, "{seen} links: the test does not see them");
}

#[test]
fn every_document_that_the_readme_names_is_there() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("readable");
    for word in readme.split(['`', '(', ')']) {
        let is_path = ["docs/", "deploy/", "tests/"].iter().any(|room| word.starts_with(room));
        if is_path && !word.contains([' ', '*', '{', '\n', '#']) {
            assert!(workspace().join(word).exists(), "README.md names {word}, which is not there");
        }
    }
}

#[test]
fn links_are_seen_and_code_is_not() {
    let text = "see [a](b.md#c) and `[x](y)`\n```\n[no](no.md)\n```\n[d](e.md)\n";
    assert_eq!(links(text), ["b.md#c", "e.md"]);
    assert_eq!(anchor(" `log` with `kind: kafka`"), "log-with-kind-kafka");
}

/// Holds a generated document against what is kept; `FAULTLINE_BLESS` writes it.
fn kept(name: &str, generated: &str) {
    let path = workspace().join(name);
    if std::env::var_os("FAULTLINE_BLESS").is_some() {
        fs::write(&path, generated).expect("it can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == generated,
        "{name} is old: FAULTLINE_BLESS=1 cargo test --workspace --test it -- docs::"
    );
}

#[test]
fn the_reference_of_the_configuration_is_the_one_of_the_types() {
    kept("docs/configuration.md", &reference::markdown());
}

#[test]
fn the_schema_of_the_configuration_is_the_one_of_the_types() {
    let schema = serde_json::to_string_pretty(&schema::schema()).expect("a schema is JSON");
    kept("docs/config.schema.json", &(schema + "\n"));
}

#[test]
fn the_example_configuration_holds_to_the_schema() {
    let text = fs::read_to_string(workspace().join("deploy/faultline.example.yaml"))
        .expect("the example is there");
    let example: serde_json::Value = serde_saphyr::from_str(&text).expect("the example is YAML");
    let validator = jsonschema::validator_for(&schema::schema()).expect("a valid schema");
    let errors: Vec<_> = validator.iter_errors(&example).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let typo = serde_json::json!({ "log": { "kind": "kafka", "broker": "h:1" } });
    assert!(!validator.is_valid(&typo), "the schema takes anything");
}
