//! On what, and on which commit, a figure was measured.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

/// Length of a tick in `/proc`: Linux counts in hundredths of a second on every platform.
const TICK: Duration = Duration::from_millis(10);

/// The machine and the commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    /// Name of the processor, as the kernel tells it.
    pub(crate) processor: String,
    /// Logical cores.
    pub(crate) cores: usize,
    /// Commit, with `+` if files differ from it; `unknown` outside of a checkout.
    pub(crate) commit: String,
    /// Mean number of running threads in the last minute, this process included.
    pub(crate) load: f64,
}

impl Machine {
    /// This machine.
    pub(crate) fn here() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let processor = model.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim());
        Self {
            processor: processor.unwrap_or("unknown processor").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            commit: commit(),
            load: load(),
        }
    }
}

fn commit() -> String {
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| s.is_empty());
    if clean { head } else { head + "+" }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Resident memory of this process in bytes; 0 where the kernel does not tell.
pub(crate) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// An allocator's own bytes beside each allocation, as glibc has them.
const HEADER_BYTES: f64 = 16.0;

/// What a piece of work leaves on the heap. Unit: bytes, those of the allocator's own among them. Not the growth
/// of the resident memory: what earlier work gave back is in there, and taken again without growing.
///
/// # Errors
/// Those of the work.
pub(crate) fn kept_bytes(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let mut outcome = Ok(());
    let kept = allocation_counter::measure(|| outcome = work());
    outcome?;
    Ok(kept.bytes_current as f64 + kept.count_current as f64 * HEADER_BYTES)
}

/// Processor time of this process so far, all threads, in steps of 10 ms; zero where the kernel
/// does not tell.
pub(crate) fn cpu_time() -> Duration {
    cpu_time_of("self")
}

/// Processor time of a process so far, by its id.
pub(crate) fn cpu_time_of(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name of the program stands in parentheses and may hold spaces.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2);
    TICK * ticks.filter_map(|ticks| ticks.parse::<u32>().ok()).sum::<u32>()
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}
