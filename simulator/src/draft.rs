//! Building a world by hand or by dice: short words for its parts.

use model::entity::Criticality;

use crate::world::{Call, Callee, Need, Operation, Protocol, Provider, Service, Store, World};

impl World {
    /// Adds a service with two instances and gives its id.
    pub fn service(&mut self, name: &str, owner: &str, criticality: Criticality) -> usize {
        self.services.push(Service {
            name: name.to_owned(),
            owner: owner.to_owned(),
            criticality,
            version: String::from("1.0.0"),
            instances: 2,
            pool: None,
        })
    }

    /// Adds an operation without calls and gives its id.
    pub fn operation(
        &mut self,
        service: usize,
        protocol: Protocol,
        name: &str,
        self_ms: f64,
    ) -> usize {
        self.operations.push(Operation {
            service,
            name: name.to_owned(),
            protocol,
            self_ms,
            steps: Vec::new(),
            says: Vec::new(),
        })
    }

    /// Adds lines that an operation logs when all went well.
    pub fn says(&mut self, operation: usize, lines: &[&str]) {
        self.operations[operation].says.extend(lines.iter().map(|line| (*line).to_owned()));
    }

    /// Adds a database and gives its id.
    pub fn store(&mut self, name: &str, system: &str, median_ms: f64) -> usize {
        self.stores.push(Store { name: name.to_owned(), system: system.to_owned(), median_ms })
    }

    /// Adds a party outside and gives its id.
    pub fn provider(&mut self, name: &str, address: &str, median_ms: f64) -> usize {
        self.providers.push(Provider {
            name: name.to_owned(),
            address: address.to_owned(),
            median_ms,
        })
    }

    /// Lets an operation make calls side by side, after those it makes already.
    pub fn step(&mut self, operation: usize, calls: Vec<Call>) {
        let ids = calls.into_iter().map(|call| self.calls.push(call)).collect();
        self.operations[operation].steps.push(ids);
    }
}

impl Call {
    /// A required synchronous call, tried once, with five seconds of patience.
    #[must_use]
    pub fn to(operation: usize) -> Self {
        Self::new(Callee::Operation(operation), 5_000.0)
    }

    /// A statement, `VERB table`.
    #[must_use]
    pub fn ask(store: usize, statement: &str) -> Self {
        Self::new(Callee::Store { store, statement: statement.to_owned() }, 5_000.0)
    }

    /// A request to a party outside.
    #[must_use]
    pub fn outside(provider: usize, endpoint: &str) -> Self {
        Self::new(Callee::Provider { provider, endpoint: endpoint.to_owned() }, 3_000.0)
    }

    /// A message, which its sender does not wait for.
    #[must_use]
    pub fn publish(topic: &str, operation: usize) -> Self {
        Self::new(Callee::Queue { topic: topic.to_owned(), operation }, 1_000.0)
    }

    fn new(to: Callee, timeout_ms: f64) -> Self {
        Self { to, share: 1.0, timeout_ms, attempts: 1, need: Need::Required }
    }

    /// Only a share of the requests makes the call.
    #[must_use]
    pub fn for_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// The caller can answer without it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.need = Need::Optional;
        self
    }

    /// The caller gives up after `timeout_ms` and tries `attempts` times in all.
    #[must_use]
    pub fn within(mut self, timeout_ms: f64, attempts: u32) -> Self {
        self.timeout_ms = timeout_ms;
        self.attempts = attempts;
        self
    }
}
