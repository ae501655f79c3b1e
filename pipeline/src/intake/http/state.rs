//! What the routes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use model::recording::topic;
use model::time::Timestamp;
use tokio::sync::Semaphore;

use crate::intake::decode::{DecodeLimits, TopicKind};
use crate::log::Log;

/// Requests that may be decoded and appended at once; more wait. Bounds memory: each holds a body
/// and what was decoded of it.
const REQUESTS_AT_ONCE: usize = 8;

/// The names of the input topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputTopics {
    /// Spans.
    pub spans: String,
    /// Logs.
    pub logs: String,
    /// Metrics.
    pub metrics: String,
    /// Alerts.
    pub alerts: String,
    /// Changes.
    pub changes: String,
    /// Topology.
    pub topology: String,
}

impl Default for InputTopics {
    fn default() -> Self {
        Self {
            spans: topic::SPANS.into(),
            logs: topic::LOGS.into(),
            metrics: topic::METRICS.into(),
            alerts: topic::ALERTS.into(),
            changes: topic::CHANGES.into(),
            topology: topic::TOPOLOGY.into(),
        }
    }
}

impl InputTopics {
    /// The topic of a kind.
    #[must_use]
    pub fn name(&self, kind: TopicKind) -> &str {
        match kind {
            TopicKind::Spans => &self.spans,
            TopicKind::Logs => &self.logs,
            TopicKind::Metrics => &self.metrics,
            TopicKind::Alerts => &self.alerts,
            TopicKind::Changes => &self.changes,
            TopicKind::Topology => &self.topology,
        }
    }
}

/// What the intake needs. Cheap to clone.
#[derive(Clone)]
pub struct IntakeState {
    pub(super) log: Arc<dyn Log>,
    pub(super) topics: Arc<InputTopics>,
    pub(super) limits: DecodeLimits,
    pub(super) now: fn() -> Timestamp,
    pub(super) github_secret: Option<Arc<[u8]>>,
    pub(super) gitlab_token: Option<Arc<[u8]>>,
    pub(super) permits: Arc<Semaphore>,
    next_partition: Arc<AtomicU32>,
    served: Arc<AtomicUsize>,
}

impl IntakeState {
    /// An intake that appends to `log`, with times by `now`.
    #[must_use]
    pub fn new(
        log: Arc<dyn Log>,
        topics: InputTopics,
        limits: DecodeLimits,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            log,
            topics: Arc::new(topics),
            limits,
            now,
            github_secret: None,
            gitlab_token: None,
            permits: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)),
            next_partition: Arc::default(),
            served: Arc::default(),
        }
    }

    /// Demands GitHub's `X-Hub-Signature-256` with this secret.
    #[must_use]
    pub fn with_github_secret(mut self, secret: &[u8]) -> Self {
        self.github_secret = Some(secret.into());
        self
    }

    /// Demands GitLab's `X-Gitlab-Token`.
    #[must_use]
    pub fn with_gitlab_token(mut self, token: &[u8]) -> Self {
        self.gitlab_token = Some(token.into());
        self
    }

    /// How many records were made durable.
    #[must_use]
    pub fn appended(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    pub(super) fn count_appended(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    /// Partitions in turn: traces are re-sharded by their id behind the topic.
    pub(super) fn partition(&self, partitions: u32) -> u32 {
        self.next_partition.fetch_add(1, Ordering::Relaxed) % partitions.max(1)
    }
}
