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
            | Self::NetworkDelay { to: service, .. } => Some(&world.services[service].name),
            Self::DatabaseSlow { store, .. } => Some(&world.stores[store].name),
            Self::ExternalDown { provider, .. } => Some(&world.providers[provider].name),
            Self::HostSaturated { node, .. } => Some(&world.nodes[node]),
            Self::TrafficSurge { .. } => None,
        }
    }
}

/// Where work is done.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) service: usize,
    pub(crate) instance: usize,
    pub(crate) node: usize,
    /// Whether the instance runs a version that a deploy of the scenario brought.
    pub(crate) renewed: bool,
}

/// What faults do to work at a site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Strain {
    pub(crate) slowdown: f64,
    /// Median wait for a database connection; 0 when there is no wait.
    pub(crate) pool_wait_ms: f64,
    pub(crate) error_share: f64,
    pub(crate) down: bool,
    /// Added to the share of memory in use.
    pub(crate) memory: f64,
    /// Added to the share of CPU in use.
    pub(crate) cpu: f64,
}

impl Strain {
    pub(crate) const NONE: Self = Self {
        slowdown: 1.0,
        pool_wait_ms: 0.0,
        error_share: 0.0,
        down: false,
        memory: 0.0,
        cpu: 0.0,
    };

    fn slow(&mut self, factor: f64, strength: f64) {
        self.slowdown *= 1.0 + (factor - 1.0) * strength;
    }

    fn add(&mut self, fault: &Fault, site: Site, strength: f64) {
        match fault.kind {
            FaultKind::SlowCode { service, factor } if service == site.service => {
                self.slow(factor, strength);
                self.cpu += 0.25 * strength;
            }
            FaultKind::ErrorBurst { service, share } if service == site.service => {
                self.error_share += share * strength;
            }
            FaultKind::ServiceDown { service } if service == site.service => self.down = true,
            FaultKind::BadDeploy { service, share, factor }
                if service == site.service && site.renewed =>
            {
                self.slow(factor, strength);
                self.error_share += share * strength;
            }
            FaultKind::PoolStarved { service, wait_ms } if service == site.service => {
                self.pool_wait_ms = wait_ms * strength;
            }
            FaultKind::MemoryLeak { service, factor } if service == site.service => {
                self.slow(factor, strength * strength);
                self.error_share += 0.4 * (strength - 0.6).max(0.0);
                self.memory += 0.5 * strength;
                self.cpu += 0.3 * strength;
            }
            FaultKind::HostSaturated { node, factor } if node == site.node => {
                self.slow(factor, strength);
                self.cpu += 0.55 * strength;
            }
            FaultKind::TrafficSurge { factor } => {
                self.slow(1.0 + 0.25 * factor, strength);
                self.error_share += 0.01 * factor * strength;
            }
            _ => {}
        }
    }
}

/// All faults of a scenario, asked for one place and instant at a time.
pub(crate) struct Weather<'a>(pub(crate) &'a [Fault]);

impl Weather<'_> {
    fn active(&self, at: Timestamp) -> impl Iterator<Item = (&Fault, f64)> {
        let strengths = self.0.iter().map(move |fault| (fault, fault.strength(at)));
        strengths.filter(|(_, strength)| *strength > 0.0)
    }

    pub(crate) fn at(&self, site: Site, at: Timestamp) -> Strain {
        let mut strain = Strain::NONE;
        for (fault, strength) in self.active(at) {
            strain.add(fault, site, strength);
        }
        strain
    }

    /// By what the load is multiplied.
    pub(crate) fn load(&self, at: Timestamp) -> f64 {
        let factor = |(fault, strength): (&Fault, f64)| match fault.kind {
            FaultKind::TrafficSurge { factor } => 1.0 + (factor - 1.0) * strength,
            _ => 1.0,
        };
        self.active(at).map(factor).product()
    }

    /// What the network adds between two services, one way. Unit: milliseconds.
    pub(crate) fn network_ms(&self, from: usize, to: usize, at: Timestamp) -> f64 {
        let added = |(fault, strength): (&Fault, f64)| match fault.kind {
            FaultKind::NetworkDelay { from: f, to: t, added_ms } if (f, t) == (from, to) => {
                added_ms * strength / 2.0
            }
            _ => 0.0,
        };
        self.active(at).map(added).sum()
    }

    /// By what a database's answers are stretched.
    pub(crate) fn store_slowdown(&self, store: usize, at: Timestamp) -> f64 {
        let factor = |(fault, strength): (&Fault, f64)| match fault.kind {
            FaultKind::DatabaseSlow { store: s, factor } if s == store => {
                1.0 + (factor - 1.0) * strength
            }
            _ => 1.0,
        };
        self.active(at).map(factor).product()
    }

    /// Which share of a provider's answers are failures.
    pub(crate) fn provider_failures(&self, provider: usize, at: Timestamp) -> f64 {
        let share = |(fault, strength): (&Fault, f64)| match fault.kind {
            FaultKind::ExternalDown { provider: p, share } if p == provider => share * strength,
            _ => 0.0,
        };
        self.active(at).map(share).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind) -> Fault {
        Fault {
            kind,
            start: Timestamp(1_000),
            end: Timestamp(2_000),
            ramp: Nanos(500),
            change_id: None,
        }
    }

    #[test]
    fn a_fault_grows_over_its_ramp_and_ends() {
        let fault = fault(FaultKind::TrafficSurge { factor: 3.0 });
        let strengths = [999, 1_000, 1_250, 1_999, 2_000].map(|ns| fault.strength(Timestamp(ns)));
        assert_eq!(strengths, [0.0, 0.0, 0.5, 1.0, 0.0]);
        let faults = [fault];
        assert!((Weather(&faults).load(Timestamp(1_600)) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_bad_deploy_strains_only_the_renewed_instances() {
        let faults = [fault(FaultKind::BadDeploy { service: 1, share: 0.5, factor: 2.0 })];
        let site = |renewed| Site { service: 1, instance: 0, node: 0, renewed };
        let weather = Weather(&faults);
        assert_eq!(weather.at(site(false), Timestamp(1_900)), Strain::NONE);
        assert!((weather.at(site(true), Timestamp(1_900)).error_share - 0.5).abs() < 1e-9);
    }
}
