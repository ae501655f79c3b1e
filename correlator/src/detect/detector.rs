//! The detector of one share of the services.
//!
//! A pane is judged when every observe task has closed it, and again whenever its counts change
//! until it settles. Baselines and sequential sums move on only with settled panes, in their
//! order; what is said of unsettled panes is derived from them each time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::name::Name;
use model::nats::Nats;
use model::symptom::{SymptomBatch, SymptomKind};
use model::time::{Pane, Timestamp};
use serde::{Deserialize, Serialize};

use super::bounded::bounded;
use super::judge::{Baselines, has_trials, judge};
use super::limits::{BORDER_PANES, CALLEES_MAX, DetectConfig, RING_MAX};
use super::quarantine::{Held, Learning, Lesson, learn};
use super::ring::Slot;
use super::sequential::{Runs, step};
use super::telling;
use super::versions::{Versions, changes};
use crate::losses::Losses;
use crate::observe::{PaneCounts, PaneRecord, SeriesKey, ServiceCounts};

/// What a detector did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectorStats {
    /// Pane records taken.
    pub records: u64,
    /// Records of settled panes or of another share: dropped.
    pub rejected: u64,
    /// Symptom batches written.
    pub batches: u64,
    /// Batches that revised an earlier one.
    pub revisions: u64,
    /// Panes settled.
    pub settled: u64,
    /// Panes given up because an observe task did not close them in time.
    pub overrun: u64,
    /// Panes of one service that were held back from its baseline.
    pub held: u64,
    /// Times that held counts were learned after all.
    pub released: u64,
    /// Times that held counts were dropped.
    pub forgotten: u64,
    /// Services, hosts and virtual nodes with a baseline.
    pub baselines: u64,
    /// Keys with a run of evidence.
    pub runs: u64,
}

/// How far one observe task, or all of them, have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    closed: Pane,
    settled: Pane,
}

/// Sums, judges and learns the panes of one share of the services. Deterministic: the last
/// revision of every batch is a function of the last revisions of the pane records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detector {
    share: u32,
    observe_tasks: u32,
    config: DetectConfig,
    progress: BTreeMap<u32, Progress>,
    ring: BTreeMap<Pane, Slot>,
    baselines: Baselines,
    held: BTreeMap<Name, Held>,
    runs: Runs,
    versions: Versions,
    /// The newest learned pane with traces.
    last_traced: Option<Pane>,
    settled_through: Option<Pane>,
    told: Option<Progress>,
    last: Option<SymptomBatch>,
    is_stale: bool,
    ready: VecDeque<SymptomBatch>,
    stats: DetectorStats,
    /// How many names have a baseline that only a caller speaks of, by that caller.
    #[serde(default)]
    callees: BTreeMap<Name, u32>,
    /// Whose series, log templates and callees bounds took.
    #[serde(default)]
    losses: Losses,
}

impl Detector {
    /// A detector for one share, fed by so many observe tasks.
    #[must_use]
    pub fn new(share: u32, observe_tasks: u32, config: DetectConfig) -> Self {
        Self {
            share,
            observe_tasks: observe_tasks.max(1),
            config,
            progress: BTreeMap::new(),
            ring: BTreeMap::new(),
            baselines: Baselines::new(),
            held: BTreeMap::new(),
            runs: Runs::new(),
            versions: Versions::new(),
            last_traced: None,
            settled_through: None,
            told: None,
            last: None,
            is_stale: false,
            ready: VecDeque::new(),
            stats: DetectorStats::default(),
            callees: BTreeMap::new(),
            losses: Losses::default(),
        }
    }

    /// Takes a pane record. Records of one task must come in the order in which it wrote them.
    pub fn handle_counts(&mut self, record: PaneRecord) {
        if record.share != self.share || record.task >= self.observe_tasks {
            self.stats.rejected += 1;
            return;
        }
        self.stats.records += 1;
        let progress = self
            .progress
            .entry(record.task)
            .or_insert(Progress { closed: record.closed_through, settled: record.settled_through });
        let moves = record.closed_through > progress.closed;
        progress.closed = progress.closed.max(record.closed_through);
        progress.settled = progress.settled.max(record.settled_through);
        if self.settled_through.is_some_and(|settled| record.pane <= settled) {
            self.stats.rejected += 1;
        } else {
            self.take(record);
        }
        self.is_stale = true;
        if moves {
            self.derive();
        }
    }

