//! A stream: a plan become a scenario.

use model::time::{Nanos, Timestamp};

use crate::dice::Dice;
use crate::fault::{Fault, FaultKind};
use crate::scenario::{AlertNoise, Encoding, Imperfections, Scenario};
use crate::traffic::{Ramp, Traffic};

use super::plan::{Plan, Watch};
use super::{Seeds, Stream, chatter, decoys, guilt, places, systems};

/// The first stream begins then; each further one an hour later.
const START: Timestamp = Timestamp(1_780_000_200_000_000_000);
/// Length of a stream.
const LENGTH: Nanos = Nanos::from_secs(20 * 60);
/// Two faults: the scorer's windows meet here.
const BETWEEN: Nanos = Nanos::from_secs(9 * 60 + 30);
/// Draws of a world and its faults before the last one is taken as it is.
const DRAWS_MAX: u64 = 200;

/// The stream of a plan.
pub(super) fn stream(seeds: Seeds, at: usize, plan: &Plan) -> Stream {
    let mut scenario = None;
    for draw in 0..DRAWS_MAX {
        let drawn = drawn(seeds, at, plan, draw);
        let good = fits(plan, &drawn);
        scenario = Some(drawn);
        if good {
            break;
        }
    }
    let mut scenario = scenario.unwrap_or_else(|| drawn(seeds, at, plan, 0));
    let mut dice = Dice::new(plan.seed, 41);
    add_changes(&mut dice, &mut scenario, plan);
    add_noise(&mut dice, &mut scenario, plan);
    Stream { family: plan.family, scenario }
}

/// World, traffic and faults of one draw.
fn drawn(seeds: Seeds, at: usize, plan: &Plan, draw: u64) -> Scenario {
    let mut dice = Dice::new(plan.seed, 100 + draw);
    let (world, entries) = systems::build(&mut dice, &plan.system);
    let routes = systems::routes(&mut dice, &world, &entries, plan.spans, LENGTH);
    let start = START + Nanos::from_secs(3_600 * at as i64);
    let mut scenario = Scenario {
        name: format!("{}-{:03}", seeds.suite(), at + 1),
        seed: plan.seed,
        world,
        traffic: Traffic { routes, swing: dice.between(0.03, 0.12), ramps: Vec::new() },
        faults: Vec::new(),
        changes: Vec::new(),
        imperfections: imperfections(plan.watch),
        start,
        length: LENGTH,
        encoding: Encoding::OtlpProto,
        noise: AlertNoise::Quiet,
        windows: Vec::new(),
    };
    let times = times(&mut dice, plan.faults.len());
    let mut taken = Vec::new();
    for (kind, time) in plan.faults.iter().zip(times) {
        let struck = places::strike(&mut dice, &scenario, *kind, plan.strength, &taken);
        let Some(kind) = struck else { continue };
        taken.extend(kind.culprit(&scenario.world).and_then(|it| scenario.world.service_named(it)));
        add_fault(&mut dice, &mut scenario, kind, time, plan.recorded);
    }
    if plan.faults.len() > 1 {
        scenario.windows = vec![(start, start + BETWEEN), (start + BETWEEN, scenario.end())];
    }
    scenario
}

/// When faults begin and end. Unit: seconds since the start. Of two, the second begins while the first
/// goes on, on the other side of [`BETWEEN`] by more than any onset is believed to be wrong.
fn times(dice: &mut Dice, count: usize) -> Vec<(f64, f64)> {
    if count < 2 {
        let from_s = dice.between(410.0, 520.0);
        return vec![(from_s, from_s + dice.between(330.0, 450.0))];
    }
    let first_s = dice.between(350.0, 430.0);
    let second_s = dice.between(580.0, 660.0);
    vec![(first_s, dice.between(860.0, 960.0)), (second_s, dice.between(960.0, 1_020.0))]
}

