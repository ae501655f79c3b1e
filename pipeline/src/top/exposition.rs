//! Reads the Prometheus text form of our own `/metrics`.

use std::collections::BTreeMap;

/// Series that are kept of one answer; ours has some hundred.
const SERIES_MAX: usize = 10_000;

/// The series of one answer, by (name, value of the first label); no label is the empty text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition(BTreeMap<(String, String), f64>);

impl Exposition {
    /// Reads an answer; lines that are no series are passed over.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(text.lines().filter_map(series).take(SERIES_MAX).collect())
    }

    /// The value of a series.
    #[must_use]
    pub fn get(&self, name: &str, label: &str) -> Option<f64> {
        self.0.get(&(name.to_owned(), label.to_owned())).copied()
    }

    /// The labels under which a metric has series, in their order.
    pub fn labels<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.0.range((name.to_owned(), String::new())..);
        let keys = from.map(|((of, label), _)| (of, label));
        keys.take_while(move |(of, _)| *of == name).map(|(_, label)| label.as_str())
    }
}

fn series(line: &str) -> Option<((String, String), f64)> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.trim().rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let label = labels.split('"').nth(1).unwrap_or_default();
    Some(((name.to_owned(), label.to_owned()), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::metrics::{Metric, Metrics, Stage};

    #[test]
    fn what_our_registry_writes_is_read_back() {
        let metrics = Metrics::default();
        metrics.add(Metric::RecordsRead, Stage::Observe, 1234);
        metrics.set(Metric::LagTime, Stage::Detect, 2_500);
        let read = Exposition::read(&metrics.render());
        assert_eq!(read.get(Metric::RecordsRead.name(), "observe"), Some(1234.0));
        assert_eq!(read.get(Metric::LagTime.name(), "detect"), Some(2.5));
        assert_eq!(read.get("no_such_metric", "detect"), None);
    }

    #[test]
    fn nonsense_is_passed_over() {
        let read = Exposition::read("# HELP a b\nx\n{\"}\na{b=\"c\"} nothing\nup 1\n");
        assert_eq!(read.get("up", ""), Some(1.0));
    }
}
