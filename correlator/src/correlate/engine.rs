//! The engine: takes each record of the journal to its room, and derives the provisional view when
//! something that matters has changed. Dispatch only.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use model::alert::{Alert, AlertStatus};
use model::command::Command;
use model::id::{CellId, IncidentId};
use model::journal::{JournalEntry, JournalRecord};
use model::name::Name;
use model::symptom::SymptomBatch;
use model::time::{Pane, Timestamp};
use serde::{Deserialize, Serialize};
use topology::DriftReport;

use super::binding;
use super::config::CorrelateConfig;
use super::facts::{AlertFact, AlertVerdict, BatchVerdict, Ring};
use super::lifecycle;
use super::output::{CorrelateStats, Output, ShedReason};
use super::people::{ActsSeen, Standing};
use super::publish::Registry;
use super::stamps::Stamps;
use super::world::{Rules, World};
use crate::losses::Losses;

mod acts;
mod looks;
mod view;

use looks::Looks;
use view::Scope;

/// The third machine of the mind: folds the journal of one cell into incidents.
///
/// Contract: give records with [`Correlator::step`] in journal order, take what leaves with
/// [`Correlator::poll_output`] whenever it suits; how often does not change what leaves. It never fails,
/// blocks or reads a clock. The same records give the same outputs, byte for byte; the whole state
/// serialises, and a restored one goes on as if nothing had happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Correlator {
    cell: CellId,
    detect_tasks: u32,
    config: CorrelateConfig,
    stamps: Stamps,
    ring: Ring,
    settled: World,
    registry: Registry,
    #[serde(default)]
    standing: Standing,
    #[serde(default)]
    acts: ActsSeen,
    /// When the newest act arrived: mutes count from then, whatever telemetry has reached.
    #[serde(default)]
    newest_act: Option<Timestamp>,
    outputs: VecDeque<Output>,
    now: Timestamp,
    judged: Option<Pane>,
    newest_arrival: Option<Timestamp>,
    derived_pane: Option<Pane>,
    #[serde(default)]
    looks: Looks,
    stats: CorrelateStats,
    /// Whose alerts bounds took.
    #[serde(default)]
    losses: Losses,
}

impl Correlator {
    /// An empty correlator of a cell whose telemetry `detect_tasks` tasks judge.
    #[must_use]
    pub fn new(cell: CellId, detect_tasks: u32, config: CorrelateConfig) -> Self {
        let settled = World::new(&config);
        Self {
            cell,
            detect_tasks: detect_tasks.max(1),
            config,
            stamps: Stamps::default(),
            ring: Ring::default(),
            settled,
            registry: Registry::default(),
            standing: Standing::default(),
            acts: ActsSeen::default(),
            newest_act: None,
            outputs: VecDeque::new(),
            now: Timestamp::EPOCH,
            judged: None,
            newest_arrival: None,
            derived_pane: None,
            looks: Looks::default(),
            stats: CorrelateStats::default(),
            losses: Losses::default(),
        }
    }

    /// Folds one record of the journal.
    pub fn step(&mut self, entry: &JournalEntry) {
        self.fold(entry.clone());
    }

    /// As [`Correlator::step`], of a record that nobody else needs: nothing of it is copied.
    pub fn fold(&mut self, entry: JournalEntry) {
        self.stats.entries += 1;
        if !self.stamps.admit(entry.position.as_ref()) {
            self.stats.repeats += 1;
            return;
        }
        let pane = self.config.width.pane_of(entry.arrival);
        let news = match entry.record {
            JournalRecord::Symptoms(batch) => self.take_batch(batch).then_some(Scope::All),
            JournalRecord::Alert(alert) => self.take_alert(alert, entry.arrival),
            JournalRecord::Change(change) => {
                self.ring.put_change(change, pane);
                None
            }
            JournalRecord::Topology(document) => {
                self.ring.put_document(document, entry.arrival, pane);
                None
            }
            JournalRecord::Command(command) => {
                self.take_command(&command, entry.arrival).then_some(Scope::All)
            }
        };
        if let Some(scope) = news {
            self.settle();
            self.derive(&scope);
        }
    }

    /// The input has ended: settles everything, and tells the last word on every incident.
    pub fn finish(&mut self) {
        let last = self.ring.bounds().map(|(_, last)| last);
        if let Some(last) = last {
            self.now = self.now.max(self.config.width.end(last));
            self.settle_through(last);
        }
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        lifecycle::pass_time(&mut self.settled, self.now, rules);
        self.close_ended();
        let world = self.settled.clone();
        self.tell(&world, &Scope::Last);
    }

