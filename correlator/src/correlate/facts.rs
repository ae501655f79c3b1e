//! Facts that may still change: the ring of unsettled panes, in canonical order.
//!
//! A pane's facts are a set: they are sorted before anybody looks, so that the order in which they
//! came cannot be seen. Deliberately absent: any judgement of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::alert::{Alert, AlertStatus};
use model::change::ChangeEvent;
use model::map::{ObservedDependency, TopologyDocument};
use model::name::Name;
use model::symptom::{EntryObservation, Symptom, SymptomBatch, VersionObservation, Voice};
use model::time::{Nanos, Pane, PaneWidth, Timestamp};
use serde::{Deserialize, Serialize};

use super::limits::{PANE_RULE_ALERTS_MAX, PANE_RULES_MAX};
use super::people::Decree;
use super::signs;

/// An alert with the time that counts for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AlertFact {
    /// Its own start or end if it came in time, else its arrival.
    pub(super) at: Timestamp,
    /// The alert.
    pub(super) alert: Arc<Alert>,
}

impl AlertFact {
    /// The time that counts: the source's own if the record arrived at most `lateness` after it.
    pub(super) fn new(alert: Alert, arrival: Timestamp, lateness: Nanos) -> Self {
        let own = match alert.status {
            AlertStatus::Firing => alert.starts_at,
            AlertStatus::Resolved => alert.ends_at.unwrap_or(arrival),
        };
        let in_time = own <= arrival && arrival - own <= lateness;
        Self { at: if in_time { own } else { arrival }, alert: Arc::new(alert) }
    }

    fn order(&self) -> impl Ord + '_ {
        let alert = &*self.alert;
        (
            (self.at, alert.fingerprint, alert.status, alert.starts_at, alert.ends_at),
            (
                alert.severity,
                &alert.annotations,
                alert.trace_id,
                &alert.generator_url,
                &alert.group,
            ),
        )
    }
}

/// The facts of one pane.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct PaneFacts {
    batches: BTreeMap<u32, Arc<SymptomBatch>>,
    /// Alerts, sorted.
    pub(super) alerts: Vec<AlertFact>,
    /// Changes, sorted.
    pub(super) changes: Vec<Arc<ChangeEvent>>,
    /// Declared structure with its arrival, sorted.
    pub(super) documents: Vec<(Timestamp, Arc<TopologyDocument>)>,
    /// What people decided about which services are one incident, sorted.
    #[serde(default)]
    pub(super) decrees: Vec<Decree>,
    /// Alerts by rule; those of rules beyond a bound as one.
    #[serde(default)]
    rules: BTreeMap<Name, u32>,
    #[serde(skip)]
    summary: Option<Arc<PaneSummary>>,
}

impl PaneFacts {
    /// All tasks' words on the pane as one; built once until a word changes.
    pub(super) fn summary(&mut self) -> Arc<PaneSummary> {
        let batches = &self.batches;
        Arc::clone(self.summary.get_or_insert_with(|| Arc::new(PaneSummary::of(batches))))
    }

    fn len(&self) -> usize {
        let told = self.batches.len() + self.alerts.len() + self.changes.len();
        told + self.documents.len() + self.decrees.len()
    }
}

/// What all detect tasks together say of one pane, sorted and added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PaneSummary {
    /// Whether there was any telemetry.
    pub(super) has_telemetry: bool,
    /// Symptoms by (service, kind, entity, detail).
    pub(super) symptoms: Vec<Symptom>,
    /// What is said in words: complaints, and what the platform says; in the same order.
    pub(super) signs: Vec<Symptom>,
    /// Failing or slow traces by (origin, reached).
    pub(super) reach: BTreeMap<(Name, Name), u64>,
    /// What users saw.
    pub(super) entries: Vec<EntryObservation>,
    /// Old against new.
    pub(super) versions: Vec<VersionObservation>,
    /// What called what.
    pub(super) dependencies: Vec<ObservedDependency>,
    /// Changes that telemetry shows.
    pub(super) changes: Vec<ChangeEvent>,
    /// Versions seen for the first time: (service, version).
    pub(super) first_seen: Vec<(Name, Name)>,
    /// What services say that they do not usually say.
    pub(super) voices: Vec<Voice>,
}

impl PaneSummary {
    /// The same with further symptoms, in order.
    pub(super) fn with(&self, more: Vec<Symptom>) -> Self {
        let mut all = self.clone();
        all.symptoms.extend(more);
        sort(&mut all.symptoms);
        all
    }

