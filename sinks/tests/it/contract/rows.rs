//! The doubles as the suite sees them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Destination, Seen, Shown};
use crate::double::Fault;
use crate::double::collector::{Collector, attribute};
use crate::double::jira::{Issue, Jira, TOKEN};
use crate::double::jsm_ops::{Alert, JsmOps, KEY};
use crate::double::pagerduty::PagerDuty;
use crate::double::receiver::Receiver;
use crate::double::served::Served;
use crate::double::servicenow::{PASSWORD, ServiceNow};
use crate::double::slack::{Message, Slack};
use crate::double::teams::Teams;
use crate::double::topic::Topic;
use crate::world::World;

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

struct Webhook {
    receiver: Receiver,
    config: fn(&Receiver) -> crate::world::Setup,
}

fn boxed_receiver(config: fn(&Receiver) -> crate::world::Setup) -> Box<dyn Destination> {
    let receiver = crate::webhook::receiver();
    receiver.inbox().now_secs = None;
    Box::new(Webhook { receiver, config })
}

impl Destination for Webhook {
    fn world(&self) -> World {
        World::new(&(self.config)(&self.receiver))
    }

    fn fail(&self, faults: &[Fault]) {
        self.receiver.fail(faults);
    }

    fn heal(&self) {
        self.receiver.inbox().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.receiver.inbox().requests
    }

    fn seen(&self) -> Seen {
        let inbox = self.receiver.inbox();
        let mut mine =
            inbox.events.iter().filter(|event| text(&event.json, "/subject") == INCIDENT);
        let over = |kind: &str| kind.contains(".resolved") || kind.contains(".withdrawn");
        // An update of an ended incident does not say so in its type, but in its data.
        let ended = |json: &Value| text(json, "/data/state") == "resolved";
        let active = mine.next_back().map(|event| !over(&event.kind) && !ended(&event.json));
        // Repeats of an id are no second event: the receiver tells them apart.
        Seen { active, doubles: repeated(inbox.events.iter().map(|event| event.id.clone())) }
    }

    fn broken(&self) -> Vec<String> {
        Vec::new()
    }

    fn texts(&self) -> Vec<Shown> {
        let inbox = self.receiver.inbox();
        inbox.events.iter().map(|event| Shown::Data(event.body.clone())).collect()
    }

    fn secrets(&self) -> Vec<String> {
        (self.config)(&self.receiver).secrets
    }
}

impl Destination for ServiceNow {
    fn world(&self) -> World {
        World::new(&crate::servicenow::sink_config(self, PASSWORD))
    }

    fn fail(&self, faults: &[Fault]) {
        ServiceNow::fail(self, faults);
    }

    fn heal(&self) {
        self.table().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.table().requests.len()
    }

    fn seen(&self) -> Seen {
        let table = self.table();
        let rows: Vec<_> =
            table.rows.iter().filter(|row| row.get("correlation_id") == INCIDENT).collect();
        let notes = rows.iter().flat_map(|row| row.work_notes.iter());
        Seen {
            active: rows.first().map(|row| row.get("state") != "6"),
            doubles: rows.len().saturating_sub(1) + repeated(notes),
        }
    }

    fn broken(&self) -> Vec<String> {
        Vec::new()
    }

    fn texts(&self) -> Vec<Shown> {
        let table = self.table();
        let all = table.rows.iter().flat_map(|row| row.fields.values().chain(&row.work_notes));
        all.map(|text| Shown::Words(text.clone())).collect()
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned()]
    }
}

impl Destination for Jira {
    fn world(&self) -> World {
        World::new(&crate::jira::sink_config(self, TOKEN))
    }

    fn fail(&self, faults: &[Fault]) {
        Jira::fail(self, faults);
    }

    fn heal(&self) {
        self.site().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.site().requests.len()
    }

    fn seen(&self) -> Seen {
        let site = self.site();
        let label = Value::from(format!("faultline-{INCIDENT}"));
        let mine = |issue: &&Issue| {
            let labels = issue.fields.get("labels").and_then(Value::as_array);
            labels.is_some_and(|labels| labels.contains(&label))
        };
        let issues: Vec<_> = site.issues.iter().filter(mine).collect();
        let comments = issues.iter().flat_map(|issue| &issue.comments);
        let words = comments.map(|comment| comment["body"].to_string());
        Seen {
            active: issues.first().map(|issue| issue.status != "6"),
            doubles: issues.len().saturating_sub(1) + repeated(words),
        }
    }

    fn broken(&self) -> Vec<String> {
        Vec::new()
    }

