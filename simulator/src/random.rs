//! Worlds and faults by dice: small ones for property tests, large ones for benches.

use model::time::{Nanos, Timestamp};

use crate::changes::{Action, PlannedChange};
use crate::dice::Dice;
use crate::fault::{Fault, FaultKind};
use crate::fault_dice;
use crate::scenario::{AlertNoise, Encoding, Imperfections, Scenario};
use crate::traffic::Traffic;
use crate::weather::Weather;
use crate::world_dice::{routes, world};

/// How large a random scenario is. The default is small: below 20,000 spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Fewest and most services.
    pub services: (usize, usize),
    /// Spans in all, about.
    pub spans: u64,
    /// Healthy time before the first fault.
    pub healthy: Nanos,
    /// Time from the first fault on.
    pub faulty: Nanos,
    /// Fewest and most faults.
    pub faults: (usize, usize),
    /// Fewest and most changes that are not guilty.
    pub decoys: (usize, usize),
    /// How badly the world is watched.
    pub imperfections: Imperfections,
    /// How telemetry is encoded.
    pub encoding: Encoding,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            services: (5, 12),
            spans: 14_000,
            healthy: Nanos::from_secs(5 * 60),
            faulty: Nanos::from_secs(3 * 60),
            faults: (1, 2),
            decoys: (1, 3),
            imperfections: Imperfections::default(),
            encoding: Encoding::OtlpProto,
        }
    }
}

/// Every random scenario begins at that instant; a whole pane of any sensible width.
const START: Timestamp = Timestamp(1_780_000_200_000_000_000);
/// A random scenario. The same seed and scale give the same scenario.
#[must_use]
pub fn random(seed: u64, scale: Scale) -> Scenario {
    let mut dice = Dice::new(seed, 20);
    let count = between(&mut dice, scale.services);
    let (world, entries) = world(&mut dice, count);
    let length = Nanos(scale.healthy.0.saturating_add(scale.faulty.0));
    let routes = routes(&world, &entries, scale.spans, length);
    let mut scenario = Scenario {
        name: format!("random-{seed:04}"),
        seed,
        world,
        traffic: Traffic { routes, swing: 0.05, ramps: Vec::new() },
        faults: Vec::new(),
        changes: Vec::new(),
        imperfections: scale.imperfections,
        start: START,
        length,
        encoding: scale.encoding,
        noise: if dice.chance(0.5) { AlertNoise::Usual } else { AlertNoise::Quiet },
        windows: Vec::new(),
    };
    let count = between(&mut dice, scale.faults);
    for index in 0..count {
        add_fault(&mut dice, &mut scenario, scale, index, count);
    }
    make_room(&mut scenario);
    for index in 0..between(&mut dice, scale.decoys) {
        add_decoy(&mut dice, &mut scenario, scale, index);
    }
    scenario.changes.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    scenario
}

/// A surge must not make a scenario larger than was asked for: the load before it is smaller then.
fn make_room(scenario: &mut Scenario) {
    let weather = Weather(&scenario.faults);
    let seconds = scenario.length.secs().max(1);
    let load_at = |second| weather.load(scenario.start + Nanos::from_secs(second));
    let mean = (0..seconds).map(load_at).sum::<f64>() / seconds as f64;
    for route in &mut scenario.traffic.routes {
        route.per_s /= mean.max(1.0);
    }
}

fn between(dice: &mut Dice, (low, high): (usize, usize)) -> usize {
    low + dice.below(high.saturating_sub(low) + 1)
}

fn add_fault(dice: &mut Dice, scenario: &mut Scenario, scale: Scale, index: usize, count: usize) {
    let share = index as f64 / count.max(1) as f64;
    let delay = Nanos((scale.faulty.0 as f64 * share * 0.8) as i64);
    let start = scenario.start + scale.healthy + delay;
    let Some(kind) = fault_dice::kind(dice, scenario) else { return };
    let ramp_s = match kind {
        FaultKind::MemoryLeak { .. } => 90,
        FaultKind::BadDeploy { .. } | FaultKind::ServiceDown { .. } => 0,
        _ => 5 + dice.below(10) as i64,
    };
    let change = fault_dice::guilty_change(dice, &kind, start, scale.healthy, index);
    scenario.faults.push(Fault {
        kind,
        start,
        end: scenario.end(),
        ramp: Nanos::from_secs(ramp_s),
        change_id: change.as_ref().map(|it| it.id.clone()),
    });
    scenario.changes.extend(change);
}

/// A change of no consequence, on a service that has no fault, up to an hour before the first one.
fn add_decoy(dice: &mut Dice, scenario: &mut Scenario, scale: Scale, index: usize) {
    let culprits: Vec<&str> =
        scenario.faults.iter().filter_map(|it| it.kind.culprit(&scenario.world)).collect();
    let innocent = |id: &usize| !culprits.contains(&scenario.world.services[*id].name.as_str());
    let services: Vec<usize> = scenario.world.services.ids().filter(innocent).collect();
    let Some(service) = dice.pick(&services).copied() else { return };
    let before_s = dice.between(20.0, scale.healthy.as_secs_f64() + 1_800.0);
    let action = match dice.below(4) {
        0 => Action::Certificate { name: format!("{}.example", scenario.world.name) },
        1 => Action::FeatureFlag {
            flag: String::from("new-banner"),
            before: String::from("off"),
            after: String::from("on"),
        },
        2 => fault_dice::deploy("1.1.0", 1.0, "tidy up imports"),
        _ => Action::Config {
            key: String::from("log.level"),
            before: String::from("info"),
            after: String::from("warn"),
        },
    };
    scenario.changes.push(PlannedChange {
        id: format!("change-{}", 100 + index),
        service,
        at: scenario.start + scale.healthy - Nanos::from_secs(before_s as i64),
        action,
        author: String::from("someone"),
    });
}