    /// The next output, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The incidents that exist in the settled world, merged and withdrawn ones left out.
    #[must_use]
    pub fn settled_ids(&self) -> Vec<IncidentId> {
        let told = self.settled.cases.values().filter(|case| case.is_told());
        let cases: BTreeSet<IncidentId> = told.map(|case| case.id).collect();
        self.registry.settled(&cases)
    }

    /// Where declared structure and what traces show differ, as of now.
    #[must_use]
    pub fn drift(&self) -> DriftReport {
        self.settled.map.drift(self.config.width.pane_of(self.now))
    }

    /// Items of the map.
    #[must_use]
    pub fn items(&self) -> usize {
        self.settled.map.items()
    }

    /// Counts since the start, without those that have to be counted first: unsettled facts and open
    /// incidents.
    #[must_use]
    pub const fn counted(&self) -> CorrelateStats {
        self.stats
    }

    /// Whose alerts bounds took: part of what [`CorrelateStats::shed`] counts.
    #[must_use]
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> CorrelateStats {
        CorrelateStats {
            unsettled_facts: self.ring.len() as u64,
            open_incidents: self.registry.open(),
            ..self.stats
        }
    }

    /// True if the view must be derived again: all tasks judged another pane, or one that they had
    /// judged changed.
    fn take_batch(&mut self, batch: SymptomBatch) -> bool {
        let (task, pane, judged_through) = (batch.task, batch.pane, batch.judged_through);
        let verdict = self.ring.put_batch(batch);
        match verdict {
            BatchVerdict::News => {}
            BatchVerdict::Repeat => self.stats.repeats += 1,
            BatchVerdict::TooLate => {
                self.stats.late += 1;
                self.shed(ShedReason::LateSymptoms, 1);
            }
        }
        let before = self.judged;
        self.stamps.judged(task, judged_through);
        self.judged = self.stamps.judged_by_all(self.detect_tasks).max(before);
        if let Some(judged) = self.judged {
            self.now = self.now.max(self.config.width.end(judged));
        }
        let revised = verdict == BatchVerdict::News && before.is_some_and(|all| pane <= all);
        self.judged > before || revised
    }

    /// What must be derived again: all with the first alert of another pane; what is about its service, with
    /// an alert of one that has no open incident, when a look is due. Alerts of one pane that only join wait for
    /// each other.
    fn take_alert(&mut self, alert: Alert, arrival: Timestamp) -> Option<Scope> {
        let fact = AlertFact::new(alert, arrival, self.config.alert_lateness);
        let (at, alert) = (fact.at, Arc::clone(&fact.alert));
        let known = || {
            let bound = binding::bind(&alert, &self.config.bindings, &self.settled.map, |_| None);
            bound.known().cloned()
        };
        match self.ring.put_alert(fact, self.config.width, known) {
            AlertVerdict::News => {}
            AlertVerdict::Repeat => {
                self.stats.repeats += 1;
                return None;
            }
            AlertVerdict::Crowded => {
                self.losses.add(&alert.name, 1);
                self.shed(ShedReason::Limit, 1);
                return None;
            }
        }
        self.newest_arrival = self.newest_arrival.max(Some(arrival));
        self.now = self.now.max(arrival);
        if self.derived_pane.is_none_or(|pane| self.config.width.pane_of(self.now) > pane) {
            return Some(Scope::All);
        }
        let trace_at = |trace| self.settled.activity.service_of_trace(trace);
        let bound = binding::bind(&alert, &self.config.bindings, &self.settled.map, trace_at);
        let service = bound.node().filter(|_| alert.status == AlertStatus::Firing)?;
        if self.registry.is_open_for(service) {
            return None;
        }
        // What is covered opens nothing: a storm in a silence is looked at once a pane.
        let node = |name: &Name| self.settled.map.node(name);
        let in_force = self.standing.mutes.in_force((at, at), node);
        let is_covered = in_force.covers(&alert, Some(service), at).is_some();
        if is_covered { None } else { self.looks.ask(service, self.now).map(Scope::Services) }
    }

    /// True if the view must be derived again.
    fn take_command(&mut self, command: &Command, arrival: Timestamp) -> bool {
        match command {
            Command::LinkTicket { incident, ticket } => {
                let output = self.registry.link(*incident, ticket.clone(), self.now);
                self.outputs.extend(output);
                false
            }
            Command::Act(act) => self.take_act(act, arrival),
        }
    }

    fn shed(&mut self, reason: ShedReason, count: u64) {
        self.stats.shed += count;
        self.outputs.push_back(Output::Shed { reason, count });
    }
}
