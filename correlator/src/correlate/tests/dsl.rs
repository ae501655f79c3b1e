//! A small language for stories: what happened when, and the incidents that come of it.

use std::collections::{BTreeMap, BTreeSet};

use model::alert::{Alert, AlertStatus, Labels, Severity};
use model::change::{ChangeContent, ChangeEvent, ChangeKind, ChangeOutcome};
use model::command::{Act, CauseRef, Command, Decision};
use model::entity::{Entity, EntityKind};
use model::id::{CellId, IncidentId, TraceId};
use model::incident::Incident;
use model::journal::{JournalEntry, JournalRecord};
use model::map::{
    ConfigurationItem, ItemKind, ObservedDependency, Relation, RelationKind, TopologyDocument,
};
use model::name::Name;
use model::nats::Nats;
use model::signal::LogSeverity;
use model::symptom::{
    EntryObservation, Reach, Symptom, SymptomBatch, SymptomKind, VersionObservation, Voice,
};
use model::time::{Nanos, Pane, PaneWidth, Timestamp};

use crate::correlate::{ChangeReason, CorrelateConfig, Correlator, Output};

/// Pane 0 of every story.
pub(in crate::correlate) const START: i64 = 100_000_000;

/// What one pane holds.
#[derive(Clone, Debug, Default)]
struct Telemetry {
    dead: BTreeSet<Name>,
    symptoms: BTreeMap<(Name, SymptomKind, Name), Symptom>,
    reach: BTreeMap<(Name, Name), u64>,
    entries: BTreeMap<(Name, Name), EntryObservation>,
    versions: Vec<VersionObservation>,
    first_seen: Vec<(Name, Name)>,
    voices: Vec<Voice>,
    silent: bool,
}

/// A story: telemetry by pane, and records at instants.
#[derive(Clone, Debug, Default)]
pub(in crate::correlate) struct Story {
    panes: BTreeMap<i64, Telemetry>,
    calls: Vec<(Name, Name, EntityKind)>,
    records: Vec<(Timestamp, JournalRecord)>,
    last: i64,
}

/// Seconds of the story as an instant.
pub(in crate::correlate) fn at(secs: i64) -> Timestamp {
    PaneWidth::default().start(Pane(START)) + Nanos::from_secs(secs)
}

impl Story {
    /// A system with calls `from>to`, and panes of telemetry for so many seconds.
    pub(in crate::correlate) fn new(calls: &str, secs: i64) -> Self {
        let mut story = Self { last: secs / 10, ..Self::default() };
        for call in calls.split_whitespace() {
            let (from, to) = call.split_once('>').unwrap();
            let (to, kind) = match to.split_once(':') {
                Some((to, "db")) => (to, EntityKind::Database),
                Some((to, _)) => (to, EntityKind::External),
                None => (to, EntityKind::Service),
            };
            story.calls.push((from.into(), to.into(), kind));
        }
        story
    }

    fn pane(&mut self, pane: i64) -> &mut Telemetry {
        self.panes.entry(pane).or_default()
    }

    /// A service originates errors for a while; its failing traces pass `through`.
    pub(in crate::correlate) fn errors(
        self,
        service: &str,
        from: i64,
        to: i64,
        through: &[&str],
    ) -> Self {
        self.symptom(
            Entity::service(service.into()),
            SymptomKind::ErrorOrigin,
            20,
            (from, to),
            through,
        )
    }

    /// A service is slow for a while.
    pub(in crate::correlate) fn slow(
        self,
        service: &str,
        from: i64,
        to: i64,
        through: &[&str],
    ) -> Self {
        self.symptom(
            Entity::service(service.into()),
            SymptomKind::SlowSelf,
            20,
            (from, to),
            through,
        )
    }

