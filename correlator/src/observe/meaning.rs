//! From the names of a batch to the words of a table: each resource and each name of a batch is looked
//! up once, however many of its spans refer to it.

use model::entity::EntityKind;
use model::name::Name;
use model::signal::{PeerKind, Resource, SignalBatch, Span};

use super::table::Offered;
use super::trace::{Outcome, callee, outcome};
use super::words::{NOBODY, Shape, Words};

/// What the resources and names of one batch are in a table. Its memory is used again for the next batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meaning {
    /// By resource: service and version; the service is [`NOBODY`] where none is named.
    resources: Vec<Option<(u32, u32)>>,
    /// By name: as an operation.
    operations: Vec<Option<u32>>,
    /// By name: as a party that a name of its own tells, and as one that its address tells.
    parties: Vec<[Option<u32>; 2]>,
}

impl Meaning {
    /// Begins with a batch of which nothing is looked up yet.
    pub(crate) fn begin(&mut self, batch: &SignalBatch) {
        renew(&mut self.resources, batch.resources.len());
        renew(&mut self.operations, batch.names.len());
        renew(&mut self.parties, batch.names.len());
    }

    /// What a span of the batch offers a table; `None` if no service sent it, or if it refers to what
    /// the batch does not have.
    pub(crate) fn of(
        &mut self,
        span: &Span,
        batch: &SignalBatch,
        words: &mut Words,
    ) -> Option<Offered> {
        let look_up = |words: &mut Words| resource(batch.resource(span.resource)?, words);
        let (service, version) =
            once(self.resources.get_mut(span.resource as usize)?, || look_up(words))?;
        if service == NOBODY {
            return None;
        }
        let operation = once(self.operations.get_mut(span.name as usize)?, || {
            batch.name(span.name).map(|name| words.names.number(name))
        })?;
        let (callee_kind, callee) = match span.peer {
            None => (EntityKind::Nothing, NOBODY),
            Some(peer) => {
                let [named, address] = self.parties.get_mut(peer.name as usize)?;
                let known = if peer.kind == PeerKind::Address { address } else { named };
                let number = once(known, || party(peer.kind, batch.name(peer.name)?, words))?;
                (party_kind(peer.kind), number)
            }
        };
        let outcome = match span.failed {
            false => Outcome::Ok,
            true => outcome(true, span.error_type.and_then(|error| batch.name(error))),
        };
        let shape = Shape {
            service,
            version,
            operation,
            callee,
            callee_kind: if callee == NOBODY { EntityKind::Nothing } else { callee_kind },
            kind: span.kind,
            outcome,
            start_high: 0,
            duration_high: 0,
        };
        let (span_id, parent, start) = (span.span_id, span.parent, span.start);
        Some(Offered { span_id, parent, start, end: span.end.max(span.start), shape })
    }
}

fn renew<T: Clone + Default>(values: &mut Vec<T>, len: usize) {
    values.clear();
    values.resize(len, T::default());
}

/// The value that is there, or else the one that is found, which stays there.
fn once<T: Copy>(slot: &mut Option<T>, find: impl FnOnce() -> Option<T>) -> Option<T> {
    if slot.is_none() {
        *slot = find();
    }
    *slot
}

fn resource(resource: &Resource, words: &mut Words) -> Option<(u32, u32)> {
    if resource.service.is_empty() {
        return Some((NOBODY, NOBODY));
    }
    let version = resource.version.as_ref().map_or(NOBODY, |version| words.names.number(version));
    Some((words.names.number(&resource.service), version))
}

fn party(kind: PeerKind, name: &Name, words: &mut Words) -> Option<u32> {
    Some(callee(kind, name).map_or(NOBODY, |name| words.names.number(&name)))
}

const fn party_kind(peer: PeerKind) -> EntityKind {
    match peer {
        PeerKind::Service => EntityKind::Service,
        PeerKind::Database => EntityKind::Database,
        PeerKind::Messaging => EntityKind::Messaging,
        PeerKind::Address => EntityKind::External,
    }
}
