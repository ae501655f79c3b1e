//! The result for people: one block a suite, the figure beside its interval, and what it would have
//! to beat.

use std::fmt::Write as _;

use super::SuiteResult;
use super::figures::{ComparatorFigures, Counted, Share, SuiteFigures, Times};
use super::intervals::wilson;
use crate::tell::clean;

/// All suites as text.
#[must_use]
pub fn report(suites: &[SuiteResult]) -> String {
    let mut text = String::new();
    for suite in suites {
        let _infallible = write_suite(&mut text, suite);
    }
    text
}

/// The explanations of all misses, if they were asked for.
#[must_use]
pub fn explanations(suites: &[SuiteResult]) -> String {
    let streams = suites.iter().flat_map(|suite| &suite.streams);
    let faults = streams.flat_map(|stream| &stream.faults);
    faults.filter_map(|result| result.explanation.as_deref()).collect::<Vec<_>>().join("\n")
}

fn write_suite(text: &mut String, result: &SuiteResult) -> std::fmt::Result {
    let figures = &result.figures;
    writeln!(
        text,
        "{}: {} streams, {} faults",
        clean(&result.suite),
        figures.streams,
        figures.faults
    )?;
    if figures.faults > 0 {
        write_counted(text, &figures.open, figures)?;
        write_suspected(text, &figures.suspected)?;
    }
    write_health(text, figures)?;
    for comparator in &figures.comparators {
        write_comparator(text, comparator)?;
    }
    for (name, value) in &figures.measured {
        writeln!(text, "  {name:<12} {value}")?;
    }
    writeln!(text)
}

fn write_counted(text: &mut String, counted: &Counted, figures: &SuiteFigures) -> std::fmt::Result {
    let ranks = &counted.ranks;
    if ranks.cases > 0 {
        let first = Share { hits: ranks.hits1, cases: ranks.cases };
        writeln!(
            text,
            "  cause        AC@1 {} AC@3 {:.3}  AC@5 {:.3}  Avg@5 {:.3}  MRR {:.3}",
            with_interval(first),
            ranks.ac3,
            ranks.ac5,
            ranks.avg5,
            ranks.mrr
        )?;
        let [ac1, ac3, ac5] = figures.chance;
        writeln!(text, "  by chance    AC@1 {ac1:.3}  AC@3 {ac3:.3}  AC@5 {ac5:.3}")?;
    }
    if counted.nothing.cases > 0 {
        writeln!(text, "  no cause     rightly said {}", of(counted.nothing))?;
    }
    let change = &counted.change;
    if change.cases > 0 {
        writeln!(
            text,
            "  change       HR@1 {} HR@3 {:.3}, said first {}, decoy hits {}, none rightly {}",
            with_interval(Share { hits: change.hits1, cases: change.cases }),
            change.ac3,
            of(counted.guilty_first),
            counted.decoy_hits,
            of(counted.none)
        )?;
    } else {
        writeln!(
            text,
            "  change       none is guilty; rightly said {}, decoy hits {}",
            of(counted.none),
            counted.decoy_hits
        )?;
    }
    if let Some(jaccard) = counted.jaccard {
        writeln!(text, "  reach        Jaccard {jaccard:.3} over {}", counted.jaccard_cases)?;
    }
    writeln!(
        text,
        "  detection    found {}, incidents per fault {:.2}",
        with_interval(counted.detected).trim_end(),
        counted.incidents_per_fault
    )?;
    writeln!(
        text,
        "  onset to     first revision {}, open {}, give or take {:.0} s",
        times(counted.until_told),
        times(counted.until_open),
        figures.onset_margin.as_secs_f64()
    )?;
    if let Some(calibration) = counted.calibration {
        writeln!(
            text,
            "  calibration  ECE {:.3} over {}; the 90 % set holds the cause in {:.3}, mean size {:.1}",
            calibration.ece, calibration.cases, calibration.coverage, calibration.set_size
        )?;
    }
    Ok(())
}

fn write_suspected(text: &mut String, counted: &Counted) -> std::fmt::Result {
    writeln!(
        text,
        "  (if suspected incidents counted: AC@1 {:.3}  AC@3 {:.3}  AC@5 {:.3}  MRR {:.3}  change HR@1 \
         {:.3}  decoy hits {}  none rightly {}  found {}  incidents per fault {:.2})",
        counted.ranks.ac1,
        counted.ranks.ac3,
        counted.ranks.ac5,
        counted.ranks.mrr,
        counted.change.ac1,
        counted.decoy_hits,
        of(counted.none),
        of(counted.detected),
        counted.incidents_per_fault
    )
}

fn write_health(text: &mut String, figures: &SuiteFigures) -> std::fmt::Result {
    let health = &figures.health;
    let (Some(open), Some(false_ones)) = (health.open_share(), health.false_per_hour()) else {
        return writeln!(text, "  healthy      no healthy time in these streams");
    };
    writeln!(
        text,
        "  healthy      {:.2} h: an incident open for {open:.3} of it ({:.3} without grace), \
         {} false incidents, {false_ones:.2} per hour",
        health.healthy.as_secs_f64() / 3600.0,
        health.open_share_bare().unwrap_or_default(),
        health.false_incidents
    )
}

fn write_comparator(text: &mut String, figures: &ComparatorFigures) -> std::fmt::Result {
    write!(text, "    against {:<17}", figures.name.replace('_', " "))?;
    if let Some(ranks) = figures.ranks {
        write!(
            text,
            " AC@1 {:.3}  AC@3 {:.3}  AC@5 {:.3}  Avg@5 {:.3}  MRR {:.3}",
            ranks.ac1, ranks.ac3, ranks.ac5, ranks.avg5, ranks.mrr
        )?;
    }
    if let Some(change) = figures.change.filter(|change| change.cases > 0) {
        write!(
            text,
            "  change HR@1 {:.3}  HR@3 {:.3}, decoy hits {}",
            change.ac1, change.ac3, figures.decoy_hits
        )?;
    }
    writeln!(text)
}

fn of(share: Share) -> String {
    format!("{} of {}", share.hits, share.cases)
}

fn with_interval(share: Share) -> String {
    let (low, high) = wilson(share.hits, share.cases);
    format!("{:.3} ({} of {}, 95 % {low:.2}-{high:.2}) ", share.share(), share.hits, share.cases)
}

fn times(times: Option<Times>) -> String {
    times.map_or_else(
        || "never".into(),
        |t| format!("p50 {:.0} s p95 {:.0} s", t.p50.as_secs_f64(), t.p95.as_secs_f64()),
    )
}
