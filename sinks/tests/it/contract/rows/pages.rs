//! What calls people: pages and chats.

use serde_json::Value;

use super::{INCIDENT, repeated, strings, text};
use crate::contract::{Destination, Seen, Shown};
use crate::double::Schedule;
use crate::double::jsm_ops::{Alert, JsmOps, KEY};
use crate::double::pagerduty::PagerDuty;
use crate::double::served::Served;
use crate::double::slack::{Message, Slack};
use crate::double::teams::Teams;
use crate::world::Setup;

impl Destination for JsmOps {
    fn setup(&self) -> Setup {
        crate::jsm_ops::sink_config(self)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.ops().faults);
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
            found.extend(alert.notes.iter().map(|note| Shown::Words(note.note.clone())));
        }
        found
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }
}

impl Destination for Served<PagerDuty> {
    fn setup(&self) -> Setup {
        crate::pagerduty::sink_config(self)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.lock().faults);
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
    fn setup(&self) -> Setup {
        crate::slack::sink_config(self)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.lock().faults);
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
    fn setup(&self) -> Setup {
        crate::teams::sink_config(self)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.lock().faults);
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
