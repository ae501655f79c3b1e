//! A monitoring set as shops have it: alert rules over operations, pods, calls and entry points,
//! evaluated every 15 s. Thresholds are static, set by people who know the usual latency.
//!
//! Absent on purpose: any notion of cause. Whoever waits, queues or retries fires as loudly as the
//! one that is to blame.

use std::collections::BTreeMap;

use model::time::Timestamp;

use crate::changes::Rollouts;
use crate::metrics::Vitals;
use crate::scenario::{AlertNoise, Scenario};
use crate::seen::{SLOT_S, Seen, Tally};
use crate::table::Table;
use crate::telemetry::pod_name;

/// Labels, sorted by name.
pub(crate) type Labels = BTreeMap<&'static str, String>;

/// A rule that holds now.
#[derive(Clone, Debug)]
pub(crate) struct Breach {
    pub(crate) labels: Labels,
    pub(crate) summary: String,
    /// For how many evaluations in a row it must hold before it fires.
    pub(crate) hold: u32,
}

/// Fewest calls of a window that a ratio or a quantile is taken from.
const CALLS_MIN: u32 = 12;

/// Rules are evaluated over what was seen.
pub(crate) struct Monitor<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) seen: &'a Seen<'a>,
    pub(crate) vitals: &'a Table<Table<Vitals>>,
    pub(crate) rollouts: &'a Rollouts<'a>,
}

/// One evaluation in the making.
struct Findings<'a> {
    scenario: &'a Scenario,
    out: Vec<Breach>,
}

struct Rule {
    name: &'static str,
    severity: &'static str,
    hold: u32,
}

const fn rule(name: &'static str, severity: &'static str, hold: u32) -> Rule {
    Rule { name, severity, hold }
}

impl Findings<'_> {
    fn add(&mut self, rule: &Rule, service: &str, more: &[(&'static str, &str)], text: String) {
        let mut labels = Labels::from([
            ("alertname", rule.name.to_owned()),
            ("severity", rule.severity.to_owned()),
            ("service", service.to_owned()),
            ("namespace", self.scenario.world.name.clone()),
            ("env", self.scenario.world.environment.clone()),
        ]);
        labels.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.out.push(Breach { labels, summary: text, hold: rule.hold });
    }
}

impl Monitor<'_> {
    /// All rules that hold at an instant, in a fixed order.
    pub(crate) fn evaluate(&self, now: Timestamp) -> Vec<Breach> {
        let mut findings = Findings { scenario: self.scenario, out: Vec::new() };
        for operation in self.scenario.world.operations.ids() {
            self.operation_rules(operation, now, &mut findings);
            self.call_rules(operation, &mut findings);
        }
        for route in &self.scenario.traffic.routes {
            self.entry_rules(route.operation, &mut findings);
        }
        for service in self.scenario.world.services.ids() {
            self.pod_rules(service, now, &mut findings);
        }
        if self.scenario.noise == AlertNoise::Usual {
            self.noise(now, &mut findings);
        }
        findings.out
    }

    fn operation_rules(&self, operation: usize, now: Timestamp, findings: &mut Findings<'_>) {
        let world = &self.scenario.world;
        let entry = &world.operations[operation];
        let service = &world.services[entry.service];
        let usual_ms = world.usual_ms(operation);
        let tally = self.seen.operation(operation, None);
        let labels = [("operation", entry.name.as_str())];
        latency(findings, &tally, usual_ms, &service.name, &labels);
        errors(findings, &tally, &service.name, &labels);
        for instance in 0..service.instances {
            let tally = self.seen.operation(operation, Some(instance));
            let pod = self.pod(entry.service, instance, now);
            let labels = [("operation", entry.name.as_str()), ("pod", pod.as_str())];
            pod_symptoms(findings, &tally, usual_ms, &service.name, &labels);
        }
    }

    fn pod(&self, service: usize, instance: usize, now: Timestamp) -> String {
        let world = &self.scenario.world;
        pod_name(world, service, instance, self.rollouts.version(service, instance, now))
    }

    fn call_rules(&self, operation: usize, findings: &mut Findings<'_>) {
        let world = &self.scenario.world;
        let caller = world.operations[operation].service;
        let name = &world.services[caller].name;
        for call in world.calls_of(operation) {
            let tally = self.seen.call(caller, call, None);
            if tally.calls < CALLS_MIN {
                continue;
            }
            let labels = [
                ("upstream", world.callee_name(call)),
                ("operation", world.operations[operation].name.as_str()),
            ];
            let to = world.callee_name(call);
            if tally.error_share() > 0.05 {
                let text = format!("{:.0} % of calls from {name} to {to} fail", percent(&tally));
                findings.add(&rule("UpstreamErrors", "warning", 1), name, &labels, text);
            }
            if tally.resend_share() > 0.15 {
                let text = format!("{name} retries its calls to {to}");
                findings.add(&rule("RetryStorm", "warning", 1), name, &labels, text);
            }
            if tally.timeouts >= 5 {
                let text = format!("{name} gave up waiting for {to} {} times", tally.timeouts);
                findings.add(&rule("UpstreamTimeouts", "warning", 0), name, &labels, text);
            }
        }
    }

    fn entry_rules(&self, operation: usize, findings: &mut Findings<'_>) {
        let world = &self.scenario.world;
        let entry = &world.operations[operation];
        let service = &world.services[entry.service].name;
        let tally = self.seen.operation(operation, None);
        if tally.calls < CALLS_MIN || tally.errors < 3 {
            return;
        }
        let burn = tally.error_share() / 0.001;
        let labels = [("route", entry.name.as_str()), ("slo", "availability-99.9")];
        let text = format!("{} burns its error budget {burn:.0} times too fast", entry.name);
        if burn > 14.4 {
            let fast = rule("SLOBurnRateFast", "critical", 1);
            findings.add(&fast, service, &labels, text.clone());
        }
        if burn > 6.0 {
            findings.add(&rule("SLOBurnRateSlow", "warning", 3), service, &labels, text);
        }
    }

    fn pod_rules(&self, service: usize, now: Timestamp, findings: &mut Findings<'_>) {
        let world = &self.scenario.world;
        let entry = &world.services[service];
        for instance in 0..entry.instances {
            let vitals = self.vitals[service][instance];
            let pod = self.pod(service, instance, now);
            let node = &world.nodes[world.node_of(service, instance)];
            let labels = [("pod", pod.as_str()), ("node", node.as_str())];
            if vitals.down {
                let text = format!("{pod} does not answer its readiness probe");
                findings.add(&rule("PodNotReady", "critical", 1), &entry.name, &labels, text);
                continue;
            }
            vital_signs(findings, &vitals, &pod, &entry.name, &labels);
        }
    }

    /// What fires every night and means nothing here.
    fn noise(&self, now: Timestamp, findings: &mut Findings<'_>) {
        let world = &self.scenario.world;
        let minute = (now - self.scenario.start).secs() / 60;
        if minute >= 9 {
            let node = world.nodes.iter().next_back().map_or("", String::as_str);
            let text = format!("{node} will have a full disk in 4 days");
            findings.add(
                &rule("NodeDiskFillingUp", "warning", 2),
                "node-exporter",
                &[("node", node), ("device", "/dev/nvme0n1p1")],
                text,
            );
        }
        if minute % 13 == 4 {
            let text = String::from("a certificate expires in 29 days");
            findings.add(
                &rule("CertificateExpiresSoon", "info", 1),
                "cert-manager",
                &[("certificate", "static-assets")],
                text,
            );
        }
    }
}

