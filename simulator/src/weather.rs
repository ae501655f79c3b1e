//! Weather: what all faults together do to work at one place and instant.
//!
//! Absent on purpose: how a fault spreads. It only touches its own place; callers feel it because
//! they wait, give up, retry and fail (`calls`).

use model::time::Timestamp;

use crate::fault::{Fault, FaultKind};

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

    /// By what a provider's answers are stretched.
    pub(crate) fn provider_slowdown(&self, provider: usize, at: Timestamp) -> f64 {
        let factor = |(fault, strength): (&Fault, f64)| match fault.kind {
            FaultKind::ExternalSlow { provider: p, factor } if p == provider => {
                1.0 + (factor - 1.0) * strength
            }
            _ => 1.0,
        };
        self.active(at).map(factor).product()
    }

    /// Which share of the calls between two services is lost.
    pub(crate) fn network_loss(&self, from: usize, to: usize, at: Timestamp) -> f64 {
        let share = |(fault, strength): (&Fault, f64)| match fault.kind {
            FaultKind::NetworkLoss { from: f, to: t, share } if (f, t) == (from, to) => {
                share * strength
            }
            _ => 0.0,
        };
        self.active(at).map(share).sum()
    }

    /// Whether callers refuse a service's certificate.
    pub(crate) fn certificate_invalid(&self, service: usize, at: Timestamp) -> bool {
        self.active(at).any(|(fault, _)| {
            matches!(fault.kind, FaultKind::CertificateInvalid { service: s } if s == service)
        })
    }

    /// For how long a service waits for others, given what its calls were made with. Unit:
    /// milliseconds.
    pub(crate) fn patience_ms(&self, service: usize, usual_ms: f64, at: Timestamp) -> f64 {
        let cut = |(fault, _): (&Fault, f64)| match fault.kind {
            FaultKind::PatienceCut { service: s, timeout_ms } if s == service => timeout_ms,
            _ => usual_ms,
        };
        self.active(at).map(cut).fold(usual_ms, f64::min)
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
    use model::time::Nanos;

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
