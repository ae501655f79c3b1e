//! Gathers the rows of one record, within the limit of items, and counts what is rejected.

use model::map::TopologyDocument;
use model::signal::SignalBatch;

use super::log::LogFields;
use super::metric::{MetricFields, PointFields};
use super::resource::ResourceFields;
use super::span::SpanFields;
use super::times::Arrival;
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::interner::Interner;

/// A batch in the making.
pub(crate) struct BatchBuilder<'d> {
    batch: SignalBatch,
    topology: TopologyDocument,
    current: u32,
    items: usize,
    items_max: usize,
    arrival: Arrival,
    interner: &'d mut Interner,
    reason: &'static str,
    nameless: bool,
}

impl<'d> BatchBuilder<'d> {
    pub(crate) fn new(arrival: Arrival, items_max: usize, interner: &'d mut Interner) -> Self {
        Self {
            batch: SignalBatch::default(),
            topology: TopologyDocument::default(),
            current: 0,
            items: 0,
            items_max,
            arrival,
            interner,
            reason: "",
            nameless: false,
        }
    }

    /// Following rows belong to this resource.
    pub(crate) fn resource(&mut self, fields: ResourceFields<'_>) -> Result<(), DecodeError> {
        self.count()?;
        self.nameless = fields.is_nameless();
        self.batch.resources.push(fields.into_row(self.interner));
        self.current = self.last();
        Ok(())
    }

    pub(crate) fn span(&mut self, fields: &SpanFields<'_>) -> Result<(), DecodeError> {
        self.count()?;
        match fields.row(self.current, self.arrival, self.interner) {
            Ok(row) => self.batch.spans.push(row),
            Err(reason) => self.reject(reason),
        }
        Ok(())
    }

    /// Adds a log record, or what it says of the topology if it is an entity event.
    pub(crate) fn log(&mut self, mut fields: LogFields<'_>) -> Result<(), DecodeError> {
        self.count()?;
        let entity = std::mem::take(&mut fields.attributes.entity);
        if entity.add_to(&fields.event_name, &mut self.topology) {
            return self.check_topology();
        }
        let resource = self.resource_of(&mut fields);
        self.batch.logs.push(fields.into_row(resource, self.arrival, self.interner));
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
        if let Err(reason) = fields.into_rows(metric, resource, self.arrival, self.interner, rows) {
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
        let mut row = object.into_row(self.interner);
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