    /// Any symptom for a while, with so many nats a pane.
    pub(in crate::correlate) fn symptom(
        mut self,
        entity: Entity,
        kind: SymptomKind,
        nats: i64,
        (from, to): (i64, i64),
        through: &[&str],
    ) -> Self {
        let service = entity.service.clone();
        for pane in from / 10..to / 10 {
            let run = pane - from / 10 + 1;
            let telemetry = self.pane(pane);
            telemetry.symptoms.insert(
                (service.clone(), kind, Name::from("op")),
                Symptom {
                    entity: entity.clone(),
                    kind,
                    detail: "op".into(),
                    nats: Nats::from_int(nats),
                    level: Nats::from_int((nats - 1) * run),
                    onset: Pane(START + from / 10),
                    hits: 10,
                    trials: 50,
                    expected_ppm: 1000,
                    exemplars: vec![trace_of(&service, pane)],
                },
            );
            if through.is_empty() {
                continue;
            }
            for reached in through.iter().copied().chain([service.as_str()]) {
                *telemetry.reach.entry((service.clone(), reached.into())).or_default() += 10;
            }
            if let Some(entry) = through.last() {
                let key: (Name, Name) = ((*entry).into(), "GET /".into());
                let slot = telemetry.entries.entry(key.clone()).or_insert(EntryObservation {
                    service: key.0,
                    operation: key.1,
                    calls: 50,
                    failed: 0,
                    slow: 0,
                    expected_failed_ppm: 1000,
                    origins: Vec::new(),
                });
                slot.failed += 10;
                slot.origins.push((service.clone(), 10));
                slot.origins.sort();
            }
        }
        self.last = self.last.max(to / 10);
        self
    }

    /// Words in the log of `by`, or of the platform about it: so many nats a pane for a while.
    pub(in crate::correlate) fn says(
        mut self,
        by: &str,
        kind: SymptomKind,
        text: &str,
        nats: i64,
        (from, to): (i64, i64),
    ) -> Self {
        for pane in from / 10..to / 10 {
            let sign = Symptom {
                entity: Entity::service(by.into()),
                kind,
                detail: text.into(),
                nats: Nats::from_int(nats),
                level: Nats::from_int(nats),
                onset: Pane(START + from / 10),
                hits: 1,
                trials: 1,
                expected_ppm: 1000,
                exemplars: vec![trace_of(&by.into(), pane)],
            };
            self.pane(pane).symptoms.insert((by.into(), kind, text.into()), sign);
        }
        self.last = self.last.max(to / 10);
        self
    }

    /// No span of a service answers the calls of a time.
    pub(in crate::correlate) fn dead(mut self, service: &str, (from, to): (i64, i64)) -> Self {
        for pane in from / 10..to / 10 {
            self.pane(pane).dead.insert(service.into());
        }
        self
    }

    /// Traffic at an entry in every pane of a time.
    pub(in crate::correlate) fn traffic(
        mut self,
        service: &str,
        calls: u64,
        from: i64,
        to: i64,
    ) -> Self {
        for pane in from / 10..to / 10 {
            let key: (Name, Name) = (service.into(), "GET /".into());
            self.pane(pane)
                .entries
                .entry(key.clone())
                .or_insert(EntryObservation {
                    service: key.0,
                    operation: key.1,
                    calls: 0,
                    failed: 0,
                    slow: 0,
                    expected_failed_ppm: 1000,
                    origins: Vec::new(),
                })
                .calls = calls;
        }
        self
    }

    /// No telemetry at all for a while.
    pub(in crate::correlate) fn gap(mut self, from: i64, to: i64) -> Self {
        for pane in from / 10..to / 10 {
            self.pane(pane).silent = true;
        }
        self
    }

    /// Two versions side by side for a while: (version, calls, bad) a pane.
    pub(in crate::correlate) fn versions(
        mut self,
        service: &str,
        rows: &[(&str, u64, u64)],
        from: i64,
        to: i64,
    ) -> Self {
        for pane in from / 10..to / 10 {
            for (version, calls, failed) in rows {
                self.pane(pane).versions.push(VersionObservation {
                    service: service.into(),
                    version: (*version).into(),
                    calls: *calls,
                    failed: *failed,
                    slow: 0,
                    metrics: Vec::new(),
                });
            }
        }
        self
    }

    /// Telemetry shows a version of a service for the first time.
    pub(in crate::correlate) fn shows_version(
        mut self,
        secs: i64,
        service: &str,
        version: &str,
    ) -> Self {
        self.pane(secs / 10).first_seen.push((service.into(), version.into()));
        self
    }

