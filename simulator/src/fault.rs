//! Faults: what goes wrong, where and when, and what it does to work that passes there.
//!
//! Absent on purpose: how a fault spreads. It only touches its own place; callers feel it because
//! they wait, give up, retry and fail (`calls`).

use model::time::{Nanos, Timestamp};

use crate::world::World;

/// What goes wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// A service works `factor` times as long.
    SlowCode {
        /// The service.
        service: usize,
        /// By what work, answers or load are multiplied; above 1.
        factor: f64,
    },
    /// A service fails a share of its requests.
    ErrorBurst {
        /// The service.
        service: usize,
        /// Which share fails, 0 to 1.
        share: f64,
    },
    /// A service refuses every connection and says nothing any more.
    ServiceDown {
        /// The service.
        service: usize,
    },
    /// The instances that run the new version of a service fail a share of their requests and
    /// work `factor` times as long.
    BadDeploy {
        /// The service.
        service: usize,
        /// Which share fails, 0 to 1.
        share: f64,
        /// By what work, answers or load are multiplied; above 1.
        factor: f64,
    },
    /// A setting starves a service of database connections: requests wait for one, `wait_ms` in
    /// the middle, and fail after [`POOL_PATIENCE_MS`].
    PoolStarved {
        /// The service.
        service: usize,
        /// Median of the wait. Unit: milliseconds.
        wait_ms: f64,
    },
    /// A database answers `factor` times as slowly.
    DatabaseSlow {
        /// The database.
        store: usize,
        /// By what work, answers or load are multiplied; above 1.
        factor: f64,
    },
    /// The network between two services takes longer.
    NetworkDelay {
        /// The calling service.
        from: usize,
        /// The called service.
        to: usize,
        /// What a round trip takes longer. Unit: milliseconds.
        added_ms: f64,
    },
    /// A party outside fails a share of its requests.
    ExternalDown {
        /// The outside party.
        provider: usize,
        /// Which share fails, 0 to 1.
        share: f64,
    },
    /// The load is multiplied; everything on the way gets slower with it.
    TrafficSurge {
        /// By what work, answers or load are multiplied; above 1.
        factor: f64,
    },
    /// A service's memory fills up: it gets slower, and then fails, over the fault's ramp.
    MemoryLeak {
        /// The service.
        service: usize,
        /// By what work, answers or load are multiplied; above 1.
        factor: f64,
    },
    /// A host is short of CPU: every instance on it works `factor` times as long.
    HostSaturated {
        /// The host.
        node: usize,
        /// By what work, answers or load are multiplied; above 1.
        factor: f64,
    },
    /// A service's certificate is not valid: every call to it fails in the handshake, and the
    /// service, in good health, is not asked any more.
    CertificateInvalid {
        /// The service.
        service: usize,
    },
    /// The network between two services loses a share of the calls: the caller waits in vain.
    NetworkLoss {
        /// The calling service.
        from: usize,
        /// The called service.
        to: usize,
        /// Which share is lost, 0 to 1.
        share: f64,
    },
    /// A setting makes a service give up on other services after `timeout_ms`.
    PatienceCut {
        /// The service.
        service: usize,
        /// For how long it waits. Unit: milliseconds.
        timeout_ms: f64,
    },
    /// A party outside answers `factor` times as slowly.
    ExternalSlow {
        /// The outside party.
        provider: usize,
        /// By what work, answers or load are multiplied; above 1.
        factor: f64,
    },
}

/// How long a request waits for a database connection. Unit: milliseconds.
pub const POOL_PATIENCE_MS: f64 = 1_000.0;

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What and where.
    pub kind: FaultKind,
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// It grows from nothing to its full strength in that time.
    pub ramp: Nanos,
    /// The change that caused it, if one did.
    pub change_id: Option<String>,
}

impl Fault {
    /// Its strength at an instant, 0 to 1.
    #[must_use]
    pub fn strength(&self, at: Timestamp) -> f64 {
        if at < self.start || at >= self.end {
            return 0.0;
        }
        if self.ramp <= Nanos::ZERO {
            return 1.0;
        }
        ((at - self.start).as_secs_f64() / self.ramp.as_secs_f64()).min(1.0)
    }
}

impl FaultKind {
    /// The kind as ground truth names it.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::SlowCode { .. } => "slow_code",
            Self::ErrorBurst { .. } => "error_burst",
            Self::ServiceDown { .. } => "service_down",
            Self::BadDeploy { .. } => "bad_deploy",
            Self::PoolStarved { .. } => "config_change",
            Self::DatabaseSlow { .. } => "database_slow",
            Self::NetworkDelay { .. } => "network_delay",
            Self::ExternalDown { .. } => "external_down",
            Self::TrafficSurge { .. } => "traffic_surge",
            Self::MemoryLeak { .. } => "memory_leak",
            Self::HostSaturated { .. } => "host_saturated",
            Self::CertificateInvalid { .. } => "certificate_invalid",
            Self::NetworkLoss { .. } => "network_loss",
            Self::PatienceCut { .. } => "patience_cut",
            Self::ExternalSlow { .. } => "external_slow",
        }
    }

    /// Who is to blame, by name: a service, a database, a party outside or a host. An edge counts
    /// for its callee; nobody is to blame for a surge.
    #[must_use]
    pub fn culprit<'a>(&self, world: &'a World) -> Option<&'a str> {
        match *self {
            Self::SlowCode { service, .. }
            | Self::ErrorBurst { service, .. }
            | Self::ServiceDown { service }
            | Self::BadDeploy { service, .. }
            | Self::PoolStarved { service, .. }
            | Self::MemoryLeak { service, .. }
            | Self::NetworkDelay { to: service, .. }
            | Self::NetworkLoss { to: service, .. }
            | Self::CertificateInvalid { service }
            | Self::PatienceCut { service, .. } => Some(&world.services[service].name),
            Self::DatabaseSlow { store, .. } => Some(&world.stores[store].name),
            Self::ExternalDown { provider, .. } | Self::ExternalSlow { provider, .. } => {
                Some(&world.providers[provider].name)
            }
            Self::HostSaturated { node, .. } => Some(&world.nodes[node]),
            Self::TrafficSurge { .. } => None,
        }
    }
}
