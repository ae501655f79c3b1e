//! Several streams at a time; the results are in the order of the jobs whoever played them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context, Result};

use super::Options;
use super::judge::{StreamResult, judge};
use super::suite::{Stream, Suite};

/// Told the bytes of the streams that have been played, of all, and what was played last.
pub type Progress<'a> = dyn Fn(u64, u64, &str) + Sync + 'a;

/// A stream to be played.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Its suite.
    pub suite: &'a Suite,
    /// The stream.
    pub stream: &'a Stream,
}

/// The streams of the suites, in order; only the one with the wanted id, if one is wanted.
#[must_use]
pub fn jobs<'a>(suites: &'a [Suite], wanted: Option<&str>) -> Vec<Job<'a>> {
    let all = suites
        .iter()
        .flat_map(|suite| suite.streams.iter().map(move |stream| Job { suite, stream }));
    all.filter(|job| wanted.is_none_or(|id| job.stream.id == id)).collect()
}

/// Plays all jobs, the longest first so that nobody waits for one at the end.
///
/// # Errors
/// The first job's that failed, in the order of the jobs.
pub fn play_all(
    jobs: &[Job<'_>],
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<Vec<StreamResult>> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(jobs.get(*at).map_or(0, |job| job.stream.bytes)));
    let all: u64 = jobs.iter().map(|job| job.stream.bytes).sum();
    let (next, done, failed) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let results: Vec<Mutex<Option<Result<StreamResult>>>> =
        jobs.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let (Some(job), Some(place)) = (jobs.get(*at), results.get(*at)) else { return };
            let result = judge(job.suite, job.stream, options);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(result);
            let bytes = done.fetch_add(job.stream.bytes, Ordering::Relaxed) + job.stream.bytes;
            progress(bytes, all, &job.stream.id);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(work);
        }
    });
    let inner = |place: Mutex<Option<_>>| {
        place.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    let mut results: Vec<Option<Result<StreamResult>>> = results.into_iter().map(inner).collect();
    if let Some(error) = results.iter_mut().find(|r| matches!(r, Some(Err(_)))) {
        return error.take().context("a stream was not played")?.map(|_| Vec::new());
    }
    results.into_iter().map(|result| result.context("a stream was not played")?).collect()
}
