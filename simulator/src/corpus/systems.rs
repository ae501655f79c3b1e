//! Systems: layered call graphs from a description, with columns that share more or less.
//!
//! Every service of a layer is called from the layer above it. Calls stay in a column of the graph
//! but for a share that crosses; the last layer may be shared by all columns.

use model::entity::Criticality;
use model::time::Nanos;

use crate::dice::Dice;
use crate::table::Table;
use crate::traffic::Route;
use crate::world::{Call, Callee, Protocol, World};
use crate::world_dice;

/// What a system looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct System {
    /// Its name.
    pub(super) name: &'static str,
    /// Names of its services, the edge first.
    pub(super) names: &'static [&'static str],
    /// How many services each layer has, the edge first.
    pub(super) layers: &'static [usize],
    /// How many columns the graph has.
    pub(super) columns: usize,
    /// Share of the calls that leave their column.
    pub(super) crossing: f64,
    /// Fewest and most calls of an operation.
    pub(super) calls: (usize, usize),
    /// Databases, by name and `db.system.name`.
    pub(super) stores: &'static [(&'static str, &'static str)],
    /// Parties outside, by name and address.
    pub(super) providers: &'static [(&'static str, &'static str)],
    /// Instances of every service.
    pub(super) instances: usize,
    /// Hosts.
    pub(super) nodes: usize,
    /// Fewest and most milliseconds of own work.
    pub(super) self_ms: (f64, f64),
}

/// The world of a description, and the operations where requests come in.
pub(super) fn build(dice: &mut Dice, system: &System) -> (World, Vec<usize>) {
    let mut world = World::empty(system.name, "production", system.nodes);
    for (name, engine) in system.stores {
        let median_ms = dice.between(2.0, 6.0);
        world.store(name, engine, median_ms);
    }
    for (name, address) in system.providers {
        let median_ms = dice.between(20.0, 50.0);
        world.provider(name, address, median_ms);
    }
    let layers = services(&mut world, system);
    let mut below: Vec<Made> = Vec::new();
    for layer in layers.iter().rev() {
        below = operations(dice, &mut world, system, layer, &below);
    }
    outsiders(dice, &mut world, system, &layers);
    let entries = below.iter().flat_map(|made| made.operations.clone()).collect();
    (world, entries)
}

/// The operations of one service.
struct Made {
    column: usize,
    operations: Vec<usize>,
}

fn services(world: &mut World, system: &System) -> Vec<Vec<usize>> {
    let mut names = system.names.iter();
    let tier = |depth| match depth {
        0 => Criticality::Critical,
        1 => Criticality::High,
        _ => Criticality::Medium,
    };
    let mut layers = Vec::new();
    for (depth, count) in system.layers.iter().enumerate() {
        let made = names.by_ref().take(*count).enumerate().map(|(at, name)| {
            let service = world.service(name, &format!("team-{}", at % 5), tier(depth));
            world.services[service].instances = system.instances;
            service
        });
        layers.push(made.collect());
    }
    layers
}

fn operations(
    dice: &mut Dice,
    world: &mut World,
    system: &System,
    layer: &[usize],
    below: &[Made],
) -> Vec<Made> {
    let columns = system.columns.max(1);
    let mut all = Vec::new();
    for (at, service) in layer.iter().enumerate() {
        let column = at % columns;
        let count = 1 + dice.below(2);
        let operations: Vec<usize> =
            (0..count).map(|n| operation(dice, world, system, *service, n)).collect();
        for (n, operation) in operations.iter().enumerate() {
            // The first operation calls whoever would be called by nobody else.
            let duties = below.iter().enumerate().filter(|(place, made)| {
                n == 0 && made.column == column && owner(layer, columns, column, *place) == at
            });
            let duties: Vec<usize> = duties.map(|(place, _)| place).collect();
            calls(dice, world, system, (*operation, column), &duties, below);
            if below.is_empty() || dice.chance(0.25) {
                ask_store(dice, world, system, *operation, column);
            }
        }
        all.push(Made { column, operations });
    }
    all
}

/// Which service of a layer must call the service at `place` of the layer below.
fn owner(layer: &[usize], columns: usize, column: usize, place: usize) -> usize {
    let mine: Vec<usize> = (0..layer.len()).filter(|at| at % columns == column % columns).collect();
    mine.get((place / columns) % mine.len().max(1)).copied().unwrap_or(0)
}

