//! Events on a topic of people's own.

use serde_json::Value;
use sinks::delivery::outbox::DoneResult;

use crate::double::Fault;
use crate::double::topic::Topic;
use crate::fixture::{at, incident};
use crate::world::{Setup, World};

pub(crate) fn sink_config(format: &str, body: &str) -> Setup {
    let json = format!(
        r#"{{"kafka": {{"name": "feed", "topic": "incidents-of-mine", "format": "{format}",
            "body": "{body}", "source": "urn:example:fault%20line"}}}}"#
    );
    Setup { json, secrets: Vec::new() }
}

fn said(format: &str, body: &str) -> sinks::kafka::Message {
    let topic = Topic::default();
    let mut world = World::over(&sink_config(format, body), Some(Box::new(topic.clone())));
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let kept = topic.lock();
    let [record] = kept.records.as_slice() else { panic!("{kept:?}") };
    record.clone()
}

#[test]
fn binary_mode_has_attributes_in_headers_and_the_incident_as_the_value() {
    let record = said("binary", "whole");
    assert_eq!(record.topic, "incidents-of-mine");
    assert_eq!(record.key, b"00000000000000ab");
    let header = |name: &str| {
        let found = record.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", "00000000000000ab-1-feed"),
        // A URI as it is: a second encoding would be another source.
        ("ce_source", "urn:example:fault%20line"),
        ("ce_type", "io.faultline.incident.opened.v1"),
        ("ce_subject", "00000000000000ab"),
        ("ce_partitionkey", "00000000000000ab"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(header(name), value, "{name}");
    }
    let data: model::incident::Incident = serde_json::from_slice(&record.value).expect("incident");
    assert_eq!(data, incident(1));
}

#[test]
fn structured_mode_has_all_in_the_value_and_a_summary_is_small() {
    let record = said("structured", "summary");
    let event: Value = serde_json::from_slice(&record.value).expect("json");
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["data"]["state"], "open");
    assert_eq!(event["data"]["cause"]["service"], "payment");
    assert!(event["data"].get("alerts").is_none());
    let (name, kind) = &record.headers[0];
    assert_eq!(name, "content-type");
    assert!(kind.starts_with(b"application/cloudevents+json"));
}

#[test]
fn a_record_that_the_log_refuses_is_given_up_and_told() {
    let topic = Topic::default();
    let mut world = World::over(&sink_config("binary", "whole"), Some(Box::new(topic.clone())));
    topic.lock().faults.plan(&[Fault::Echo]);
    world.publish(&incident(1), at(10));
    let done = world.run(at(10));
    assert!(
        matches!(done.as_slice(), [done] if matches!(&done.result, DoneResult::Refused(_))),
        "{done:?}"
    );
}

#[test]
fn without_a_log_there_is_no_such_sink() {
    let config = serde_json::from_str(r#"{"kafka": {"name": "feed", "topic": "mine"}}"#);
    let errors = sinks::config::build(&config.expect("a configuration")).err().unwrap_or_default();
    assert_eq!(errors.len(), 1, "{errors:?}");
}
