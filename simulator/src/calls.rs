//! How one request runs through the world: visits, waits, time-outs and retries, as a call tree.
//!
//! Absent on purpose: any knowledge of who is to blame. A service that calls a slow one is slow
//! because it waits, and fails because it gives up.

use model::time::{Nanos, Timestamp};

use crate::changes::Rollouts;
use crate::dice::Dice;
use crate::fault::POOL_PATIENCE_MS;
use crate::logs::{self, Log};
use crate::trail::{Failure, Role, Span, Trail};
use crate::weather::{Site, Strain, Weather};
use crate::world::{Callee, Need, World};

/// Deepest call tree that is followed: a world with a cycle ends here instead of never.
const DEPTH_MAX: u32 = 24;
/// One way between two services. Unit: milliseconds.
const NETWORK_MS: f64 = 0.3;
/// A TLS handshake that is refused. Unit: milliseconds.
const HANDSHAKE_MS: f64 = 2.5;
/// What a lost call would take: longer than anybody waits. Unit: milliseconds.
const LOST_MS: f64 = 600_000.0;
/// Spread of work and of answers.
const SIGMA: f64 = 0.28;
/// Share of visits that fail by themselves, and share that are slow by themselves.
const NATURAL_ERRORS: f64 = 0.000_15;
const NATURAL_STALLS: f64 = 0.001;
/// Wait before the second attempt; doubled for every further one. Unit: milliseconds.
const BACKOFF_MS: f64 = 20.0;

/// How a call or visit ended.
#[derive(Clone, Copy)]
struct Outcome {
    end: Timestamp,
    failure: Option<Failure>,
}

/// Who asks: the span above, and how deep we are.
#[derive(Clone, Copy)]
struct Above {
    trace: u128,
    span: u64,
    depth: u32,
}

/// Someone in the middle of a visit.
#[derive(Clone, Copy)]
struct Visitor {
    site: Site,
    operation: usize,
    above: Above,
}

/// Runs requests through a world.
pub(crate) struct Runner<'a> {
    pub(crate) world: &'a World,
    pub(crate) weather: Weather<'a>,
    pub(crate) rollouts: Rollouts<'a>,
    pub(crate) dice: Dice,
    pub(crate) trail: Trail,
}

fn later(at: Timestamp, ms: f64) -> Timestamp {
    at + Nanos((ms * 1e6) as i64)
}