    /// The next symptom batch, in the order in which they must be handed on.
    pub fn poll_batch(&mut self) -> Option<SymptomBatch> {
        if self.ready.is_empty() {
            self.derive();
        }
        self.ready.pop_front()
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> DetectorStats {
        DetectorStats {
            baselines: self.baselines.len() as u64,
            runs: self.runs.len() as u64,
            ..self.stats
        }
    }

    /// What bounds took of settled panes (metric series, log templates, names that are called), and whose they were.
    #[must_use]
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }

    /// A changed pane makes the evidence of all later ones stale: rates look back.
    fn take(&mut self, record: PaneRecord) {
        let pane = record.pane;
        if self.ring.entry(pane).or_default().take(record) {
            for (_, slot) in self.ring.range_mut(pane..) {
                slot.evidence = None;
            }
        }
        while self.ring.len() > RING_MAX {
            self.ring.pop_first();
            self.stats.overrun += 1;
        }
    }

    /// What all observe tasks have done; `None` until each has been heard of.
    fn common(&self) -> Option<Progress> {
        if self.progress.len() < self.observe_tasks as usize {
            return None;
        }
        let closed = self.progress.values().map(|progress| progress.closed).min()?;
        let settled = self.progress.values().map(|progress| progress.settled).min()?;
        Some(Progress { closed, settled: settled.min(closed) })
    }

