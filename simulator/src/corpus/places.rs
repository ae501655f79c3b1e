//! Places: where a fault of a wanted kind strikes, such that enough requests pass it to be noticed,
//! and how hard.

use crate::dice::Dice;
use crate::fault::FaultKind;
use crate::scenario::Scenario;
use crate::world::Callee;

use super::systems::{neighbours, passes};

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SlowCode,
    ErrorBurst,
    ServiceDown,
    BadDeploy,
    PoolStarved,
    DatabaseSlow,
    NetworkDelay,
    ExternalDown,
    TrafficSurge,
    MemoryLeak,
    HostSaturated,
    Certificate,
    NetworkLoss,
    PatienceCut,
    ExternalSlow,
}

/// How hard faults are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strength {
    /// By what work is multiplied.
    pub(super) factor: (f64, f64),
    /// Which share of requests fails.
    pub(super) share: (f64, f64),
}

/// A place is noticed when so many requests a minute pass it: monitors want twelve for a ratio.
const PASSES_PER_MIN: f64 = 24.0;

/// A fault of a kind at a place off the edge that is not among `taken` services. `None` when the
/// world has no such place.
pub(super) fn strike(
    dice: &mut Dice,
    scenario: &Scenario,
    kind: Kind,
    strength: Strength,
    taken: &[usize],
) -> Option<FaultKind> {
    let world = &scenario.world;
    let factor = dice.between(strength.factor.0, strength.factor.1);
    let share = dice.between(strength.share.0, strength.share.1);
    let service = |dice: &mut Dice| dice.pick(&busy(scenario, taken)).copied();
    Some(match kind {
        Kind::SlowCode => FaultKind::SlowCode { service: service(dice)?, factor },
        Kind::ErrorBurst => FaultKind::ErrorBurst { service: service(dice)?, share },
        Kind::ServiceDown => FaultKind::ServiceDown { service: service(dice)? },
        Kind::BadDeploy => FaultKind::BadDeploy { service: service(dice)?, share, factor: 2.0 },
        Kind::MemoryLeak => FaultKind::MemoryLeak { service: service(dice)?, factor },
        Kind::Certificate => FaultKind::CertificateInvalid { service: service(dice)? },
        Kind::TrafficSurge => FaultKind::TrafficSurge { factor: dice.between(2.5, 3.5) },
        Kind::HostSaturated => {
            let service = service(dice)?;
            let instance = dice.below(world.services[service].instances);
            FaultKind::HostSaturated { node: world.node_of(service, instance), factor }
        }
        Kind::PoolStarved => {
            let asks = |it: &usize| !stores_of(scenario, *it).is_empty();
            let services: Vec<usize> = busy(scenario, taken).into_iter().filter(asks).collect();
            let wait_ms = dice.between(300.0, 900.0);
            FaultKind::PoolStarved { service: *dice.pick(&services)?, wait_ms }
        }
        Kind::DatabaseSlow => {
            let mut stores: Vec<usize> =
                busy(scenario, taken).iter().flat_map(|it| stores_of(scenario, *it)).collect();
            stores.sort_unstable();
            stores.dedup();
            FaultKind::DatabaseSlow { store: *dice.pick(&stores)?, factor: 4.0 * factor }
        }
        Kind::ExternalDown | Kind::ExternalSlow => {
            let mut providers: Vec<usize> =
                busy(scenario, taken).iter().flat_map(|it| providers_of(scenario, *it)).collect();
            providers.sort_unstable();
            providers.dedup();
            let provider = *dice.pick(&providers)?;
            if kind == Kind::ExternalDown {
                FaultKind::ExternalDown { provider, share }
            } else {
                FaultKind::ExternalSlow { provider, factor }
            }
        }
        Kind::NetworkDelay | Kind::NetworkLoss => {
            let to = service(dice)?;
            let from = *dice.pick(&neighbours(world, to).0)?;
            if kind == Kind::NetworkDelay {
                FaultKind::NetworkDelay { from, to, added_ms: dice.between(150.0, 500.0) }
            } else {
                FaultKind::NetworkLoss { from, to, share }
            }
        }
        Kind::PatienceCut => {
            let calls = |it: &usize| !neighbours(world, *it).1.is_empty();
            let services: Vec<usize> = busy(scenario, taken).into_iter().filter(calls).collect();
            let service = *dice.pick(&services)?;
            FaultKind::PatienceCut { service, timeout_ms: 0.9 * longest_call_ms(scenario, service) }
        }
    })
}

/// Services off the edge that enough requests pass.
fn busy(scenario: &Scenario, taken: &[usize]) -> Vec<usize> {
    let world = &scenario.world;
    let (_, visits) = passes(world, &scenario.traffic.routes);
    let edge = |it: &usize| {
        let routes = scenario.traffic.routes.iter();
        routes.into_iter().any(|route| world.operations[route.operation].service == *it)
    };
    let noticed =
        |it: &usize| visits[*it] * 60.0 >= PASSES_PER_MIN && !edge(it) && !taken.contains(it);
    world.services.ids().filter(noticed).collect()
}

fn callees_of(scenario: &Scenario, service: usize) -> Vec<&Callee> {
    let world = &scenario.world;
    let own = world.operations.ids().filter(|it| world.operations[*it].service == service);
    own.flat_map(|operation| world.calls_of(operation)).map(|call| &world.calls[call].to).collect()
}

fn stores_of(scenario: &Scenario, service: usize) -> Vec<usize> {
    let store = |to: &&Callee| match to {
        Callee::Store { store, .. } => Some(*store),
        _ => None,
    };
    callees_of(scenario, service).iter().filter_map(store).collect()
}

fn providers_of(scenario: &Scenario, service: usize) -> Vec<usize> {
    let provider = |to: &&Callee| match to {
        Callee::Provider { provider, .. } => Some(*provider),
        _ => None,
    };
    callees_of(scenario, service).iter().filter_map(provider).collect()
}

/// The middle of what a service's longest call to another service takes. Unit: milliseconds.
fn longest_call_ms(scenario: &Scenario, service: usize) -> f64 {
    let took = |to: &&Callee| match to {
        Callee::Operation(to) => 1.0 + scenario.world.usual_ms(*to),
        _ => 0.0,
    };
    callees_of(scenario, service).iter().map(took).fold(0.0, f64::max)
}
