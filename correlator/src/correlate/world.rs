//! The world: everything that the fold knows, and how one pane changes it.
//!
//! A world is cheap to clone (what is large is shared), so that the provisional view is the settled
//! world plus a fold of the unsettled panes. Deliberately absent: what was published, and when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::id::{CellId, Fingerprint, IncidentId};
use model::incident::JoinReason;
use model::name::Name;
use model::time::{Nanos, Pane, Timestamp};
use serde::{Deserialize, Serialize};

use super::activity::Activity;
use super::binding;
use super::case::Case;
use super::change_ledger::ChangeLedger;
use super::cluster::{self, Surroundings};
use super::config::CorrelateConfig;
use super::dedup::{AlertChange, Alerts};
use super::facts::{PaneFacts, PaneSummary};
use super::habits::Habits;
use super::incident::CaseState;
use super::lifecycle;
use super::limits::RECENT_PANES_MAX;
use super::map::Map;
use super::membership;
use super::past::Told;
use super::people::{self, Muted, Standing};
use super::releases::{self, Releases};
use super::signs::Signs;
use super::traffic::{Rush, Traffic};
use crate::losses::Losses;

/// How long changes are remembered: a day before any onset that still matters.
const LEDGER_KEEPS: Nanos = Nanos::from_secs(26 * 3600);
/// How long resolved alerts are remembered.
const ALERTS_KEEP: Nanos = Nanos::from_secs(2 * 3600);
/// Panes whose failing traces tie nodes together.
const REACH_PANES: usize = 12;
/// Changes this recent tie what they touched.
const CHANGED_TOGETHER: Nanos = Nanos::from_secs(3600);

/// Whether a pane is folded for good or only to see how things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// For good: the map learns from traces.
    Settled,
    /// To see. What traces teach the map waits until it is settled, so that no clone copies the map.
    Provisional,
}

/// What the fold needs to know and never changes.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    /// The cell.
    pub(super) cell: &'a CellId,
    /// Settings.
    pub(super) config: &'a CorrelateConfig,
    /// What people said that stands for all incidents.
    pub(super) standing: &'a Standing,
}

impl<'a> Rules<'a> {
    /// Gathers them.
    pub(super) fn new(
        cell: &'a CellId,
        config: &'a CorrelateConfig,
        standing: &'a Standing,
    ) -> Self {
        Self { cell, config, standing }
    }
}

/// Alerts that began to fire in a pane, with the first instant.
pub(super) type Fired = BTreeMap<Fingerprint, Timestamp>;

/// The state of the fold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct World {
    /// The map.
    pub(super) map: Arc<Map>,
    /// The changes.
    pub(super) ledger: Arc<ChangeLedger>,
    /// The alerts.
    pub(super) alerts: Alerts,
    /// What was said in words.
    pub(super) signs: Arc<Signs>,
    /// What is abnormal now.
    pub(super) activity: Activity,
    /// The last panes.
    pub(super) recent: VecDeque<(Pane, Arc<PaneSummary>)>,
    /// The cases by id.
    pub(super) cases: BTreeMap<IncidentId, Arc<Case>>,
    /// What those told that have ended.
    #[serde(default)]
    pub(super) told: Arc<Told>,
    traffic: Arc<Traffic>,
    /// How often the rules of alerts fire.
    pub(super) habits: Arc<Habits>,
    /// Which versions run.
    pub(super) releases: Arc<Releases>,
    /// Whether this is a provisional view from before the map had learned anything for good.
    infant: bool,
    /// What bounds took.
    pub(super) shed: u64,
    /// Whose alerts bounds took.
    #[serde(default)]
    pub(super) losses: Losses,
}

/// Telemetry that showed a fault so many panes ago still explains its alerts: monitors look back over
/// minutes, so they end that much later.
const LOUD_LATELY: i64 = 15;

impl World {
    /// An empty world.
    pub(super) fn new(config: &CorrelateConfig) -> Self {
        Self { map: Arc::new(Map::new(config.width)), ..Self::default() }
    }

