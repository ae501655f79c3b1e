//! From what happened to what is told of it: records per service and second, as a Collector
//! batches them, with everything that observation gets wrong.

use model::id::stable_hash;
use model::recording::{ENCODING_HEADER, TopicRecord, topic};
use model::time::{Nanos, Timestamp};

use crate::changes::Rollouts;
use crate::dice::Dice;
use crate::logs::Log;
use crate::metrics::Wards;
use crate::scenario::Scenario;
use crate::span_attributes::{kind, span_attributes, span_name, status_message};
use crate::trail::Span;
use crate::wire::{self, Attributes, Said};
use crate::world::World;

/// Longest way of a batch through agent and Collector. Unit: milliseconds, below one second.
const EXPORT_MS_MAX: f64 = 900.0;

/// Name of a pod, as Kubernetes makes it: it changes with the version.
pub(crate) fn pod_name(world: &World, service: usize, instance: usize, version: &str) -> String {
    let name = &world.services[service].name;
    let set = stable_hash(&[name.as_bytes(), version.as_bytes()]);
    let pod = stable_hash(&[&set.to_le_bytes(), &(instance as u64).to_le_bytes()]);
    format!("{name}-{:08x}-{:05x}", set >> 32, pod >> 44)
}

/// What telemetry is written from.
#[derive(Clone)]
struct View<'a> {
    scenario: &'a Scenario,
    rollouts: Rollouts<'a>,
}

/// Writes telemetry records.
pub(crate) struct Telemetry<'a> {
    view: View<'a>,
    dice: Dice,
}

impl<'a> Telemetry<'a> {
    pub(crate) fn new(scenario: &'a Scenario, rollouts: Rollouts<'a>) -> Self {
        Self { view: View { scenario, rollouts }, dice: Dice::new(scenario.seed, 2) }
    }

    /// The span records of the second that ends `now`, one per service.
    pub(crate) fn spans(&mut self, spans: &[Span], now: Timestamp) -> Vec<TopicRecord> {
        let view = self.view.clone();
        let mut kept: Vec<&Span> = spans.iter().filter(|span| self.keeps(span)).collect();
        kept.sort_by_key(|span| (span.service, span.instance));
        let place = |span: &&Span| (span.service, span.instance);
        let batches = view.batches(&kept, now, place, |span| view.span(span));
        let encoding = view.scenario.encoding;
        let bytes = batches.iter().map(|said| wire::spans(encoding, said));
        self.records(topic::SPANS, bytes.collect(), now)
    }

    /// The log records of the second that ends `now`, one per service.
    pub(crate) fn logs(&mut self, logs: &[Log], now: Timestamp) -> Vec<TopicRecord> {
        let view = self.view.clone();
        let mut sorted: Vec<&Log> = logs.iter().collect();
        sorted.sort_by_key(|log| (log.service, log.instance));
        let place = |log: &&Log| (log.service, log.instance);
        let batches = view.batches(&sorted, now, place, |log| view.log(log));
        let encoding = view.scenario.encoding;
        let bytes = batches.iter().map(|said| wire::logs(encoding, said));
        self.records(topic::LOGS, bytes.collect(), now)
    }

    /// The metric records of the slot that ends `now`, one per service.
    pub(crate) fn metrics(&mut self, wards: &Wards<'_>, now: Timestamp) -> Vec<TopicRecord> {
        let view = self.view.clone();
        let mut bytes = Vec::new();
        for service in view.scenario.world.services.ids() {
            let up = |instance: &usize| !wards.vitals[service][*instance].down;
            let instances = wards.vitals[service].ids().filter(up);
            let said: Vec<Said<'_, wire::Metric<'_>>> = instances
                .map(|instance| Said {
                    resource: view.resource(service, instance, now),
                    scope: "io.opentelemetry.runtime-metrics",
                    items: wards.metrics(service, instance, view.told(service, instance, now)),
                })
                .collect();
            if !said.is_empty() {
                bytes.push(wire::metrics(view.scenario.encoding, &said));
            }
        }
        self.records(topic::METRICS, bytes, now)
    }

    fn keeps(&mut self, span: &Span) -> bool {
        let wrong = self.view.scenario.imperfections;
        let share = (span.trace >> 64) as u64 as f64 / u64::MAX as f64;
        share <= wrong.head_sampling && !self.dice.chance(wrong.missing_span_share)
    }

