//! Decoys: changes that look guilty and are not. Near in time, near on the map, or both; never on a
//! service that is to blame.

use model::time::{Nanos, Timestamp};

use crate::changes::{Action, PlannedChange};
use crate::dice::Dice;
use crate::scenario::Scenario;

use super::guilt;
use super::systems::neighbours;

/// How long before the fault the latest decoy is at least. Unit: seconds.
const NEWEST_S: f64 = 8.0;
/// And the others at most: half an hour.
const OLDEST_S: f64 = 1_800.0;

/// Adds `count` decoys before an instant. The first is a recent deploy of a neighbour of the culprit,
/// if it has one; the rest are anywhere and at any time.
pub(super) fn add(
    dice: &mut Dice,
    scenario: &mut Scenario,
    culprits: &[usize],
    before: Timestamp,
    count: usize,
) {
    for index in 0..count {
        let near = index < 2;
        let Some(service) = service(dice, scenario, culprits, near) else { return };
        let lead_s =
            if near { dice.between(NEWEST_S, 150.0) } else { dice.between(NEWEST_S, OLDEST_S) };
        let action = action(dice, index);
        scenario.changes.push(PlannedChange {
            id: guilt::id(dice),
            service,
            at: before - Nanos((lead_s * 1e9) as i64),
            action,
            author: String::from("someone"),
        });
    }
}

fn service(dice: &mut Dice, scenario: &Scenario, culprits: &[usize], near: bool) -> Option<usize> {
    let world = &scenario.world;
    // One decoy a service: a second deploy of the same version would be none.
    let free = |it: &usize| {
        !culprits.contains(it) && scenario.changes.iter().all(|change| change.service != *it)
    };
    let around = culprits.first().map(|culprit| neighbours(world, *culprit)).unwrap_or_default();
    let close: Vec<usize> = around.0.into_iter().chain(around.1).filter(free).collect();
    if near && !close.is_empty() {
        return dice.pick(&close).copied();
    }
    let anywhere: Vec<usize> = world.services.ids().filter(free).collect();
    dice.pick(&anywhere).copied()
}

fn action(dice: &mut Dice, index: usize) -> Action {
    if index < 2 {
        let share = if dice.chance(0.5) { 0.5 } else { 1.0 };
        return guilt::deploy(dice, share);
    }
    match dice.below(5) {
        0 => guilt::flag(dice),
        1 => Action::Config {
            key: String::from("log.level"),
            before: String::from("info"),
            after: String::from("warn"),
        },
        2 => Action::Certificate { name: format!("edge-{index}.example") },
        _ => guilt::deploy(dice, 1.0),
    }
}