fn percent(tally: &Tally) -> f64 {
    100.0 * tally.error_share()
}

fn latency(
    findings: &mut Findings<'_>,
    tally: &Tally,
    usual_ms: f64,
    service: &str,
    labels: &[(&'static str, &str)],
) {
    if tally.calls < CALLS_MIN {
        return;
    }
    let p95_ms = tally.quantile_ms(0.95);
    let text = format!("p95 is {p95_ms:.0} ms, usually about {usual_ms:.0} ms");
    if p95_ms > 3.0 * usual_ms + 60.0 {
        findings.add(&rule("HighLatencyP95", "warning", 1), service, labels, text.clone());
    }
    if p95_ms > 8.0 * usual_ms + 200.0 {
        findings.add(&rule("LatencyCritical", "critical", 1), service, labels, text);
    }
    let p50_ms = tally.quantile_ms(0.5);
    if p50_ms > 3.0 * usual_ms + 30.0 {
        let text = format!("half of all requests take longer than {p50_ms:.0} ms");
        findings.add(&rule("ApdexLow", "warning", 1), service, labels, text);
    }
}

fn errors(
    findings: &mut Findings<'_>,
    tally: &Tally,
    service: &str,
    labels: &[(&'static str, &str)],
) {
    if tally.calls < CALLS_MIN || tally.errors < 3 {
        return;
    }
    let text = format!("{:.1} % of requests fail", percent(tally));
    if tally.error_share() > 0.02 {
        findings.add(&rule("HighErrorRate", "warning", 1), service, labels, text.clone());
    }
    if tally.error_share() > 0.1 {
        findings.add(&rule("ErrorRateCritical", "critical", 1), service, labels, text);
    }
}

fn pod_symptoms(
    findings: &mut Findings<'_>,
    tally: &Tally,
    usual_ms: f64,
    service: &str,
    labels: &[(&'static str, &str)],
) {
    if tally.calls < CALLS_MIN {
        return;
    }
    let p95_ms = tally.quantile_ms(0.95);
    if p95_ms > 4.0 * usual_ms + 100.0 {
        let text = format!("p95 of this pod is {p95_ms:.0} ms");
        findings.add(&rule("PodHighLatency", "warning", 1), service, labels, text);
    }
    if tally.errors >= 3 && tally.error_share() > 0.05 {
        let text = format!("{:.1} % of this pod's requests fail", percent(tally));
        findings.add(&rule("PodHighErrorRate", "warning", 1), service, labels, text);
    }
}

fn vital_signs(
    findings: &mut Findings<'_>,
    vitals: &Vitals,
    pod: &str,
    service: &str,
    labels: &[(&'static str, &str)],
) {
    if vitals.cpu > 0.75 {
        let text = format!("{pod} uses {:.0} % of its CPU", 100.0 * vitals.cpu);
        findings.add(&rule("PodCPUHigh", "warning", 1), service, labels, text);
    }
    if vitals.memory > 0.85 {
        let text = format!("{pod} uses {:.0} % of its memory", 100.0 * vitals.memory);
        findings.add(&rule("PodMemoryHigh", "warning", 1), service, labels, text);
    }
    if vitals.in_flight > 3.0 {
        let text = format!("{:.0} requests are in flight on {pod}", vitals.in_flight);
        findings.add(&rule("RequestQueueDepth", "warning", 1), service, labels, text);
    }
    let [used, limit, pending] = vitals.pool;
    if limit > 0.0 && used >= limit && pending > 0.0 {
        let text = format!("all {limit:.0} connections of {pod} are in use, {pending:.0} wait");
        findings.add(&rule("ConnectionPoolSaturated", "critical", 0), service, labels, text);
    }
}

/// How far apart evaluations are. Unit: seconds.
pub(crate) const EVALUATION_S: i64 = SLOT_S;
