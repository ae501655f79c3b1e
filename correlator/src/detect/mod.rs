//! Detect: sums the counts of a pane over all observers, holds them against baselines and judges.
//!
//! Judgement has two layers. What is settled is folded, pane by pane, into baselines and
//! sequential sums; what may still be revised is judged again from there whenever it changes. So
//! the last word on every pane is a pure function of the final counts.
//!
//! What is deliberately absent: incidents and causes (they belong to `correlate`), the clock.

mod limits;
mod statistics;
mod evidence;
mod profile;
mod bounded;
mod series;
mod baseline;
mod quarantine;
mod errors;
mod slow;
mod logs;
mod complaints;
mod platform;
mod silence;
mod siblings;
mod metric;
mod saturation;
mod judge;
mod sequential;
mod telling;
mod unproven;
mod versions;
mod ring;
mod detector;
#[cfg(test)]
mod tests;

pub use detector::{Detector, DetectorStats};
pub use limits::DetectConfig;
