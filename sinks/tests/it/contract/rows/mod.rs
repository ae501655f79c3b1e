//! The doubles as the suite sees them.

mod machines;
mod pages;
mod tickets;

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Destination, Shown};
use crate::double::collector::Collector;
use crate::double::jira::Jira;
use crate::double::jsm_ops::JsmOps;
use crate::double::pagerduty::PagerDuty;
use crate::double::rt::Tracker;
use crate::double::served::Served;
use crate::double::servicenow::ServiceNow;
use crate::double::slack::Slack;
use crate::double::teams::Teams;
use crate::double::topic::Topic;
use machines::boxed_receiver;
use tickets::EventManagement;

const INCIDENT: &str = "00000000000000ab";

pub(super) fn webhook() -> Box<dyn Destination> {
    boxed_receiver(crate::webhook::sink_config)
}

pub(super) fn cdevents() -> Box<dyn Destination> {
    boxed_receiver(crate::cdevents::sink_config)
}

pub(super) fn servicenow() -> Box<dyn Destination> {
    Box::new(ServiceNow::start())
}

pub(super) fn servicenow_events() -> Box<dyn Destination> {
    Box::new(EventManagement(ServiceNow::start()))
}

pub(super) fn rt() -> Box<dyn Destination> {
    Box::new(Served::start(Tracker::default()))
}

pub(super) fn jira() -> Box<dyn Destination> {
    Box::new(Jira::start())
}

pub(super) fn jsm_ops() -> Box<dyn Destination> {
    Box::new(JsmOps::start())
}

pub(super) fn pagerduty() -> Box<dyn Destination> {
    Box::new(Served::start(PagerDuty::default()))
}

pub(super) fn slack() -> Box<dyn Destination> {
    Box::new(Served::start(Slack::default()))
}

pub(super) fn teams() -> Box<dyn Destination> {
    Box::new(Served::start(Teams::default()))
}

pub(super) fn otlp() -> Box<dyn Destination> {
    Box::new(Served::start(Collector::default()))
}

pub(super) fn kafka() -> Box<dyn Destination> {
    Box::new(Topic::default())
}

fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// Every string of a JSON value.
fn strings(value: &Value, found: &mut Vec<Shown>) {
    match value {
        Value::String(text) => found.push(Shown::Words(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(fields) => fields.values().for_each(|item| strings(item, found)),
        _ => {}
    }
}

/// How many come again.
fn repeated<T: Ord>(all: impl IntoIterator<Item = T>) -> usize {
    let all: Vec<T> = all.into_iter().collect();
    let total = all.len();
    total - all.into_iter().collect::<BTreeSet<T>>().len()
}
