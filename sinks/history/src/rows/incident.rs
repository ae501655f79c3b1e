//! One revision of an incident in rows.

use model::incident::Incident;
use model::time::Timestamp;

use super::{Cell, Day, Row, joined, picture};
use crate::schema::Table;

/// All rows of one revision.
#[must_use]
pub fn rows(incident: &Incident) -> Vec<Row> {
    let mut sheet = Sheet::new(incident);
    revision(&mut sheet);
    alerts(&mut sheet);
    symptoms(&mut sheet);
    hypotheses(&mut sheet);
    services(&mut sheet);
    entry_points(&mut sheet);
    timeline(&mut sheet);
    picture::rows(&mut sheet);
    sheet.rows
}

/// Rows in the making.
pub(super) struct Sheet<'a> {
    pub(super) incident: &'a Incident,
    day: Day,
    rows: Vec<Row>,
}

impl<'a> Sheet<'a> {
    fn new(incident: &'a Incident) -> Self {
        Self { incident, day: Day::of(incident.opened_at), rows: Vec::new() }
    }

    /// Adds a row of a table that belongs to the incident; `cells` are those after `opened_at`.
    pub(super) fn push(&mut self, table: Table, cells: impl IntoIterator<Item = Cell>) {
        let mut all = vec![
            Cell::Text(self.incident.id.to_string()),
            Cell::count(self.incident.revision),
            Cell::Time(self.incident.opened_at),
        ];
        all.extend(cells);
        self.rows.push(Row { table, day: self.day, cells: all });
    }
}

fn revision(sheet: &mut Sheet<'_>) {
    let it = sheet.incident;
    let people = &it.people;
    let acknowledged = people.acknowledged.as_ref();
    let firing =
        it.alerts.iter().filter(|alert| alert.status == model::alert::AlertStatus::Firing).count();
    let first = it.hypotheses.first();
    let change = first.and_then(|first| first.change.as_ref());
    let ticket = it.tickets.first();
    let cells = vec![
        Cell::Text(it.id.to_string()),
        Cell::count(it.revision),
        Cell::text(&it.cell.0),
        Cell::word(&it.state),
        Cell::word(&it.severity),
        Cell::exact_word(&it.priority),
        Cell::text(&it.title),
        Cell::Time(it.onset_at),
        Cell::Time(it.opened_at),
        Cell::Time(it.updated_at),
        Cell::maybe_time(it.resolved_at),
        Cell::maybe(it.owner.as_ref()),
        Cell::maybe(people.assignee.as_ref()),
        Cell::maybe_time(acknowledged.map(|said| said.at)),
        Cell::maybe(acknowledged.map(|said| &said.author)),
        Cell::maybe_time(people.snoozed_until),
        Cell::Bool(!people.muted_by.is_empty()),
        joined(&it.services, ", "),
        Cell::count(it.services.len()),
        Cell::count(it.alerts.len()),
        Cell::count(firing),
        Cell::count(it.symptoms.len()),
        Cell::Float(it.blast_radius.impact),
        Cell::count(it.blast_radius.lost_requests),
        first.map_or(Cell::Null, |first| Cell::text(&first.entity.id)),
        first.map_or(Cell::Null, |first| Cell::text(&first.entity.service)),
        first.map_or(Cell::Null, |first| Cell::word(&first.kind)),
        first.map_or(Cell::Null, |first| Cell::Float(first.probability)),
        first.map_or(Cell::Null, |first| Cell::text(&first.summary)),
        Cell::maybe(change.map(|change| &change.id)),
        Cell::maybe(change.map(|change| &change.title)),
        items(it),
        Cell::count(it.confidence_set_size),
        it.exemplars.first().map_or(Cell::Null, |trace| Cell::Text(trace.to_string())),
        it.lineage.merged_into.map_or(Cell::Null, |id| Cell::Text(id.to_string())),
        it.lineage.split_from.map_or(Cell::Null, |id| Cell::Text(id.to_string())),
        Cell::count(it.lineage.reopened),
        Cell::maybe(ticket.map(|ticket| ticket.number.as_ref().unwrap_or(&ticket.id))),
        Cell::maybe(ticket.and_then(|ticket| ticket.url.as_ref())),
        Cell::text(&it.narrative),
        Cell::Text(serde_json::to_string(it).unwrap_or_default()),
    ];
    sheet.rows.push(Row { table: Table::Revisions, day: sheet.day, cells });
}

/// `servicenow:27d3..., backstage:component:default/payment`; nothing where no source knows the service.
fn items(incident: &Incident) -> Cell {
    if incident.cause_items.is_empty() {
        return Cell::Null;
    }
    joined(incident.cause_items.iter().map(|item| format!("{}:{}", item.source, item.id)), ", ")
}

fn alerts(sheet: &mut Sheet<'_>) {
    for alert in &sheet.incident.alerts {
        let cells = [
            Cell::Text(alert.fingerprint.to_string()),
            Cell::text(&alert.name),
            Cell::word(&alert.status),
            Cell::Bool(alert.flapping),
            Cell::word(&alert.severity),
            Cell::maybe(alert.service.as_ref()),
            Cell::text(&alert.summary),
            Cell::Time(alert.starts_at),
            Cell::maybe_time(alert.ends_at),
            Cell::word(&alert.reason),
            Cell::maybe(alert.url.as_ref()),
        ];
        sheet.push(Table::Alerts, cells);
    }
}

