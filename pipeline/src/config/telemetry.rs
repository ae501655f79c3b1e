//! Where faultline's own telemetry goes.
//!
//! Variables that OpenTelemetry's SDKs obey (`OTEL_EXPORTER_OTLP_ENDPOINT` and the like) are not looked at: platforms set
//! them for every process, and what leaves here is decided in this file alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinks::config::secret::SecretRef;

use super::check::Checker;
use crate::outbound::Reach;
use crate::telemetry::Settings;

/// Most headers of one's own.
const HEADERS_MAX: usize = 10;
const ENDPOINT: &str = "telemetry.otlp.endpoint";

/// Where faultline's own telemetry goes beside `/metrics` and standard error.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTelemetry {
    /// Metrics, log and traces to a Collector, by OTLP/HTTP in protobuf. Without it, nothing is sent.
    pub otlp: Option<RawOtlp>,
}

/// Metrics, log and traces to a Collector.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawOtlp {
    /// The base of OTLP/HTTP, such as `https://otel.example.org:4318`; `/v1/metrics`, `/v1/logs` and `/v1/traces` are
    /// added. A Collector that hands everything on to faultline has to leave `service.name=faultline` out.
    pub endpoint: String,
    /// Whether the endpoint may be at a private address or on this machine, and without TLS. Default false.
    #[serde(default)]
    pub private: bool,
    /// Headers of each request, such as `authorization`; values by reference only.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretRef>,
    /// What is sent. Default all.
    #[serde(default = "all")]
    pub signals: Vec<RawSignal>,
    /// Time between two exports of the metrics. Unit: seconds, 1 to 3600. Default 30.
    #[serde(default = "every_s")]
    pub every_s: i64,
    /// Lines of the log of this level and above are sent, as far as `FAULTLINE_LOG` lets them be written. Default `warn`.
    #[serde(default)]
    pub logs_from: RawLevel,
}

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawSignal {
    /// What `/metrics` shows.
    Metrics,
    /// Lines of the program's log.
    Logs,
    /// A span for each batch of a stage, at most one a second of each.
    Traces,
}

/// A level of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawLevel {
    /// What went wrong for good.
    Error,
    /// What went wrong.
    #[default]
    Warn,
    /// What is done, too.
    Info,
}

fn all() -> Vec<RawSignal> {
    vec![RawSignal::Metrics, RawSignal::Logs, RawSignal::Traces]
}

const fn every_s() -> i64 {
    30
}

impl Checker {
    /// Where our own telemetry goes, if it goes anywhere.
    pub(super) fn telemetry(&mut self, raw: &RawTelemetry, intake: SocketAddr) -> Option<Settings> {
        let raw = raw.otlp.as_ref()?;
        let endpoint = raw.endpoint.trim_end_matches('/').to_owned();
        if endpoint.ends_with("/v1/metrics") || endpoint.ends_with("/v1/logs") {
            self.error(ENDPOINT, "is the base alone; /v1/metrics and the others are added");
        }
        let host = self.endpoint(&endpoint, raw.private);
        self.not_our_intake(&endpoint, intake);
        let every_s = self.within("telemetry.otlp.every_s", raw.every_s, 1, 3600);
        let headers = self.headers(&raw.headers);
        let has = |signal| raw.signals.contains(&signal);
        let every = Duration::from_secs(every_s.unsigned_abs());
        let level = match raw.logs_from {
            RawLevel::Error => tracing::Level::ERROR,
            RawLevel::Warn => tracing::Level::WARN,
            RawLevel::Info => tracing::Level::INFO,
        };
        Some(Settings {
            host,
            endpoint,
            is_private: raw.private,
            headers,
            metrics_every: has(RawSignal::Metrics).then_some(every),
            logs_from: has(RawSignal::Logs).then_some(level),
            has_traces: has(RawSignal::Traces),
        })
    }

