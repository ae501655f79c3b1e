//! The view: the newest revision of every incident and a bounded history, fed from the topic
//! `faultline.incidents` and read by HTTP.
//!
//! Monotone: a revision that is not newer than the one held changes nothing, so repeats and a
//! second reader are harmless. What is deliberately absent: any order of the feed beyond that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState};
use model::time::Timestamp;
use tokio::sync::broadcast;

use super::known::Known;
use super::summary::{IncidentSummary, STATES};
use crate::control::standing::Found;

/// How many revisions a slow listener may be behind before it is told to read the list again.
const STREAM_BACKLOG: usize = 256;

/// The bounds of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewLimits {
    /// Incidents held; beyond it the ones that ended longest ago leave.
    pub incidents: usize,
    /// Revisions held of one incident, the newest among them.
    pub revisions: usize,
    /// Bytes of older revisions held of one incident.
    pub history_bytes: usize,
}

impl Default for ViewLimits {
    fn default() -> Self {
        Self { incidents: 2_000, revisions: 100, history_bytes: 8 << 20 }
    }
}

/// One revision, serialized once.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// The row.
    pub summary: IncidentSummary,
    /// The whole incident as JSON.
    pub json: Arc<str>,
}

/// What became of a revision that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is the newest now.
    Newer,
    /// The view has this revision or a later one.
    Stale,
    /// It could not be serialized; nothing changed.
    Rejected,
}

/// Which incidents to list. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these states; empty means any.
    pub states: Vec<IncidentState>,
    /// This service is among the incident's.
    pub service: Option<String>,
    /// Updated at or after.
    pub since: Option<Timestamp>,
}

impl Filter {
    fn accepts(&self, summary: &IncidentSummary) -> bool {
        (self.states.is_empty() || self.states.contains(&summary.state))
            && self.since.is_none_or(|since| summary.updated_at >= since)
            && self.service.as_ref().is_none_or(|wanted| {
                summary.services.iter().any(|service| service.as_str() == wanted)
            })
    }
}

/// Oldest first; the last one is the newest revision. Never empty.
type History = VecDeque<Arc<Revision>>;

#[derive(Debug)]
struct Inner {
    incidents: BTreeMap<IncidentId, History>,
    known: Known,
    stream: Option<broadcast::Sender<Arc<Revision>>>,
}

/// The view. Shared by reference; every method takes a short lock.
#[derive(Debug)]
pub struct IncidentView {
    limits: ViewLimits,
    now_ns: AtomicI64,
    evicted: AtomicU64,
    is_whole: AtomicBool,
    inner: RwLock<Inner>,
}

impl Default for IncidentView {
    fn default() -> Self {
        Self::new(ViewLimits::default())
    }
}

impl IncidentView {
    /// An empty view.
    #[must_use]
    pub fn new(limits: ViewLimits) -> Self {
        let (sender, _) = broadcast::channel(STREAM_BACKLOG);
        Self {
            limits,
            now_ns: AtomicI64::new(0),
            evicted: AtomicU64::new(0),
            is_whole: AtomicBool::new(false),
            inner: RwLock::new(Inner {
                incidents: BTreeMap::new(),
                known: Known::default(),
                stream: Some(sender),
            }),
        }
    }

    /// Takes a revision in, and tells the listeners if it is news.
    pub fn apply(&self, incident: &Incident) -> Applied {
        let Ok(json) = serde_json::to_string(incident) else { return Applied::Rejected };
        self.observe_time(incident.updated_at);
        let revision =
            Arc::new(Revision { summary: IncidentSummary::from(incident), json: json.into() });
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        let history = inner.incidents.entry(incident.id).or_default();
        if history.back().is_some_and(|held| held.summary.revision >= incident.revision) {
            return Applied::Stale;
        }
        inner.known.note(incident);
        history.push_back(Arc::clone(&revision));
        trim(history, self.limits);
        if inner.incidents.len() > self.limits.incidents.max(1) {
            evict(&mut inner.incidents, incident.id);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(stream) = &inner.stream {
            // An error only says that nobody listens.
            drop(stream.send(revision));
        }
        Applied::Newer
    }

    /// The incident whose record at a sink has this id.
    #[must_use]
    pub fn with_ticket(&self, sink: &str, id: &str) -> Option<IncidentId> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.known.with_ticket(sink, id)
    }

