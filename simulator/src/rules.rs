//! The alert rules themselves: what a shop's people once wrote down as "not normal".

use std::collections::BTreeMap;

use crate::metrics::Vitals;
use crate::scenario::Scenario;
use crate::seen::Tally;

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

/// One evaluation in the making.
pub(crate) struct Findings<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) out: Vec<Breach>,
}

pub(crate) struct Rule {
    name: &'static str,
    severity: &'static str,
    hold: u32,
}

pub(crate) const fn rule(name: &'static str, severity: &'static str, hold: u32) -> Rule {
    Rule { name, severity, hold }
}

impl Findings<'_> {
    pub(crate) fn add(
        &mut self,
        rule: &Rule,
        service: &str,
        more: &[(&'static str, &str)],
        text: String,
    ) {
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

/// Rules on one call of an operation.
pub(crate) fn call(
    findings: &mut Findings<'_>,
    tally: &Tally,
    service: &str,
    labels: &[(&'static str, &str)],
) {
    if tally.calls < CALLS_MIN {
        return;
    }
    if tally.error_share() > 0.05 {
        let text = format!("{:.0} % of these calls fail", percent(tally));
        findings.add(&rule("UpstreamErrors", "warning", 1), service, labels, text);
    }
    if tally.resend_share() > 0.15 {
        let text = format!("{:.0} % of these calls are retries", 100.0 * tally.resend_share());
        findings.add(&rule("RetryStorm", "warning", 1), service, labels, text);
    }
    if tally.timeouts >= 5 {
        let text = format!("gave up waiting {} times in a minute", tally.timeouts);
        findings.add(&rule("UpstreamTimeouts", "warning", 0), service, labels, text);
    }
}

/// The same at one pod.
pub(crate) fn pod_call(
    findings: &mut Findings<'_>,
    tally: &Tally,
    service: &str,
    labels: &[(&'static str, &str)],
) {
    if tally.calls >= CALLS_MIN && tally.errors >= 3 && tally.error_share() > 0.05 {
        let text = format!("{:.0} % of this pod's calls fail", percent(tally));
        findings.add(&rule("PodUpstreamErrors", "warning", 1), service, labels, text);
    }
}

/// Error budget of an entry point, 99.9 %: the burn rates are those of the SRE workbook.
pub(crate) fn budget(
    findings: &mut Findings<'_>,
    tally: &Tally,
    service: &str,
    labels: &[(&'static str, &str)],
) {
    if tally.calls < CALLS_MIN || tally.errors < 3 {
        return;
    }
    let burn = tally.error_share() / 0.001;
    let text = format!("the error budget burns {burn:.0} times too fast");
    if burn > 14.4 {
        findings.add(&rule("SLOBurnRateFast", "critical", 1), service, labels, text.clone());
    }
    if burn > 6.0 {
        findings.add(&rule("SLOBurnRateSlow", "warning", 3), service, labels, text);
    }
}

/// In percent, for people.
fn percent(tally: &Tally) -> f64 {
    100.0 * tally.error_share()
}

pub(crate) fn latency(
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

pub(crate) fn errors(
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

pub(crate) fn pod_symptoms(
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
    if p95_ms > 10.0 * usual_ms + 300.0 {
        let text = format!("p95 of this pod is {p95_ms:.0} ms, it may be unusable");
        findings.add(&rule("PodLatencyCritical", "critical", 2), service, labels, text);
    }
    if tally.errors >= 3 && tally.error_share() > 0.05 {
        let text = format!("{:.1} % of this pod's requests fail", percent(tally));
        findings.add(&rule("PodHighErrorRate", "warning", 1), service, labels, text);
    }
}

pub(crate) fn vital_signs(
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
