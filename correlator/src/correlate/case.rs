//! A case: what belongs to one incident.
//!
//! Added up by `sums`, read by `carriers`, joined and cut by `parts`. Deliberately absent: causes and
//! reach ([`super::ranking`], [`super::blast_radius`]), and what was published ([`super::publish`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::id::{Fingerprint, IncidentId};
use model::incident::{IncidentAlert, JoinReason};
use model::name::Name;
use model::time::{Pane, PaneWidth, Timestamp};
use serde::{Deserialize, Serialize};

use super::activity::{NodeKey, SymptomKey};
use super::incident::CaseState;
use super::limits::CASE_ALERTS_MAX;
use super::ranking::Analysis;
use super::sums::{EntrySum, SymptomSum, VersionSum, Voiced};
use super::traffic::Rush;

/// A member and how it came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    /// Since when it is abnormal.
    pub(super) onset: Pane,
    /// Whether telemetry measured that.
    pub(super) measured: bool,
    /// Why it is a member.
    pub(super) reason: JoinReason,
}

/// What a closed case showed at its end: later facts do not change it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Frozen {
    /// Causes and reach.
    pub(super) analysis: Analysis,
    /// Its alerts.
    pub(super) alerts: Vec<IncidentAlert>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    /// Its id: hash of cell, first entity and onset pane at birth.
    pub(super) id: IncidentId,
    /// Where it is in its life.
    pub(super) state: CaseState,
    /// The pane in which it was born.
    pub(super) born: Pane,
    /// When its first member became abnormal.
    pub(super) first_onset: Pane,
    /// Members.
    pub(super) nodes: BTreeMap<NodeKey, Member>,
    /// Symptoms.
    pub(super) symptoms: BTreeMap<SymptomKey, SymptomSum>,
    /// Alerts.
    pub(super) alerts: BTreeMap<Fingerprint, JoinReason>,
    /// Those of them that were muted whenever they fired here: they are listed, and decide nothing.
    #[serde(default)]
    pub(super) listed: BTreeSet<Fingerprint>,
    /// Failing traces by (origin, reached).
    pub(super) reach: BTreeMap<(Name, Name), u64>,
    /// Entries by (service, operation).
    pub(super) entries: BTreeMap<(Name, Name), EntrySum>,
    /// Versions by (service, version).
    pub(super) versions: BTreeMap<(Name, Name), VersionSum>,
    /// What was said that is grave or new, by (service, text).
    #[serde(default)]
    pub(super) voices: BTreeMap<(Name, Name), Voiced>,
    /// Traffic at the entries beyond the usual, while its first panes lasted.
    #[serde(default)]
    pub(super) rush: Rush,
    /// Panes with evidence enough to open, minus those without.
    pub(super) hot_panes: u32,
    /// Panes with telemetry since its causes were last abnormal.
    pub(super) quiet_panes: i64,
    /// The last pane in which its causes were abnormal.
    pub(super) last_loud: Pane,
    /// The last pane with any news of it.
    pub(super) last_news: Pane,
    /// Panes in a row in which it looked like two.
    pub(super) two_roots: u32,
    /// States with their instants.
    pub(super) history: Vec<(Timestamp, CaseState)>,
    /// When its causes became quiet.
    pub(super) resolved_at: Option<Timestamp>,
    /// How often it came back.
    pub(super) reopened: u32,
    /// Cases that became part of it.
    pub(super) merged_from: Vec<IncidentId>,
    /// The case it was split from.
    pub(super) split_from: Option<IncidentId>,
    /// A person said that it is one: it is not split by itself.
    #[serde(default)]
    pub(super) is_whole: bool,
    /// What a person parted from it; it does not take that in again.
    #[serde(default)]
    pub(super) apart: BTreeSet<NodeKey>,
    /// The case that all of its nodes went to: it lives on there once somebody is called for that.
    #[serde(default)]
    pub(super) heir: Option<IncidentId>,
    /// What it showed at its end.
    pub(super) frozen: Option<Arc<Frozen>>,
    /// What was not kept for a bound.
    pub(super) shed: u64,
}

impl Case {
    /// A case without members.
    pub(super) fn new(id: IncidentId, pane: Pane, first_onset: Pane) -> Self {
        Self {
            id,
            state: CaseState::Forming,
            born: pane,
            first_onset,
            nodes: BTreeMap::new(),
            symptoms: BTreeMap::new(),
            alerts: BTreeMap::new(),
            listed: BTreeSet::new(),
            reach: BTreeMap::new(),
            entries: BTreeMap::new(),
            versions: BTreeMap::new(),
            voices: BTreeMap::new(),
            rush: Rush::default(),
            hot_panes: 0,
            quiet_panes: 0,
            last_loud: pane,
            last_news: pane,
            two_roots: 0,
            history: Vec::new(),
            resolved_at: None,
            reopened: 0,
            merged_from: Vec::new(),
            split_from: None,
            is_whole: false,
            apart: BTreeSet::new(),
            heir: None,
            frozen: None,
            shed: 0,
        }
    }

    /// Whether new members may join.
    pub(super) fn is_live(&self) -> bool {
        self.state != CaseState::Resolved
    }

    /// Whether it has been told.
    pub(super) fn is_told(&self) -> bool {
        self.state != CaseState::Forming
    }

    /// Whether somebody is called for it, or was before it was over.
    pub(super) fn calls(&self) -> bool {
        match self.state {
            CaseState::Open => true,
            CaseState::Forming | CaseState::Suspected => false,
            CaseState::Resolved => self.history.iter().any(|(_, state)| *state == CaseState::Open),
        }
    }

    /// Its services.
    pub(super) fn services(&self) -> BTreeSet<Name> {
        self.nodes.keys().filter_map(|key| key.service().cloned()).collect()
    }

    /// Makes an alert a member; counted where the bound forbids it.
    pub(super) fn add_alert(&mut self, fingerprint: Fingerprint, reason: JoinReason) -> bool {
        if self.alerts.contains_key(&fingerprint) {
            return false;
        }
        if self.alerts.len() >= CASE_ALERTS_MAX {
            self.shed += 1;
            return false;
        }
        self.alerts.insert(fingerprint, reason);
        true
    }

    /// The alerts that decide: all but those that are only listed.
    pub(super) fn heard(&self) -> impl Iterator<Item = &Fingerprint> {
        self.alerts.keys().filter(|fingerprint| !self.listed.contains(fingerprint))
    }

    /// Lets an alert go that became a member of another case.
    pub(super) fn let_go(&mut self, fingerprint: &Fingerprint) {
        self.alerts.remove(fingerprint);
        self.listed.remove(fingerprint);
    }

    /// The pane in which it first was worth a person's attention.
    pub(super) fn first_opened(&self, width: PaneWidth) -> Option<Pane> {
        let opened = self.history.iter().rev().find(|(_, state)| *state == CaseState::Open);
        opened.map(|(at, _)| width.pane_of(*at))
    }
}
