//! Gathers the rows of one record, within the limit of items, and counts what is rejected.

use model::map::TopologyDocument;
use model::signal::SignalBatch;

use super::log::LogFields;
use super::metric::{MetricFields, PointFields};
use super::resource::ResourceFields;
use super::span::{BatchNames, Raw, SpanFields, Unfit};
use super::times::Arrival;
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::interner::Interner;
use crate::intake::decode::resources::{Resources, Written};

/// What was read before and saves work when it comes again. It decides nothing.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) interner: Interner,
    pub(crate) resources: Resources,
}

/// A batch in the making.
pub(crate) struct BatchBuilder<'d> {
    batch: SignalBatch,
    topology: TopologyDocument,
    current: u32,
    items: usize,
    items_max: usize,
    arrival: Arrival,
    known: &'d mut Known,
    reason: &'static str,
    nameless: bool,
}

impl<'d> BatchBuilder<'d> {
    /// A batch in an empty one, whose memory is used again.
    pub(crate) fn new(
        arrival: Arrival,
        items_max: usize,
        known: &'d mut Known,
        batch: SignalBatch,
    ) -> Self {
        known.interner.begin_batch();
        Self {
            batch,
            topology: TopologyDocument::default(),
            current: 0,
            items: 0,
            items_max,
            arrival,
            known,
            reason: "",
            nameless: false,
        }
    }

    /// Forgets all that was added: the payload is read anew, in another way.
    pub(crate) fn start_again(&mut self) {
        self.batch.clear();
        self.topology = TopologyDocument::default();
        (self.current, self.items, self.reason, self.nameless) = (0, 0, "", false);
        self.known.interner.begin_batch();
    }

    /// Following rows belong to this resource. `bytes`: all that it was read from, if it is only they.
    pub(crate) fn resource(
        &mut self,
        fields: ResourceFields<'_>,
        bytes: Option<Written<'_>>,
    ) -> Result<(), DecodeError> {
        self.count()?;
        self.nameless = fields.is_nameless();
        let row = fields.into_row(&mut self.known.interner);
        if let Some(bytes) = bytes {
            self.known.resources.keep(bytes, &row, self.nameless);
        }
        self.batch.resources.push(row);
        self.current = self.last();
        Ok(())
    }

    /// Following rows belong to the resource of these bytes. Whether it is known.
    ///
    /// # Errors
    /// When there are too many items.
    pub(crate) fn known_resource(&mut self, bytes: Written<'_>) -> Result<bool, DecodeError> {
        let Some(known) = self.known.resources.find(bytes) else { return Ok(false) };
        self.nameless = known.nameless;
        self.batch.resources.push(known.row.clone());
        self.count()?;
        self.current = self.last();
        Ok(true)
    }

    /// Adds a span. Whether its text is text: one whose text is none is not counted at all.
    pub(crate) fn span<T: Raw>(&mut self, fields: &SpanFields<T>) -> Result<bool, DecodeError> {
        let mut names =
            BatchNames { interner: &mut self.known.interner, names: &mut self.batch.names };
        match fields.row(self.current, self.arrival, &mut names) {
            Ok(row) => self.batch.spans.push(row),
            Err(Unfit::Rejected(reason)) => self.reject(reason),
            Err(Unfit::NotText) => return Ok(false),
        }
        self.count()?;
        Ok(true)
    }

    /// Adds a log record, or what it says of the topology if it is an entity event.
    pub(crate) fn log(&mut self, mut fields: LogFields<'_>) -> Result<(), DecodeError> {
        self.count()?;
        let entity = std::mem::take(&mut fields.attributes.entity);
        if entity.add_to(&fields.event_name, &mut self.topology) {
            return self.check_topology();
        }
        let resource = self.resource_of(&mut fields);
        self.batch.logs.push(fields.into_row(resource, self.arrival, &mut self.known.interner));
        Ok(())
    }

    pub(crate) fn point(
        &mut self,
        metric: &MetricFields<'_>,
        fields: PointFields<'_>,
    ) -> Result<(), DecodeError> {
        self.count()?;
        let resource = self.current;
        let rows = &mut self.batch.metrics;
        if let Err(reason) =
            fields.into_rows(metric, resource, self.arrival, &mut self.known.interner, rows)
        {
            self.reject(reason);
        }
        if self.batch.metrics.len() > self.items_max.saturating_mul(2) {
            return Err(self.too_many());
        }
        Ok(())
    }

    /// The rows, and the topology if there was any.
    ///
    /// # Errors
    /// When there were items and every one of them was rejected.
    pub(crate) fn finish(self) -> Result<(SignalBatch, Option<TopologyDocument>), DecodeError> {
        let batch = self.batch;
        let rows = batch.spans.len() + batch.logs.len() + batch.metrics.len();
        let topology = (!self.topology.source.is_empty()).then_some(self.topology);
        if rows == 0 && topology.is_none() && batch.rejected > 0 {
            return Err(DecodeError::AllRejected { rejected: batch.rejected, reason: self.reason });
        }
        Ok((batch, topology))
    }

    fn last(&self) -> u32 {
        u32::try_from(self.batch.resources.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The resource of a log record: its own Kubernetes names stand in for a resource that names
    /// no service.
    fn resource_of(&mut self, fields: &mut LogFields<'_>) -> u32 {
        let current = self.current;
        let object = std::mem::take(&mut fields.attributes.object);
        if !self.nameless || object.is_nameless() {
            return current;
        }
        let mut row = object.into_row(&mut self.known.interner);
        if let Some(declared) = self.batch.resource(current) {
            row.host = row.host.or_else(|| declared.host.clone());
            row.environment = declared.environment.clone();
            row.instance = row.instance.or_else(|| declared.instance.clone());
        }
        if self.batch.resources.last() != Some(&row) {
            self.batch.resources.push(row);
        }
        self.last()
    }

    fn reject(&mut self, reason: &'static str) {
        self.batch.rejected = self.batch.rejected.saturating_add(1);
        self.reason = reason;
    }

    fn count(&mut self) -> Result<(), DecodeError> {
        self.items += 1;
        if self.items > self.items_max { Err(self.too_many()) } else { Ok(()) }
    }

    fn check_topology(&self) -> Result<(), DecodeError> {
        let parts = self.topology.items.len() + self.topology.relations.len();
        if parts > self.items_max { Err(self.too_many()) } else { Ok(()) }
    }

    fn too_many(&self) -> DecodeError {
        DecodeError::TooMany { what: "items", limit: self.items_max }
    }
}
