//! Examples are checked: those of `docs/sinks.md` pass as configurations, those of `deploy/` parse.

use serde::Deserialize;
use serde_json::Value;
use sinks::config::{SinkConfig, validate};

const PAGE: &str = include_str!("../../../docs/sinks.md");

/// The part of the configuration file that is ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sinks: Vec<SinkConfig>,
}

#[test]
fn every_yaml_example_of_the_page_is_a_valid_configuration() {
    let mut kinds = Vec::new();
    for example in PAGE.split("```yaml\n").skip(1) {
        let yaml = example.split("```").next().unwrap_or_default();
        let file: File = serde_saphyr::from_str(yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
        assert_eq!(validate(&file.sinks), [], "{yaml}");
        kinds.extend(file.sinks.iter().map(SinkConfig::kind));
    }
    for kind in ["webhook", "servicenow", "pagerduty", "slack", "teams", "otlp", "kafka"] {
        assert!(kinds.contains(&kind), "{kind} has no example");
    }
}

const EXAMPLE: &str = include_str!("../../../deploy/faultline.example.yaml");

#[test]
fn the_commented_sinks_of_the_example_are_a_valid_configuration() {
    let from = EXAMPLE.find("# sinks:").expect("there are examples of sinks");
    let lines = EXAMPLE[from..].lines().map_while(|line| line.strip_prefix('#'));
    let yaml: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let file: File = serde_saphyr::from_str(&yaml.join("\n")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(validate(&file.sinks), []);
    assert!(file.sinks.len() >= 7);
}

/// The files that people copy; templates and inner files are YAML, too.
const DEPLOY: [(&str, &str); 5] = [
    ("otel-collector.yaml", include_str!("../../../deploy/otel-collector.yaml")),
    ("alertmanager.yml", include_str!("../../../deploy/alertmanager.yml")),
    ("prometheus-rules.yml", include_str!("../../../deploy/prometheus-rules.yml")),
    ("argocd-notifications.yaml", include_str!("../../../deploy/argocd-notifications.yaml")),
    ("compose.yaml", include_str!("../../../deploy/compose.yaml")),
];

#[test]
fn every_file_to_deploy_is_yaml_and_so_is_what_it_holds() {
    for (name, text) in DEPLOY {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!documents.is_empty(), "{name}");
        for document in &documents {
            assert!(document.is_object(), "{name}");
            inner(document, name);
        }
    }
}

/// Texts of several lines are files of their own: Argo CD's settings, configurations of compose.
fn inner(value: &Value, name: &str) {
    match value {
        Value::String(text) if text.contains(":\n") || text.starts_with("- ") => {
            let parsed: Result<Value, _> = serde_saphyr::from_str(text);
            assert!(parsed.is_ok(), "{name}: {parsed:?}\n{text}");
        }
        Value::Array(items) => items.iter().for_each(|item| inner(item, name)),
        Value::Object(fields) => fields.values().for_each(|field| inner(field, name)),
        _ => {}
    }
}