    fn texts(&self) -> Vec<Shown> {
        let mut found = Vec::new();
        for issue in &self.site().issues {
            strings(&issue.fields, &mut found);
            issue.comments.iter().for_each(|comment| strings(&comment["body"], &mut found));
        }
        found
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }
}

impl Destination for JsmOps {
    fn world(&self) -> World {
        World::new(&crate::jsm_ops::sink_config(self))
    }

    fn fail(&self, faults: &[Fault]) {
        JsmOps::fail(self, faults);
    }

    fn heal(&self) {
        self.ops().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.ops().requests
    }

    fn seen(&self) -> Seen {
        let ops = self.ops();
        let ours = |alert: &&Alert| alert.fields.get("alias").is_some_and(|id| id == INCIDENT);
        let alerts: Vec<_> = ops.alerts.iter().filter(ours).collect();
        // An alert that was closed and opened anew is a second one there, by the vendor's rule.
        let open = alerts.iter().filter(|alert| alert.open).count();
        Seen { active: alerts.last().map(|alert| alert.open), doubles: open.saturating_sub(1) }
    }

    fn broken(&self) -> Vec<String> {
        Vec::new()
    }

    fn texts(&self) -> Vec<Shown> {
        let mut found = Vec::new();
        for alert in &self.ops().alerts {
            strings(&alert.fields, &mut found);
            found.extend(alert.notes.iter().cloned().map(Shown::Words));
        }
        found
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }
}

impl Destination for Served<PagerDuty> {
    fn world(&self) -> World {
        World::new(&crate::pagerduty::sink_config(self))
    }

    fn fail(&self, faults: &[Fault]) {
        self.lock().faults.0.extend(faults);
    }

    fn heal(&self) {
        self.lock().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.lock().requests.len()
    }

    fn seen(&self) -> Seen {
        let inner = self.lock();
        let mine: Vec<_> =
            inner.service.alerts.iter().filter(|alert| alert.key == INCIDENT).collect();
        let open = mine.iter().filter(|alert| alert.status != "resolved").count();
        Seen {
            active: mine.last().map(|alert| alert.status != "resolved"),
            doubles: open.saturating_sub(1),
        }
    }

    fn broken(&self) -> Vec<String> {
        self.lock().service.broken.clone()
    }

    fn texts(&self) -> Vec<Shown> {
        let mut found = Vec::new();
        let inner = self.lock();
        inner.service.alerts.iter().flat_map(|a| &a.log).for_each(|p| strings(p, &mut found));
        for change in &inner.service.changes {
            strings(change.get("payload").unwrap_or(&Value::Null), &mut found);
        }
        found
    }

    fn secrets(&self) -> Vec<String> {
        vec![crate::double::pagerduty::KEY.to_owned()]
    }
}

impl Destination for Served<Slack> {
    fn world(&self) -> World {
        World::new(&crate::slack::sink_config(self))
    }

    fn fail(&self, faults: &[Fault]) {
        self.lock().faults.0.extend(faults);
    }

    fn heal(&self) {
        self.lock().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.lock().requests.len()
    }

    fn seen(&self) -> Seen {
        let inner = self.lock();
        let is_mine = |message: &&Message| {
            text(&message.body, "/metadata/event_payload/incident") == INCIDENT
        };
        let mine: Vec<&Message> = inner.service.messages.iter().filter(is_mine).collect();
        let (replies, roots): (Vec<&Message>, Vec<&Message>) =
            mine.into_iter().partition(|message| message.thread.is_some());
        let revision = |message: &&Message| {
            message.body.pointer("/metadata/event_payload/revision").map(ToString::to_string)
        };
        Seen {
            active: roots
                .first()
                .map(|root| !text(&root.body, "/blocks/0/text/text").starts_with("Resolved: ")),
            doubles: roots.len().saturating_sub(1) + repeated(replies.iter().map(revision)),
        }
    }

    fn broken(&self) -> Vec<String> {
        self.lock().service.broken.clone()
    }

    fn texts(&self) -> Vec<Shown> {
        let mut found = Vec::new();
        for message in &self.lock().service.messages {
            found.push(Shown::Mrkdwn(text(&message.body, "/text").to_owned()));
            blocks(message.body.get("blocks").unwrap_or(&Value::Null), &mut found);
        }
        found
    }

    fn secrets(&self) -> Vec<String> {
        vec![crate::double::slack::TOKEN.to_owned()]
    }
}