    fn records(&mut self, topic: &str, bodies: Vec<Vec<u8>>, now: Timestamp) -> Vec<TopicRecord> {
        let wrong = self.view.scenario.imperfections;
        let mut out = Vec::with_capacity(bodies.len());
        for value in bodies {
            let mut arrival_ms = now.millis() + self.dice.between(0.0, EXPORT_MS_MAX) as i64;
            if self.dice.chance(wrong.late_share) {
                arrival_ms += self.dice.between(0.0, wrong.late_ms_max as f64) as i64;
            }
            let twice = self.dice.chance(wrong.duplicate_share);
            let record = TopicRecord {
                topic: topic.to_owned(),
                timestamp_ms: arrival_ms,
                key: None,
                headers: vec![(
                    ENCODING_HEADER.to_owned(),
                    self.view.scenario.encoding.header().to_owned(),
                )],
                value,
            };
            if twice {
                let again_ms = arrival_ms + self.dice.between(1.0, 2_000.0) as i64;
                out.push(TopicRecord { timestamp_ms: again_ms, ..record.clone() });
            }
            out.push(record);
        }
        out
    }
}

impl<'a> View<'a> {
    /// Rows that are sorted by place, as one batch per service with one resource per instance.
    fn batches<T, W>(
        &self,
        rows: &[T],
        now: Timestamp,
        place: impl Fn(&T) -> (usize, usize),
        item: impl Fn(&T) -> W,
    ) -> Vec<Vec<Said<'a, W>>> {
        let one_instance = |group: &[T]| {
            let (service, instance) = group.first().map_or((0, 0), &place);
            Said {
                resource: self.resource(service, instance, now),
                scope: "io.opentelemetry.auto",
                items: group.iter().map(&item).collect(),
            }
        };
        rows.chunk_by(|a, b| place(a).0 == place(b).0)
            .map(|group| group.chunk_by(|a, b| place(a) == place(b)).map(one_instance).collect())
            .collect()
    }

    fn resource(&self, service: usize, instance: usize, now: Timestamp) -> Attributes<'a> {
        let world: &'a World = &self.scenario.world;
        let entry = &world.services[service];
        // What is told at the end of a second was done in it.
        let done = now - Nanos::from_millis(1);
        let version = self.rollouts.version(service, instance, done);
        let pod = pod_name(world, service, instance, version);
        vec![
            ("service.name", entry.name.as_str().into()),
            ("service.namespace", world.name.as_str().into()),
            ("service.version", version.into()),
            ("service.instance.id", pod.clone().into()),
            ("k8s.pod.name", pod.into()),
            ("k8s.node.name", world.nodes[world.node_of(service, instance)].as_str().into()),
            ("deployment.environment.name", world.environment.as_str().into()),
        ]
    }

    /// An instant as the clock of an instance's host tells it.
    fn told(&self, service: usize, instance: usize, at: Timestamp) -> Timestamp {
        let skew_ms = self.scenario.imperfections.clock_skew_ms.abs();
        if skew_ms == 0 {
            return at;
        }
        let node = self.scenario.world.node_of(service, instance) as u64;
        let seed = self.scenario.seed.to_le_bytes();
        let hash = stable_hash(&[b"clock", &seed, &node.to_le_bytes()]);
        let width = 2 * skew_ms.unsigned_abs() + 1;
        let offset_ms = i64::try_from(hash % width).unwrap_or(0) - skew_ms;
        at + Nanos::from_millis(offset_ms)
    }

    fn told_ns(&self, service: usize, instance: usize, at: Timestamp) -> u64 {
        self.told(service, instance, at).0.max(0) as u64
    }

    fn span(&self, span: &Span) -> wire::Span<'a> {
        let world: &'a World = &self.scenario.world;
        wire::Span {
            trace: span.trace,
            id: span.id,
            parent: span.parent,
            name: span_name(world, span.role),
            kind: kind(span.role),
            start_ns: self.told_ns(span.service, span.instance, span.start),
            end_ns: self.told_ns(span.service, span.instance, span.end),
            attributes: span_attributes(world, span),
            error: span.failure.map(status_message),
        }
    }

    fn log<'l>(&self, log: &&'l Log) -> wire::Log<'l> {
        wire::Log {
            time_ns: self.told_ns(log.service, log.instance, log.time),
            severity: log.level.number(),
            severity_text: log.level.text(),
            body: &log.body,
            trace: log.trace,
            span: log.span,
        }
    }
}
