//! A scenario played: second by second, the requests that begin in it, and the records that tell
//! of what ended in it, in order of arrival.

use std::collections::{BTreeMap, VecDeque};

use model::recording::{ENCODING_HEADER, TopicRecord, topic};
use model::time::{Nanos, Timestamp};

use crate::alertmanager::Alertmanager;
use crate::calls::Runner;
use crate::changes::Rollouts;
use crate::declared;
use crate::dice::Dice;
use crate::logs::Log;
use crate::metrics::Wards;
use crate::monitor::{EVALUATION_S, Monitor};
use crate::scenario::Scenario;
use crate::seen::Seen;
use crate::telemetry::Telemetry;
use crate::trail::{Span, Trail};
use crate::weather::Weather;

const SECOND: Nanos = Nanos::from_secs(1);
/// The CMDB is read that long before the first change or telemetry.
const CMDB_LEAD: Nanos = Nanos::from_secs(60);
/// Alerts take that long from the monitor to the topic. Unit: milliseconds.
const ALERT_WAY_MS: i64 = 350;

/// What ended in one second.
#[derive(Default)]
struct Ended {
    spans: Vec<Span>,
    logs: Vec<Log>,
}

/// A scenario being played.
pub(crate) struct Play<'a> {
    scenario: &'a Scenario,
    runner: Runner<'a>,
    arrivals: Dice,
    telemetry: Telemetry<'a>,
    seen: Seen<'a>,
    wards: Wards<'a>,
    rollouts: Rollouts<'a>,
    alertmanager: Alertmanager,
    /// The next second to play, as its first instant.
    now: Timestamp,
    /// By the second in which they ended.
    pending: BTreeMap<i64, Ended>,
    /// By arrival, then by order of making.
    outbox: BTreeMap<(i64, u64), TopicRecord>,
    made: u64,
    /// Whether spans, lines and metrics are written at all.
    observed: bool,
    ready: VecDeque<TopicRecord>,
}

impl<'a> Play<'a> {
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        let rollouts = Rollouts::new(&scenario.world, &scenario.changes);
        let mut play = Self {
            scenario,
            runner: Runner {
                world: &scenario.world,
                weather: Weather(&scenario.faults),
                rollouts: rollouts.clone(),
                dice: Dice::new(scenario.seed, 0),
                trail: Trail::default(),
            },
            arrivals: Dice::new(scenario.seed, 1),
            telemetry: Telemetry::new(scenario, rollouts.clone()),
            seen: Seen::new(&scenario.world),
            wards: Wards::new(scenario, rollouts.clone()),
            rollouts,
            alertmanager: Alertmanager::default(),
            now: scenario.start,
            pending: BTreeMap::new(),
            outbox: BTreeMap::new(),
            made: 0,
            observed: true,
            ready: VecDeque::new(),
        };
        play.announce();
        play
    }

    /// The same world with nobody writing telemetry: its alerts are the same, for monitors see the
    /// world itself.
    pub(crate) fn unobserved(scenario: &'a Scenario) -> Self {
        Self { observed: false, ..Self::new(scenario) }
    }

    /// Topology and changes: they are known before the first request is made.
    fn announce(&mut self) {
        let changes = &self.scenario.changes;
        let first = changes.iter().map(|it| it.at).min().unwrap_or(self.scenario.start);
        let read_at = first.min(self.scenario.start) - CMDB_LEAD;
        let world = &self.scenario.world;
        let mut records = declared::records(world, read_at.millis());
        records.extend(changes.iter().map(|change| change.record(world)));
        self.post(records);
    }

    fn post(&mut self, records: Vec<TopicRecord>) {
        for record in records {
            self.outbox.insert((record.timestamp_ms, self.made), record);
            self.made += 1;
        }
    }

    /// Plays one second. What arrives before its end can't be overtaken any more.
    fn advance(&mut self) {
        self.requests();
        self.file();
        let end = self.now + SECOND;
        let ended = self.pending.remove(&self.now.0).unwrap_or_default();
        for span in &ended.spans {
            self.seen.note(span);
        }
        if self.observed {
            let mut records = self.telemetry.spans(&ended.spans, end);
            records.extend(self.telemetry.logs(&ended.logs, end));
            self.post(records);
        }
        if (end - self.scenario.start).secs() % EVALUATION_S == 0 {
            self.slot(end);
        }
        self.now = end;
        self.release(end.millis());
    }

    fn requests(&mut self) {
        let load = self.runner.weather.load(self.now);
        for (index, route) in self.scenario.traffic.routes.iter().enumerate() {
            let rate = self.scenario.traffic.rate(index, self.now) * load;
            for _ in 0..self.arrivals.poisson(rate) {
                let offset = Nanos((self.arrivals.unit() * SECOND.0 as f64) as i64);
                let before = (self.runner.trail.spans.len(), self.runner.trail.logs.len());
                self.runner.request(route.operation, self.now + offset);
                self.forget_unfinished(before);
            }
        }
    }

    /// A request that outlives the scenario leaves no trace: a recording that breaks off in the
    /// middle of traces would show silence where there is none.
    fn forget_unfinished(&mut self, before: (usize, usize)) {
        let trail = &mut self.runner.trail;
        let end = self.scenario.end();
        let unfinished = trail.spans.iter().skip(before.0).any(|span| span.end >= end);
        if unfinished {
            trail.spans.truncate(before.0);
            trail.logs.truncate(before.1);
        }
    }

    /// Files what requests left under the second in which it is told.
    fn file(&mut self) {
        let start = self.now.0;
        let second = |at: Timestamp| at.0.max(start) - (at.0.max(start) - start) % SECOND.0;
        for span in self.runner.trail.spans.drain(..) {
            self.pending.entry(second(span.end)).or_default().spans.push(span);
        }
        for log in self.runner.trail.logs.drain(..) {
            self.pending.entry(second(log.time)).or_default().logs.push(log);
        }
    }

    /// The end of a slot: metrics are scraped and alert rules evaluated.
    fn slot(&mut self, end: Timestamp) {
        self.wards.take(&self.seen, end);
        if self.observed {
            let metrics = self.telemetry.metrics(&self.wards, end);
            self.post(metrics);
        }
        let monitor = Monitor {
            scenario: self.scenario,
            seen: &self.seen,
            vitals: &self.wards.vitals,
            rollouts: &self.rollouts,
        };
        let breaches = monitor.evaluate(end);
        let payloads = self.alertmanager.evaluate(breaches, end);
        let record = |(index, payload): (usize, serde_json::Value)| TopicRecord {
            topic: topic::ALERTS.to_owned(),
            timestamp_ms: end.millis() + ALERT_WAY_MS + index as i64,
            key: None,
            headers: vec![(ENCODING_HEADER.to_owned(), String::from("alertmanager_webhook"))],
            value: payload.to_string().into_bytes(),
        };
        self.post(payloads.into_iter().enumerate().map(record).collect());
        self.seen.turn();
    }

    /// Lets records go that arrive before an instant.
    fn release(&mut self, before_ms: i64) {
        let later = self.outbox.split_off(&(before_ms, 0));
        self.ready.extend(std::mem::replace(&mut self.outbox, later).into_values());
    }
}

impl Iterator for Play<'_> {
    type Item = TopicRecord;

    fn next(&mut self) -> Option<TopicRecord> {
        while self.ready.is_empty() {
            if self.now < self.scenario.end() {
                self.advance();
            } else if self.outbox.is_empty() {
                return None;
            } else {
                self.release(i64::MAX);
            }
        }
        self.ready.pop_front()
    }
}