    /// Folds one pane.
    pub(super) fn fold(
        &mut self,
        pane: Pane,
        facts: &mut PaneFacts,
        layer: Layer,
        rules: Rules<'_>,
    ) {
        let summary = facts.summary();
        let now = rules.config.width.end(pane);
        lifecycle::pass_time(self, rules.config.width.start(pane), rules);
        self.learn(facts, &summary, pane, layer, now);
        let summary = self.with_overdue(pane, summary, rules.config);
        let summary = self.without_work(pane, summary, rules);
        let fired = self.take_alerts(facts, rules.config);
        self.alerts.steady(now);
        let muted = self.muted(&fired, now, rules);
        let active_panes = rules.config.width.panes_in(rules.config.active_after);
        self.activity.update(pane, &summary.symptoms, active_panes);
        if !summary.signs.is_empty() || !self.signs.is_empty() {
            let signs = Arc::make_mut(&mut self.signs);
            self.shed += signs.note(pane, &summary.signs, &summary.dependencies, &self.map);
        }
        let rush = self.note_traffic(pane, &summary);
        for case in self.cases.values_mut().filter(|case| case.is_live()) {
            let case = Arc::make_mut(case);
            let members = case.services();
            let early = case
                .first_opened(rules.config.width)
                .is_none_or(|opened| pane.since(opened) <= rules.config.ranking.evidence_panes);
            case.absorb(pane, &summary, &members, early);
            case.absorb_traffic(&summary);
            if early {
                case.listen(pane, &summary);
            }
            if early {
                case.rush = case.rush.or(rush);
            }
        }
        self.recent.push_back((pane, summary));
        while self.recent.len() > RECENT_PANES_MAX {
            self.recent.pop_front();
        }
        let said = (&self.alerts, &*self.habits);
        let has_requests = !self.map.has_learned_nothing();
        // Where requests are seen, metrics only support what they say.
        let fresh = if has_requests {
            BTreeSet::new()
        } else {
            releases::fresh(&self.ledger, &self.map, now)
        };
        let heard = (&fired, &muted);
        let nodes = self.activity.nodes(now, said, heard, has_requests, &fresh, rules.config);
        if !nodes.is_empty() {
            self.cluster(pane, &nodes, rush, rules);
        }
        people::carry_out(self, pane, &facts.decrees, rules);
        self.list_muted(&muted);
        lifecycle::judge(self, pane, &nodes, rules);
        let mut explained = self.explained_alerts(pane);
        // What fires while people work on it is no habit.
        explained.extend(muted.keys().copied());
        let said = (&self.alerts, &explained);
        Arc::make_mut(&mut self.habits).note(pane, now, said, rules.config);
    }

    fn learn(
        &mut self,
        facts: &PaneFacts,
        summary: &PaneSummary,
        pane: Pane,
        layer: Layer,
        now: Timestamp,
    ) {
        for (at, doc) in &facts.documents {
            Arc::make_mut(&mut self.map).apply(doc, *at);
        }
        // At the very start the provisional view would know no dependency for two minutes: then, and
        // only then, the map is small enough to be copied.
        let learns = layer == Layer::Settled || self.map.has_learned_nothing() || self.infant;
        self.infant |= learns && layer == Layer::Provisional;
        if learns && !summary.dependencies.is_empty() {
            Arc::make_mut(&mut self.map).observe(pane, &summary.dependencies);
        }
        if !summary.first_seen.is_empty() {
            Arc::make_mut(&mut self.releases).note(&summary.first_seen);
        }
        if !facts.changes.is_empty() || !summary.changes.is_empty() {
            let ledger = Arc::make_mut(&mut self.ledger);
            for change in &facts.changes {
                ledger.record(change);
            }
            for change in &summary.changes {
                ledger.record(&Arc::new(change.clone()));
            }
            self.shed += ledger.forget(now - LEDGER_KEEPS);
        }
    }

    /// Adds what no detector can know: releases of which nothing is heard. A pane without any
    /// telemetry says nothing of them.
    fn with_overdue(
        &self,
        pane: Pane,
        summary: Arc<PaneSummary>,
        config: &CorrelateConfig,
    ) -> Arc<PaneSummary> {
        if !summary.has_telemetry {
            return summary;
        }
        let overdue = self.releases.overdue(&self.ledger, &self.map, pane, config.width);
        if overdue.is_empty() { summary } else { Arc::new(summary.with(overdue)) }
    }

    /// Leaves out what services show while people work on them: it is no evidence of anything.
    fn without_work(
        &self,
        pane: Pane,
        summary: Arc<PaneSummary>,
        rules: Rules<'_>,
    ) -> Arc<PaneSummary> {
        let width = rules.config.width;
        let inside = (width.start(pane), width.end(pane));
        let worked_on = rules.standing.mutes.worked_on(inside, |name| self.map.node(name));
        if worked_on.is_empty() || !summary.speaks_of(|service| worked_on.contains_key(service)) {
            return summary;
        }
        Arc::new(summary.without(|service| worked_on.contains_key(service)))
    }

    /// Which of the alerts that fire in a pane that ends `now` are muted.
    fn muted(&self, fired: &Fired, now: Timestamp, rules: Rules<'_>) -> Muted {
        let last = now - Nanos(1);
        let stale_after = rules.config.alert_stale_after;
        let node = |name: &Name| self.map.node(name);
        rules.standing.mutes.muted(&self.alerts, fired, last, stale_after, node)
    }