    /// Whether it has anything to leave out of some services.
    pub(super) fn speaks_of(&self, left_out: impl Fn(&Name) -> bool) -> bool {
        let shown = self.symptoms.iter().any(|symptom| is_by(symptom, &left_out));
        let origins = self.entries.iter().flat_map(|entry| &entry.origins);
        shown
            || self.signs.iter().any(|sign| left_out(&sign.entity.service))
            || self.reach.keys().any(|(origin, _)| left_out(origin))
            || self.voices.iter().any(|voice| left_out(&voice.service))
            || self.versions.iter().any(|version| left_out(&version.service))
            || origins.into_iter().any(|(origin, _)| left_out(origin))
    }

    /// The same without what some services show: their symptoms, also those that they have as callers,
    /// their words, and what failed because of them.
    pub(super) fn without(&self, left_out: impl Fn(&Name) -> bool) -> Self {
        let mut all = self.clone();
        all.symptoms.retain(|symptom| !is_by(symptom, &left_out));
        all.signs.retain(|sign| !left_out(&sign.entity.service));
        all.reach.retain(|(origin, _), _| !left_out(origin));
        all.voices.retain(|voice| !left_out(&voice.service));
        all.versions.retain(|version| !left_out(&version.service));
        for entry in &mut all.entries {
            entry.origins.retain(|(origin, _)| !left_out(origin));
        }
        all
    }

    fn of(batches: &BTreeMap<u32, Arc<SymptomBatch>>) -> Self {
        let mut all = Self::default();
        for batch in batches.values() {
            all.has_telemetry |= batch.has_telemetry;
            for symptom in &batch.symptoms {
                let list =
                    if signs::is_sign(symptom.kind) { &mut all.signs } else { &mut all.symptoms };
                list.push(symptom.clone());
            }
            for row in &batch.reach {
                let sum = all.reach.entry((row.origin.clone(), row.reached.clone())).or_default();
                *sum = sum.saturating_add(row.traces);
            }
            all.entries.extend(batch.entries.iter().cloned());
            all.versions.extend(batch.versions.iter().cloned());
            all.dependencies.extend(batch.dependencies.iter().cloned());
            all.changes.extend(batch.changes.iter().cloned());
            all.first_seen.extend(batch.first_seen.iter().cloned());
            all.voices.extend(batch.voices.iter().cloned());
        }
        sort(&mut all.symptoms);
        sort(&mut all.signs);
        all.first_seen.sort();
        all.voices.sort();
        all.entries.sort();
        all.versions.sort();
        all.dependencies.sort();
        all.changes.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        all
    }
}

/// Whether a symptom is told by one of these services: of itself, or as the caller of another.
fn is_by(symptom: &Symptom, services: impl Fn(&Name) -> bool) -> bool {
    let caller = symptom.entity.edge_from().map(Name::from);
    services(&symptom.entity.service) || caller.is_some_and(|name| services(&name))
}

fn sort(symptoms: &mut [Symptom]) {
    symptoms.sort_by(|a, b| {
        (&a.entity.service, a.kind, &a.entity, &a.detail, a.nats).cmp(&(
            &b.entity.service,
            b.kind,
            &b.entity,
            &b.detail,
            b.nats,
        ))
    });
}

/// What became of a symptom batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchVerdict {
    /// It says something new of its pane.
    News,
    /// Its stamp is not newer, or its content is the same.
    Repeat,
    /// Its pane is settled.
    TooLate,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AlertVerdict {
    /// It is a new fact.
    News,
    /// The same was said already.
    Repeat,
    /// Its rule says more in its pane than any rule may.
    Crowded,
}

/// Rules that find no place of their own in a pane.
const OTHER_RULES: &str = "(other)";

/// The unsettled panes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ring {
    panes: BTreeMap<Pane, PaneFacts>,
    settled_through: Option<Pane>,
    facts: usize,
}

impl Ring {
    /// Puts a batch in; a later revision of its stamp replaces.
    pub(super) fn put_batch(&mut self, batch: SymptomBatch) -> BatchVerdict {
        if self.settled_through.is_some_and(|settled| batch.pane <= settled) {
            return BatchVerdict::TooLate;
        }
        let facts = self.panes.entry(batch.pane).or_default();
        if let Some(known) = facts.batches.get(&batch.task) {
            if known.revision >= batch.revision || same_content(known, &batch) {
                return BatchVerdict::Repeat;
            }
        } else {
            self.facts += 1;
        }
        facts.batches.insert(batch.task, Arc::new(batch));
        facts.summary = None;
        BatchVerdict::News
    }