impl Runner<'_> {
    /// One request to an operation from outside, at an instant.
    pub(crate) fn request(&mut self, operation: usize, at: Timestamp) {
        let above = Above { trace: self.dice.id128(), span: 0, depth: 0 };
        self.visit(operation, above, at, Role::Server(operation));
    }

    fn site(&mut self, service: usize, at: Timestamp) -> Site {
        let instance = self.dice.below(self.world.services[service].instances);
        Site {
            service,
            instance,
            node: self.world.node_of(service, instance),
            renewed: self.rollouts.renewed(service, instance, at),
        }
    }

    fn visit(&mut self, operation: usize, above: Above, at: Timestamp, role: Role) -> Outcome {
        let site = self.site(self.world.operations[operation].service, at);
        let strain = self.weather.at(site, at);
        if strain.down || above.depth > DEPTH_MAX {
            return Outcome { end: later(at, 0.4), failure: Some(Failure::Refused) };
        }
        let span = self.dice.id64();
        let inside = Above { span, depth: above.depth + 1, ..above };
        let outcome = self.work(Visitor { site, operation, above: inside }, strain, at);
        self.trail.spans.push(Span {
            trace: above.trace,
            id: span,
            parent: above.span,
            service: site.service,
            instance: site.instance,
            role,
            start: at,
            end: outcome.end,
            failure: outcome.failure,
            resend: 0,
        });
        outcome
    }

    /// The inside of a visit: wait for a connection, work, call, work.
    fn work(&mut self, visitor: Visitor, strain: Strain, at: Timestamp) -> Outcome {
        let world = self.world;
        let entry = &world.operations[visitor.operation];
        let own_ms = self.own_ms(entry.self_ms, strain);
        let mut now = later(at, own_ms * 0.4);
        let mut failure = None;
        if strain.pool_wait_ms > 0.0 && self.needs_connection(visitor.operation) {
            let wait_ms = self.dice.log_normal(strain.pool_wait_ms, 0.45);
            now = later(now, wait_ms.min(POOL_PATIENCE_MS));
            if wait_ms >= POOL_PATIENCE_MS {
                failure = Some(Failure::PoolExhausted);
            }
        }
        if failure.is_none() && self.dice.chance(strain.error_share + NATURAL_ERRORS) {
            failure = Some(Failure::Internal);
        }
        for group in &entry.steps {
            if failure.is_some() {
                break;
            }
            (now, failure) = self.step(visitor, group, now);
        }
        let end = later(now, if failure.is_some() { 0.3 } else { own_ms * 0.6 });
        self.log_end(visitor, failure, at, end);
        Outcome { end, failure }
    }

    fn own_ms(&mut self, median_ms: f64, strain: Strain) -> f64 {
        let stall =
            if self.dice.chance(NATURAL_STALLS) { self.dice.between(4.0, 12.0) } else { 1.0 };
        self.dice.log_normal(median_ms, SIGMA) * strain.slowdown * stall
    }

    fn needs_connection(&self, operation: usize) -> bool {
        let asks_store = |call| matches!(self.world.calls[call].to, Callee::Store { .. });
        self.world.calls_of(operation).any(asks_store)
    }

    fn step(
        &mut self,
        visitor: Visitor,
        group: &[usize],
        at: Timestamp,
    ) -> (Timestamp, Option<Failure>) {
        let mut end = at;
        let mut failure = None;
        for call in group {
            let share = self.world.calls[*call].share;
            if share < 1.0 && !self.dice.chance(share) {
                continue;
            }
            let outcome = self.call(visitor, *call, at);
            end = end.max(outcome.end);
            if self.world.calls[*call].need == Need::Required {
                failure = failure.or(outcome.failure.map(Failure::passed_on));
            }
        }
        (end, failure)
    }

    /// A call with its retries. Every attempt is a span.
    fn call(&mut self, visitor: Visitor, call: usize, at: Timestamp) -> Outcome {
        let attempts = self.world.calls[call].attempts.max(1);
        let mut start = at;
        let mut resend = 0;
        loop {
            let outcome = self.attempt(visitor, call, start, resend);
            let Some(failure) = outcome.failure else { return outcome };
            resend += 1;
            if resend >= attempts {
                return outcome;
            }
            let line = logs::retry(self.world, call, failure, resend);
            self.log(visitor, outcome.end, logs::Level::Warn, line);
            let wait_ms =
                BACKOFF_MS * f64::from(1u32 << resend.min(8)) * self.dice.between(0.5, 1.0);
            start = later(outcome.end, wait_ms);
        }
    }

    fn attempt(&mut self, visitor: Visitor, call: usize, start: Timestamp, resend: u32) -> Outcome {
        let span = self.dice.id64();
        let mut role = Role::Client(call);
        let mut outcome = match self.world.calls[call].to {
            Callee::Operation(operation) => {
                self.ask_service(Above { span, ..visitor.above }, visitor, operation, start)
            }
            Callee::Queue { operation, .. } => {
                role = Role::Producer(call);
                self.send(Above { span, ..visitor.above }, operation, start)
            }
            Callee::Store { store, .. } => self.ask_store(store, start),
            Callee::Provider { provider, .. } => self.ask_provider(provider, start),
        };
        let deadline = later(start, self.patience_ms(visitor, call, start));
        if outcome.end > deadline {
            outcome = Outcome { end: deadline, failure: Some(Failure::Timeout) };
        }
        self.trail.spans.push(Span {
            trace: visitor.above.trace,
            id: span,
            parent: visitor.above.span,
            service: visitor.site.service,
            instance: visitor.site.instance,
            role,
            start,
            end: outcome.end,
            failure: outcome.failure,
            resend,
        });
        outcome
    }

    fn patience_ms(&self, visitor: Visitor, call: usize, at: Timestamp) -> f64 {
        let call = &self.world.calls[call];
        match call.to {
            Callee::Operation(_) => {
                self.weather.patience_ms(visitor.site.service, call.timeout_ms, at)
            }
            _ => call.timeout_ms,
        }
    }

    fn ask_service(
        &mut self,
        above: Above,
        visitor: Visitor,
        operation: usize,
        start: Timestamp,
    ) -> Outcome {
        let to = self.world.operations[operation].service;
        if self.weather.certificate_invalid(to, start) {
            let end = later(start, self.dice.log_normal(HANDSHAKE_MS, SIGMA));
            return Outcome { end, failure: Some(Failure::Handshake) };
        }
        let lost = self.weather.network_loss(visitor.site.service, to, start);
        if self.dice.chance(lost) {
            return Outcome { end: later(start, LOST_MS), failure: Some(Failure::Timeout) };
        }
        let added_ms = self.weather.network_ms(visitor.site.service, to, start);
        let one_way_ms = |dice: &mut Dice| {
            let added = if added_ms > 0.0 { dice.log_normal(added_ms, 0.2) } else { 0.0 };
            dice.log_normal(NETWORK_MS, 0.4) + added
        };
        let arrival = later(start, one_way_ms(&mut self.dice));
        let inner = self.visit(operation, above, arrival, Role::Server(operation));
        Outcome {
            end: later(inner.end, one_way_ms(&mut self.dice)),
            failure: inner.failure.map(|it| it.status().map_or(it, Failure::Answered)),
        }
    }

    /// Puts a message on a queue; it is consumed a little later, by itself.
    fn send(&mut self, above: Above, operation: usize, start: Timestamp) -> Outcome {
        let sent = later(start, self.dice.log_normal(0.8, SIGMA));
        let taken = later(sent, self.dice.log_normal(6.0, 0.5));
        self.visit(operation, above, taken, Role::Consumer(operation));
        Outcome { end: sent, failure: None }
    }

    fn ask_store(&mut self, store: usize, start: Timestamp) -> Outcome {
        let slowdown = self.weather.store_slowdown(store, start);
        let median_ms = self.world.stores[store].median_ms * slowdown;
        let strain = Strain::NONE;
        Outcome { end: later(start, self.own_ms(median_ms, strain)), failure: None }
    }

    fn ask_provider(&mut self, provider: usize, start: Timestamp) -> Outcome {
        let median_ms = self.world.providers[provider].median_ms;
        let slowdown = self.weather.provider_slowdown(provider, start);
        let end = later(start, self.own_ms(median_ms * slowdown, Strain::NONE));
        let failing = self.weather.provider_failures(provider, start);
        let failure = self.dice.chance(failing).then_some(Failure::Answered(503));
        Outcome { end, failure }
    }

    fn log_end(
        &mut self,
        visitor: Visitor,
        failure: Option<Failure>,
        start: Timestamp,
        end: Timestamp,
    ) {
        if let Some(failure) = failure {
            let line = logs::failed(self.world, visitor.operation, failure, end - start);
            self.log(visitor, end, logs::Level::Error, line);
            return;
        }
        let world = self.world;
        let lines = &world.operations[visitor.operation].says;
        for (index, line) in lines.iter().enumerate() {
            let at = if index + 1 == lines.len() { end } else { later(start, 0.1) };
            let line = logs::filled(line, &mut self.dice);
            self.log(visitor, at, logs::Level::Info, line);
        }
    }

    fn log(&mut self, visitor: Visitor, time: Timestamp, level: logs::Level, body: String) {
        self.trail.logs.push(Log {
            time,
            service: visitor.site.service,
            instance: visitor.site.instance,
            level,
            body,
            trace: visitor.above.trace,
            span: visitor.above.span,
        });
    }
}
