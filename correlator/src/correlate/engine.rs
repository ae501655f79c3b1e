//! The engine: takes each record of the journal to its room, and derives the provisional view when
//! something that matters has changed. Dispatch only.

use std::collections::{BTreeSet, VecDeque};

use model::alert::{Alert, AlertStatus};
use model::command::{Act, Command, Decision};
use model::id::{CellId, IncidentId};
use model::journal::{JournalEntry, JournalRecord};
use model::name::Name;
use model::symptom::SymptomBatch;
use model::time::{Pane, Timestamp};
use serde::{Deserialize, Serialize};
use topology::DriftReport;

use super::binding;
use super::config::CorrelateConfig;
use super::facts::{AlertFact, BatchVerdict, Ring};
use super::lifecycle;
use super::limits::RING_FACTS_MAX;
use super::output::{CorrelateStats, Output, ShedReason};
use super::people::{self, ActFault, ActsSeen, Cover, Decree, Standing};
use super::publish::{Around, Done, Registry, Told};
use super::stamps::Stamps;
use super::world::{Layer, Rules, World};

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
    stats: CorrelateStats,
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
            stats: CorrelateStats::default(),
        }
    }

    /// Folds one record of the journal.
    pub fn step(&mut self, entry: &JournalEntry) {
        self.stats.entries += 1;
        if !self.stamps.admit(entry.position.as_ref()) {
            self.stats.repeats += 1;
            return;
        }
        let pane = self.config.width.pane_of(entry.arrival);
        let news = match &entry.record {
            JournalRecord::Symptoms(batch) => self.take_batch(batch),
            JournalRecord::Alert(alert) => self.take_alert(alert, entry.arrival),
            JournalRecord::Change(change) => {
                self.ring.put_change(change.clone(), pane);
                false
            }
            JournalRecord::Topology(document) => {
                self.ring.put_document(document.clone(), entry.arrival, pane);
                false
            }
            JournalRecord::Command(command) => self.take_command(command, entry.arrival),
        };
        if news {
            self.settle();
            self.derive();
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
        self.tell(&world, true);
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
    fn take_batch(&mut self, batch: &SymptomBatch) -> bool {
        let verdict = self.ring.put_batch(batch.clone());
        match verdict {
            BatchVerdict::News => {}
            BatchVerdict::Repeat => self.stats.repeats += 1,
            BatchVerdict::TooLate => {
                self.stats.late += 1;
                self.shed(ShedReason::LateSymptoms, 1);
            }
        }
        let before = self.judged;
        self.stamps.judged(batch.task, batch.judged_through);
        self.judged = self.stamps.judged_by_all(self.detect_tasks).max(before);
        if let Some(judged) = self.judged {
            self.now = self.now.max(self.config.width.end(judged));
        }
        let revised = verdict == BatchVerdict::News && before.is_some_and(|all| batch.pane <= all);
        self.judged > before || revised
    }

    /// True if the view must be derived again: an alert of a service without an open incident, or the
    /// first alert of another pane. Alerts of one pane that only join wait for each other.
    fn take_alert(&mut self, alert: &Alert, arrival: Timestamp) -> bool {
        let fact = AlertFact::new(alert.clone(), arrival, self.config.alert_lateness);
        let at = fact.at;
        if !self.ring.put_alert(fact, self.config.width) {
            self.stats.repeats += 1;
            return false;
        }
        self.newest_arrival = self.newest_arrival.max(Some(arrival));
        self.now = self.now.max(arrival);
        if self.derived_pane.is_none_or(|pane| self.config.width.pane_of(self.now) > pane) {
            return true;
        }
        let trace_at = |trace| self.settled.activity.service_of_trace(trace);
        let bound = binding::bind(alert, &self.config.bindings, &self.settled.map, trace_at);
        let Some(service) = bound.node().filter(|_| alert.status == AlertStatus::Firing) else {
            return false;
        };
        // What is covered opens nothing: a storm in a silence is looked at once a pane.
        let node = |name: &Name| self.settled.map.node(name);
        let in_force = self.standing.mutes.in_force((at, at), node);
        let is_covered = in_force.covers(alert, Some(service), at).is_some();
        !is_covered && !self.registry.is_open_for(service)
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

    /// Carries out what a person decided, once. True if the view must be derived again.
    fn take_act(&mut self, act: &Act, arrival: Timestamp) -> bool {
        if self.acts.knows(&act.id) {
            self.stats.repeats += 1;
            return false;
        }
        let done = people::check(act).and_then(|()| match act.decision.incident() {
            Some(incident) => self.about_one(act, incident, arrival),
            None => self.about_all(act, arrival),
        });
        match done {
            Ok(news) => {
                self.acts.note(act.id.clone());
                self.stats.acts += 1;
                news
            }
            Err(fault) => {
                self.stats.acts_unknown += 1;
                self.outputs.push_back(Output::Refused { act: act.id.clone(), why: fault.told() });
                false
            }
        }
    }

    fn about_one(
        &mut self,
        act: &Act,
        incident: IncidentId,
        arrival: Timestamp,
    ) -> Result<bool, ActFault> {
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let now = self.now.max(arrival);
        let around = Around { world: &self.settled, rules, now };
        let Done { outputs, bond, judged } = self.registry.act(act, incident, around)?;
        self.outputs.extend(outputs);
        if let Some((id, cause, is_cause)) = judged
            && let Some(incident) = self.registry.newest(id)
        {
            let said = (act.id.clone(), arrival);
            self.standing.opinions.note(incident, &cause, is_cause, said);
        }
        let Some(bond) = bond else { return Ok(false) };
        // Not after what is known: time passes for cases by what is told of them.
        let pane = self.config.width.pane_of(arrival.min(self.now));
        self.ring.put_decree(Decree { at: arrival, act: act.id.clone(), bond }, pane);
        Ok(true)
    }

    fn about_all(&mut self, act: &Act, arrival: Timestamp) -> Result<bool, ActFault> {
        let id = act.id.clone();
        let mutes = &mut self.standing.mutes;
        // Panes that wait may be of the time of a mute that is over: they are folded again, and it counts there.
        if self.ring.len() == 0 {
            mutes.forget(self.now.min(arrival));
        }
        match &act.decision {
            Decision::Silence { matchers, starts_at, ends_at } => {
                mutes.silence(id, matchers.clone(), (*starts_at, *ends_at), arrival)?;
            }
            Decision::Maintenance { services, starts_at, ends_at } => {
                mutes.maintain(id, services.clone(), (*starts_at, *ends_at), arrival)?;
            }
            Decision::Inhibit { source, target, equal } => {
                mutes.inhibit(id, (source.clone(), target.clone()), equal.clone(), arrival)?;
            }
            Decision::Expire { target } | Decision::Uninhibit { target } => {
                mutes.end(target, arrival)?;
            }
            _ => return Ok(false),
        }
        self.newest_act = self.newest_act.max(Some(arrival));
        Ok(true)
    }

    /// Folds for good what can no longer change.
    fn settle(&mut self) {
        let width = self.config.width;
        let without = self.newest_arrival.map(|at| at - self.config.settle_without_telemetry_after);
        let judged = self.judged.map(|pane| width.end(pane));
        let frontier = if self.stamps.any_judged() { judged } else { without };
        if let Some(frontier) = frontier {
            let through = width.pane_of(frontier - self.config.settle_after).plus(-1);
            self.settle_through(through);
        }
        let mut early = 0;
        while self.ring.len() > RING_FACTS_MAX {
            let Some((oldest, _)) = self.ring.bounds() else { break };
            self.settle_through(oldest);
            early += 1;
        }
        if early > 0 {
            self.shed(ShedReason::Limit, early);
        }
    }

    fn settle_through(&mut self, through: Pane) {
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        while let Some((pane, mut facts)) = self.ring.take_settled(through) {
            self.settled.fold(pane, &mut facts, Layer::Settled, rules);
        }
        self.ring.settle(through);
        self.standing.mutes.forget(self.config.width.end(through));
        let shed = std::mem::take(&mut self.settled.shed);
        if shed > 0 {
            self.shed(ShedReason::Limit, shed);
        }
        self.close_ended();
    }

    /// Tells the last word on cases that may no longer be reopened, and lets them go.
    fn close_ended(&mut self) {
        let Some((through, _)) = self.settled.recent.back() else { return };
        let end = self.config.width.end(*through);
        let ended = self.settled.take_ended(end, &self.config);
        if ended.is_empty() {
            return;
        }
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let cover = Cover::of(&self.settled, self.covered_at(), rules);
        for case in ended {
            if let Some(told) = Told::of(&self.settled, &case, &cover, rules) {
                let around = Around { world: &self.settled, rules, now: self.now };
                self.outputs.extend(self.registry.close(told.settled(true), around));
            }
        }
    }

    /// When mutes are asked: one that has just arrived counts at once, even if telemetry is behind.
    fn covered_at(&self) -> Timestamp {
        self.newest_act.map_or(self.now, |act| self.now.max(act))
    }

    /// Derives the provisional view: the settled world and a fold of what is unsettled.
    fn derive(&mut self) {
        self.stats.derivations += 1;
        self.derived_pane = Some(self.config.width.pane_of(self.now));
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let mut world = self.settled.clone();
        for (pane, facts) in self.ring.iter_mut() {
            world.fold(pane, facts, Layer::Provisional, rules);
        }
        lifecycle::pass_time(&mut world, self.now, rules);
        self.tell(&world, false);
    }

    fn tell(&mut self, world: &World, last: bool) {
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let cover = Cover::of(world, self.covered_at(), rules);
        self.stats.alerts_muted = cover.muted.len() as u64;
        let mut told = Vec::new();
        for case in world.cases.values().filter(|case| case.is_told()) {
            let same = self.settled.cases.get(&case.id).is_some_and(|known| known == case);
            let settled = last || (same && !case.is_live());
            told.extend(Told::of(world, case, &cover, rules).map(|one| one.settled(settled)));
        }
        let around = Around { world, rules, now: self.now };
        self.outputs.extend(self.registry.update(told, around));
    }

    fn shed(&mut self, reason: ShedReason, count: u64) {
        self.stats.shed += count;
        self.outputs.push_back(Output::Shed { reason, count });
    }
}
