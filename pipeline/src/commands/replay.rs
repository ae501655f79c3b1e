//! `faultline replay`: recordings into a fresh engine, in one thread.
//!
//! It reads nothing but the recordings, and the same recordings give the same bytes.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use model::id::IncidentId;
use model::incident::Incident;
use model::recording::{TopicRecord, topic};

use crate::backlog::{Backlog, From};
use crate::cli::{ReplayArgs, Speed};
use crate::clock::{self, StopWatch};
use crate::commands::record::millis;
use crate::commands::what_if::what_if;
use crate::config;
use crate::failure;
use crate::player::Player;
use crate::progress::{Extent, Progress};
use crate::recording::Recordings;
use crate::run::stop::Stop;
use crate::stages::line::LineOutput;
use crate::stages::settings::Settings;
use crate::tell;

/// Plays the recordings.
///
/// # Errors
/// When a recording cannot be read.
pub fn replay(args: &ReplayArgs) -> Result<()> {
    if let Some(against) = &args.against {
        return what_if(args, against);
    }
    let settings = settings_of(args)?;
    let (records, mut extent) = records(args, &settings, None)?;
    let mut player = Player::new(settings.clone(), args.partitions.max(1));
    let mut printer = Printer::new(args.json, args.last_only);
    let mut pace = Pace::new(args.speed);
    let progress = Progress::over("replaying", &extent);
    let topics = settings.inputs.all().map(|(name, _)| name.to_owned());
    let (mut count, mut known) = (0_u64, 0_u64);
    for record in records {
        let record = record?;
        let is_read = topics.contains(&record.topic) || record.topic == topic::ACTS;
        known += u64::from(is_read);
        let at = record.timestamp_ms;
        pace.wait_for(at);
        player.play(record, &mut |output| printer.take(output))?;
        count += 1;
        if count.is_multiple_of(1024) {
            let place = format!("{count} records, {}", player.place());
            progress.reached(&mut extent, at, place);
        }
    }
    player.finish(&mut |output| printer.take(output))?;
    progress.clear();
    let incidents = printer.last.len();
    printer.end(&player)?;
    if count > 0 && known == 0 {
        let note = format!(
            "none of the {count} records is of a topic that is read ({}); see `topics` in the \
             configuration",
            topics.join(", ")
        );
        eprintln!("{}", failure::note(note, args.json));
    } else if !args.json {
        eprintln!("{count} records, {}", tell::counted(incidents, "incident"));
    }
    let stats = player.line().stats();
    tracing::info!(
        records = stats.records,
        spans = stats.spans,
        logs = stats.logs,
        metric_points = stats.metric_points,
        alerts = stats.alerts,
        changes = stats.changes,
        dead_letters = stats.dead_letters,
        "replayed"
    );
    Ok(())
}

/// The parameters that the command line asks for.
///
/// # Errors
/// When the configuration is wrong.
pub fn settings_of(args: &ReplayArgs) -> Result<Settings> {
    let mut settings = match &args.config {
        Some(path) => config::load_parameters(path, &args.set)?.settings,
        None => config::defaults(&args.set)?.settings,
    };
    if let Some(tasks) = args.tasks {
        settings.observe_tasks = tasks.max(1);
    }
    Ok(settings)
}

/// Records from wherever they come.
pub type Records = Box<dyn Iterator<Item = Result<TopicRecord>>>;

/// The records that the command line names and how much they are: recordings, or what came into the
/// log lately, of the topics of these settings, and of `also`.
///
/// # Errors
/// When the log cannot be read.
pub fn records(
    args: &ReplayArgs,
    settings: &Settings,
    also: Option<&Settings>,
) -> Result<(Records, Extent)> {
    let (Some(last), Some(path)) = (args.last, &args.config) else {
        let recordings = Recordings::new(args.recordings.clone());
        let extent = recordings.extent();
        return Ok((Box::new(recordings), extent));
    };
    let log = config::load_with(path, &args.set)?.open_log_to_read()?;
    let now = clock::now().millis();
    let since = now.saturating_sub(millis(last));
    let from = From::Since(since);
    let mut both = vec![settings];
    both.extend(also);
    let backlog = Backlog::open(&log, &both, from)?;
    Ok((Box::new(backlog), Extent::Time(Some(since), now)))
}

/// Holds a replay back to a multiple of life's speed.
struct Pace {
    speed: Speed,
    began: Option<(StopWatch, i64)>,
    stop: Stop,
}

impl Pace {
    fn new(speed: Speed) -> Self {
        Self { speed, began: None, stop: Stop::default() }
    }

    fn wait_for(&mut self, timestamp_ms: i64) {
        let Speed::Times(times) = self.speed else { return };
        let (watch, first) = *self.began.get_or_insert_with(|| (StopWatch::start(), timestamp_ms));
        let due = timestamp_ms.saturating_sub(first).max(0) as f64 / 1000.0 / times;
        let left = due - watch.elapsed().as_secs_f64();
        if left > 0.0 {
            let _never_set = self.stop.wait(Duration::from_secs_f64(left));
        }
    }
}

/// Prints outputs as they come, or the last ones at the end.
struct Printer {
    out: BufWriter<io::Stdout>,
    json: bool,
    last_only: bool,
    last: BTreeMap<IncidentId, (Box<Incident>, Vec<u8>)>,
}

impl Printer {
    fn new(json: bool, last_only: bool) -> Self {
        Self { out: BufWriter::new(io::stdout()), json, last_only, last: BTreeMap::new() }
    }

    fn take(&mut self, output: LineOutput) -> Result<()> {
        match output {
            LineOutput::DeadLetter(what) => tracing::warn!("dead letter: {what}"),
            LineOutput::Revision(incident, bytes) => {
                if !self.last_only {
                    self.print(&incident, &bytes)?;
                }
                self.last.insert(incident.id, (incident, bytes));
            }
        }
        Ok(())
    }

    fn print(&mut self, incident: &Incident, bytes: &[u8]) -> Result<()> {
        let printed = if self.json {
            self.out.write_all(bytes).and_then(|()| self.out.write_all(b"\n"))
        } else {
            writeln!(self.out, "{}", tell::line(incident))
        };
        printed.context("cannot write to standard output")
    }

    /// An incident that was taken back is none in another order of arrival: `--final` leaves it out.
    fn end(mut self, player: &Player) -> Result<()> {
        if self.last_only {
            let settled = player.line().settled_ids();
            let mut last: Vec<_> = std::mem::take(&mut self.last).into_values().collect();
            last.retain(|(incident, _)| settled.contains(&incident.id));
            last.sort_by_key(|(incident, _)| (incident.onset_at, incident.id));
            for (incident, bytes) in last {
                if self.json {
                    self.print(&incident, &bytes)?;
                } else {
                    writeln!(self.out, "{}\n", tell::page(&incident))?;
                }
            }
        }
        self.out.flush().context("cannot write to standard output")
    }
}
