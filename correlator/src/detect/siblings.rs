//! What the instances of one service usually show, series by series: the yardstick for an instance
//! that is too young to have one of its own.

use std::collections::BTreeMap;

use super::judge::Case;
use super::limits::WINDOW_ACCEPT;
use super::series::Usual;
use crate::observe::SeriesKey;

/// The ranges of all instances with a past, by (metric, attributes).
pub(crate) struct Siblings {
    ranges: BTreeMap<(String, String), Vec<Usual>>,
}

impl Siblings {
    /// Reads the baseline of an owner, if any of its series needs it.
    pub(crate) fn of(case: &Case<'_>) -> Self {
        let mut ranges: BTreeMap<(String, String), Vec<Usual>> = BTreeMap::new();
        let knows = |key: &SeriesKey| {
            key.instance.is_none()
                || case.baseline.series(key).is_some_and(|s| s.seen() >= WINDOW_ACCEPT)
        };
        if case.counts.series.keys().all(knows) {
            return Self { ranges };
        }
        for (key, series) in case.baseline.all_series() {
            if let (Some(_), Some(usual)) = (&key.instance, series.usual()) {
                let name = (key.metric.to_string(), key.attributes.to_string());
                ranges.entry(name).or_default().push(usual);
            }
        }
        Self { ranges }
    }

    /// The range in the middle of the siblings' ranges; `None` where there is none.
    pub(crate) fn usual(&self, key: &SeriesKey) -> Option<Usual> {
        let name = (key.metric.to_string(), key.attributes.to_string());
        let mut ranges = self.ranges.get(&name)?.clone();
        ranges.sort_by(|a, b| {
            a.median.total_cmp(&b.median).then(a.deviation.total_cmp(&b.deviation))
        });
        let middle = ranges.get(ranges.len() / 2).copied()?;
        // Siblings differ among themselves: that is part of the spread.
        let apart = |usual: &Usual| (usual.median - middle.median).abs();
        let between = ranges.iter().map(apart).sum::<f64>() / ranges.len() as f64;
        Some(Usual { deviation: middle.deviation.max(between), ..middle })
    }
}