fn symptoms(sheet: &mut Sheet<'_>) {
    for symptom in &sheet.incident.symptoms {
        let trace = symptom.exemplars.first();
        let cells = [
            Cell::text(&symptom.entity.id),
            Cell::word(&symptom.entity.kind),
            Cell::text(&symptom.entity.service),
            Cell::word(&symptom.kind),
            Cell::text(&symptom.detail),
            Cell::Float(symptom.nats),
            Cell::count(symptom.hits),
            Cell::count(symptom.trials),
            Cell::Time(symptom.first_at),
            Cell::Time(symptom.last_at),
            trace.map_or(Cell::Null, |trace| Cell::Text(trace.to_string())),
            Cell::word(&symptom.reason),
        ];
        sheet.push(Table::Symptoms, cells);
    }
}

fn hypotheses(sheet: &mut Sheet<'_>) {
    for hypothesis in &sheet.incident.hypotheses {
        let change = hypothesis.change.as_ref();
        let at: Option<Timestamp> = change.map(|change| change.at);
        let cells = [
            Cell::count(hypothesis.rank),
            Cell::text(&hypothesis.entity.id),
            Cell::word(&hypothesis.entity.kind),
            Cell::text(&hypothesis.entity.service),
            Cell::word(&hypothesis.kind),
            Cell::Float(hypothesis.probability),
            Cell::Float(hypothesis.log_odds),
            Cell::text(&hypothesis.summary),
            joined(&hypothesis.path, " > "),
            hypothesis.lacks.as_deref().map_or(Cell::Null, Cell::text),
            Cell::maybe(change.map(|change| &change.id)),
            change.map_or(Cell::Null, |change| Cell::word(&change.kind)),
            Cell::maybe_time(at),
            Cell::maybe(change.map(|change| &change.title)),
            Cell::maybe(change.and_then(|change| change.author.as_ref())),
            Cell::maybe(change.and_then(|change| change.url.as_ref())),
        ];
        sheet.push(Table::Hypotheses, cells);
        evidence(sheet, hypothesis);
    }
}

fn evidence(sheet: &mut Sheet<'_>, hypothesis: &model::hypothesis::Hypothesis) {
    for (place, evidence) in hypothesis.evidence.iter().enumerate() {
        let trace = evidence.traces.first();
        let cells = [
            Cell::count(hypothesis.rank),
            Cell::count(place + 1),
            Cell::text(&hypothesis.entity.id),
            Cell::text(&hypothesis.entity.service),
            Cell::word(&evidence.term),
            Cell::Float(evidence.nats),
            Cell::text(&evidence.text),
            trace.map_or(Cell::Null, |trace| Cell::Text(trace.to_string())),
            joined(&evidence.traces, ", "),
            joined(&evidence.alerts, ", "),
            joined(&evidence.changes, ", "),
        ];
        sheet.push(Table::Evidence, cells);
    }
}

/// One row a service: the cause first, then whom it reaches, then members that no trace ties to it.
fn services(sheet: &mut Sheet<'_>) {
    let it = sheet.incident;
    let cause = it.hypotheses.first().map(|first| &first.entity.service);
    let is_member = |service| Cell::Bool(it.services.contains(service));
    let reach = &it.blast_radius;
    let mut seen = std::collections::BTreeSet::new();
    for observed in &reach.observed {
        if seen.insert(&observed.service) {
            let word = if Some(&observed.service) == cause { "cause" } else { "observed" };
            let cells = [
                Cell::text(&observed.service),
                Cell::text(word),
                is_member(&observed.service),
                Cell::count(observed.traces),
                Cell::Null,
                observed.hops.map_or(Cell::Null, Cell::count),
            ];
            sheet.push(Table::Services, cells);
        }
    }
    for predicted in &reach.predicted {
        if seen.insert(&predicted.service) {
            let cells = [
                Cell::text(&predicted.service),
                Cell::text("predicted"),
                is_member(&predicted.service),
                Cell::Null,
                Cell::Float(predicted.probability),
                Cell::count(predicted.hops),
            ];
            sheet.push(Table::Services, cells);
        }
    }
    for service in &it.services {
        if seen.insert(service) {
            let word = if Some(service) == cause { "cause" } else { "member" };
            let cells = [
                Cell::text(service),
                Cell::text(word),
                Cell::Bool(true),
                Cell::Null,
                Cell::Null,
                Cell::Null,
            ];
            sheet.push(Table::Services, cells);
        }
    }
}

fn entry_points(sheet: &mut Sheet<'_>) {
    for entry in &sheet.incident.blast_radius.entry_points {
        let cells = [
            Cell::text(&entry.service),
            Cell::text(&entry.operation),
            entry.criticality.map_or(Cell::Null, |tier| Cell::word(&tier)),
            Cell::count(entry.requests),
            Cell::count(entry.affected),
            Cell::Float(entry.traffic_share),
            Cell::Float(entry.degradation),
            Cell::Float(entry.impact_term),
        ];
        sheet.push(Table::EntryPoints, cells);
    }
}

fn timeline(sheet: &mut Sheet<'_>) {
    for (place, entry) in sheet.incident.timeline.iter().enumerate() {
        let cells = [
            Cell::Time(entry.at),
            Cell::count(place + 1),
            Cell::word(&entry.kind),
            Cell::maybe(entry.service.as_ref()),
            Cell::text(&entry.text),
        ];
        sheet.push(Table::Timeline, cells);
    }
}
