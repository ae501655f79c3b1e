//! The export requests of the three signals, as slim structures: whatever way they are written.

use std::borrow::Cow;

use serde::Deserialize;

use super::attributes::{AnyValue, Attributes};
use super::ids;
use super::scalars::{List, Number, Text};
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::json;
use crate::intake::decode::limits::DecodeLimits;
use crate::intake::decode::rows::batch::BatchBuilder;
use crate::intake::decode::rows::log::{LogAttributes, LogFields};
use crate::intake::decode::rows::metric::{MetricFields, PointAttributes, PointFields, Shape};
use crate::intake::decode::rows::resource::ResourceFields;
use crate::intake::decode::rows::span::{SpanAttributes, SpanFields};
use crate::intake::decode::rows::value::{Scalar, Sink};

const SPAN_KINDS: [&str; 6] =
    ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_CODES: [&str; 3] = ["UNSET", "OK", "ERROR"];
const TEMPORALITIES: [&str; 3] = ["UNSPECIFIED", "DELTA", "CUMULATIVE"];
/// Every fourth severity number begins a range; within a range the names are numbered.
const SEVERITIES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
/// Most quantiles of one summary point.
const QUANTILES_MAX: usize = 64;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: Attributes<ResourceFields<'a>>,
}

#[derive(Deserialize)]
struct TracesRequest<'a> {
    #[serde(borrow, rename = "resourceSpans", alias = "resource_spans")]
    resources: List<ResourceSpans<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ResourceSpans<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow)]
    scope_spans: List<ScopeSpans<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ScopeSpans<'a> {
    #[serde(borrow)]
    spans: List<Span<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Span<'a> {
    #[serde(borrow)]
    trace_id: Text<'a>,
    #[serde(borrow)]
    span_id: Text<'a>,
    #[serde(borrow)]
    parent_span_id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    kind: Number<'a>,
    #[serde(borrow)]
    start_time_unix_nano: Number<'a>,
    #[serde(borrow)]
    end_time_unix_nano: Number<'a>,
    #[serde(borrow)]
    attributes: Attributes<SpanAttributes<Cow<'a, str>>>,
    #[serde(borrow)]
    events: List<Event<'a>>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    code: Number<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    attributes: Attributes<ExceptionType<'a>>,
}

/// The `exception.type` of an event.
#[derive(Debug, Default)]
struct ExceptionType<'a>(Option<Cow<'a, str>>);

impl<'v: 'a, 'a> Sink<'v> for ExceptionType<'a> {
    fn wants(&self, key: &[u8]) -> bool {
        key == b"exception.type"
    }
    fn put(&mut self, _: Cow<'v, str>, value: Scalar<'v>) {
        self.0 = value.into_text();
    }
}

/// Decodes an `ExportTraceServiceRequest`, whatever way it is written.
pub(crate) fn any_spans(
    body: &[u8],
    limits: &DecodeLimits,
    out: &mut BatchBuilder<'_>,
) -> Result<(), DecodeError> {
    let expected = "an OTLP/JSON trace export request (`resourceSpans`)";
    let request: TracesRequest<'_> = json::parse(body, limits, expected)?;
    for resource in request.resources.0 {
        out.resource(resource.resource.unwrap_or_default().attributes.0, None)?;
        for span in resource.scope_spans.0.into_iter().flat_map(|scope| scope.spans.0) {
            out.span(&span.into_fields())?;
        }
    }
    Ok(())
}

/// The attributes of a resource that stands alone; `None` if it is none.
pub(super) fn any_resource(bytes: &[u8]) -> Option<ResourceFields<'_>> {
    serde_json::from_slice::<Resource<'_>>(bytes).ok().map(|resource| resource.attributes.0)
}

/// A span that stands alone; `None` if it is none.
pub(super) fn any_span(bytes: &[u8]) -> Option<SpanFields<Cow<'_, str>>> {
    serde_json::from_slice(bytes).ok().map(Span::into_fields)
}

/// The kind of a span, by number or by name.
pub(super) fn span_kind(number: &Number<'_>) -> i64 {
    number.enumeration("SPAN_KIND_", &SPAN_KINDS)
}

