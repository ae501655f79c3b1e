//! A monitoring set as shops have it: alert rules over operations, pods, calls and entry points,
//! evaluated every 15 s. Thresholds are static, set by people who know the usual latency.
//!
//! Absent on purpose: any notion of cause. Whoever waits, queues or retries fires as loudly as the
//! one that is to blame.

use model::time::Timestamp;

use crate::changes::Rollouts;
use crate::metrics::Vitals;
use crate::noise;
use crate::rules::{self, Breach, Findings};
use crate::scenario::{AlertNoise, Scenario};
use crate::seen::{SLOT_S, Seen};
use crate::table::Table;
use crate::telemetry::pod_name;

/// Rules are evaluated over what was seen.
pub(crate) struct Monitor<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) seen: &'a Seen<'a>,
    pub(crate) vitals: &'a Table<Table<Vitals>>,
    pub(crate) rollouts: &'a Rollouts<'a>,
}

impl Monitor<'_> {
    /// All rules that hold at an instant, in a fixed order.
    pub(crate) fn evaluate(&self, now: Timestamp) -> Vec<Breach> {
        let mut findings = Findings { scenario: self.scenario, out: Vec::new() };
        for operation in self.scenario.world.operations.ids() {
            self.operation_rules(operation, now, &mut findings);
            self.call_rules(operation, now, &mut findings);
        }
        for route in &self.scenario.traffic.routes {
            self.entry_rules(route.operation, &mut findings);
        }
        for service in self.scenario.world.services.ids() {
            self.pod_rules(service, now, &mut findings);
        }
        match &self.scenario.noise {
            AlertNoise::Quiet => {}
            AlertNoise::Usual => self.noise(now, &mut findings),
            AlertNoise::Rules(rules) => noise::evaluate(self.scenario, rules, now, &mut findings),
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
        rules::latency(findings, &tally, usual_ms, &service.name, &labels);
        rules::errors(findings, &tally, &service.name, &labels);
        for instance in 0..service.instances {
            let tally = self.seen.operation(operation, Some(instance));
            let pod = self.pod(entry.service, instance, now);
            let labels = [("operation", entry.name.as_str()), ("pod", pod.as_str())];
            rules::pod_symptoms(findings, &tally, usual_ms, &service.name, &labels);
        }
    }

    fn pod(&self, service: usize, instance: usize, now: Timestamp) -> String {
        let world = &self.scenario.world;
        pod_name(world, service, instance, self.rollouts.version(service, instance, now))
    }

    fn call_rules(&self, operation: usize, now: Timestamp, findings: &mut Findings<'_>) {
        let world = &self.scenario.world;
        let entry = &world.operations[operation];
        let caller = entry.service;
        let service = &world.services[caller];
        for call in world.calls_of(operation) {
            let upstream = world.callee_name(call);
            let labels = [("upstream", upstream), ("operation", entry.name.as_str())];
            let tally = self.seen.call(caller, call, None);
            rules::call(findings, &tally, &service.name, &labels);
            for instance in 0..service.instances {
                let tally = self.seen.call(caller, call, Some(instance));
                let pod = self.pod(caller, instance, now);
                let labels = [("upstream", upstream), ("pod", pod.as_str())];
                rules::pod_call(findings, &tally, &service.name, &labels);
            }
        }
    }

    fn entry_rules(&self, operation: usize, findings: &mut Findings<'_>) {
        let world = &self.scenario.world;
        let entry = &world.operations[operation];
        let service = &world.services[entry.service].name;
        let tally = self.seen.operation(operation, None);
        let labels = [("route", entry.name.as_str()), ("slo", "availability-99.9")];
        rules::budget(findings, &tally, service, &labels);
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
                findings.add(
                    &rules::rule("PodNotReady", "critical", 1),
                    &entry.name,
                    &labels,
                    text,
                );
                continue;
            }
            rules::vital_signs(findings, &vitals, &pod, &entry.name, &labels);
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
                &rules::rule("NodeDiskFillingUp", "warning", 2),
                "node-exporter",
                &[("node", node), ("device", "/dev/nvme0n1p1")],
                text,
            );
        }
        if minute % 13 == 4 {
            let text = String::from("a certificate expires in 29 days");
            findings.add(
                &rules::rule("CertificateExpiresSoon", "info", 1),
                "cert-manager",
                &[("certificate", "static-assets")],
                text,
            );
        }
    }
}

/// How far apart evaluations are. Unit: seconds.
pub(crate) const EVALUATION_S: i64 = SLOT_S;
