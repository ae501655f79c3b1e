//! What a metric point means: which series, how to read it, its value.

use std::borrow::Cow;

use model::name::Name;
use model::signal::{MetricKind, MetricPoint};

use super::times::Arrival;
use super::value::{Scalar, Sink};
use crate::intake::decode::interner::Interner;
use crate::intake::decode::limits::NAME_CHARS_MAX;

/// `DataPointFlags.NO_RECORDED_VALUE`.
const NO_RECORDED_VALUE: u64 = 1;

/// The attributes of a point: all of them make the series.
#[derive(Clone, Debug, Default)]
pub(crate) struct PointAttributes<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'v: 'a, 'a> Sink<'v> for PointAttributes<'a> {
    fn wants(&self, _: &[u8]) -> bool {
        true
    }

    fn put(&mut self, key: Cow<'v, str>, value: Scalar<'v>) {
        self.0.push((key, value.into_text().unwrap_or_default()));
    }
}

impl PointAttributes<'_> {
    /// `key=value`, sorted by key, joined by commas; a long one is cut by the interner.
    fn series(&mut self, quantile: Option<f64>) -> String {
        if let Some(quantile) = quantile {
            self.0.retain(|(key, _)| key != "quantile");
            self.0.push(("quantile".into(), quantile.to_string().into()));
        }
        self.0.sort();
        let mut out = String::new();
        for (key, value) in &self.0 {
            if out.len() > NAME_CHARS_MAX * 4 {
                break;
            }
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(key);
            out.push('=');
            out.push_str(value);
        }
        out
    }
}

/// How the points of a metric are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

/// What a metric says of all its points.
#[derive(Clone, Debug)]
pub(crate) struct MetricFields<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) shape: Shape,
    /// `AggregationTemporality`: 1 delta, 2 cumulative.
    pub(crate) temporality: i64,
    pub(crate) monotonic: bool,
}

impl MetricFields<'_> {
    /// A total that may fall is a level; a total of unknown temporality is taken for cumulative,
    /// as Prometheus' are.
    fn kind(&self) -> MetricKind {
        match (self.shape, self.temporality) {
            (Shape::Gauge, _) => MetricKind::Gauge,
            (Shape::Summary, _) => MetricKind::CumulativeSum,
            (_, 1) => MetricKind::DeltaSum,
            (Shape::Sum, _) if !self.monotonic => MetricKind::Gauge,
            _ => MetricKind::CumulativeSum,
        }
    }
}

/// A point as the wire had it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PointFields<'a> {
    pub(crate) time_unix_nanos: u64,
    pub(crate) flags: u64,
    /// The value of a gauge or sum.
    pub(crate) value: Option<f64>,
    /// Of histograms and summaries.
    pub(crate) count: u64,
    /// Of histograms and summaries, if recorded.
    pub(crate) sum: Option<f64>,
    /// Of summaries: (quantile, value).
    pub(crate) quantiles: Vec<(f64, f64)>,
    pub(crate) attributes: PointAttributes<'a>,
}

/// One series of a metric, with its names resolved.
struct Series {
    resource: u32,
    metric: Name,
    kind: MetricKind,
    attributes: Name,
    time: model::time::Timestamp,
}

impl Series {
    fn point(&self, value: f64) -> Option<MetricPoint> {
        value.is_finite().then(|| MetricPoint {
            resource: self.resource,
            metric: self.metric.clone(),
            attributes: self.attributes.clone(),
            kind: self.kind,
            time: self.time,
            value,
        })
    }
}

