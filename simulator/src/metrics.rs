//! Gauges and totals of every instance: CPU, memory, requests in flight, connection pool,
//! requests, errors.
//!
//! The figures follow from the traffic that was simulated (utilisation law, Little's law) and from
//! what faults strain directly.

use model::time::{Nanos, Timestamp};

use crate::changes::{Action, Rollouts};
use crate::dice::Dice;
use crate::scenario::Scenario;
use crate::seen::{SLOT_S, Seen};
use crate::table::Table;
use crate::weather::{Site, Weather};
use crate::wire::{Attributes, Metric, Reading};

/// CPU of an instance under its mean load, as a share: how people size services.
const CPU_USUAL: f64 = 0.32;
const CPU_IDLE: f64 = 0.05;

/// What one instance shows at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    pub(crate) in_flight: f64,
    /// In use, limit, waiting; all 0 without a pool.
    pub(crate) pool: [f64; 3],
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) down: bool,
}

/// The vitals of all instances, slot by slot.
pub(crate) struct Wards<'a> {
    scenario: &'a Scenario,
    weather: Weather<'a>,
    rollouts: Rollouts<'a>,
    dice: Dice,
    /// Mean requests per slot and instance, by service.
    usual_calls: Table<f64>,
    /// By service, then instance.
    pub(crate) vitals: Table<Table<Vitals>>,
}

impl<'a> Wards<'a> {
    pub(crate) fn new(scenario: &'a Scenario, rollouts: Rollouts<'a>) -> Self {
        let vitals = |instances: usize| (0..instances).map(|_| Vitals::default()).collect();
        Self {
            scenario,
            weather: Weather(&scenario.faults),
            rollouts,
            dice: Dice::new(scenario.seed, 3),
            usual_calls: usual_calls(scenario),
            vitals: scenario.world.services.iter().map(|entry| vitals(entry.instances)).collect(),
        }
    }

    /// Takes the vitals at the end of a slot.
    pub(crate) fn take(&mut self, seen: &Seen<'_>, now: Timestamp) {
        for service in self.scenario.world.services.ids() {
            for instance in self.vitals[service].ids() {
                let vitals = self.examine(seen, service, instance, now);
                self.vitals[service][instance] = vitals;
            }
        }
    }

    fn examine(
        &mut self,
        seen: &Seen<'_>,
        service: usize,
        instance: usize,
        now: Timestamp,
    ) -> Vitals {
        let node = self.scenario.world.node_of(service, instance);
        let renewed = self.rollouts.renewed(service, instance, now);
        let strain = self.weather.at(Site { service, instance, node, renewed }, now);
        let served = seen.served(service, instance);
        let before = self.vitals[service][instance];
        let load = f64::from(served.calls) / self.usual_calls[service].max(0.1);
        // Few requests make a jumpy share; a kernel averages over longer than a slot as well.
        let wanted = CPU_IDLE + CPU_USUAL * load.min(3.0) + strain.cpu;
        let cpu = if before.requests == 0 { wanted } else { before.cpu.mul_add(0.6, 0.4 * wanted) };
        Vitals {
            cpu: (cpu + 0.01 * self.dice.normal()).clamp(0.01, 1.0),
            memory: (0.46 + strain.memory + 0.004 * self.dice.normal()).min(0.995),
            in_flight: served.total_ms / (1e3 * SLOT_S as f64),
            pool: self.pool(service, f64::from(served.calls), strain.pool_wait_ms, now),
            requests: before.requests + u64::from(served.calls),
            errors: before.errors + u64::from(served.errors),
            down: strain.down,
        }
    }

    /// In use and waiting by Little's law: rate times time held, rate times time waited.
    fn pool(&mut self, service: usize, calls: f64, wait_ms: f64, now: Timestamp) -> [f64; 3] {
        let Some(size) = self.scenario.world.services[service].pool else { return [0.0; 3] };
        let limit = f64::from(self.pool_size(service, size, now));
        let per_s = calls / SLOT_S as f64;
        if wait_ms > 0.0 {
            return [limit, limit, (per_s * wait_ms / 1e3).ceil()];
        }
        let held = per_s * 0.06 + 1.0 + self.dice.unit();
        [held.round().min(limit), limit, 0.0]
    }

    fn pool_size(&self, service: usize, initial: u32, now: Timestamp) -> u32 {
        let mut size = initial;
        for change in self.scenario.changes.iter().filter(|it| it.service == service) {
            if let Action::Config { key, after, .. } = &change.action
                && key.contains("pool")
                && change.at <= now
            {
                size = after.parse().unwrap_or(size);
            }
        }
        size
    }

    /// The metrics of one instance for the wire.
    pub(crate) fn metrics(
        &self,
        service: usize,
        instance: usize,
        at: Timestamp,
    ) -> Vec<Metric<'static>> {
        let vitals = self.vitals[service][instance];
        let time_ns = at.0.max(0) as u64;
        let since_ns = (self.scenario.start - Nanos::from_secs(3_600)).0.max(0) as u64;
        let metric = |name, unit, reading, points: Vec<(Attributes<'static>, f64)>| Metric {
            name,
            unit,
            reading,
            time_ns,
            points,
        };
        let gauge = |name, unit, value| metric(name, unit, Reading::Gauge, plain(value));
        let total = |name, unit, value: u64| {
            metric(name, unit, Reading::Total { since_ns }, plain(value as f64))
        };
        let mut out = vec![
            gauge("process.cpu.utilization", "1", rounded(vitals.cpu)),
            gauge("process.memory.utilization", "1", rounded(vitals.memory)),
            gauge("http.server.active_requests", "{request}", rounded(vitals.in_flight)),
            total("http.server.request.count", "{request}", vitals.requests),
            total("http.server.error.count", "{request}", vitals.errors),
        ];
        let [used, limit, pending] = vitals.pool;
        if limit > 0.0 {
            let state = |state: &'static str, value| (vec![("state", state.into())], value);
            let points = vec![state("used", used), state("idle", limit - used)];
            out.push(metric("db.client.connection.count", "{connection}", Reading::Gauge, points));
            out.push(gauge("db.client.connection.max", "{connection}", limit));
            out.push(gauge("db.client.connection.pending_requests", "{request}", pending));
        }
        out
    }
}

fn plain(value: f64) -> Vec<(Attributes<'static>, f64)> {
    vec![(Vec::new(), value)]
}

/// To four decimals, as exporters print.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn usual_calls(scenario: &Scenario) -> Table<f64> {
    let world = &scenario.world;
    let mut visits: Table<f64> = world.operations.iter().map(|_| 0.0).collect();
    for route in &scenario.traffic.routes {
        world.add_visits(route.operation, route.per_s, &mut visits);
    }
    let mut usual: Table<f64> = world.services.iter().map(|_| 0.0).collect();
    for operation in world.operations.ids() {
        let service = world.operations[operation].service;
        let instances = world.services[service].instances.max(1) as f64;
        usual[service] += visits[operation] * SLOT_S as f64 / instances;
    }
    usual
}
