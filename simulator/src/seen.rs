//! What a monitoring system sees of the traffic: calls, errors and latencies per operation and
//! call and instance, in a sliding window.
//!
//! It sees the world as it is, before `telemetry` loses anything: alerts come from monitors that
//! are not ours.

use std::collections::VecDeque;

use crate::table::Table;
use crate::trail::{Failure, Role, Span};
use crate::world::World;

/// Width of a slot. Unit: seconds.
pub(crate) const SLOT_S: i64 = 15;
/// Slots of a window: one minute.
const SLOTS: usize = 4;
/// Latency buckets, four per doubling, from 1 ms to 65 s.
const BUCKETS: usize = 64;

/// Counts of one subject.
#[derive(Clone)]
pub(crate) struct Tally {
    pub(crate) calls: u32,
    pub(crate) errors: u32,
    pub(crate) timeouts: u32,
    pub(crate) resends: u32,
    pub(crate) total_ms: f64,
    latencies: Box<[u32; BUCKETS]>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            calls: 0,
            errors: 0,
            timeouts: 0,
            resends: 0,
            total_ms: 0.0,
            latencies: Box::new([0; BUCKETS]),
        }
    }
}

impl Tally {
    fn note(&mut self, span: &Span) {
        let ms = (span.end - span.start).0 as f64 / 1e6;
        self.calls += 1;
        self.errors += u32::from(span.failure.is_some());
        self.timeouts += u32::from(span.failure == Some(Failure::Timeout));
        self.resends += u32::from(span.resend > 0);
        self.total_ms += ms;
        let bucket = (4.0 * libm::log2(ms.max(1.0))) as usize;
        if let Some(count) = self.latencies.get_mut(bucket.min(BUCKETS - 1)) {
            *count += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.resends += other.resends;
        self.total_ms += other.total_ms;
        for (mine, theirs) in self.latencies.iter_mut().zip(other.latencies.iter()) {
            *mine += theirs;
        }
    }

    fn clear(&mut self) {
        *self = Self { latencies: std::mem::take(self).latencies, ..Self::default() };
        self.latencies.fill(0);
    }

    /// The latency that a share of the calls does not exceed, to the bucket. Unit: milliseconds.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = (f64::from(self.calls) * share).ceil();
        let mut seen = 0.0;
        for (bucket, count) in self.latencies.iter().enumerate() {
            seen += f64::from(*count);
            if seen >= wanted {
                return libm::exp2((bucket as f64 + 0.5) / 4.0);
            }
        }
        0.0
    }

    pub(crate) fn error_share(&self) -> f64 {
        f64::from(self.errors) / f64::from(self.calls.max(1))
    }

    pub(crate) fn resend_share(&self) -> f64 {
        f64::from(self.resends) / f64::from(self.calls.max(1))
    }
}

/// All tallies of a sliding window.
pub(crate) struct Seen<'a> {
    world: &'a World,
    operations: Table<usize>,
    calls: Table<usize>,
    /// Newest slot last.
    slots: VecDeque<Table<Tally>>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let mut next = 0;
        let mut reserve = |service: usize| {
            let first = next;
            next += world.services[service].instances;
            first
        };
        let operations = world.operations.iter().map(|entry| reserve(entry.service)).collect();
        let mut callers = Table::from_iter(vec![0; world.calls.len()]);
        for entry in world.operations.iter() {
            for call in entry.steps.iter().flatten() {
                callers[*call] = reserve(entry.service);
            }
        }
        let slot: Table<Tally> = (0..next).map(|_| Tally::default()).collect();
        Self { world, operations, calls: callers, slots: VecDeque::from(vec![slot; SLOTS]) }
    }

    pub(crate) fn note(&mut self, span: &Span) {
        let first = match span.role {
            Role::Server(operation) | Role::Consumer(operation) => self.operations[operation],
            Role::Client(call) | Role::Producer(call) => self.calls[call],
        };
        if let Some(slot) = self.slots.back_mut() {
            slot[first + span.instance].note(span);
        }
    }

    /// Begins the next slot.
    pub(crate) fn turn(&mut self) {
        if let Some(mut oldest) = self.slots.pop_front() {
            oldest.iter_mut().for_each(Tally::clear);
            self.slots.push_back(oldest);
        }
    }

    fn window(&self, first: usize, instances: std::ops::Range<usize>) -> Tally {
        let mut sum = Tally::default();
        for slot in &self.slots {
            for instance in instances.clone() {
                sum.add(&slot[first + instance]);
            }
        }
        sum
    }

    /// The last minute of an operation, at one instance or at all.
    pub(crate) fn operation(&self, operation: usize, instance: Option<usize>) -> Tally {
        let service = self.world.operations[operation].service;
        self.window(self.operations[operation], self.instances(service, instance))
    }

    /// The last minute of a call, from one instance of its caller or from all.
    pub(crate) fn call(&self, caller: usize, call: usize, instance: Option<usize>) -> Tally {
        self.window(self.calls[call], self.instances(caller, instance))
    }

    fn instances(&self, service: usize, instance: Option<usize>) -> std::ops::Range<usize> {
        match instance {
            Some(instance) => instance..instance + 1,
            None => 0..self.world.services[service].instances,
        }
    }

    /// The newest slot of everything that an instance serves.
    pub(crate) fn served(&self, service: usize, instance: usize) -> Tally {
        let mut sum = Tally::default();
        for operation in self.world.operations.ids() {
            if self.world.operations[operation].service == service
                && let Some(slot) = self.slots.back()
            {
                sum.add(&slot[self.operations[operation] + instance]);
            }
        }
        sum
    }
}