/// The code of a status, by number or by name.
pub(super) fn status_code(number: &Number<'_>) -> i64 {
    number.enumeration("STATUS_CODE_", &STATUS_CODES)
}

impl<'a> Span<'a> {
    fn into_fields(self) -> SpanFields<Cow<'a, str>> {
        let mut fields = SpanFields {
            trace_id: ids::trace(self.trace_id.0.as_bytes()),
            span_id: ids::span(self.span_id.0.as_bytes()),
            parent: ids::parent(self.parent_span_id.0.as_bytes()),
            kind: span_kind(&self.kind),
            name: self.name.0,
            start_unix_nanos: self.start_time_unix_nano.unsigned(),
            end_unix_nanos: self.end_time_unix_nano.unsigned(),
            status: self.status.map_or(0, |status| status_code(&status.code)),
            attributes: self.attributes.0,
        };
        if fields.needs_exception() {
            for text in self.events.0.into_iter().filter_map(|event| event.attributes.0.0) {
                fields.attributes.put("exception.type".into(), Scalar::Text(text));
            }
        }
        fields
    }
}

#[derive(Deserialize)]
struct LogsRequest<'a> {
    #[serde(borrow, rename = "resourceLogs", alias = "resource_logs")]
    resources: List<ResourceLogs<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ResourceLogs<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow)]
    scope_logs: List<ScopeLogs<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ScopeLogs<'a> {
    #[serde(borrow)]
    log_records: List<LogRecord<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct LogRecord<'a> {
    #[serde(borrow)]
    time_unix_nano: Number<'a>,
    #[serde(borrow)]
    observed_time_unix_nano: Number<'a>,
    #[serde(borrow)]
    severity_number: Number<'a>,
    #[serde(borrow)]
    severity_text: Text<'a>,
    #[serde(borrow)]
    event_name: Text<'a>,
    #[serde(borrow)]
    body: AnyValue<'a>,
    #[serde(borrow)]
    trace_id: Text<'a>,
    #[serde(borrow)]
    span_id: Text<'a>,
    #[serde(borrow)]
    attributes: Attributes<LogAttributes<'a>>,
}

/// Decodes an `ExportLogsServiceRequest`, whatever way it is written.
pub(crate) fn any_logs(
    body: &[u8],
    limits: &DecodeLimits,
    out: &mut BatchBuilder<'_>,
) -> Result<(), DecodeError> {
    let expected = "an OTLP/JSON logs export request (`resourceLogs`)";
    let request: LogsRequest<'_> = json::parse(body, limits, expected)?;
    for resource in request.resources.0 {
        out.resource(resource.resource.unwrap_or_default().attributes.0, None)?;
        for log in resource.scope_logs.0.into_iter().flat_map(|scope| scope.log_records.0) {
            out.log(log.into_fields())?;
        }
    }
    Ok(())
}

/// A log record that stands alone; `None` if it is none.
pub(super) fn any_log(bytes: &[u8]) -> Option<LogFields<'_>> {
    serde_json::from_slice(bytes).ok().map(LogRecord::into_fields)
}

impl<'a> LogRecord<'a> {
    fn into_fields(self) -> LogFields<'a> {
        LogFields {
            time_unix_nanos: self.time_unix_nano.unsigned(),
            observed_unix_nanos: self.observed_time_unix_nano.unsigned(),
            severity_number: severity_number(&self.severity_number),
            severity_text: self.severity_text.0,
            event_name: self.event_name.0,
            body: self.body.0,
            trace_id: ids::trace(self.trace_id.0.as_bytes()),
            span_id: ids::span(self.span_id.0.as_bytes()),
            attributes: self.attributes.0,
        }
    }
}

/// A severity by number or by name (`SEVERITY_NUMBER_ERROR2`: the second of its range).
pub(super) fn severity_number(number: &Number<'_>) -> i64 {
    let Number::Word(word) = number else { return number.signed().unwrap_or_default() };
    if let Ok(number) = word.parse() {
        return number;
    }
    let name = word.strip_prefix("SEVERITY_NUMBER_").unwrap_or(word);
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let place = SEVERITIES.iter().position(|range| *range == bare);
    place.and_then(|at| i64::try_from(at).ok()).map_or(0, |at| at * 4 + 1)
}