fn add_fault(
    dice: &mut Dice,
    scenario: &mut Scenario,
    kind: FaultKind,
    (from_s, until_s): (f64, f64),
    recorded: bool,
) {
    if let FaultKind::PoolStarved { service, .. } = kind {
        scenario.world.services[service].pool = Some(20);
    }
    let ramp_s = match kind {
        FaultKind::MemoryLeak { .. } => 90.0,
        FaultKind::BadDeploy { .. }
        | FaultKind::ServiceDown { .. }
        | FaultKind::CertificateInvalid { .. }
        | FaultKind::PatienceCut { .. } => 0.0,
        _ => dice.between(3.0, 15.0),
    };
    let at = |second: f64| scenario.start + Nanos((second * 1e3) as i64 * 1_000_000);
    let (start, end) = (at(from_s), at(until_s));
    let change = guilt::guilty(dice, &kind, start, recorded);
    scenario.faults.push(Fault {
        kind,
        start,
        end,
        ramp: Nanos((ramp_s * 1e9) as i64),
        change_id: change.as_ref().map(|it| it.id.clone()),
    });
    scenario.changes.extend(change);
}

/// Whether a draw is what the plan asks for: all faults found a place and reach far enough, and two
/// reach common services or not.
fn fits(plan: &Plan, scenario: &Scenario) -> bool {
    if scenario.faults.len() < plan.faults.len() {
        return false;
    }
    let faults = scenario.truth().faults;
    if faults.iter().any(|fault| fault.affected.len() < plan.reach) {
        return false;
    }
    let [first, second] = faults.as_slice() else { return true };
    let common = first.affected.iter().any(|name| second.affected.contains(name));
    common == plan.touching
}

fn imperfections(watch: Watch) -> Imperfections {
    let usual = Imperfections {
        duplicate_share: 0.002,
        late_share: 0.01,
        late_ms_max: 4_000,
        ..Imperfections::default()
    };
    match watch {
        Watch::Full => usual,
        Watch::MissingSpans => Imperfections { missing_span_share: 0.05, ..usual },
        Watch::SkewedClocks => Imperfections { clock_skew_ms: 50, ..usual },
        Watch::HeadSampled => Imperfections { head_sampling: 0.01, ..usual },
        Watch::Poor => Imperfections { missing_span_share: 0.05, clock_skew_ms: 50, ..usual },
    }
}

fn add_changes(dice: &mut Dice, scenario: &mut Scenario, plan: &Plan) {
    let world = &scenario.world;
    let culprits: Vec<usize> = scenario
        .faults
        .iter()
        .filter_map(|fault| world.service_named(fault.kind.culprit(world)?))
        .collect();
    let starts: Vec<Timestamp> = scenario.faults.iter().map(|fault| fault.start).collect();
    for (index, start) in starts.iter().enumerate() {
        let mut near = culprits.clone();
        near.rotate_left(index.min(culprits.len().saturating_sub(1)));
        decoys::add(dice, scenario, &near, *start, plan.decoys);
    }
    if starts.is_empty() {
        let late = scenario.start + Nanos::from_secs(15 * 60);
        decoys::add(dice, scenario, &[], late, plan.decoys);
        busier(dice, scenario);
    }
    scenario.changes.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
}

/// A route is used half as much again for a while: a healthy day is not an even one.
fn busier(dice: &mut Dice, scenario: &mut Scenario) {
    let from = scenario.start + Nanos::from_secs(500 + dice.below(120) as i64);
    scenario.traffic.ramps.push(Ramp {
        route: dice.below(scenario.traffic.routes.len()),
        from,
        until: from + Nanos::from_secs(300),
        factor: 1.5,
    });
}

fn add_noise(dice: &mut Dice, scenario: &mut Scenario, plan: &Plan) {
    let reached: Vec<String> =
        scenario.truth().faults.into_iter().flat_map(|fault| fault.affected).collect();
    let world = &scenario.world;
    let quiet: Vec<usize> =
        world.services.ids().filter(|it| !reached.contains(&world.services[*it].name)).collect();
    let rules = if plan.flapping {
        chatter::flapping(dice, world)
    } else {
        chatter::rules(dice, world, &quiet, plan.chatter)
    };
    scenario.noise = AlertNoise::Rules(rules);
}
