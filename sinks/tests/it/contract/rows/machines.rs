//! What machines read: events, logs, records.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{INCIDENT, repeated, text};
use crate::contract::{Destination, Seen, Shown};
use crate::double::Schedule;
use crate::double::collector::{Collector, attribute};
use crate::double::receiver::Receiver;
use crate::double::served::Served;
use crate::double::topic::Topic;
use crate::world::{Setup, World};

struct Webhook {
    receiver: Receiver,
    config: fn(&Receiver) -> crate::world::Setup,
}

pub(super) fn boxed_receiver(config: fn(&Receiver) -> crate::world::Setup) -> Box<dyn Destination> {
    let receiver = crate::webhook::receiver();
    receiver.inbox().now_secs = None;
    Box::new(Webhook { receiver, config })
}

impl Destination for Webhook {
    fn setup(&self) -> Setup {
        (self.config)(&self.receiver)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.receiver.inbox().faults);
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

impl Destination for Served<Collector> {
    fn setup(&self) -> Setup {
        crate::otlp::sink_config(self)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.lock().faults);
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
    fn setup(&self) -> Setup {
        crate::kafka::sink_config("binary", "whole")
    }

    fn world(&self) -> World {
        World::over(&self.setup(), Some(Box::new(self.clone())))
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.lock().faults);
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
