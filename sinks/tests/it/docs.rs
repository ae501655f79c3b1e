//! The examples of `docs/sinks.md` are configurations that pass the check.

use serde::Deserialize;
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
        kinds.extend(file.sinks.iter().map(|sink| matches!(sink, SinkConfig::Webhook(_))));
    }
    assert!(kinds.contains(&true) && kinds.contains(&false), "both kinds have an example");
}