/// The text objects of blocks, by how Slack reads them.
fn blocks(value: &Value, found: &mut Vec<Shown>) {
    match (text(value, "/type"), value) {
        ("plain_text", _) => found.push(Shown::Words(text(value, "/text").to_owned())),
        ("mrkdwn", _) => found.push(Shown::Mrkdwn(text(value, "/text").to_owned())),
        (_, Value::Array(items)) => items.iter().for_each(|item| blocks(item, found)),
        (_, Value::Object(fields)) => fields.values().for_each(|item| blocks(item, found)),
        _ => {}
    }
}

impl Destination for Served<Teams> {
    fn world(&self) -> World {
        World::new(&crate::teams::sink_config(self))
    }

    fn fail(&self, faults: &[Fault]) {
        self.lock().faults.0.extend(faults);
    }

    fn heal(&self) {
        self.lock().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.lock().requests.len()
    }

    fn seen(&self) -> Seen {
        let inner = self.lock();
        let cards = &inner.service.cards;
        let mut mine = cards.iter().filter(|card| card.to_string().contains(INCIDENT));
        let state = |card: &Value| text(card, "/body/0/inlines/0/text") == "Open: ";
        Seen {
            active: mine.next_back().map(state),
            doubles: repeated(cards.iter().map(ToString::to_string)),
        }
    }

    fn broken(&self) -> Vec<String> {
        self.lock().service.broken.clone()
    }

    fn texts(&self) -> Vec<Shown> {
        let mut found = Vec::new();
        for card in &self.lock().service.cards {
            strings(card.get("body").unwrap_or(&Value::Null), &mut found);
        }
        found
    }

    fn secrets(&self) -> Vec<String> {
        vec![crate::double::teams::SIGNATURE.to_owned()]
    }
}

impl Destination for Served<Collector> {
    fn world(&self) -> World {
        World::new(&crate::otlp::sink_config(self))
    }

    fn fail(&self, faults: &[Fault]) {
        self.lock().faults.0.extend(faults);
    }

    fn heal(&self) {
        self.lock().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.lock().requests.len()
    }

    fn seen(&self) -> Seen {
        let inner = self.lock();
        let name = |key: &str, log: &opentelemetry_proto::tonic::logs::v1::LogRecord| {
            attribute(&log.attributes, &format!("faultline.incident.{key}"))
        };
        let logs = &inner.service.logs;
        let mut mine = logs.iter().filter(|log| name("id", log).as_deref() == Some(INCIDENT));
        let revisions: Vec<_> = mine.clone().map(|log| name("revision", log)).collect();
        Seen {
            active: mine.next_back().map(|log| name("state", log).as_deref() == Some("open")),
            doubles: repeated(revisions),
        }
    }

    fn broken(&self) -> Vec<String> {
        self.lock().service.broken.clone()
    }

    fn texts(&self) -> Vec<Shown> {
        self.lock().requests.iter().map(|request| Shown::Data(request.body.clone())).collect()
    }

    fn secrets(&self) -> Vec<String> {
        vec![crate::double::collector::TOKEN.to_owned()]
    }
}

impl Destination for Topic {
    fn world(&self) -> World {
        World::over(&crate::kafka::sink_config("binary", "whole"), Some(Box::new(self.clone())))
    }

    fn fail(&self, faults: &[Fault]) {
        self.lock().faults.0.extend(faults);
    }

    fn heal(&self) {
        self.lock().faults.0.clear();
    }

    fn requests(&self) -> usize {
        self.lock().requests
    }

    fn seen(&self) -> Seen {
        let kept = self.lock();
        let mine = kept.records.iter().filter(|record| record.key == INCIDENT.as_bytes());
        let state = |value: &[u8]| {
            let data: Value = serde_json::from_slice(value).expect("json");
            text(&data, "/state") == "open"
        };
        let last = mine.clone().next_back();
        // Equal records under one `ce_id` are one event; different ones would not be.
        let id = |record: &sinks::kafka::Message| {
            record.headers.iter().find(|(name, _)| name == "ce_id").map(|(_, id)| id.clone())
        };
        let distinct: BTreeSet<_> = mine.map(|record| (id(record), record.value.clone())).collect();
        Seen {
            active: last.map(|record| state(&record.value)),
            doubles: repeated(distinct.into_iter().map(|(id, _)| id)),
        }
    }

    fn broken(&self) -> Vec<String> {
        Vec::new()
    }

    fn texts(&self) -> Vec<Shown> {
        self.lock().records.iter().map(|record| Shown::Data(record.value.clone())).collect()
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}