fn operation(
    dice: &mut Dice,
    world: &mut World,
    system: &System,
    service: usize,
    n: usize,
) -> usize {
    let name = world.services[service].name.clone();
    let protocol = if dice.chance(0.35) { Protocol::Grpc } else { Protocol::Http };
    let label = match protocol {
        Protocol::Grpc => {
            format!("{}.{}.v1.Api/{}", system.name, name, if n == 0 { "Get" } else { "Put" })
        }
        _ => format!("{} /{name}/{}", if n == 0 { "GET" } else { "POST" }, n + 1),
    };
    let self_ms = dice.between(system.self_ms.0, system.self_ms.1);
    let operation = world.operation(service, protocol, &label, self_ms);
    if dice.chance(0.7) {
        world.says(operation, &[&format!("{name}: request {{}} done, {n} of kind {{}}")]);
    }
    operation
}

fn calls(
    dice: &mut Dice,
    world: &mut World,
    system: &System,
    (operation, column): (usize, usize),
    duties: &[usize],
    below: &[Made],
) {
    let wanted = system.calls.0 + dice.below(system.calls.1 - system.calls.0 + 1);
    let mut targets: Vec<usize> = duties.to_vec();
    while !below.is_empty() && targets.len() < wanted.min(below.len()) {
        let crosses = dice.chance(system.crossing);
        let fits = |place: &usize| {
            let same = below.get(*place).is_some_and(|made| made.column == column);
            !targets.contains(place) && (same || crosses)
        };
        let places: Vec<usize> = (0..below.len()).filter(fits).collect();
        let Some(place) = dice.pick(&places) else { break };
        targets.push(*place);
    }
    let made = targets.iter().filter_map(|place| below.get(*place));
    let calls: Vec<Call> = made.filter_map(|it| call(dice, &it.operations)).collect();
    if dice.chance(0.5) {
        world.step(operation, calls);
    } else {
        calls.into_iter().for_each(|it| world.step(operation, vec![it]));
    }
}

fn call(dice: &mut Dice, operations: &[usize]) -> Option<Call> {
    let to = *dice.pick(operations)?;
    let share = if dice.chance(0.7) { 1.0 } else { dice.between(0.4, 0.9) };
    let attempts = if dice.chance(0.35) { 2 } else { 1 };
    let call = Call::to(to).for_share(share).within(dice.between(1_200.0, 3_000.0), attempts);
    Some(if dice.chance(0.1) { call.optional() } else { call })
}

fn ask_store(dice: &mut Dice, world: &mut World, system: &System, operation: usize, column: usize) {
    let mine: Vec<usize> = (0..system.stores.len())
        .filter(|store| {
            system.stores.len() < system.columns || store % system.columns.max(1) == column
        })
        .collect();
    if let Some(store) = dice.pick(&mine) {
        let verb = if dice.chance(0.7) { "SELECT" } else { "UPDATE" };
        world.step(operation, vec![Call::ask(*store, &format!("{verb} records"))]);
    }
}

/// Every party outside is asked by one operation in the middle of the graph.
fn outsiders(dice: &mut Dice, world: &mut World, system: &System, layers: &[Vec<usize>]) {
    let middle = layers.get(layers.len() / 2).cloned().unwrap_or_default();
    for provider in 0..system.providers.len() {
        let Some(service) = dice.pick(&middle).copied() else { return };
        let own: Vec<usize> =
            world.operations.ids().filter(|it| world.operations[*it].service == service).collect();
        for operation in own {
            world.step(operation, vec![Call::outside(provider, "POST /v1/requests")]);
        }
    }
}

/// Routes to all entries, such that `length` gives about `spans` spans; some are used twice as much as
/// others.
pub(super) fn routes(
    dice: &mut Dice,
    world: &World,
    entries: &[usize],
    spans: u64,
    length: Nanos,
) -> Vec<Route> {
    let mut routes = world_dice::routes(world, entries, spans, length);
    for route in &mut routes {
        route.per_s *= dice.between(0.7, 1.3);
    }
    routes
}

/// How often a request passes every operation, in the mean, and every service.
pub(super) fn passes(world: &World, routes: &[Route]) -> (Table<f64>, Table<f64>) {
    let mut visits: Table<f64> = world.operations.iter().map(|_| 0.0).collect();
    for route in routes {
        world.add_visits(route.operation, route.per_s, &mut visits);
    }
    let mut services: Table<f64> = world.services.iter().map(|_| 0.0).collect();
    for operation in world.operations.ids() {
        services[world.operations[operation].service] += visits[operation];
    }
    (visits, services)
}

/// Services that call a service, and services that it calls; sorted.
pub(super) fn neighbours(world: &World, service: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut callers, mut callees) = (Vec::new(), Vec::new());
    for operation in world.operations.ids() {
        let from = world.operations[operation].service;
        for call in world.calls_of(operation) {
            if let Callee::Operation(to) = world.calls[call].to {
                let to = world.operations[to].service;
                if to == service {
                    callers.push(from);
                } else if from == service {
                    callees.push(to);
                }
            }
        }
    }
    for list in [&mut callers, &mut callees] {
        list.sort_unstable();
        list.dedup();
    }
    (callers, callees)
}
