//! What really happened, in the words of `labels.json` (`casebook/FORMAT.md`). Only a scorer may
//! read it; nothing of it goes into any record.

use std::collections::BTreeSet;

use model::time::Timestamp;
use serde::Serialize;

use crate::changes::PlannedChange;
use crate::fault::{Fault, FaultKind};
use crate::scenario::Scenario;
use crate::world::{Callee, Need, World};

/// The truth of a scenario: a stream's entry in `labels.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// The faults in the order of the scenario.
    pub faults: Vec<FaultTruth>,
}

/// The truth of one fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultTruth {
    /// Id of the window that a scorer looks at.
    pub window: String,
    /// When it began.
    pub onset: Timestamp,
    /// Its kind.
    pub kind: &'static str,
    /// Who is to blame; `None` when nobody is.
    pub root_cause: Option<RootCause>,
    /// The guilty change, if one is.
    pub change_id: Option<String>,
    /// Changes before the onset that look guilty and are not.
    pub decoy_change_ids: Vec<String>,
    /// The services that it reached, sorted.
    pub affected: Vec<String>,
}

/// Who is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootCause {
    /// A service; or a database, an outside party or a host, which stand for themselves.
    pub service: String,
    /// One instance of it, if it is only that one.
    pub instance: Option<String>,
}

/// Callers that make a call more rarely than that do not count as reached.
const SHARE_MIN: f64 = 0.05;

pub(crate) fn of(scenario: &Scenario) -> Truth {
    let one = |(index, fault): (usize, &Fault)| FaultTruth {
        window: format!("w{}", index + 1),
        onset: fault.start,
        kind: fault.kind.label(),
        root_cause: fault
            .kind
            .culprit(&scenario.world)
            .map(|name| RootCause { service: name.to_owned(), instance: None }),
        change_id: fault.change_id.clone(),
        decoy_change_ids: decoys(scenario, fault),
        affected: affected(scenario, fault),
    };
    Truth { faults: scenario.faults.iter().enumerate().map(one).collect() }
}

fn decoys(scenario: &Scenario, fault: &Fault) -> Vec<String> {
    let guilty =
        |id: &str| scenario.faults.iter().any(|other| other.change_id.as_deref() == Some(id));
    let looks_guilty = |change: &&PlannedChange| change.at <= fault.start && !guilty(&change.id);
    scenario.changes.iter().filter(looks_guilty).map(|change| change.id.clone()).collect()
}

/// Whom the fault reaches: its own place, and from there every caller that waits for it.
fn affected(scenario: &Scenario, fault: &Fault) -> Vec<String> {
    let world = &scenario.world;
    let mut operations: BTreeSet<usize> =
        world.operations.ids().filter(|it| struck(world, &fault.kind, *it)).collect();
    loop {
        let reached: Vec<usize> = world
            .operations
            .ids()
            .filter(|it| !operations.contains(it) && waits_for(world, fault, *it, &operations))
            .collect();
        if reached.is_empty() {
            break;
        }
        operations.extend(reached);
    }
    let mut visits = world.operations.iter().map(|_| 0.0).collect();
    for route in &scenario.traffic.routes {
        world.add_visits(route.operation, route.per_s, &mut visits);
    }
    let names: BTreeSet<&str> = operations
        .into_iter()
        .filter(|operation| visits[*operation] > 0.0)
        .map(|operation| world.services[world.operations[operation].service].name.as_str())
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Whether the fault touches an operation directly.
fn struck(world: &World, kind: &FaultKind, operation: usize) -> bool {
    let service = world.operations[operation].service;
    let calls = |wanted: &dyn Fn(&Callee) -> bool| {
        world.calls_of(operation).any(|call| wanted(&world.calls[call].to))
    };
    match *kind {
        FaultKind::SlowCode { service: it, .. }
        | FaultKind::ErrorBurst { service: it, .. }
        | FaultKind::ServiceDown { service: it }
        | FaultKind::BadDeploy { service: it, .. }
        | FaultKind::MemoryLeak { service: it, .. } => it == service,
        FaultKind::PoolStarved { service: it, .. } => {
            it == service && calls(&|to| matches!(to, Callee::Store { .. }))
        }
        FaultKind::PatienceCut { service: it, .. } => {
            it == service && calls(&|to| matches!(to, Callee::Operation(_)))
        }
        FaultKind::CertificateInvalid { service: it } => {
            calls(&|to| matches!(to, Callee::Operation(to) if world.operations[*to].service == it))
        }
        FaultKind::DatabaseSlow { store, .. } => {
            calls(&|to| matches!(to, Callee::Store { store: it, .. } if *it == store))
        }
        FaultKind::ExternalDown { provider, .. } | FaultKind::ExternalSlow { provider, .. } => {
            calls(&|to| matches!(to, Callee::Provider { provider: it, .. } if *it == provider))
        }
        FaultKind::NetworkDelay { from, to, .. } | FaultKind::NetworkLoss { from, to, .. } => {
            service == from
                && calls(
                    &|callee| matches!(callee, Callee::Operation(it) if world.operations[*it].service == to),
                )
        }
        FaultKind::HostSaturated { node, .. } => {
            let instances = 0..world.services[service].instances;
            instances.into_iter().any(|instance| world.node_of(service, instance) == node)
        }
        FaultKind::TrafficSurge { .. } => true,
    }
}

fn waits_for(world: &World, fault: &Fault, operation: usize, reached: &BTreeSet<usize>) -> bool {
    let fails_only = matches!(
        fault.kind,
        FaultKind::ErrorBurst { .. }
            | FaultKind::ServiceDown { .. }
            | FaultKind::ExternalDown { .. }
            | FaultKind::CertificateInvalid { .. }
            | FaultKind::PatienceCut { .. }
    );
    world.calls_of(operation).map(|call| &world.calls[call]).any(|call| {
        let needed = call.need == Need::Required || !fails_only;
        let to = matches!(call.to, Callee::Operation(to) if reached.contains(&to));
        to && needed && call.share >= SHARE_MIN
    })
}