    /// A service logs an error for a while, once a pane.
    pub(in crate::correlate) fn mentions(
        mut self,
        service: &str,
        text: &str,
        from: i64,
        to: i64,
    ) -> Self {
        for pane in from / 10..to / 10 {
            self.pane(pane).voices.push(Voice {
                service: service.into(),
                text: text.into(),
                records: 1,
                severity: LogSeverity::Error,
            });
        }
        self
    }

    /// A firing alert: `labels` are `k=v` words, `alertname` first.
    pub(in crate::correlate) fn fires(self, secs: i64, labels: &str, severity: Severity) -> Self {
        let alert = alert(secs, labels, severity, AlertStatus::Firing);
        self.record(secs, JournalRecord::Alert(alert))
    }

    /// A firing alert that began `began` and arrives later.
    pub(in crate::correlate) fn fires_late(
        self,
        began: i64,
        arrives: i64,
        labels: &str,
        severity: Severity,
    ) -> Self {
        let alert = alert(began, labels, severity, AlertStatus::Firing);
        self.record(arrives, JournalRecord::Alert(alert))
    }

    /// All alerts so far that a grouping rule gave a key.
    pub(in crate::correlate) fn grouped(mut self, key: &str) -> Self {
        for (_, record) in &mut self.records {
            if let JournalRecord::Alert(alert) = record {
                alert.group = Some(key.into());
            }
        }
        self
    }

    /// The same alert resolved.
    pub(in crate::correlate) fn resolves(
        self,
        secs: i64,
        labels: &str,
        severity: Severity,
    ) -> Self {
        let alert = alert(secs, labels, severity, AlertStatus::Resolved);
        self.record(secs, JournalRecord::Alert(alert))
    }

    /// A change that takes effect and arrives at once.
    pub(in crate::correlate) fn change(
        self,
        secs: i64,
        id: &str,
        kind: ChangeKind,
        target: &str,
        text: &str,
    ) -> Self {
        let change = ChangeEvent {
            id: id.into(),
            kind,
            at: at(secs),
            started_at: None,
            targets: if target.is_empty() { Vec::new() } else { vec![target.into()] },
            environment: None,
            title: text.into(),
            author: None,
            version: (kind == ChangeKind::Deploy).then(|| "v2".into()),
            outcome: ChangeOutcome::Succeeded,
            content: ChangeContent { paths: Vec::new(), text: text.into() },
            links: Vec::new(),
            url: None,
        };
        self.record(secs, JournalRecord::Change(change))
    }

    /// What a source of the map calls services: (name, id there, owner).
    pub(in crate::correlate) fn maps(
        self,
        secs: i64,
        source: &str,
        items: &[(&str, &str, &str)],
    ) -> Self {
        let item = |(name, id, owner): &(&str, &str, &str)| ConfigurationItem {
            id: (*id).into(),
            kind: ItemKind::Service,
            name: (*name).into(),
            owner: Some((*owner).into()),
            criticality: None,
            aliases: Vec::new(),
        };
        let document = TopologyDocument {
            source: source.into(),
            items: items.iter().map(item).collect(),
            ..TopologyDocument::default()
        };
        self.record(secs, JournalRecord::Topology(document))
    }

    /// Services that run on a host.
    pub(in crate::correlate) fn runs_on(self, secs: i64, host: &str, guests: &[&str]) -> Self {
        let item = |name: &str, kind| ConfigurationItem {
            id: name.into(),
            kind,
            name: name.into(),
            owner: None,
            criticality: None,
            aliases: Vec::new(),
        };
        let relation = |guest: &&str| Relation {
            from: (*guest).into(),
            to: host.into(),
            kind: RelationKind::RunsOn,
        };
        let services = guests.iter().map(|guest| item(guest, ItemKind::Service));
        let document = TopologyDocument {
            source: "cmdb".into(),
            items: services.chain([item(host, ItemKind::Host)]).collect(),
            relations: guests.iter().map(relation).collect(),
            ..TopologyDocument::default()
        };
        self.record(secs, JournalRecord::Topology(document))
    }

    fn record(mut self, secs: i64, record: JournalRecord) -> Self {
        self.records.push((at(secs), record));
        self
    }

