//! The configuration file as people write it. Every key has a default but `log`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinks::config::SinkConfig;
use sinks::config::secret::SecretRef;

use crate::config::history::RawHistory;
use crate::config::listen::{RawHttp, RawIntake};
use crate::config::telemetry::RawTelemetry;
use crate::grouping::RawRule;

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// Where the topics are.
    pub log: RawLog,
    /// Where snapshots are kept. Default `./faultline-data`.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// Names of topics.
    #[serde(default)]
    pub topics: RawTopics,
    /// Environments that are correlated apart. Default: one cell, `default`.
    #[serde(default = "default_cells")]
    pub cells: Vec<String>,
    /// How many tasks share the work.
    #[serde(default)]
    pub tasks: RawTasks,
    /// Panes and lateness.
    #[serde(default)]
    pub time: RawTime,
    /// When incidents are resolved and reopened.
    #[serde(default)]
    pub incidents: RawIncidents,
    /// Expressions that give alerts a key: those with the same key are in one incident.
    #[serde(default)]
    pub grouping: Vec<RawRule>,
    /// Console, API, health and metrics.
    #[serde(default)]
    pub http: RawHttp,
    /// OTLP/HTTP, alerts and webhooks in.
    #[serde(default)]
    pub intake: RawIntake,
    /// Who is told of incidents.
    #[serde(default)]
    pub sinks: Vec<SinkConfig>,
    /// How incidents are kept and asked for in SQL. Without it, they are not.
    #[serde(default)]
    pub history: Option<RawHistory>,
    /// Where faultline's own telemetry goes beside `/metrics` and standard error.
    #[serde(default)]
    pub telemetry: RawTelemetry,
}

/// Where the topics are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum RawLog {
    /// Apache Kafka, or what speaks its protocol.
    Kafka {
        /// `host:port`, several joined by commas.
        brokers: String,
        /// Further properties of librdkafka (`security.protocol`, `sasl.username` ...).
        #[serde(default)]
        properties: BTreeMap<String, String>,
        /// Properties whose values are secrets: read from an environment variable or a file.
        #[serde(default)]
        secret_properties: BTreeMap<String, SecretRef>,
        /// Whether missing topics are created. Default true.
        #[serde(default = "yes")]
        create_topics: bool,
        /// How long a process may be silent before one that stands by takes its roles over; the brokers'
        /// `group.min.session.timeout.ms` is the least. Unit: seconds. Default 10.
        #[serde(default = "default_session_s")]
        session_s: u32,
    },
    /// A directory of this machine: for one machine without Kafka.
    Embedded {
        /// The directory.
        directory: PathBuf,
    },
}

/// Names of topics.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTopics {
    /// Spans. Default `otlp_spans`.
    pub spans: String,
    /// Logs. Default `otlp_logs`.
    pub logs: String,
    /// Metrics. Default `otlp_metrics`.
    pub metrics: String,
    /// Alerts. Default `alerts`.
    pub alerts: String,
    /// Changes. Default `changes`.
    pub changes: String,
    /// Declared structure. Default `topology`.
    pub topology: String,
    /// Prefix of our own topics. Default `faultline`.
    pub prefix: String,
    /// Partitions of input topics that have to be created. Default 3.
    pub input_partitions: u32,
}

impl Default for RawTopics {
    fn default() -> Self {
        let inputs = crate::topics::InputTopics::default();
        Self {
            spans: inputs.spans,
            logs: inputs.logs,
            metrics: inputs.metrics,
            alerts: inputs.alerts,
            changes: inputs.changes,
            topology: inputs.topology,
            prefix: "faultline".into(),
            input_partitions: 3,
        }
    }
}

/// How many tasks share the work.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTasks {
    /// Shares of the traces, per cell. Default 1. Changing it needs an empty data directory.
    pub observe: u32,
    /// Shares of the services, per cell. Default 1. Changing it needs an empty data directory.
    pub detect: u32,
}

impl Default for RawTasks {
    fn default() -> Self {
        Self { observe: 1, detect: 1 }
    }
}

/// Panes and lateness. Unit: seconds of event time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTime {
    /// Width of a pane. Default 10.
    pub pane_s: i64,
    /// How long a pane waits for stragglers before it is first judged. Default 5.
    pub watermark_delay_s: i64,
    /// How late data may come and still revise. Default 60.
    pub lateness_s: i64,
}

impl Default for RawTime {
    fn default() -> Self {
        Self { pane_s: 10, watermark_delay_s: 5, lateness_s: 60 }
    }
}

/// When incidents are resolved and reopened. Unit: seconds of event time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawIncidents {
    /// Causes must be quiet for so long. Default 180.
    pub resolve_after_s: i64,
    /// A resolved incident is reopened, not opened anew, for so long. Default 1800.
    pub reopen_within_s: i64,
    /// A firing alert that was not heard of for so long no longer keeps an incident open.
    /// Default 3600.
    pub alert_stale_after_s: i64,
}

impl Default for RawIncidents {
    fn default() -> Self {
        Self { resolve_after_s: 180, reopen_within_s: 1800, alert_stale_after_s: 3600 }
    }
}

fn default_data_dir() -> PathBuf {
    "./faultline-data".into()
}

fn default_cells() -> Vec<String> {
    vec!["default".into()]
}

pub(super) const fn default_session_s() -> u32 {
    10
}

const fn yes() -> bool {
    true
}