    /// Settles what can be settled, and says anew what changed of the rest.
    fn derive(&mut self) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        let Some(common) = self.common() else { return };
        for pane in self.unsettled_through(common.settled) {
            self.settle(pane, common);
        }
        self.settled_through = self.settled_through.max(Some(common.settled));
        let mut runs = self.runs.clone();
        let mut recent = Versions::new();
        for pane in self.unsettled_through(common.closed) {
            let Some(batch) = self.tell(pane, &mut runs, &mut recent) else { continue };
            self.say(batch, common);
        }
        self.announce(common);
    }

    fn unsettled_through(&self, through: Pane) -> Vec<Pane> {
        let slots = self.ring.range(..=through);
        slots.filter(|(_, slot)| !slot.is_settled).map(|(&pane, _)| pane).collect()
    }

    /// Judges a pane for good, and learns the pane that has waited long enough.
    fn settle(&mut self, pane: Pane, common: Progress) {
        self.learn_before(pane.plus(-self.config.learning_delay));
        if let Some(slot) = self.ring.get_mut(&pane) {
            slot.evidence = None;
        }
        let mut runs = std::mem::take(&mut self.runs);
        let mut recent = Versions::new();
        let batch = self.tell(pane, &mut runs, &mut recent);
        self.runs = runs;
        for (service, versions) in recent {
            self.versions.entry(service).or_default().extend(versions);
        }
        if let Some(batch) = batch {
            self.say(batch, common);
        }
        if let Some(slot) = self.ring.get_mut(&pane) {
            slot.settle();
        }
        self.stats.settled += 1;
    }

    /// All that is to be said of a pane, given the runs and versions before it.
    fn tell(&mut self, pane: Pane, runs: &mut Runs, recent: &mut Versions) -> Option<SymptomBatch> {
        self.judge(pane);
        let slot = self.ring.get(&pane)?;
        let counts = slot.counts()?;
        let mut batch = SymptomBatch { task: self.share, pane, ..SymptomBatch::default() };
        if counts.is_empty() {
            // Nothing was heard of anyone: no sign of quiet, and none of trouble.
            return Some(batch);
        }
        let evidence = slot.evidence.as_deref().unwrap_or(&[]);
        let speaks = |key: &super::evidence::Key| has_trials(counts, key);
        let symptoms = step(runs, pane, evidence, self.config.tell, speaks);
        let at: Timestamp = self.config.width.start(pane);
        batch.has_telemetry = true;
        (batch.entries, batch.reach) = telling::entries(counts, &self.baselines);
        batch.versions = telling::versions(counts, &self.baselines, &symptoms);
        batch.dependencies = telling::dependencies(counts);
        let shown = changes(counts, at, &self.versions, recent);
        (batch.changes, batch.first_seen) = (shown.changes, shown.first_seen);
        batch.voices = telling::voices(counts, &self.baselines);
        batch.symptoms = symptoms;
        Some(batch)
    }

    /// Draws the sum and the evidence of a pane unless they are there.
    fn judge(&mut self, pane: Pane) {
        let Some(mut slot) = self.ring.remove(&pane) else { return };
        slot.add_up();
        if slot.evidence.is_none() {
            let before = |name: &Name, key: &SeriesKey| self.last_point(pane, name, key);
            let is_border = self.is_border(pane);
            slot.evidence =
                slot.counts().map(|counts| judge(counts, &self.baselines, &before, is_border));
        }
        self.ring.insert(pane, slot);
    }

    /// Whether the telemetry has just begun, or begun again: no trace ended for a while before a pane.
    fn is_border(&self, pane: Pane) -> bool {
        let from = pane.plus(-BORDER_PANES);
        let traced = |slot: &Slot| slot.counts().is_some_and(|counts| !counts.activity.is_empty());
        self.last_traced.is_none_or(|last| last < from)
            && !self.ring.range(from..pane).any(|(_, slot)| traced(slot))
    }

    /// The last point of a series before a pane: of the ring, else of the baseline.
    fn last_point(&self, pane: Pane, name: &Name, key: &SeriesKey) -> Option<(Timestamp, u64)> {
        let point = |counts: &PaneCounts| {
            counts.services.get(name.as_str())?.series.get(key).map(|series| series.last)
        };
        let in_ring = self.ring.range(..pane).rev();
        in_ring
            .filter_map(|(_, slot)| slot.counts())
            .find_map(point)
            .or_else(|| self.baselines.get(name.as_str())?.series(key)?.last())
    }

    /// Learns the settled panes through `through`, in order, and lets go of them.
    fn learn_before(&mut self, through: Pane) {
        while let Some(entry) = self.ring.first_entry() {
            if *entry.key() > through || !entry.get().is_settled {
                break;
            }
            let (pane, slot) = entry.remove_entry();
            if let Some(counts) = slot.counts().filter(|counts| !counts.is_empty()) {
                if counts.activity.is_empty() {
                    self.learn_pane(counts);
                } else if self.is_border(pane) {
                    self.learn_pane(&without_paths(counts));
                    self.last_traced = Some(pane);
                } else {
                    self.learn_pane(counts);
                    self.last_traced = Some(pane);
                }
            }
        }
    }

    fn learn_pane(&mut self, pane: &PaneCounts) {
        let levels = levels(&self.runs);
        let absent = Default::default();
        let silent: Vec<Name> = self
            .baselines
            .keys()
            .filter(|name| !pane.services.contains_key(name.as_str()))
            .cloned()
            .collect();
        let present = pane.services.iter().map(|(name, counts)| (name.clone(), counts));
        let mut accepted: BTreeSet<Name> = BTreeSet::new();
        // A known service that is not in the pane took no calls: that is a fact of its callers.
        for (name, counts) in present.chain(silent.into_iter().map(|name| (name, &absent))) {
            if !self.has_room(&name, counts) {
                continue;
            }
            let baseline = self.baselines.entry(name.clone()).or_default();
            let said = counts.templates.len();
            let counts = bounded(counts, Some(baseline));
            let lost =
                (said - counts.templates.len()) as u64 + baseline.series_without_room(&counts);
            if lost > 0 {
                self.losses.add(&name, lost);
            }
            let level = levels.get(&name).copied().unwrap_or_default();
            let lesson = Lesson { counts: &counts, activity: &pane.activity, level };
            match learn(baseline, &mut self.held, &name, &lesson, &self.config) {
                Learning::Learned => {}
                Learning::Held => self.stats.held += 1,
                Learning::Dismissed => self.stats.released += 1,
                Learning::Dropped => self.stats.forgotten += 1,
                Learning::Accepted => {
                    self.stats.released += 1;
                    accepted.insert(name);
                }
            }
        }
        if !accepted.is_empty() {
            self.runs.retain(|key, _| !accepted.contains(&key.entity.service));
        }
    }

    /// Whether an owner has a baseline or may have one: whoever speaks for itself may, what only callers name as long as
    /// the first of them has not named too many.
    fn has_room(&mut self, name: &Name, counts: &ServiceCounts) -> bool {
        let speaks = !counts.operations.is_empty()
            || !counts.series.is_empty()
            || !counts.templates.is_empty();
        if speaks || self.baselines.contains_key(name.as_str()) {
            return true;
        }
        let Some(caller) = counts.callers.keys().next() else { return true };
        let brought = self.callees.entry(caller.clone()).or_default();
        if *brought >= CALLEES_MAX {
            self.losses.add(caller, 1);
            return false;
        }
        *brought += 1;
        true
    }

    /// Says a batch if it is the first of its pane or says something new.
    fn say(&mut self, mut batch: SymptomBatch, common: Progress) {
        let Some(slot) = self.ring.get_mut(&batch.pane) else { return };
        if let Some(said) = &slot.said {
            batch.revision = said.revision;
            batch.judged_through = said.judged_through;
            batch.settled_through = said.settled_through;
            if batch == *said {
                return;
            }
            batch.revision += 1;
        }
        batch.judged_through = common.closed;
        batch.settled_through = common.settled;
        slot.said = Some(batch.clone());
        self.emit(batch);
    }

    /// Says how far time has come if no batch has said it yet.
    fn announce(&mut self, common: Progress) {
        if self.told == Some(common) {
            return;
        }
        let Some(mut batch) = self.last.clone() else { return };
        batch.revision += 1;
        batch.judged_through = common.closed;
        batch.settled_through = common.settled;
        if let Some(slot) = self.ring.get_mut(&batch.pane) {
            slot.said = Some(batch.clone());
        }
        self.emit(batch);
    }

    fn emit(&mut self, batch: SymptomBatch) {
        self.stats.batches += 1;
        self.stats.revisions += u64::from(batch.revision > 0);
        self.told = Some(Progress { closed: batch.judged_through, settled: batch.settled_through });
        if self.last.as_ref().is_none_or(|last| last.pane <= batch.pane) {
            self.last = Some(batch.clone());
        }
        self.ready.push_back(batch);
    }
}