impl PointFields<'_> {
    /// Adds the rows of this point: one of a gauge or sum, `NAME.count` and `NAME.sum` of a
    /// histogram, those and the quantiles as gauges of a summary. Values that are not finite and
    /// points without a recorded value are left out.
    ///
    /// # Errors
    /// A gauge or sum without any value.
    pub(crate) fn into_rows(
        mut self,
        metric: &MetricFields<'_>,
        resource: u32,
        arrival: Arrival,
        interner: &mut Interner,
        rows: &mut Vec<MetricPoint>,
    ) -> Result<(), &'static str> {
        if self.flags & NO_RECORDED_VALUE != 0 {
            return Ok(());
        }
        let mut series = Series {
            resource,
            metric: Name::default(),
            kind: metric.kind(),
            attributes: interner.name(&self.attributes.series(None)),
            time: arrival.credible(self.time_unix_nanos).unwrap_or_else(|| arrival.timestamp()),
        };
        if matches!(metric.shape, Shape::Gauge | Shape::Sum) {
            series.metric = interner.name(&metric.name);
            rows.extend(series.point(self.value.ok_or("a point without a value")?));
            return Ok(());
        }
        series.metric = interner.name(&format!("{}.count", metric.name));
        rows.extend(series.point(self.count as f64));
        if let Some(sum) = self.sum {
            series.metric = interner.name(&format!("{}.sum", metric.name));
            rows.extend(series.point(sum));
        }
        series.metric = interner.name(&metric.name);
        series.kind = MetricKind::Gauge;
        for (quantile, value) in std::mem::take(&mut self.quantiles) {
            series.attributes = interner.name(&self.attributes.series(Some(quantile)));
            rows.extend(series.point(value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(
        shape: Shape,
        temporality: i64,
        monotonic: bool,
        point: PointFields<'_>,
    ) -> Vec<(String, String, MetricKind, f64)> {
        let metric = MetricFields { name: "m".into(), shape, temporality, monotonic };
        let mut out = Vec::new();
        let arrival = Arrival::from_millis(1_700_000_000_000);
        point.into_rows(&metric, 0, arrival, &mut Interner::new(64), &mut out).unwrap();
        out.iter()
            .map(|p| (p.metric.to_string(), p.attributes.to_string(), p.kind, p.value))
            .collect()
    }

    #[test]
    fn temporality_and_monotony_say_how_a_sum_is_read() {
        let cases = [
            (Shape::Gauge, 0, false, MetricKind::Gauge),
            (Shape::Sum, 2, true, MetricKind::CumulativeSum),
            (Shape::Sum, 2, false, MetricKind::Gauge),
            (Shape::Sum, 1, true, MetricKind::DeltaSum),
            (Shape::Histogram, 1, false, MetricKind::DeltaSum),
        ];
        for (shape, temporality, monotonic, kind) in cases {
            let point = PointFields { value: Some(1.0), ..PointFields::default() };
            assert_eq!(rows(shape, temporality, monotonic, point)[0].2, kind);
        }
    }

    #[test]
    fn a_summary_is_its_count_its_sum_and_its_quantiles() {
        let mut point = PointFields {
            count: 4,
            sum: Some(2.5),
            quantiles: vec![(0.5, 0.4), (0.99, f64::NAN)],
            ..PointFields::default()
        };
        point.attributes.put("b".into(), Scalar::Int(2));
        point.attributes.put("a".into(), Scalar::Bool(true));
        let rows = rows(Shape::Summary, 0, false, point);
        assert_eq!(
            rows,
            [
                ("m.count".into(), "a=true,b=2".into(), MetricKind::CumulativeSum, 4.0),
                ("m.sum".into(), "a=true,b=2".into(), MetricKind::CumulativeSum, 2.5),
                ("m".into(), "a=true,b=2,quantile=0.5".into(), MetricKind::Gauge, 0.4),
            ]
        );
    }

    #[test]
    fn values_that_are_not_there_or_not_finite_make_no_point() {
        let nan = PointFields { value: Some(f64::NAN), ..PointFields::default() };
        assert!(rows(Shape::Gauge, 0, false, nan).is_empty());
        let stale = PointFields { flags: 1, ..PointFields::default() };
        assert!(rows(Shape::Gauge, 0, false, stale).is_empty());
    }
}
