//! `Metric` and its five shapes of points.

use super::attributes::AttributeReader;
use super::cursor::{Cursor, Field};
use super::resource::walk;
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::rows::batch::BatchBuilder;
use crate::intake::decode::rows::metric::{MetricFields, PointFields, Shape};

/// Most quantiles of one summary point.
const QUANTILES_MAX: usize = 64;

/// Decodes an `ExportMetricsServiceRequest`.
pub(crate) fn decode_metrics(body: &[u8], out: &mut BatchBuilder<'_>) -> Result<(), DecodeError> {
    walk(body, out, read_metric)
}

/// Field numbers of the oneof `data`.
const fn shape(number: u32) -> Option<Shape> {
    match number {
        5 => Some(Shape::Gauge),
        7 => Some(Shape::Sum),
        9 => Some(Shape::Histogram),
        10 => Some(Shape::ExponentialHistogram),
        11 => Some(Shape::Summary),
        _ => None,
    }
}

fn read_metric(field: &Field<'_>, out: &mut BatchBuilder<'_>) -> Result<(), DecodeError> {
    let bytes = field.bytes()?;
    let mut name = "";
    let mut last = None;
    let mut cursor = Cursor::new(bytes, "Metric");
    while let Some(field) = cursor.next()? {
        match shape(field.number) {
            Some(shape) => {
                field.bytes()?;
                last = Some((field.number, shape));
            }
            None if field.number == 1 => name = field.text("a metric name")?,
            None => {}
        }
    }
    let Some((number, shape)) = last else { return Ok(()) };
    let mut metric = MetricFields { name: name.into(), shape, temporality: 0, monotonic: false };
    each_data(bytes, number, |field| read_data(field, &mut metric))?;
    each_data(bytes, number, |field| match field.number {
        1 => out.point(&metric, read_point(field, shape)?),
        _ => Ok(()),
    })
}

/// Walks the fields of the member that won the oneof. Several occurrences of it that follow one
/// another count as one message; any other member between them begins it anew.
fn each_data<'a>(
    metric: &'a [u8],
    number: u32,
    mut each: impl FnMut(&Field<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(metric, "Metric");
    let mut start = cursor.clone();
    while let Some(field) = cursor.next()? {
        if shape(field.number).is_some() && field.number != number {
            start = cursor.clone();
        }
    }
    while let Some(field) = start.next()? {
        if field.number == number {
            let mut data = Cursor::new(field.bytes()?, "metric data");
            while let Some(field) = data.next()? {
                each(&field)?;
            }
        }
    }
    Ok(())
}

fn read_data(field: &Field<'_>, metric: &mut MetricFields<'_>) -> Result<(), DecodeError> {
    match (metric.shape, field.number) {
        (Shape::Sum | Shape::Histogram | Shape::ExponentialHistogram, 2) => {
            metric.temporality = field.enumeration()?;
        }
        (Shape::Sum, 3) => metric.monotonic = field.varint()? != 0,
        _ => {}
    }
    Ok(())
}

fn read_point<'a>(field: &Field<'a>, shape: Shape) -> Result<PointFields<'a>, DecodeError> {
    let mut point = PointFields::default();
    let mut attributes = AttributeReader::default();
    let mut cursor = Cursor::new(field.bytes()?, "DataPoint");
    while let Some(field) = cursor.next()? {
        match (shape, field.number) {
            (_, 3) => point.time_unix_nanos = field.fixed64()?,
            (Shape::Gauge | Shape::Sum, 4) => point.value = Some(field.double()?),
            (Shape::Gauge | Shape::Sum, 6) => {
                point.value = Some(field.fixed64()? as i64 as f64);
            }
            (Shape::Gauge | Shape::Sum | Shape::Summary, 7)
            | (Shape::Histogram, 9)
            | (Shape::ExponentialHistogram, 1) => attributes.read(&field, &mut point.attributes)?,
            (Shape::Gauge | Shape::Sum | Shape::Summary, 8)
            | (Shape::Histogram | Shape::ExponentialHistogram, 10) => {
                point.flags = field.varint()?;
            }
            (_, 4) => point.count = field.fixed64()?,
            (_, 5) => {
                if !matches!(shape, Shape::Gauge | Shape::Sum) {
                    point.sum = Some(field.double()?);
                }
            }
            (Shape::Summary, 6) => read_quantile(&field, &mut point)?,
            _ => {}
        }
    }
    Ok(point)
}

fn read_quantile(field: &Field<'_>, point: &mut PointFields<'_>) -> Result<(), DecodeError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut cursor = Cursor::new(field.bytes()?, "ValueAtQuantile");
    while let Some(field) = cursor.next()? {
        match field.number {
            1 => quantile = field.double()?,
            2 => value = field.double()?,
            _ => {}
        }
    }
    if point.quantiles.len() < QUANTILES_MAX {
        point.quantiles.push((quantile, value));
    }
    Ok(())
}