    /// Puts an alert in, at the first unsettled pane if its own is settled. `known` is the service that it speaks of, if
    /// the map knows it: asked only where there are too many rules to tell them apart.
    pub(super) fn put_alert(
        &mut self,
        fact: AlertFact,
        width: PaneWidth,
        known: impl FnOnce() -> Option<Name>,
    ) -> AlertVerdict {
        let facts = self.place(width.pane_of(fact.at));
        let place = facts.alerts.partition_point(|other| other.order() < fact.order());
        if facts.alerts.get(place) == Some(&fact) {
            return AlertVerdict::Repeat;
        }
        let rules = facts.rules.len();
        let rule = match facts.rules.get_mut(fact.alert.name.as_str()) {
            Some(rule) => rule,
            None if rules < PANE_RULES_MAX => {
                facts.rules.entry(fact.alert.name.clone()).or_default()
            }
            None => {
                let together = known().unwrap_or_else(|| OTHER_RULES.into());
                facts.rules.entry(together).or_default()
            }
        };
        if *rule >= PANE_RULE_ALERTS_MAX {
            return AlertVerdict::Crowded;
        }
        *rule += 1;
        facts.alerts.insert(place, fact);
        self.facts += 1;
        AlertVerdict::News
    }

    /// Puts a change in, by its arrival.
    pub(super) fn put_change(&mut self, change: ChangeEvent, pane: Pane) {
        let facts = self.place(pane);
        let key = |c: &ChangeEvent| (c.at, c.id.clone(), c.title.clone(), c.outcome);
        let place = facts.changes.partition_point(|other| key(other) < key(&change));
        facts.changes.insert(place, Arc::new(change));
        self.facts += 1;
    }

    /// Puts declared structure in, by its arrival.
    pub(super) fn put_document(&mut self, doc: TopologyDocument, at: Timestamp, pane: Pane) {
        let facts = self.place(pane);
        // Documents carry no time of their own: inside a pane they are ordered by arrival, then by
        // what they hold.
        let key =
            |at: Timestamp, doc: &TopologyDocument| (at, doc.source.clone(), document_key(doc));
        let wanted = key(at, &doc);
        let place = facts.documents.partition_point(|(at, other)| key(*at, other) < wanted);
        facts.documents.insert(place, (at, Arc::new(doc)));
        self.facts += 1;
    }

    /// Puts in what a person decided, by its arrival.
    pub(super) fn put_decree(&mut self, decree: Decree, pane: Pane) {
        let facts = self.place(pane);
        let place = facts.decrees.partition_point(|other| *other < decree);
        facts.decrees.insert(place, decree);
        self.facts += 1;
    }

    fn place(&mut self, wanted: Pane) -> &mut PaneFacts {
        let first = self.settled_through.map(|settled| settled.plus(1));
        self.panes.entry(first.map_or(wanted, |first| first.max(wanted))).or_default()
    }

    /// Takes the oldest pane out if it is at or before `through`.
    pub(super) fn take_settled(&mut self, through: Pane) -> Option<(Pane, PaneFacts)> {
        let oldest = *self.panes.keys().next()?;
        if oldest > through {
            return None;
        }
        let facts = self.panes.remove(&oldest)?;
        self.facts = self.facts.saturating_sub(facts.len());
        self.settle(oldest);
        Some((oldest, facts))
    }

    /// Nothing up to `through` may be put in any more.
    pub(super) fn settle(&mut self, through: Pane) {
        self.settled_through = Some(self.settled_through.map_or(through, |old| old.max(through)));
    }

    /// The unsettled panes in order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Pane, &mut PaneFacts)> {
        self.panes.iter_mut().map(|(pane, facts)| (*pane, facts))
    }

    /// The oldest and the newest unsettled pane with a fact.
    pub(super) fn bounds(&self) -> Option<(Pane, Pane)> {
        Some((*self.panes.keys().next()?, *self.panes.keys().next_back()?))
    }

    /// How many facts wait.
    pub(super) fn len(&self) -> usize {
        self.facts
    }
}

fn same_content(a: &SymptomBatch, b: &SymptomBatch) -> bool {
    a.has_telemetry == b.has_telemetry
        && a.symptoms == b.symptoms
        && a.reach == b.reach
        && a.entries == b.entries
        && a.versions == b.versions
        && a.dependencies == b.dependencies
        && a.changes == b.changes
        && a.first_seen == b.first_seen
        && a.voices == b.voices
}

fn document_key(doc: &TopologyDocument) -> (Vec<Name>, usize) {
    (doc.items.iter().map(|item| item.id.clone()).collect(), doc.relations.len())
}
