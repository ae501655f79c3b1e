//! What the records of a stream say by themselves, decoded: for chance and the comparators, which
//! know nothing of the engine's judgement.

use std::collections::BTreeMap;

use model::alert::{Alert, AlertStatus};
use model::change::ChangeEvent;
use model::id::{Fingerprint, SpanId, TraceId};
use model::map::ItemKind;
use model::name::Name;
use model::recording::TopicRecord;
use model::signal::{LogSeverity, MetricKind, Resource, SignalBatch};
use model::time::Timestamp;

use super::series::Tallies;
use crate::intake::decode::{DecodeLimits, Decoded, Decoder, Payload};
use crate::topics::InputTopics;

/// Labels that name the service of an alert, the plainest first.
const SERVICE_LABELS: [&str; 5] = ["service", "service_name", "service.name", "app", "application"];

/// An alert as it arrived.
#[derive(Clone, Debug)]
pub struct RawAlert {
    /// When it arrived.
    pub at: Timestamp,
    /// Which alert.
    pub fingerprint: Fingerprint,
    /// The service that its labels name.
    pub service: Option<Name>,
    /// Firing, not resolved.
    pub firing: bool,
}

/// A span. Service and operation are numbers of [`Raw::operations`].
#[derive(Clone, Copy, Debug)]
pub struct RawSpan {
    /// Service and operation.
    pub operation: u32,
    /// Its trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Its parent.
    pub parent: Option<SpanId>,
    /// When it began.
    pub start: Timestamp,
    /// How long it took. Unit: milliseconds.
    pub duration_ms: f64,
}

/// Identity of a metric series: service, instance, metric, attributes.
pub type SeriesKey = (Name, Name, Name, Name);

/// The records of a stream.
pub struct Raw {
    decoder: Decoder,
    topics: InputTopics,
    /// The services, and when the first word of each arrived.
    services: BTreeMap<Name, Timestamp>,
    numbers: BTreeMap<(Name, Name), u32>,
    /// Service and name of each operation.
    pub operations: Vec<(Name, Name)>,
    /// Spans, in order of arrival.
    pub spans: Vec<RawSpan>,
    /// Alerts, in order of arrival.
    pub alerts: Vec<RawAlert>,
    /// Changes, in order of arrival.
    pub changes: Vec<ChangeEvent>,
    /// Metric points of services.
    pub metrics: BTreeMap<SeriesKey, (MetricKind, Vec<(Timestamp, f64)>)>,
    /// Logs and spans, counted per service.
    pub tallies: Tallies,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            decoder: Decoder::new(DecodeLimits::default()),
            topics: InputTopics::default(),
            services: BTreeMap::new(),
            numbers: BTreeMap::new(),
            operations: Vec::new(),
            spans: Vec::new(),
            alerts: Vec::new(),
            changes: Vec::new(),
            metrics: BTreeMap::new(),
            tallies: Tallies::default(),
        }
    }
}

impl Raw {
    /// Takes a record; what cannot be decoded says nothing.
    pub fn take(&mut self, record: &TopicRecord) {
        let Some(kind) = self.topics.kind_of(&record.topic) else { return };
        let headers: Vec<(String, Vec<u8>)> =
            record.headers.iter().map(|(k, v)| (k.clone(), v.as_bytes().to_vec())).collect();
        let payload = Payload {
            kind,
            timestamp_ms: record.timestamp_ms,
            key: None,
            headers: &headers,
            value: &record.value,
        };
        let at = Timestamp::from_millis(record.timestamp_ms);
        match self.decoder.decode(&payload) {
            Ok(Decoded::Telemetry { batch, .. }) => self.take_telemetry(&batch, at),
            Ok(Decoded::Alerts(alerts)) => {
                for alert in &alerts {
                    self.take_alert(alert, at);
                }
            }
            Ok(Decoded::Changes(changes)) => self.changes.extend(changes),
            Ok(Decoded::Topology(document)) => {
                for item in document.items.iter().filter(|item| item.kind == ItemKind::Service) {
                    self.note_service(&item.name, at);
                }
            }
            Ok(Decoded::Nothing(_)) | Err(_) => {}
        }
    }

    fn take_alert(&mut self, alert: &Alert, at: Timestamp) {
        let service = SERVICE_LABELS.iter().find_map(|label| alert.labels.get(label)).cloned();
        if let Some(service) = &service {
            self.note_service(service, at);
        }
        let firing = alert.status == AlertStatus::Firing;
        self.alerts.push(RawAlert { at, fingerprint: alert.fingerprint, service, firing });
    }

    fn take_telemetry(&mut self, batch: &SignalBatch, at: Timestamp) {
        for resource in &batch.resources {
            self.note_service(&resource.service, at);
        }
        let named = |index: u32| batch.resource(index).filter(|r| !r.service.is_empty());
        for span in &batch.spans {
            let Some(resource) = named(span.resource) else { continue };
            let Some(name) = batch.name(span.name) else { continue };
            let operation = self.operation(&resource.service, name);
            let duration_ms = (span.end - span.start).as_secs_f64() * 1e3;
            self.tallies.span(&resource.service, span.start, duration_ms, span.failed);
            self.spans.push(RawSpan {
                operation,
                trace: span.trace_id,
                span: span.span_id,
                parent: span.parent,
                start: span.start,
                duration_ms,
            });
        }
        for log in &batch.logs {
            let Some(resource) = named(log.resource) else { continue };
            self.tallies.log(&resource.service, log.time, log.severity >= LogSeverity::Error);
        }
        for point in &batch.metrics {
            let Some(resource) = named(point.resource) else { continue };
            let key = series_key(resource, &point.metric, &point.attributes);
            let series = self.metrics.entry(key).or_insert_with(|| (point.kind, Vec::new()));
            series.1.push((point.time, point.value));
        }
    }

    fn operation(&mut self, service: &Name, name: &Name) -> u32 {
        let key = (service.clone(), name.clone());
        if let Some(known) = self.numbers.get(&key) {
            return *known;
        }
        let number = u32::try_from(self.operations.len()).unwrap_or(u32::MAX);
        self.operations.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    /// The service of an operation's number.
    #[must_use]
    pub fn service_of(&self, operation: u32) -> Option<&Name> {
        self.operations.get(operation as usize).map(|(service, _)| service)
    }

    fn note_service(&mut self, service: &Name, at: Timestamp) {
        if !service.is_empty() && !self.services.contains_key(service) {
            self.services.insert(service.clone(), at);
        }
    }

    /// How many services had been heard of by an instant.
    #[must_use]
    pub fn services_by(&self, at: Timestamp) -> usize {
        self.services.values().filter(|first| **first <= at).count()
    }
}

fn series_key(resource: &Resource, metric: &Name, attributes: &Name) -> SeriesKey {
    let instance = resource.instance.clone().unwrap_or_default();
    (resource.service.clone(), instance, metric.clone(), attributes.clone())
}