    /// What a person decided.
    pub(in crate::correlate) fn act(self, secs: i64, decision: Decision) -> Self {
        let place = self.records.len();
        let act = said(secs, &format!("act-{place}"), decision);
        self.record(secs, JournalRecord::Command(Command::Act(act)))
    }

    /// The journal: what came when, a pane's symptoms 5 s after its end.
    pub(in crate::correlate) fn journal(&self) -> Vec<JournalEntry> {
        let mut entries: Vec<JournalEntry> = self
            .records
            .iter()
            .map(|(at, record)| JournalEntry {
                arrival: *at,
                position: None,
                record: record.clone(),
            })
            .collect();
        for pane in 0..self.last {
            let batch = self.batch(pane);
            let arrival = at((pane + 1) * 10 + 5);
            let record = JournalRecord::Symptoms(batch);
            entries.push(JournalEntry { arrival, position: None, record });
        }
        entries.sort_by_key(|entry| entry.arrival);
        entries
    }

    fn batch(&self, pane: i64) -> SymptomBatch {
        let told = self.panes.get(&pane).cloned().unwrap_or_default();
        let call = |(from, to, kind): &(Name, Name, EntityKind)| ObservedDependency {
            from: from.clone(),
            to: to.clone(),
            to_kind: *kind,
            calls: 50,
            failed: 0,
            orphans: if told.dead.contains(to) { 50 } else { 0 },
        };
        SymptomBatch {
            task: 0,
            pane: Pane(START + pane),
            revision: 0,
            judged_through: Pane(START + pane),
            settled_through: Pane(START + pane - 6),
            has_telemetry: !told.silent,
            symptoms: told.symptoms.into_values().collect(),
            reach: told
                .reach
                .into_iter()
                .map(|((origin, reached), traces)| Reach { origin, reached, traces })
                .collect(),
            entries: told.entries.into_values().collect(),
            versions: told.versions,
            dependencies: if told.silent {
                Vec::new()
            } else {
                self.calls.iter().map(call).collect()
            },
            changes: Vec::new(),
            first_seen: told.first_seen,
            voices: told.voices,
        }
    }

    /// Runs the story and returns what came of it.
    pub(in crate::correlate) fn run(&self) -> Ending {
        Ending::of(&self.journal())
    }
}

/// The trace of a pane in which all is seen that a service shows.
fn trace_of(service: &Name, pane: i64) -> TraceId {
    let parts = [service.as_bytes(), &pane.to_le_bytes()];
    TraceId(u128::from(model::id::stable_hash(&parts)))
}

/// An act of ann, by the API.
pub(in crate::correlate) fn said(secs: i64, id: &str, decision: Decision) -> Act {
    Act {
        id: id.into(),
        author: "ann".into(),
        via: "api".into(),
        at: at(secs),
        reason: String::from("because"),
        decision,
    }
}

/// What a person decides when they look at the last revisions.
pub(in crate::correlate) type Say = fn(&Told<'_>) -> Decision;

/// The last revisions, as a person sees them.
pub(in crate::correlate) struct Told<'a>(pub(in crate::correlate) &'a Ending);

impl Told<'_> {
    /// The incident that was told last and has a service.
    pub(in crate::correlate) fn of(&self, service: &str) -> IncidentId {
        let has = |incident: &&Incident| incident.services.iter().any(|name| **name == *service);
        let told = self.0.revisions.iter().rev().map(|(incident, _)| incident);
        told.into_iter().find(has).map(|incident| incident.id).unwrap()
    }

    /// The first hypothesis of an incident as a person names it.
    pub(in crate::correlate) fn first_cause(&self, id: IncidentId) -> CauseRef {
        let mut told = self.0.revisions.iter().rev().map(|(incident, _)| incident);
        let first = told.find(|incident| incident.id == id).unwrap().hypotheses[0].clone();
        let service = Some(first.entity.service).filter(|name| !name.is_empty());
        CauseRef { service, change: first.change.map(|change| change.id) }
    }
}

