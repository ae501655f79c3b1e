//! The registry as values, for whoever sends it elsewhere: the same series as the text form, under OpenTelemetry's
//! kind of name: what is a unit in Prometheus' name is the unit here, so that a Collector that writes Prometheus gives them
//! the names of the text form again.

use model::time::Timestamp;

use super::names::Kind;
use super::outboxes::{INCIDENTS, OLDEST};
use super::{Metric, Metrics, Stage, UNKNOWN, UNMEASURED};

/// Whether values add up over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It only grows while the process lives.
    Counter,
    /// It is as it is now.
    Gauge,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count.
    Whole(u64),
    /// A length of time.
    Real(f64),
}

/// All series of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Name, in OpenTelemetry's form.
    pub name: String,
    /// Unit, in UCUM: empty where there is none.
    pub unit: &'static str,
    /// What it says.
    pub help: &'static str,
    /// How it moves.
    pub shape: Shape,
    /// Attribute, its value, the value.
    pub points: Vec<(&'static str, String, Value)>,
}

/// A name without what is its unit or its kind in Prometheus.
fn named(name: &str) -> (String, &'static str) {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (name, unit) = match name.strip_suffix("_seconds") {
        Some(name) => (name, "s"),
        None => name.strip_suffix("_bytes").map_or((name, ""), |name| (name, "By")),
    };
    (name.replacen('_', ".", 1), unit)
}

impl Metrics {
    /// All values now; those that nobody measures or knows are left out.
    #[must_use]
    pub fn sample(&self, now: Timestamp) -> Vec<Family> {
        let mut families: Vec<Family> =
            Metric::ALL.into_iter().map(|metric| self.family(metric)).collect();
        families.extend(self.outboxes(now));
        families.retain(|family| !family.points.is_empty());
        families
    }

    fn family(&self, metric: Metric) -> Family {
        let (name, kind, help) = metric.family();
        let (name, unit) = named(name);
        let point = |stage: Stage| {
            let value = self.get(metric, stage);
            let is_known = kind == Kind::Counter || ![UNKNOWN, UNMEASURED].contains(&value);
            let value = match kind {
                Kind::SecondsGauge => Value::Real(value as f64 / 1000.0),
                Kind::Counter | Kind::Gauge => Value::Whole(value),
            };
            is_known.then(|| ("stage", stage.label().to_owned(), value))
        };
        let shape = if kind == Kind::Counter { Shape::Counter } else { Shape::Gauge };
        let points = Stage::ALL.into_iter().filter_map(point).collect();
        Family { name, unit, help, shape, points }
    }

    fn outboxes(&self, now: Timestamp) -> [Family; 2] {
        let owed = self.outboxes.owed();
        let family = |name, help| {
            let (name, unit) = named(name);
            Family { name, unit, help, shape: Shape::Gauge, points: Vec::new() }
        };
        let mut incidents = family(INCIDENTS, super::outboxes::INCIDENTS_HELP);
        let mut oldest = family(OLDEST, super::outboxes::OLDEST_HELP);
        for (sink, owed) in owed {
            let since = owed.oldest_since.unwrap_or(now);
            let age = (now - since).as_secs_f64().max(0.0);
            let sink = sink.as_str().to_owned();
            incidents.points.push(("sink", sink.clone(), Value::Whole(owed.incidents)));
            oldest.points.push(("sink", sink, Value::Real(age)));
        }
        [incidents, oldest]
    }
}

#[cfg(test)]
mod tests {
    use sinks::delivery::outbox::Owed;

    use super::*;

    #[test]
    fn every_series_is_there_under_a_name_of_its_own_with_its_unit() {
        let metrics = Metrics::default();
        metrics.add(Metric::BytesRead, Stage::Observe, 7);
        metrics.set(Metric::LagTime, Stage::Detect, 1_500);
        metrics.set(Metric::LagTime, Stage::Observe, UNKNOWN);
        let since = Timestamp::from_millis(1_000);
        metrics.outboxes.set(&"itsm".into(), Owed { incidents: 3, oldest_since: Some(since) });
        let sample = metrics.sample(Timestamp::from_millis(3_500));
        let find = |name: &str| sample.iter().find(|family| family.name == name).unwrap();
        let read = find("faultline.read");
        assert_eq!((read.unit, read.shape, read.points.len()), ("By", Shape::Counter, 7));
        assert!(read.points.contains(&("stage", "observe".to_owned(), Value::Whole(7))));
        let lag = find("faultline.lag");
        assert_eq!(lag.unit, "s");
        assert_eq!(lag.points, [("stage", "detect".to_owned(), Value::Real(1.5))]);
        assert_eq!(find("faultline.outbox_incidents").points[0].2, Value::Whole(3));
        assert_eq!(find("faultline.outbox_oldest").points[0].2, Value::Real(2.5));
        let names: std::collections::BTreeSet<_> = sample.iter().map(|one| &one.name).collect();
        assert_eq!(names.len(), sample.len());
    }
}
