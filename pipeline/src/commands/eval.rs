//! `faultline eval`: how good the mind is on casebook suites.

use std::io::{self, Write};
use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::cli::EvalArgs;
use crate::eval::grouping::Grouping;
use crate::eval::{Options, evaluate, json, report};
use crate::progress::Progress;
use crate::stages::settings::Settings;

/// Plays the suites, prints the figures and writes them as JSON if that is asked for.
///
/// # Errors
/// When a suite is not whole, or a file cannot be read or written.
pub fn eval(args: &EvalArgs) -> Result<()> {
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let mut settings = Settings::default();
    for part in &args.without {
        part.leave_out(&mut settings);
    }
    let options = Options {
        directories: &args.suites,
        stream: args.stream.as_deref(),
        settings,
        threads,
        explain: args.explain,
        measures: &[&Grouping],
    };
    let bar = Mutex::new(None);
    let results = evaluate(&options, &|done, all, stream| {
        let mut bar = bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = bar.get_or_insert_with(|| Progress::bar("evaluating", all));
        bar.at(done);
        bar.say(stream.to_owned());
    })?;
    if let Some(bar) = bar.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        bar.clear();
    }
    if let Some(path) = &args.json {
        let mut text = serde_json::to_string_pretty(&json::report(&results))?;
        text.push('\n');
        if path.as_os_str() == "-" {
            io::stdout()
                .lock()
                .write_all(text.as_bytes())
                .context("cannot write to standard output")?;
            return Ok(());
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = report::explanations(&results) + &report::report(&results);
    io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")
}
