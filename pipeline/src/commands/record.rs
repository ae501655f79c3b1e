//! `faultline record`: the input topics and what people decided into a recording, in order of arrival.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::backlog::{Backlog, From};
use crate::cli::RecordArgs;
use crate::clock::{self, StopWatch};
use crate::progress::{Extent, Progress};
use crate::recording::Writer;

/// Writes a recording.
///
/// # Errors
/// When the log cannot be read or the file cannot be written.
pub fn record(args: &RecordArgs) -> Result<()> {
    let config = args.config.load()?;
    let log = config.open_log_to_read()?;
    let now = clock::now().millis();
    let (from, mut extent) = match args.last {
        Some(last) => {
            let since = now.saturating_sub(millis(last));
            (From::Since(since), Extent::Time(Some(since), now))
        }
        None if args.from_now => (From::Newest, Extent::Unknown),
        None => (From::Oldest, Extent::Time(None, now)),
    };
    let mut backlog = Backlog::open(&log, &[&config.settings], from)?;
    let mut writer = Writer::create(&args.output)?;
    let progress = Progress::over("recording", &extent);
    let (mut count, mut at, mut since_end) = (0_u64, now, None);
    loop {
        for record in backlog.poll()? {
            writer.write(&record)?;
            count += 1;
            at = record.timestamp_ms;
        }
        if count > 0 {
            progress.reached(&mut extent, at, format!("{count} records"));
        }
        if backlog.is_read() {
            let watch = *since_end.get_or_insert_with(StopWatch::start);
            if watch.elapsed() >= Duration::from_secs(args.follow_s) {
                break;
            }
        }
    }
    writer.finish()?;
    progress.clear();
    if args.json {
        let told = json!({ "records": count, "output": args.output.display().to_string() });
        writeln!(io::stdout().lock(), "{told}")?;
    } else {
        eprintln!("{count} records in {}", args.output.display());
    }
    Ok(())
}

/// A span of time in whole milliseconds.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