    /// The cell of an incident, also of one that had to leave the list.
    #[must_use]
    pub fn cell_of(&self, id: IncidentId) -> Option<CellId> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.known.cell_of(id).cloned()
    }

    /// All that the topic had was read once.
    pub fn caught_up(&self) {
        self.is_whole.store(true, Ordering::Release);
    }

    /// Whether an incident that is not here is none: before the topic was read once nobody knows.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Acquire)
    }

    /// Moves the newest known event time forward; ages are counted against it.
    pub fn observe_time(&self, at: Timestamp) {
        self.now_ns.fetch_max(at.0, Ordering::Relaxed);
    }

    /// The newest event time seen; `None` before the first.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        Some(Timestamp(self.now_ns.load(Ordering::Relaxed))).filter(|now| *now > Timestamp::EPOCH)
    }

    /// How many incidents had to leave because of the bound.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// The incidents that a filter accepts, newest first: how many, and the first `limit` of them.
    #[must_use]
    pub fn list(&self, filter: &Filter, limit: usize) -> (usize, Vec<Arc<Revision>>) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Arc<Revision>> = inner
            .incidents
            .values()
            .filter_map(|history| history.back())
            .filter(|revision| filter.accepts(&revision.summary))
            .map(Arc::clone)
            .collect();
        drop(inner);
        let count = found.len();
        found.sort_by_key(|revision| {
            (std::cmp::Reverse(revision.summary.opened_at), revision.summary.id)
        });
        found.truncate(limit);
        (count, found)
    }

    /// How many incidents are in each state.
    #[must_use]
    pub fn counts(&self) -> [(IncidentState, u64); STATES.len()] {
        let mut counts = STATES.map(|state| (state, 0));
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        for newest in inner.incidents.values().filter_map(|history| history.back()) {
            for (state, count) in &mut counts {
                *count += u64::from(*state == newest.summary.state);
            }
        }
        counts
    }

    /// The newest revision of an incident.
    #[must_use]
    pub fn newest(&self, id: IncidentId) -> Option<Arc<Revision>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.incidents.get(&id).and_then(|history| history.back()).map(Arc::clone)
    }

    /// The newest revision of the incident whose id begins with these hexadecimal digits.
    #[must_use]
    pub fn find(&self, prefix: &str) -> Found<Arc<Revision>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Arc<Revision>> = inner
            .incidents
            .range(first_with(prefix)..)
            .take_while(|(id, _)| id.to_string().starts_with(prefix))
            .take(5)
            .filter_map(|(_, history)| history.back().map(Arc::clone))
            .collect();
        match found.len() {
            0 => Found::None,
            1 => found.pop().map_or(Found::None, Found::One),
            _ => Found::Several(found.iter().map(|r| r.summary.id.to_string()).collect()),
        }
    }

    /// The revisions that are still held of an incident, oldest first; empty if it is unknown.
    #[must_use]
    pub fn revisions(&self, id: IncidentId) -> Vec<Arc<Revision>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner
            .incidents
            .get(&id)
            .map(|history| history.iter().map(Arc::clone).collect())
            .unwrap_or_default()
    }

    /// Every later revision; `None` after [`Self::close`].
    #[must_use]
    pub fn subscribe(&self) -> Option<broadcast::Receiver<Arc<Revision>>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.stream.as_ref().map(broadcast::Sender::subscribe)
    }

    /// Ends all streams, so that a server can shut down while browsers listen.
    pub fn close(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).stream = None;
    }
}

/// The smallest id that begins so.
fn first_with(prefix: &str) -> IncidentId {
    IncidentId::parse_hex(&format!("{prefix:0<16}")).unwrap_or(IncidentId(u64::MAX))
}

fn trim(history: &mut History, limits: ViewLimits) {
    let older = history.len().saturating_sub(1);
    let mut bytes: usize = history.iter().take(older).map(|r| r.json.len()).sum();
    while history.len() > 1
        && (history.len() > limits.revisions.max(1) || bytes > limits.history_bytes)
    {
        if let Some(gone) = history.pop_front() {
            bytes = bytes.saturating_sub(gone.json.len());
        }
    }
}

/// Lets one incident go, never the one that just came: ended before active, then the oldest word.
fn evict(incidents: &mut BTreeMap<IncidentId, History>, keep: IncidentId) {
    let active = |state| matches!(state, IncidentState::Open | IncidentState::Suspected);
    let oldest = incidents
        .iter()
        .filter(|(id, _)| **id != keep)
        .filter_map(|(id, history)| history.back().map(|r| (id, &r.summary)))
        .min_by_key(|(id, s)| (active(s.state), s.updated_at, **id))
        .map(|(id, _)| *id);
    if let Some(id) = oldest {
        incidents.remove(&id);
    }
}
