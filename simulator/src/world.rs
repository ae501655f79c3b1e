//! The world that stands still: services, their operations and who calls whom.
//!
//! Absent on purpose: time and chance. What happens in the world is `traffic`, `fault` and
//! `calls`.

use model::entity::Criticality;

use crate::table::Table;

/// A system of services. Invariant: the calls of operations form no cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// The system's name: `service.namespace` and the source of its changes.
    pub name: String,
    /// `deployment.environment.name`.
    pub environment: String,
    /// Services.
    pub services: Table<Service>,
    /// Operations of all services.
    pub operations: Table<Operation>,
    /// Calls of all operations.
    pub calls: Table<Call>,
    /// Databases: known to telemetry only by the client spans of those who ask them.
    pub stores: Table<Store>,
    /// Parties outside of the system, known in the same way.
    pub providers: Table<Provider>,
    /// Hosts that pods run on.
    pub nodes: Table<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// `service.name`.
    pub name: String,
    /// The team that owns it.
    pub owner: String,
    /// How much it is missed.
    pub criticality: Criticality,
    /// The version that runs before any deploy of the scenario.
    pub version: String,
    /// How many instances.
    pub instances: usize,
    /// Size of its database connection pool, if it has one.
    pub pool: Option<u32>,
}

/// How an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP; the operation's name is `METHOD /route`.
    Http,
    /// gRPC; the operation's name is `package.Service/Method`.
    Grpc,
    /// From a queue.
    Message,
}

/// What a service does for a caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The service.
    pub service: usize,
    /// Span name.
    pub name: String,
    /// How it is called.
    pub protocol: Protocol,
    /// Median of its own work. Unit: milliseconds.
    pub self_ms: f64,
    /// Calls: groups one after the other, those of a group side by side.
    pub steps: Vec<Vec<usize>>,
    /// What it logs at INFO when all went well; every `{}` becomes a number or an id.
    pub says: Vec<String>,
}

/// A call that an operation makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Whom it calls.
    pub to: Callee,
    /// Share of the operation's requests that make the call.
    pub share: f64,
    /// The caller gives up after that. Unit: milliseconds.
    pub timeout_ms: f64,
    /// How often the caller tries in all.
    pub attempts: u32,
    /// What a failed call means for the caller.
    pub need: Need,
}

/// What a failed call means for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The caller fails too.
    Required,
    /// The caller answers without it.
    Optional,
}

/// The other side of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Callee {
    /// An operation, synchronously.
    Operation(usize),
    /// An operation, by a message on a queue of that name.
    Queue {
        /// `messaging.destination.name`.
        topic: String,
        /// The operation that consumes.
        operation: usize,
    },
    /// A database.
    Store {
        /// The database.
        store: usize,
        /// `SELECT orders`: verb and table.
        statement: String,
    },
    /// A party outside.
    Provider {
        /// The party.
        provider: usize,
        /// `POST /v1/charges`.
        endpoint: String,
    },
}

/// A database.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// `db.namespace`, and its name in the topology.
    pub name: String,
    /// `db.system.name`.
    pub system: String,
    /// Median of a statement. Unit: milliseconds.
    pub median_ms: f64,
}

/// A party outside of the system.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// `service.peer.name`.
    pub name: String,
    /// `server.address`.
    pub address: String,
    /// Median of an answer. Unit: milliseconds.
    pub median_ms: f64,
}

impl World {
    /// A world without anything in it.
    #[must_use]
    pub fn empty(name: &str, environment: &str, nodes: usize) -> Self {
        Self {
            name: name.to_owned(),
            environment: environment.to_owned(),
            services: Table::default(),
            operations: Table::default(),
            calls: Table::default(),
            stores: Table::default(),
            providers: Table::default(),
            nodes: (1..=nodes.max(1)).map(|n| format!("node-{n}")).collect(),
        }
    }

    /// The service that answers a call, if it is one of this world.
    #[must_use]
    pub fn callee_service(&self, call: usize) -> Option<usize> {
        match self.calls[call].to {
            Callee::Operation(operation) | Callee::Queue { operation, .. } => {
                Some(self.operations[operation].service)
            }
            Callee::Store { .. } | Callee::Provider { .. } => None,
        }
    }

    /// The name of whoever answers a call: service, database or provider.
    #[must_use]
    pub fn callee_name(&self, call: usize) -> &str {
        match self.calls[call].to {
            Callee::Operation(operation) | Callee::Queue { operation, .. } => {
                &self.services[self.operations[operation].service].name
            }
            Callee::Store { store, .. } => &self.stores[store].name,
            Callee::Provider { provider, .. } => &self.providers[provider].name,
        }
    }

    /// The node that an instance of a service runs on: instances are spread in turn.
    #[must_use]
    pub fn node_of(&self, service: usize, instance: usize) -> usize {
        (service + instance * 2 + instance / 2) % self.nodes.len().max(1)
    }

    /// The id of a service by its name.
    #[must_use]
    pub fn service_named(&self, name: &str) -> Option<usize> {
        self.services.iter().position(|service| service.name == name)
    }

    /// What an operation's calls add up to, in order.
    pub(crate) fn calls_of(&self, operation: usize) -> impl Iterator<Item = usize> + '_ {
        self.operations[operation].steps.iter().flatten().copied()
    }

    /// How long an operation takes when all is well. Unit: milliseconds; medians added up, so
    /// it is the middle of what clients see.
    pub(crate) fn usual_ms(&self, operation: usize) -> f64 {
        let entry = &self.operations[operation];
        let group = |calls: &Vec<usize>| {
            calls.iter().map(|call| self.usual_call_ms(*call)).fold(0.0, f64::max)
        };
        entry.self_ms + entry.steps.iter().map(group).sum::<f64>()
    }

    fn usual_call_ms(&self, call: usize) -> f64 {
        match self.calls[call].to {
            Callee::Operation(operation) => 1.0 + self.usual_ms(operation),
            Callee::Queue { .. } => 1.0,
            Callee::Store { store, .. } => self.stores[store].median_ms,
            Callee::Provider { provider, .. } => self.providers[provider].median_ms,
        }
    }

    /// Adds, for one request to `operation`, how often every operation is visited.
    pub(crate) fn add_visits(&self, operation: usize, weight: f64, visits: &mut Table<f64>) {
        visits[operation] += weight;
        for call in self.calls_of(operation) {
            let Call { ref to, share, .. } = self.calls[call];
            if let Callee::Operation(to) | Callee::Queue { operation: to, .. } = *to {
                self.add_visits(to, weight * share, visits);
            }
        }
    }
}
