//! A few traces that show something, chosen so that every task and every order choose the same.

use model::id::TraceId;
use serde::{Deserialize, Serialize};

use super::split::trace_hash;

/// How many exemplars are kept.
const EXEMPLARS_MAX: usize = 3;

/// At most three traces with the smallest (rank, id).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplars(Vec<(u64, TraceId)>);

impl Exemplars {
    /// Offers a trace, ranked by the stable hash of its id. Id 0 is no trace (W3C trace context).
    pub fn offer(&mut self, trace: TraceId) {
        self.offer_ranked(trace_hash(trace), trace);
    }

    /// Offers a trace whose stable hash is known.
    pub(crate) fn offer_ranked(&mut self, hash: u64, trace: TraceId) {
        let is_worse = self.0.len() >= EXEMPLARS_MAX
            && self.0.last().is_some_and(|last| *last < (hash, trace));
        if trace.0 != 0 && !is_worse {
            self.insert(hash, trace);
        }
    }

    /// Offers a trace ranked by size first (largest bucket wins), then by hash.
    pub fn offer_large(&mut self, bucket: u16, trace: TraceId) {
        let inverse = u64::from(u16::MAX - bucket) << 48;
        if self.0.len() >= EXEMPLARS_MAX && self.0.last().is_some_and(|last| last.0 < inverse) {
            return;
        }
        self.insert(inverse | (trace_hash(trace) >> 16), trace);
    }

    /// Merges another choice: the smallest of both stay.
    pub fn absorb(&mut self, other: &Self) {
        for &(rank, trace) in &other.0 {
            self.insert(rank, trace);
        }
    }

    /// The traces, best first.
    pub fn traces(&self) -> impl Iterator<Item = TraceId> + '_ {
        self.0.iter().map(|&(_, trace)| trace)
    }

    fn insert(&mut self, rank: u64, trace: TraceId) {
        if let Err(at) = self.0.binary_search(&(rank, trace))
            && at < EXEMPLARS_MAX
        {
            self.0.insert(at, (rank, trace));
            self.0.truncate(EXEMPLARS_MAX);
        }
    }
}
