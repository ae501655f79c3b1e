//! What keeps tickets.

use serde_json::Value;

use super::{INCIDENT, repeated, strings};
use crate::contract::{Destination, Seen, Shown};
use crate::double::Schedule;
use crate::double::jira::{Issue, Jira, TOKEN};
use crate::double::rt::{self, Tracker};
use crate::double::served::Served;
use crate::double::servicenow::{Events, PASSWORD, ServiceNow};
use crate::world::Setup;

impl Destination for ServiceNow {
    fn setup(&self) -> Setup {
        crate::servicenow::sink_config(self, PASSWORD)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.table().faults);
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
    fn setup(&self) -> Setup {
        crate::jira::sink_config(self, TOKEN)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.site().faults);
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

impl Destination for Served<Tracker> {
    fn setup(&self) -> Setup {
        crate::rt::sink_config(self)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.lock().faults);
    }

    fn requests(&self) -> usize {
        self.lock().requests.len()
    }

    fn seen(&self) -> Seen {
        let tracker = &self.lock().service;
        let is_mine = |ticket: &&rt::Ticket| {
            ticket.field.as_deref() == Some(INCIDENT) && ticket.merged_into.is_none()
        };
        let mine: Vec<&rt::Ticket> = tracker.tickets.iter().filter(is_mine).collect();
        let comments = mine.iter().flat_map(|ticket| tracker.comments(ticket.id));
        Seen {
            active: mine.first().map(|ticket| ticket.status != "resolved"),
            doubles: mine.len().saturating_sub(1) + repeated(comments),
        }
    }

    fn broken(&self) -> Vec<String> {
        self.lock().service.broken.clone()
    }

    fn texts(&self) -> Vec<Shown> {
        let tracker = &self.lock().service;
        let tickets = tracker.tickets.iter().flat_map(|ticket| [&ticket.subject, &ticket.content]);
        let comments = tracker.transactions.iter().flat_map(|one| [&one.subject, &one.content]);
        tickets.chain(comments).cloned().map(Shown::Words).collect()
    }

    fn secrets(&self) -> Vec<String> {
        vec![rt::TOKEN.to_owned()]
    }
}

/// ServiceNow as the one that takes events.
pub(super) struct EventManagement(pub(super) ServiceNow);

impl Destination for EventManagement {
    fn setup(&self) -> Setup {
        crate::servicenow_events::sink_config(&self.0)
    }

    fn faults(&self, change: &mut dyn FnMut(&mut Schedule)) {
        change(&mut self.0.table().faults);
    }

    fn requests(&self) -> usize {
        self.0.table().requests.len()
    }

    fn seen(&self) -> Seen {
        // All events of one key are one alert there, so nothing can be there twice.
        let table = self.0.table();
        Seen { active: table.alerts.get(INCIDENT).map(Events::is_open), doubles: 0 }
    }

    fn broken(&self) -> Vec<String> {
        self.0.table().broken.clone()
    }

    fn texts(&self) -> Vec<Shown> {
        let mut found = Vec::new();
        for event in self.0.table().alerts.values().flat_map(|alert| &alert.events) {
            // Names by which the instance finds a configuration item: data.
            let (names, words): (Vec<_>, Vec<_>) =
                event.iter().partition(|(field, _)| matches!(field.as_str(), "node" | "resource"));
            let names = names.into_iter().map(|(field, value)| (field.clone(), value.clone()));
            let names = Value::Object(names.collect());
            found.push(Shown::Data(sinks::render::untrusted::json_bytes(&names)));
            words.into_iter().for_each(|(_, value)| strings(value, &mut found));
        }
        found
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned()]
    }
}
