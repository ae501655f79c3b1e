//! How good the mind is: casebook suites through the real engine, and what came out against labels.
//!
//! In the order of the work: [`suite`] and [`labels`] are read, [`play`] runs the streams, [`whose`]
//! says which incidents are a fault's, the measures judge them ([`ranks`], [`changes`], [`reach`],
//! [`detection`], [`calibration`]), [`figures`] sums a suite up beside [`chance`] and the
//! [`comparators`], and [`report`] and [`json`] tell it; [`explain`] tells why a fault was missed. What is deliberately absent: anything that the engine could
//! read. Labels are opened here alone, after a stream has been played; figures of different suites
//! are never pooled; nothing depends on the number of threads.

pub mod ablation;
pub mod suite;
pub mod labels;
pub mod play;
pub mod history;
pub mod stretches;
pub mod whose;
pub mod ranks;
pub mod changes;
pub mod reach;
pub mod verdict;
pub mod detection;
pub mod calibration;
pub mod intervals;
pub mod chance;
pub mod raw;
pub mod series;
pub mod comparators;
pub mod explain;
pub mod measure;
pub mod clustering;
pub mod grouping;
pub mod judge;
pub mod crew;
pub mod figures;
pub mod report;
pub mod json;
#[cfg(test)]
mod fixture;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::stages::settings::Settings;
use figures::SuiteFigures;
use judge::StreamResult;
use measure::StreamMeasure;
use suite::Suite;

/// What to evaluate.
pub struct Options<'a> {
    /// Directories of suites.
    pub directories: &'a [PathBuf],
    /// Only the stream with this id.
    pub stream: Option<&'a str>,
    /// The engine's settings: the same for all suites.
    pub settings: Settings,
    /// Streams that are played at a time. At least 1.
    pub threads: usize,
    /// Explain each miss.
    pub explain: bool,
    /// Further measures of whole streams.
    pub measures: &'a [&'a dyn StreamMeasure],
}

/// The streams of one suite that are told together: a suite's streams of one window, or those of
/// several.
pub struct SuiteResult {
    /// Name: the suite's, with `-day` for the streams of several windows where there are both.
    pub suite: String,
    /// The streams, in the suite's order.
    pub streams: Vec<StreamResult>,
    /// What they come to.
    pub figures: SuiteFigures,
}

/// Evaluates. `progress` is told the share of the bytes that have been played and what goes on.
///
/// # Errors
/// When a suite is not there or not whole, when a recording cannot be read, and when no stream has
/// the wanted id.
pub fn evaluate(options: &Options<'_>, progress: &crew::Progress<'_>) -> Result<Vec<SuiteResult>> {
    let suites: Vec<Suite> =
        options.directories.iter().map(|path| Suite::open(path)).collect::<Result<_>>()?;
    let jobs = crew::jobs(&suites, options.stream);
    if jobs.is_empty() {
        match options.stream {
            Some(id) => bail!("no stream `{id}` in the given suites; suite.json lists them"),
            None => bail!("the given suites hold no streams"),
        }
    }
    let results = crew::play_all(&jobs, options, progress)?;
    let mut grouped: Vec<(String, Vec<StreamResult>)> = Vec::new();
    for (job, result) in jobs.iter().zip(results) {
        let name = job.suite.group_of(job.stream);
        match grouped.iter_mut().find(|(known, _)| *known == name) {
            Some((_, streams)) => streams.push(result),
            None => grouped.push((name, vec![result])),
        }
    }
    Ok(grouped
        .into_iter()
        .map(|(suite, streams)| {
            let figures = SuiteFigures::of(&streams, options.measures);
            SuiteResult { suite, streams, figures }
        })
        .collect())
}