    /// Lists muted alerts in the told incident of their service, if there is one: they open nothing and
    /// hold nothing, but whoever looks at the incident must see them.
    fn list_muted(&mut self, muted: &Muted) {
        for fingerprint in muted.keys() {
            let Some(state) = self.alerts.get(*fingerprint) else { continue };
            let key = state.node();
            let holds = |case: &&mut Arc<Case>| {
                case.is_live() && case.is_told() && case.nodes.contains_key(&key)
            };
            let holder = self.cases.values_mut().find(holds);
            if let Some(case) = holder.filter(|case| !case.alerts.contains_key(fingerprint)) {
                let case = Arc::make_mut(case);
                if case.add_alert(*fingerprint, JoinReason::SameEntity) {
                    case.listed.insert(*fingerprint);
                }
            }
        }
    }

    fn take_alerts(&mut self, facts: &PaneFacts, config: &CorrelateConfig) -> Fired {
        let (map, activity) = (&self.map, &self.activity);
        let mut fired = Fired::new();
        for fact in &facts.alerts {
            let bind = || {
                let trace_at = |trace| activity.service_of_trace(trace);
                binding::bind(&fact.alert, &config.bindings, map, trace_at)
            };
            if self.alerts.apply(fact, bind) == AlertChange::Firing {
                fired.entry(fact.alert.fingerprint).or_insert(fact.at);
            }
        }
        if let Some(last) = facts.alerts.last() {
            self.shed += self.alerts.forget(last.at - ALERTS_KEEP, &mut self.losses);
        }
        fired
    }

    fn note_traffic(&mut self, pane: Pane, summary: &PaneSummary) -> Rush {
        if summary.entries.is_empty() {
            return Rush::default();
        }
        // What alerts alone say of is often there for weeks.
        let shown = |case: &Arc<Case>| case.state == CaseState::Open && !case.symptoms.is_empty();
        let troubled = self.cases.values().any(shown);
        Arc::make_mut(&mut self.traffic).note(pane, &summary.entries, troubled)
    }

    fn cluster(
        &mut self,
        pane: Pane,
        nodes: &[super::activity::ActiveNode],
        rush: Rush,
        rules: Rules<'_>,
    ) {
        let reach = self.recent_reach();
        let together = self.changed_together(rules.config.width.end(pane));
        let (map, alerts) = (Arc::clone(&self.map), self.alerts.clone());
        let around = Surroundings {
            map: &map,
            reach: &reach,
            alerts: &alerts,
            changed_together: &together,
            config: rules.config,
        };
        let components = cluster::components(nodes, &around);
        membership::assign(self, pane, nodes, &components, &around, rush, rules);
    }

    /// Alerts of open cases that telemetry itself still shows, or showed a moment ago.
    fn explained_alerts(&self, pane: Pane) -> BTreeSet<Fingerprint> {
        let shown = |case: &&Arc<Case>| {
            case.state == CaseState::Open
                && !case.rests_on_metrics()
                && pane.since(case.last_loud) <= LOUD_LATELY
        };
        let cases = self.cases.values().filter(shown);
        cases.flat_map(|case| case.alerts.keys().copied()).collect()
    }

    /// Failing traces of the last panes.
    fn recent_reach(&self) -> BTreeMap<(Name, Name), u64> {
        let mut reach: BTreeMap<(Name, Name), u64> = BTreeMap::new();
        for (_, summary) in self.recent.iter().rev().take(REACH_PANES) {
            for (key, traces) in &summary.reach {
                *reach.entry(key.clone()).or_default() += traces;
            }
        }
        reach
    }

    /// Services that one change of the last hour touched together.
    fn changed_together(&self, now: Timestamp) -> Vec<BTreeSet<Name>> {
        if self.ledger.is_empty() {
            return Vec::new();
        }
        let changes = self.ledger.between(now - CHANGED_TOGETHER, now);
        let groups = changes.iter().filter(|c| (2..=10).contains(&c.targets.len()));
        groups
            .map(|change| change.targets.iter().map(|name| self.map.node(name)).collect())
            .collect()
    }

    /// Takes out the cases that can no longer change: resolved for longer than they may be reopened.
    pub(super) fn take_ended(
        &mut self,
        now: Timestamp,
        config: &CorrelateConfig,
    ) -> Vec<Arc<Case>> {
        let ended = |case: &Arc<Case>| {
            case.resolved_at.is_some_and(|at| !case.is_live() && now - at > config.reopen_within)
        };
        let ids: Vec<IncidentId> =
            self.cases.iter().filter(|(_, case)| ended(case)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| self.cases.remove(id)).collect()
    }
}
