//! What an OTLP sink's configuration holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::secret::SecretRef;
use super::{SinkSettings, default_timeout_ms, yes};
use crate::otlp::Otlp;
use crate::sink::Sink;

/// Most headers of one's own.
const HEADERS_MAX: usize = 10;

/// Log events and spans to a Collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// The base of OTLP/HTTP, such as `http://127.0.0.1:4318`; `/v1/logs` and `/v1/traces` are
    /// added.
    pub url: String,
    /// Headers of each request, such as `authorization`; values by reference only.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretRef>,
    /// Whether an incident that is over is sent as a span as well.
    #[serde(default = "yes")]
    pub spans: bool,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

impl SinkSettings for OtlpConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "otlp"
    }

    fn destination(&self) -> &str {
        &self.url
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::Any);
        if self.url.trim_end_matches('/').ends_with("/v1/logs") {
            check.wrong("url", "expected the base alone; /v1/logs is added");
        }
        check.timeout(self.timeout_ms);
        if self.headers.len() > HEADERS_MAX {
            check.wrong("headers", format!("expected at most {HEADERS_MAX}"));
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        for name in self.headers.keys() {
            if name.is_empty() || name.len() > 100 || !name.bytes().all(fits) {
                check.wrong("headers", format!("expected a header's name, found {name:?}"));
            }
        }
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let mut headers = Vec::new();
        for (name, secret) in &self.headers {
            let value = check.secret(&format!("headers.{name}"), secret)?;
            headers.push((name.to_ascii_lowercase(), value));
        }
        Some(Box::new(Otlp::new(self, headers)))
    }
}
