//! Faults by dice: of every kind, at a place that enough of the traffic passes to be noticed.

use model::time::{Nanos, Timestamp};

use crate::changes::{Action, PlannedChange};
use crate::dice::Dice;
use crate::fault::FaultKind;
use crate::scenario::Scenario;
use crate::table::Table;
use crate::world::Callee;
use crate::world_dice::asks_store;

/// A place counts as noticed when that share of the requests passes it.
const PASSES_MIN: f64 = 0.25;
/// Draws of a kind before giving up; a world without databases refuses some kinds.
const DRAWS_MAX: u32 = 40;

/// How often a request passes every operation, in the mean.
fn passes(scenario: &Scenario) -> Table<f64> {
    let world = &scenario.world;
    let mut visits: Table<f64> = world.operations.iter().map(|_| 0.0).collect();
    let total: f64 = scenario.traffic.routes.iter().map(|route| route.per_s).sum();
    for route in &scenario.traffic.routes {
        world.add_visits(route.operation, route.per_s / total.max(1e-9), &mut visits);
    }
    visits
}

/// A fault at a place that has none yet. `None` when no place is left.
pub(crate) fn kind(dice: &mut Dice, scenario: &mut Scenario) -> Option<FaultKind> {
    let visits = passes(scenario);
    // In a world of many trees no place is passed by a quarter of everything.
    let most = scenario.traffic.routes.len().max(1) as f64;
    let busy = |operation: &usize| visits[*operation] >= PASSES_MIN * (2.0 / most).min(1.0);
    let operations: Vec<usize> = scenario.world.operations.ids().filter(busy).collect();
    for _ in 0..DRAWS_MAX {
        let operation = *dice.pick(&operations)?;
        let Some(kind) = draw(dice, scenario, operation) else { continue };
        let culprit = kind.culprit(&scenario.world);
        let taken = scenario.faults.iter().any(|it| it.kind.culprit(&scenario.world) == culprit);
        if !taken {
            if let FaultKind::PoolStarved { service, .. } = kind {
                scenario.world.services[service].pool = Some(20);
            }
            return Some(kind);
        }
    }
    None
}

fn draw(dice: &mut Dice, scenario: &Scenario, operation: usize) -> Option<FaultKind> {
    let world = &scenario.world;
    let service = world.operations[operation].service;
    let inside = service != 0;
    let factor = dice.between(8.0, 20.0);
    let share = dice.between(0.3, 0.8);
    let kind = match dice.below(11) {
        0 if inside => FaultKind::SlowCode { service, factor },
        1 if inside => FaultKind::ErrorBurst { service, share },
        2 if inside => FaultKind::ServiceDown { service },
        3 if inside => FaultKind::BadDeploy { service, share, factor: 1.5 },
        4 if asks_store(world, operation).is_some() => {
            FaultKind::PoolStarved { service, wait_ms: dice.between(300.0, 900.0) }
        }
        5 => FaultKind::DatabaseSlow {
            store: asks_store(world, operation)?,
            factor: dice.between(30.0, 80.0),
        },
        6 => edge(dice, scenario, operation)?,
        7 => FaultKind::ExternalDown { provider: provider(scenario, operation)?, share },
        8 => FaultKind::TrafficSurge { factor: dice.between(2.5, 4.0) },
        9 if inside => FaultKind::MemoryLeak { service, factor },
        10 if inside => {
            let instances = world.services[service].instances;
            FaultKind::HostSaturated { node: world.node_of(service, dice.below(instances)), factor }
        }
        _ => return None,
    };
    Some(kind)
}

fn edge(dice: &mut Dice, scenario: &Scenario, operation: usize) -> Option<FaultKind> {
    let world = &scenario.world;
    let to = world.calls_of(operation).find_map(|call| match world.calls[call].to {
        Callee::Operation(to) if world.calls[call].share > 0.5 => Some(to),
        _ => None,
    })?;
    Some(FaultKind::NetworkDelay {
        from: world.operations[operation].service,
        to: world.operations[to].service,
        added_ms: dice.between(150.0, 500.0),
    })
}

fn provider(scenario: &Scenario, operation: usize) -> Option<usize> {
    let world = &scenario.world;
    world.calls_of(operation).find_map(|call| match world.calls[call].to {
        Callee::Provider { provider, .. } => Some(provider),
        _ => None,
    })
}

/// A deploy with a roll-out of ten seconds per instance.
pub(crate) fn deploy(version: &str, share: f64, message: &str) -> Action {
    Action::Deploy {
        version: version.to_owned(),
        share,
        stagger: Nanos::from_secs(10),
        message: message.to_owned(),
    }
}

/// The change that caused a fault, for the kinds that changes cause.
pub(crate) fn guilty_change(
    dice: &mut Dice,
    kind: &FaultKind,
    start: Timestamp,
    healthy: Nanos,
    index: usize,
) -> Option<PlannedChange> {
    let (service, lead_s, action) = match *kind {
        FaultKind::BadDeploy { service, .. } => {
            (service, 0.0, deploy("1.1.0", 0.5, "rewrite the request validation"))
        }
        FaultKind::SlowCode { service, .. } if dice.chance(0.5) => {
            (service, 25.0, deploy("1.1.0", 1.0, "load all rows before filtering"))
        }
        FaultKind::PoolStarved { service, .. } => {
            let lead_s = dice.between(15.0, 0.6 * healthy.as_secs_f64());
            let action = Action::Config {
                key: String::from("db.pool.max_size"),
                before: String::from("20"),
                after: String::from("2"),
            };
            (service, lead_s, action)
        }
        FaultKind::ErrorBurst { service, .. } if dice.chance(0.5) => {
            let action = Action::FeatureFlag {
                flag: String::from("strict-validation"),
                before: String::from("off"),
                after: String::from("on"),
            };
            (service, 3.0, action)
        }
        _ => return None,
    };
    Some(PlannedChange {
        id: format!("change-{index}"),
        service,
        at: start - Nanos((lead_s * 1e9) as i64),
        action,
        author: String::from("someone"),
    })
}
