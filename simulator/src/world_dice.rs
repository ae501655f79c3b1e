//! Worlds by dice: trees of services behind one gateway, with a few short cuts, databases and an
//! outside party.

use model::entity::Criticality;
use model::time::Nanos;

use crate::dice::Dice;
use crate::table::Table;
use crate::traffic::Route;
use crate::world::{Call, Callee, Protocol, World};

const NAMES: [&str; 16] = [
    "atlas", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "juniper",
    "kestrel", "lagoon", "meadow", "nectar", "osprey", "poplar",
];
/// A trace touches at most that many services: large worlds are many trees side by side.
const TREE: usize = 11;

/// A world of that many services, at least two, and the operations where requests come in.
pub(crate) fn world(dice: &mut Dice, services: usize) -> (World, Vec<usize>) {
    let mut world = World::empty("sim", "production", 3 + services / 8);
    let gateway = world.service("gateway", "team-edge", Criticality::Critical);
    let provider = world.provider("bank", "api.bank.example", 35.0);
    let mut entries = Vec::new();
    let mut left = services.max(2) - 1;
    while left > 0 {
        let size = left.min(TREE);
        let roots = tree(dice, &mut world, size, provider);
        left -= size;
        entry_points(dice, &mut world, gateway, &roots, &mut entries);
    }
    (world, entries)
}

/// One tree of services; gives the operations of its first service.
fn tree(dice: &mut Dice, world: &mut World, size: usize, provider: usize) -> Vec<usize> {
    let first = world.services.len();
    for index in 0..size {
        let number = first + index - 1;
        let name = NAMES.get(number % NAMES.len()).copied().unwrap_or("service");
        let round = number / NAMES.len();
        let name = if round == 0 { name.to_owned() } else { format!("{name}-{round}") };
        let tier = if index == 0 { Criticality::High } else { Criticality::Medium };
        world.service(&name, &format!("team-{}", index % 4), tier);
    }
    let number = world.stores.len();
    let store = world.store(&format!("db-{number}"), "postgresql", 3.0);
    let parents: Vec<usize> = (1..size).map(|index| parent(dice, index)).collect();
    let mut made: Vec<Vec<usize>> = vec![Vec::new(); size];
    for index in (0..size).rev() {
        let below: Vec<Vec<usize>> = (index + 1..size)
            .filter(|child| parents.get(child - 1) == Some(&index))
            .filter_map(|child| made.get(child).cloned())
            .collect();
        let operations = service_operations(dice, world, first + index, &below);
        if below.is_empty() || dice.chance(0.4) {
            for operation in &operations {
                world.step(*operation, vec![Call::ask(store, "SELECT rows")]);
            }
            if let Some(entry) = operations.first().filter(|_| dice.chance(0.25)) {
                world.step(*entry, vec![Call::outside(provider, "POST /v1/transfers")]);
            }
        }
        if let Some(slot) = made.get_mut(index) {
            *slot = operations;
        }
    }
    made.into_iter().next().unwrap_or_default()
}

/// Parents of a tree that is neither a chain nor a star.
fn parent(dice: &mut Dice, index: usize) -> usize {
    let (low, high) = ((index - 1) / 3, (index - 1) / 2);
    low + dice.below(high - low + 1)
}

fn service_operations(
    dice: &mut Dice,
    world: &mut World,
    service: usize,
    below: &[Vec<usize>],
) -> Vec<usize> {
    let name = world.services[service].name.clone();
    (0..1 + dice.below(2))
        .map(|n| {
            let protocol = if dice.chance(0.3) { Protocol::Grpc } else { Protocol::Http };
            let label = match protocol {
                Protocol::Grpc => format!("sim.{name}.v1.Main/Do{n}"),
                _ => format!("{} /{name}/{n}", if n == 0 { "GET" } else { "POST" }),
            };
            let self_ms = dice.between(3.0, 15.0);
            let operation = world.operation(service, protocol, &label, self_ms);
            world.says(operation, &[&format!("{name} handled job {{}}")]);
            let calls: Vec<Call> = below.iter().filter_map(|it| call_to(dice, it)).collect();
            if dice.chance(0.5) {
                world.step(operation, calls);
            } else {
                calls.into_iter().for_each(|call| world.step(operation, vec![call]));
            }
            operation
        })
        .collect()
}

fn call_to(dice: &mut Dice, operations: &[usize]) -> Option<Call> {
    let to = *dice.pick(operations)?;
    let share = if dice.chance(0.6) { 1.0 } else { dice.between(0.4, 0.9) };
    let attempts = if dice.chance(0.3) { 2 } else { 1 };
    let call = Call::to(to).for_share(share).within(2_000.0, attempts);
    Some(if dice.chance(0.12) { call.optional() } else { call })
}

/// The gateway's operations: one for every operation of a tree's first service.
fn entry_points(
    dice: &mut Dice,
    world: &mut World,
    gateway: usize,
    roots: &[usize],
    entries: &mut Vec<usize>,
) {
    for root in roots {
        let name = format!("GET /{}", entries.len());
        let operation = world.operation(gateway, Protocol::Http, &name, dice.between(1.0, 3.0));
        world.step(operation, vec![Call::to(*root).within(6_000.0, 1)]);
        entries.push(operation);
    }
}

/// Routes to all entries, such that `length` gives about `spans` spans.
pub(crate) fn routes(world: &World, entries: &[usize], spans: u64, length: Nanos) -> Vec<Route> {
    let per_round: f64 = entries.iter().map(|entry| spans_of(world, *entry)).sum();
    let rounds = spans as f64 / per_round.max(1.0);
    let per_s = rounds / length.as_secs_f64().max(1.0);
    entries.iter().map(|entry| Route { operation: *entry, per_s }).collect()
}

/// Spans that one request to an operation makes, in the mean.
fn spans_of(world: &World, operation: usize) -> f64 {
    let mut visits: Table<f64> = world.operations.iter().map(|_| 0.0).collect();
    world.add_visits(operation, 1.0, &mut visits);
    let own = |id: usize| 1.0 + world.calls_of(id).map(|call| world.calls[call].share).sum::<f64>();
    world.operations.ids().map(|id| visits[id] * own(id)).sum()
}

/// Whether an operation asks a database.
pub(crate) fn asks_store(world: &World, operation: usize) -> Option<usize> {
    world.calls_of(operation).find_map(|call| match world.calls[call].to {
        Callee::Store { store, .. } => Some(store),
        _ => None,
    })
}
