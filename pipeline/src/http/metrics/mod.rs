//! Metrics: a small typed registry and its Prometheus text form (version 0.0.4).
//!
//! Names are an enum and labels are stages, fixed when the program is compiled, and the names of
//! configured sinks ([`outboxes`]): nothing from outside can become a label. What is deliberately absent:
//! histograms (the clock is read in few places; lag and counts answer the questions of today).

mod names;
pub mod outboxes;
pub mod sample;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use self::names::Kind;
pub use self::names::{Metric, Stage};
use self::outboxes::Outboxes;

/// The value of a gauge that nobody knows now: shown as `NaN`.
pub const UNKNOWN: u64 = u64::MAX;

/// The value of a gauge that nobody has measured yet, or ever will: it has no series.
pub const UNMEASURED: u64 = u64::MAX - 1;

const SERIES: usize = Metric::ALL.len() * Stage::ALL.len();

/// The registry. All operations are single relaxed atomics.
#[derive(Debug)]
pub struct Metrics {
    slots: [AtomicU64; SERIES],
    /// What each sink should have been told by now.
    pub outboxes: Outboxes,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            slots: std::array::from_fn(|_| AtomicU64::new(0)),
            outboxes: Outboxes::default(),
        };
        for stage in Stage::ALL {
            metrics.set(Metric::Lag, stage, UNMEASURED);
            metrics.set(Metric::LagTime, stage, UNMEASURED);
        }
        metrics
    }
}

impl Metrics {
    fn slot(&self, metric: Metric, stage: Stage) -> Option<&AtomicU64> {
        // Discriminants count from zero in the order of `ALL`; a test holds them together.
        self.slots.get(metric as usize * Stage::ALL.len() + stage as usize)
    }

    /// Adds to a counter or gauge.
    pub fn add(&self, metric: Metric, stage: Stage, amount: u64) {
        if let Some(slot) = self.slot(metric, stage) {
            slot.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Sets a gauge, or a counter that is kept elsewhere; unit of [`Metric::LagTime`]: milliseconds.
    pub fn set(&self, metric: Metric, stage: Stage, value: u64) {
        if let Some(slot) = self.slot(metric, stage) {
            slot.store(value, Ordering::Relaxed);
        }
    }

    /// The value now.
    #[must_use]
    pub fn get(&self, metric: Metric, stage: Stage) -> u64 {
        self.slot(metric, stage).map_or(0, |slot| slot.load(Ordering::Relaxed))
    }

    /// The exposition. Every series but what is unmeasured is printed from the start, so that rates begin at
    /// zero.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(SERIES * 64);
        for metric in Metric::ALL {
            let (name, kind, help) = metric.family();
            write_head(&mut text, name, kind, help);
            for stage in Stage::ALL {
                let label = stage.label();
                let value = self.get(metric, stage);
                if value == UNMEASURED {
                    continue;
                }
                let shown = match kind {
                    Kind::Gauge | Kind::SecondsGauge if value == UNKNOWN => "NaN".to_owned(),
                    Kind::SecondsGauge => format!("{}.{:03}", value / 1000, value % 1000),
                    Kind::Counter | Kind::Gauge => value.to_string(),
                };
                line(&mut text, format_args!("{name}{{stage=\"{label}\"}} {shown}"));
            }
        }
        text
    }
}

/// Appends one gauge with one label whose values are known when the program is compiled.
pub fn render_gauge(
    text: &mut String,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&'static str, u64)],
) {
    write_head(text, name, Kind::Gauge, help);
    for (of, value) in values {
        line(text, format_args!("{name}{{{label}=\"{of}\"}} {value}"));
    }
}

fn write_head(text: &mut String, name: &str, kind: Kind, help: &str) {
    let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
    line(text, format_args!("# HELP {name} {help}"));
    line(text, format_args!("# TYPE {name} {kind}"));
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    if text.write_fmt(what).is_ok() {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests;
