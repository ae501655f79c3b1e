//! `faultline sinks`: which sinks there are, and whether one of them works.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use model::incident::{Incident, Ticket};
use serde_json::json;
use sinks::config::{ConfigError, SinkConfig, build, build_over};
use sinks::delivery::outbox::{DoneResult, Outbox, OutboxLimits};
use sinks::retry::Jitter;
use sinks::sink::{Sink, Trouble, Wait};
use sinks::trial;

use crate::cli::{SinksArgs, SinksCommand, SinksListArgs, SinksTestArgs};
use crate::clock;
use crate::commands::check::EXIT_CONFIG;
use crate::config::Config;
use crate::run::publish::LogPublisher;

/// Does what is asked of the sinks.
///
/// # Errors
/// When the configuration is wrong, or standard output cannot be written.
pub fn sinks(args: &SinksArgs) -> Result<ExitCode> {
    match &args.command {
        SinksCommand::List(args) => list(args),
        SinksCommand::Test(args) => test(args),
    }
}

fn list(args: &SinksListArgs) -> Result<ExitCode> {
    let config = args.config.load()?;
    let mut out = io::stdout().lock();
    if config.sinks.is_empty() && !args.json {
        writeln!(out, "no sinks; docs/sinks.md says how to have some")?;
    }
    for sink in &config.sinks {
        let (name, kind, to) = (sink.name(), sink.kind(), sink.destination());
        let every = sink.listen_every().map(|every| every.0 / 1_000_000_000);
        if args.json {
            let line = json!({"name": name, "kind": kind, "to": to, "listens_every_s": every});
            writeln!(out, "{line}")?;
        } else {
            let ear = every.map_or(String::new(), |secs| format!(", listens every {secs} s"));
            writeln!(out, "{name}: {kind} to {to}{ear}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn test(args: &SinksTestArgs) -> Result<ExitCode> {
    let config = args.config.load()?;
    let Some(sink) = config.sinks.iter().find(|sink| sink.name() == args.name) else {
        let names: Vec<&str> = config.sinks.iter().map(SinkConfig::name).collect();
        bail!("there is no sink {}; there are: {}", args.name, names.join(", "));
    };
    let mut out = io::stdout().lock();
    writeln!(out, "sink {}: {} to {}", sink.name(), sink.kind(), sink.destination())?;
    let built = match ready(&config, sink)? {
        Ok(built) => built,
        Err(errors) => {
            for error in errors {
                writeln!(out, "  FAILED  {error}")?;
            }
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    writeln!(out, "  ok      configuration and secrets")?;
    let passed = Trial::new(built).run(sink, args, &mut out)?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The sink, ready to speak; a sink that speaks to the log gets the log.
fn ready(config: &Config, sink: &SinkConfig) -> Result<Result<Box<dyn Sink>, Vec<ConfigError>>> {
    if sink.kind() == "kafka" {
        let publisher = Box::new(LogPublisher::new(config.open_log()?));
        return Ok(build_over(sink, publisher));
    }
    Ok(build(sink))
}

/// One sink on trial: its outbox as in the service, but nothing is kept.
struct Trial {
    sink: Box<dyn Sink>,
    outbox: Outbox,
}

impl Trial {
    fn new(sink: Box<dyn Sink>) -> Self {
        let retry = sinks::retry::RetryPolicy::default();
        let limits = OutboxLimits::default();
        let outbox = Outbox::new(sink.name().clone(), trial::policy(), retry, limits);
        Self { sink, outbox }
    }

    /// Tells what happens, step by step; whether all of it went well.
    fn run(
        &mut self,
        config: &SinkConfig,
        args: &SinksTestArgs,
        out: &mut impl Write,
    ) -> Result<bool> {
        let open = trial::incident(self.sink.name(), clock::now());
        if !self.step("test incident told", &open, out)? {
            return Ok(false);
        }
        let heard = match config.listen_every() {
            Some(_) => self.listen(out)?,
            None => true,
        };
        if args.keep {
            writeln!(out, "  left    the test incident stays open there (--keep)")?;
            return Ok(heard);
        }
        let over = trial::resolved(&open, clock::now());
        Ok(self.step("test incident resolved", &over, out)? && heard)
    }

    fn step(&mut self, what: &str, incident: &Incident, out: &mut impl Write) -> Result<bool> {
        let now = clock::now();
        self.outbox.on_incident(Arc::new(incident.clone()), now);
        let Some(due) = self.outbox.poll_due(now) else {
            writeln!(out, "  FAILED  {what}: nothing is due")?;
            return Ok(false);
        };
        let outcome = self.sink.deliver(&due.request(now));
        let done = self.outbox.on_outcome(&due, outcome, clock::now(), Jitter(0));
        match done.result {
            DoneResult::Said(note) => {
                writeln!(out, "  ok      {what}")?;
                if let Some(note) = note {
                    writeln!(out, "  note    {note}")?;
                }
                let ticket = done.record.and_then(|record| record.ticket);
                if let Some(ticket) = ticket {
                    writeln!(out, "  ticket  {}", place(&ticket))?;
                }
                Ok(true)
            }
            DoneResult::Unchanged => {
                writeln!(out, "  ok      {what}: there was nothing to change")?;
                Ok(true)
            }
            DoneResult::Later(_, trouble) | DoneResult::Refused(trouble) => {
                failed(out, what, &trouble)?;
                Ok(false)
            }
        }
    }

    /// Whether people's work there can be read.
    fn listen(&mut self, out: &mut impl Write) -> Result<bool> {
        let what = "people's acts there can be read";
        let asked = self.sink.listen(None, clock::now());
        let heard: Result<(), (Wait, Trouble)> = asked
            .and_then(|from| self.sink.listen(from.cursor.as_deref(), clock::now()).map(|_| ()));
        match heard {
            Ok(()) => {
                writeln!(out, "  ok      {what}")?;
                Ok(true)
            }
            Err((_, trouble)) => {
                failed(out, what, &trouble)?;
                Ok(false)
            }
        }
    }
}

/// The trouble, and what to do about it where that is known.
fn failed(out: &mut impl Write, what: &str, trouble: &Trouble) -> Result<()> {
    writeln!(out, "  FAILED  {what}: {trouble}")?;
    let advice = match trouble {
        Trouble::Credentials(_) => "check auth, and the rights of the account (docs/sinks.md)",
        Trouble::Transport(_) | Trouble::Timeout => "check url, network and timeout_ms",
        Trouble::Redirect(_) => "give the url that it leads to; redirects are not followed",
        Trouble::Throttled => "wait; the destination counts our requests",
        Trouble::Setup(_) => "docs/sinks.md says what the destination needs",
        Trouble::Unavailable(_) => "it is in trouble itself; the service would try again",
        Trouble::Unsure(_) => "wait a minute; the service would try again",
        Trouble::Malformed(_) => "check whether url leads to the API and not to a page",
        Trouble::Rejected { .. } | Trouble::Request(_) => "check the settings of this sink",
    };
    writeln!(out, "          {advice}")?;
    Ok(())
}

fn place(ticket: &Ticket) -> String {
    let number = ticket.number.as_deref().unwrap_or(&ticket.id);
    match ticket.url.as_deref() {
        Some(url) => format!("{number} {url}"),
        None => number.to_owned(),
    }
}