#[derive(Deserialize)]
struct MetricsRequest<'a> {
    #[serde(borrow, rename = "resourceMetrics", alias = "resource_metrics")]
    resources: List<ResourceMetrics<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow)]
    scope_metrics: List<ScopeMetrics<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ScopeMetrics<'a> {
    #[serde(borrow)]
    metrics: List<Metric<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metric<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    gauge: Option<Data<'a>>,
    #[serde(borrow)]
    sum: Option<Data<'a>>,
    #[serde(borrow)]
    histogram: Option<Data<'a>>,
    #[serde(borrow)]
    exponential_histogram: Option<Data<'a>>,
    #[serde(borrow)]
    summary: Option<Data<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow)]
    data_points: List<Point<'a>>,
    #[serde(borrow)]
    aggregation_temporality: Number<'a>,
    is_monotonic: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Point<'a> {
    #[serde(borrow)]
    attributes: Attributes<PointAttributes<'a>>,
    #[serde(borrow)]
    time_unix_nano: Number<'a>,
    #[serde(borrow)]
    flags: Number<'a>,
    #[serde(borrow)]
    as_double: Number<'a>,
    #[serde(borrow)]
    as_int: Number<'a>,
    #[serde(borrow)]
    count: Number<'a>,
    #[serde(borrow)]
    sum: Number<'a>,
    #[serde(borrow)]
    quantile_values: List<Quantile<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Quantile<'a> {
    #[serde(borrow)]
    quantile: Number<'a>,
    #[serde(borrow)]
    value: Number<'a>,
}

/// Decodes an `ExportMetricsServiceRequest`.
pub(crate) fn decode_metrics(
    body: &[u8],
    limits: &DecodeLimits,
    out: &mut BatchBuilder<'_>,
) -> Result<(), DecodeError> {
    let expected = "an OTLP/JSON metrics export request (`resourceMetrics`)";
    let request: MetricsRequest<'_> = json::parse(body, limits, expected)?;
    for resource in request.resources.0 {
        out.resource(resource.resource.unwrap_or_default().attributes.0, None)?;
        for metric in resource.scope_metrics.0.into_iter().flat_map(|scope| scope.metrics.0) {
            add_metric(metric, out)?;
        }
    }
    Ok(())
}

fn add_metric(metric: Metric<'_>, out: &mut BatchBuilder<'_>) -> Result<(), DecodeError> {
    let shapes = [
        (Shape::Gauge, metric.gauge),
        (Shape::Sum, metric.sum),
        (Shape::Histogram, metric.histogram),
        (Shape::ExponentialHistogram, metric.exponential_histogram),
        (Shape::Summary, metric.summary),
    ];
    let found = shapes.into_iter().find_map(|(shape, data)| Some((shape, data?)));
    let Some((shape, data)) = found else { return Ok(()) };
    let temporality =
        data.aggregation_temporality.enumeration("AGGREGATION_TEMPORALITY_", &TEMPORALITIES);
    let monotonic = data.is_monotonic.unwrap_or_default();
    let fields = MetricFields { name: metric.name.0, shape, temporality, monotonic };
    for point in data.data_points.0 {
        out.point(&fields, point.into_fields())?;
    }
    Ok(())
}

impl<'a> Point<'a> {
    fn into_fields(self) -> PointFields<'a> {
        let quantiles = self.quantile_values.0.into_iter().take(QUANTILES_MAX);
        PointFields {
            time_unix_nanos: self.time_unix_nano.unsigned(),
            flags: self.flags.unsigned(),
            value: self.as_double.float().or_else(|| self.as_int.float()),
            count: self.count.unsigned(),
            sum: self.sum.float(),
            quantiles: quantiles
                .map(|q| {
                    let number = |n: &Number<'_>| n.float().unwrap_or_default();
                    (number(&q.quantile), number(&q.value))
                })
                .collect(),
            attributes: self.attributes.0,
        }
    }
}