fn alert(secs: i64, labels: &str, severity: Severity, status: AlertStatus) -> Alert {
    let mut pairs: Vec<(Name, Name)> = Vec::new();
    for word in labels.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or(("alertname", word));
        pairs.push((key.into(), value.into()));
    }
    let labels = Labels::new(pairs);
    Alert {
        fingerprint: labels.fingerprint(),
        name: labels.get("alertname").cloned().unwrap_or_default(),
        status,
        annotations: Labels::default(),
        starts_at: at(secs),
        ends_at: (status == AlertStatus::Resolved).then(|| at(secs)),
        severity,
        trace_id: None,
        generator_url: None,
        group: None,
        labels,
    }
}

/// What came of a story.
#[derive(Clone, Debug, Default)]
pub(in crate::correlate) struct Ending {
    /// Every revision in order.
    pub(in crate::correlate) revisions: Vec<(Incident, ChangeReason)>,
    /// Why acts were refused.
    pub(in crate::correlate) refused: Vec<String>,
    /// The last record of each settled incident, by id.
    pub(in crate::correlate) last: BTreeMap<IncidentId, Incident>,
}

impl Ending {
    /// Folds a journal from the start.
    pub(in crate::correlate) fn of(journal: &[JournalEntry]) -> Self {
        let cell = CellId("test".into());
        let mut correlator = Correlator::new(cell, 1, CorrelateConfig::default());
        let mut ending = Self::default();
        for entry in journal {
            correlator.step(entry);
            ending.take(&mut correlator);
        }
        ending.end(correlator)
    }

    /// Folds a journal into which a person speaks at instants: what they say may depend on what was
    /// told by then. Returns the journal with the acts in it, too.
    pub(in crate::correlate) fn with_people(
        journal: &[JournalEntry],
        says: &[(i64, Say)],
    ) -> (Vec<JournalEntry>, Self) {
        let mut correlator = Correlator::new(CellId("test".into()), 1, CorrelateConfig::default());
        let (mut all, mut ending) = (Vec::new(), Self::default());
        let mut says = says.iter().enumerate().peekable();
        for entry in journal {
            while let Some((place, (secs, say))) =
                says.next_if(|(_, (secs, _))| at(*secs) < entry.arrival)
            {
                let act = said(*secs, &format!("said-{place}"), say(&Told(&ending)));
                let record = JournalRecord::Command(Command::Act(act));
                let spoken = JournalEntry { arrival: at(*secs), position: None, record };
                correlator.step(&spoken);
                ending.take(&mut correlator);
                all.push(spoken);
            }
            correlator.step(entry);
            ending.take(&mut correlator);
            all.push(entry.clone());
        }
        (all, ending.end(correlator))
    }

    /// Takes what has left so far.
    pub(in crate::correlate) fn take(&mut self, correlator: &mut Correlator) {
        while let Some(output) = correlator.poll_output() {
            match output {
                Output::Incident { incident, reason } => self.revisions.push((*incident, reason)),
                Output::Refused { why, .. } => self.refused.push(why),
                Output::Shed { .. } => {}
            }
        }
    }

    /// The end of the input.
    pub(in crate::correlate) fn end(mut self, mut correlator: Correlator) -> Self {
        correlator.finish();
        self.take(&mut correlator);
        for id in correlator.settled_ids() {
            let record = self.revisions.iter().rev().find(|(incident, _)| incident.id == id);
            self.last.insert(id, record.unwrap().0.clone());
        }
        self
    }

    /// The incidents, drawn: one line each, in order of their onset.
    pub(in crate::correlate) fn drawn(&self) -> String {
        let mut lines: Vec<String> = self.last.values().map(draw).collect();
        lines.sort();
        lines.join("\n")
    }
}

/// `+60s open [cart checkout] 2 alerts: payment/config`.
fn draw(incident: &Incident) -> String {
    let services: Vec<&str> = incident.services.iter().map(Name::as_str).collect();
    let cause = incident.hypotheses.first().map_or(String::new(), |first| {
        let change = first.change.as_ref().map(|change| format!(" after {}", change.id));
        let who =
            if first.entity.id.is_empty() { "nothing" } else { first.entity.service.as_str() };
        format!("{who}{}", change.unwrap_or_default())
    });
    format!(
        "+{}s {:?} [{}] {} alerts: {cause}",
        (incident.onset_at - at(0)).secs(),
        incident.state,
        services.join(" "),
        incident.alerts.len(),
    )
}