    /// The endpoint's host.
    fn endpoint(&mut self, endpoint: &str, is_private: bool) -> String {
        let uri: Option<axum::http::Uri> = endpoint.parse().ok();
        let host = uri.as_ref().and_then(|uri| uri.host()).unwrap_or_default().to_owned();
        let private = is_private.then(|| host.clone());
        if let Err(refused) = Reach::new([host.clone()], private).host(endpoint) {
            let advice = "give an https URL, or say `private: true` for a Collector at hand";
            self.error(ENDPOINT, &format!("{refused}; {advice}"));
        }
        host
    }

    /// What we say of ourselves must not come in as what we watch.
    fn not_our_intake(&mut self, endpoint: &str, intake: SocketAddr) {
        let uri: Option<axum::http::Uri> = endpoint.parse().ok();
        let Some(uri) = uri else { return };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost"
            || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback() || ip == intake.ip());
        if is_here && intake.port() != 0 && uri.port_u16() == Some(intake.port()) {
            let what = "is faultline's own intake: it would watch itself; name a Collector or another \
                        faultline";
            self.error(ENDPOINT, what);
        }
    }

    fn headers(
        &mut self,
        raw: &BTreeMap<String, SecretRef>,
    ) -> Vec<(String, sinks::config::secret::Secret)> {
        if raw.len() > HEADERS_MAX {
            self.error("telemetry.otlp.headers", &format!("are more than {HEADERS_MAX}"));
        }
        let mut headers = Vec::new();
        for (name, secret) in raw {
            let key = format!("telemetry.otlp.headers.{name}");
            if HeaderName::try_from(name.as_str()).is_err() {
                self.error(&key, "is no name of a header");
            }
            let Some(value) = self.secret(&key, secret) else { continue };
            if HeaderValue::try_from(value.expose()).is_err() {
                self.error(&key, "holds what no header may hold");
            }
            headers.push((name.to_ascii_lowercase(), value));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::RawConfig;
    use crate::config::usable::Config;

    fn check(otlp: &str) -> Result<Config, Vec<String>> {
        let yaml =
            format!("log: {{kind: embedded, directory: d}}\ntelemetry: {{otlp: {{{otlp}}}}}\n");
        let raw: RawConfig = serde_saphyr::from_str(&yaml).map_err(|e| vec![e.to_string()])?;
        Checker::default().check(raw)
    }

    #[test]
    fn an_endpoint_is_enough_and_without_one_nothing_is_sent() {
        let settings = check("endpoint: 'https://otel.example.org/'").unwrap().telemetry.unwrap();
        assert_eq!(settings.endpoint, "https://otel.example.org");
        assert_eq!(settings.metrics_every, Some(Duration::from_secs(30)));
        assert_eq!(settings.logs_from, Some(tracing::Level::WARN));
        assert!(settings.has_traces && !settings.is_private);
        let raw: RawConfig =
            serde_saphyr::from_str("log: {kind: embedded, directory: d}\n").unwrap();
        assert!(Checker::default().check(raw).unwrap().telemetry.is_none());
    }

    #[test]
    fn endpoints_that_lead_nowhere_or_back_are_refused_with_what_to_do() {
        for (otlp, why) in [
            ("endpoint: 'http://otel.example.org:4318'", "private: true"),
            ("endpoint: 'otel:4318', private: true", "telemetry.otlp.endpoint"),
            ("endpoint: 'https://u:p@otel.example.org'", "has a user in it"),
            ("endpoint: 'http://127.0.0.1:4318', private: true", "own intake"),
            ("endpoint: 'http://localhost:4318/', private: true", "own intake"),
            ("endpoint: 'https://otel.example.org/v1/metrics'", "the base alone"),
            ("endpoint: 'https://otel.example.org', every_s: 0", "telemetry.otlp.every_s"),
            (
                "endpoint: 'https://otel.example.org', headers: {authorization: {env: NOT_SET}}",
                "telemetry.otlp.headers.authorization",
            ),
            ("endpoint: 'https://otel.example.org', signals: [noise]", "noise"),
        ] {
            let errors = check(otlp).unwrap_err();
            assert!(errors.iter().any(|error| error.contains(why)), "{otlp}: {errors:?}");
        }
        assert!(check("endpoint: 'http://127.0.0.1:4319', private: true").is_ok());
    }
}
