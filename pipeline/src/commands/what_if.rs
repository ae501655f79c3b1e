//! `faultline replay --against OLD`: how two configurations differ in the incidents they tell.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use model::time::Timestamp;

use crate::cli::ReplayArgs;
use crate::commands::replay::{records, settings_of};
use crate::config;
use crate::progress::Progress;
use crate::stages::settings::Settings;
use crate::what_if::play;
use crate::what_if::report::{Names, json, text};

/// The name that stands for no configuration.
const DEFAULTS: &str = "defaults";

/// Plays both and prints the differences.
///
/// # Errors
/// When a configuration is wrong, or a recording or the log cannot be read.
pub fn what_if(args: &ReplayArgs, against: &Path) -> Result<()> {
    let new = settings_of(args)?;
    let mut old = settings_at(against)?;
    if let Some(tasks) = args.tasks {
        old.observe_tasks = tasks.max(1);
    }
    let (records, mut extent) = records(args, &new, Some(&old))?;
    let progress = Progress::over("playing both", &extent);
    let runs = play(old, new, args.partitions.max(1), records, |count, record| {
        if count.is_multiple_of(1024) {
            let place = Timestamp::from_millis(record.timestamp_ms).to_rfc3339();
            let said = format!("{count} records, {place}");
            progress.reached(&mut extent, record.timestamp_ms, said);
        }
    })?;
    progress.clear();
    let names = Names { old: &against.display().to_string(), new: &new_name(args) };
    let mut out = io::stdout().lock();
    let written = if args.json {
        writeln!(out, "{}", json(&runs, &names))
    } else {
        out.write_all(text(&runs, &names).as_bytes())
    };
    written.context("cannot write to standard output")
}

fn settings_at(path: &Path) -> Result<Settings> {
    if path.as_os_str() == DEFAULTS && !path.exists() {
        return Ok(Settings::default());
    }
    Ok(config::load_parameters(path, &[])?.settings)
}

fn new_name(args: &ReplayArgs) -> String {
    let file =
        args.config.as_ref().map_or_else(|| DEFAULTS.to_owned(), |p| p.display().to_string());
    args.set.iter().fold(file, |name, set| format!("{name} {set}"))
}