/// The counts of a pane without what they say of log paths.
fn without_paths(counts: &PaneCounts) -> PaneCounts {
    let mut counts = counts.clone();
    let operations = counts.services.values_mut().flat_map(|one| one.operations.values_mut());
    for operation in operations {
        operation.paths = 0;
        operation.bigrams.clear();
    }
    counts
}

/// The highest run of each service. Metric series have a quarantine of their own, so a drifting
/// gauge does not freeze what is known of calls; complaints speak of somebody else, and what the
/// platform says is no count.
fn levels(runs: &Runs) -> BTreeMap<Name, Nats> {
    let mut levels: BTreeMap<Name, Nats> = BTreeMap::new();
    for (key, run) in runs.iter().filter(|(key, _)| holds_back(key.kind)) {
        // Calls that a caller omits are judged with the callee, and by the callee's baseline.
        let is_omission = key.kind == SymptomKind::Silence && !key.detail.is_empty();
        let owner = if is_omission { &key.detail } else { &key.entity.service };
        let level = levels.entry(owner.clone()).or_default();
        *level = (*level).max(run.level);
    }
    levels
}

fn holds_back(kind: SymptomKind) -> bool {
    !matches!(kind, SymptomKind::Metric | SymptomKind::Complaint | SymptomKind::Platform)
}

impl Detector {
    /// The baseline of an owner, for tests of what was learned.
    #[cfg(test)]
    pub(crate) fn baseline(&self, name: &str) -> Option<&super::baseline::ServiceBaseline> {
        self.baselines.get(name)
    }
}
