//! Where our own telemetry is sent, and what of it.

use std::time::Duration;

use sinks::config::secret::Secret;
use tracing::Level;

/// What is sent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base of OTLP/HTTP, without a slash at its end.
    pub endpoint: String,
    /// Its host.
    pub host: String,
    /// Whether it may be at a private address, and without TLS.
    pub is_private: bool,
    /// Headers of each request.
    pub headers: Vec<(String, Secret)>,
    /// Time between two exports of the metrics; `None`: they are not sent.
    pub metrics_every: Option<Duration>,
    /// Lines of the log of this level and above are sent; `None`: none are.
    pub logs_from: Option<Level>,
    /// Whether batches of the stages are sent as spans.
    pub has_traces: bool,
}
