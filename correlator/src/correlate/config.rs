//! What may be set about correlation. Every default has its reason beside it.

use model::hypothesis::EvidenceTerm;
use model::name::Name;
use model::nats::Nats;
use model::time::{Nanos, PaneWidth};
use serde::{Deserialize, Serialize};

/// Settings of a [`super::Correlator`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelateConfig {
    /// Width of panes; the same as in detection.
    pub width: PaneWidth,
    /// How far behind the newest judged pane facts become final. Default 120 s: telemetry may be
    /// 60 s late, alerts another minute.
    pub settle_after: Nanos,
    /// How far behind the newest alert facts become final where no telemetry is judged at all.
    pub settle_without_telemetry_after: Nanos,
    /// An incident is resolved when its causes were quiet for so long. Default 180 s.
    pub quiet_after: Nanos,
    /// A resolved incident may be reopened for so long. Default 30 min.
    pub reopen_within: Nanos,
    /// A firing alert that nobody repeated for so long holds no incident open. Default 1 h.
    pub alert_stale_after: Nanos,
    /// An incident without any news for so long ends even if telemetry is missing. Default 30 min.
    pub unseen_after: Nanos,
    /// A symptom counts as present for so long after its last pane. Default 60 s.
    pub active_after: Nanos,
    /// Most evidence that a cluster needs to open: `ln(K*P/F)` for K keys, P panes a day and F false
    /// incidents a day. Default 20 nats: about 60,000 keys, 8,640 panes, one a day. A smaller system
    /// needs less; see [`super::lifecycle`].
    pub open_level: Nats,
    /// Panes for which that evidence must have been there.
    pub open_panes: u32,
    /// Evidence that supports a single alert of low severity.
    pub support_level: Nats,
    /// An alert's own start counts as its time if it arrived at most so much later.
    pub alert_lateness: Nanos,
    /// Labels that name the entity of an alert, in order.
    pub bindings: Vec<Name>,
    /// Ranking.
    pub ranking: RankingConfig,
}

/// Settings of the ranking of causes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankingConfig {
    /// Softmax temperature. Above 1: evidence of one pane repeats itself in the next. Chosen by the log loss over the
    /// development seeds of our own corpus and the casebook (`docs/adr/0015-what-services-have-in-common.md`).
    pub temperature: f64,
    /// Bound of each kind of telemetry evidence. Unit: nats.
    pub telemetry_cap: f64,
    /// Bound of metric evidence. Unit: nats.
    pub metric_cap: f64,
    /// Bound of the evidence of alerts. Unit: nats.
    pub alerts_cap: f64,
    /// Weight of coverage when own evidence exists.
    pub coverage_weight: f64,
    /// Weight of coverage when only alerts tell.
    pub coverage_weight_alerts: f64,
    /// Panes after an incident opened whose evidence ranks causes; later panes only repeat it.
    pub evidence_panes: i64,
    /// How far back a change may be from the onset.
    pub change_window: Nanos,
    /// How much later than the onset a change may seem to be, for clocks that differ.
    pub change_skew: Nanos,
    /// Terms that are left out, to measure what they are worth. Default: none.
    #[serde(default)]
    pub without: Vec<EvidenceTerm>,
}

impl Default for RankingConfig {
    fn default() -> Self {
        Self {
            temperature: 12.0,
            telemetry_cap: 60.0,
            metric_cap: 25.0,
            alerts_cap: 25.0,
            coverage_weight: 1.0,
            coverage_weight_alerts: 3.0,
            evidence_panes: 30,
            change_window: Nanos::from_secs(24 * 3600),
            change_skew: Nanos::from_secs(60),
            without: Vec::new(),
        }
    }
}

/// Labels by which monitors name what an alert is about, the most telling first.
const BINDINGS: [&str; 24] = [
    "service",
    "service_name",
    "service.name",
    "app",
    "app_kubernetes_io_name",
    "app.kubernetes.io/name",
    "application",
    "component",
    "deployment",
    "k8s_deployment_name",
    "k8s.deployment.name",
    "statefulset",
    "daemonset",
    "workload",
    "container",
    "destination_service",
    "destination_service_name",
    "pod",
    "k8s_pod_name",
    "k8s.pod.name",
    "job",
    "instance",
    "node",
    "host",
];

impl Default for CorrelateConfig {
    fn default() -> Self {
        Self {
            width: PaneWidth::default(),
            settle_after: Nanos::from_secs(120),
            settle_without_telemetry_after: Nanos::from_secs(600),
            quiet_after: Nanos::from_secs(180),
            reopen_within: Nanos::from_secs(1800),
            alert_stale_after: Nanos::from_secs(3600),
            unseen_after: Nanos::from_secs(1800),
            active_after: Nanos::from_secs(60),
            open_level: Nats::from_int(20),
            open_panes: 2,
            support_level: Nats::from_int(6),
            alert_lateness: Nanos::from_secs(60),
            bindings: BINDINGS.iter().map(|label| Name::from(*label)).collect(),
            ranking: RankingConfig::default(),
        }
    }
}
