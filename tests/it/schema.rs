//! The incident's published form: what leaves is what the schema says, and the schema is kept.

use std::fs;

use pipeline::player::final_incidents;
use pipeline::stages::settings::Settings;
use tests::workspace;

#[test]
fn the_schema_in_the_docs_is_the_one_of_the_types() {
    let path = workspace().join("docs/incident.schema.json");
    let generated = serde_json::to_string_pretty(&model::incident::json_schema())
        .expect("a schema is JSON")
        + "\n";
    if std::env::var_os("FAULTLINE_BLESS").is_some() {
        fs::write(&path, &generated).expect("the schema can be written");
    }
    let kept = fs::read_to_string(&path).expect("docs/incident.schema.json is there");
    assert!(kept == generated, "the form changed: FAULTLINE_BLESS=1 cargo test -p tests schema");
}

#[test]
fn incidents_that_leave_hold_to_the_schema() {
    let schema = serde_json::to_value(model::incident::json_schema()).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let story = simulator::random(7, simulator::Scale::default());
    let records = story.records().map(Ok);
    let incidents =
        final_incidents(Settings::default(), 1, records, |_| {}).expect("records are fine");
    assert!(!incidents.is_empty(), "a fault without an incident proves nothing");
    for (incident, bytes) in incidents {
        let value = serde_json::from_slice(&bytes).expect("a record is JSON");
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "incident {}: {errors:#?}", incident.id);
    }
}
