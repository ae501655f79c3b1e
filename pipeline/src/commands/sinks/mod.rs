//! `faultline sinks`: which sinks there are, and whether one of them works.

mod told;

use std::io::{self, Write};
use std::process::ExitCode;
use std::slice::from_ref;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
use model::incident::Incident;
use serde_json::json;
use sinks::config::{ConfigError, SinkConfig, build, build_over};
use sinks::delivery::outbox::{DoneResult, Outbox, OutboxLimits};
use sinks::hook::Hears;
use sinks::retry::Jitter;
use sinks::sink::{Sink, Trouble, Wait};
use sinks::trial;

use crate::cli::{SinksArgs, SinksCommand, SinksListArgs, SinksTestArgs};
use crate::clock;
use crate::commands::check::EXIT_CONFIG;
use crate::config::Config;
use crate::http::hooks::server;
use crate::run::publish::{LogPublisher, topics};
use told::{Teller, Went};

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
        let hook = sink.hook_hears();
        let every = sink.listen_every().map(|every| every.0 / 1_000_000_000);
        if args.json {
            let role = hook.map(role);
            let hook = hook.map(|_| format!("/hooks/{name}"));
            let line = json!({"name": name, "kind": kind, "to": to, "listens_every_s": every,
                "hook": hook, "hook_role": role});
            writeln!(out, "{line}")?;
        } else {
            let ear = every.map_or(String::new(), |secs| format!(", listens every {secs} s"));
            let hook = hook.map_or(String::new(), |hears| {
                format!(", hook at /hooks/{name} (role {})", role(hears))
            });
            writeln!(out, "{name}: {kind} to {to}{ear}{hook}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The role that serves a hook, by its name on the command line.
fn role(hears: Hears) -> String {
    let named = server(hears).to_possible_value();
    named.map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn test(args: &SinksTestArgs) -> Result<ExitCode> {
    let config = args.config.load()?;
    let Some(sink) = config.sinks.iter().find(|sink| sink.name() == args.name) else {
        let names: Vec<&str> = config.sinks.iter().map(SinkConfig::name).collect();
        if names.is_empty() {
            bail!("there is no sink {}: none is configured; docs/sinks.md says how", args.name);
        }
        bail!("there is no sink {}; there are: {}", args.name, names.join(", "));
    };
    let mut out = io::stdout().lock();
    let mut teller = Teller { out: &mut out, json: args.json };
    teller.begin(sink)?;
    let what = "configuration and secrets";
    let built = match ready(&config, sink)? {
        Ok(built) => built,
        Err(errors) => {
            for error in errors {
                teller.failed(what, &error.to_string(), "")?;
            }
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    teller.ok(what, &Went::default())?;
    let passed = Trial::new(built).run(sink, args, &mut teller)?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The sink, ready to speak; a sink that speaks to the log gets the log.
fn ready(config: &Config, sink: &SinkConfig) -> Result<Result<Box<dyn Sink>, Vec<ConfigError>>> {
    if sink.kind() == "kafka" {
        let log = config.open_log()?;
        if config.create_topics {
            // As a running service would have done already.
            log.ensure_topics(&topics(from_ref(sink))).context("cannot make the sink's topic")?;
        }
        let publisher = Box::new(LogPublisher::new(log));
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
        teller: &mut Teller<'_>,
    ) -> Result<bool> {
        let open = trial::incident(self.sink.name(), clock::now());
        if !self.step("test incident told", &open, teller)? {
            return Ok(false);
        }
        let heard = match config.listen_every() {
            Some(_) => self.listen(teller)?,
            None => true,
        };
        if args.keep {
            teller.left()?;
            return Ok(heard);
        }
        let over = trial::resolved(&open, clock::now());
        Ok(self.step("test incident resolved", &over, teller)? && heard)
    }

    fn step(&mut self, what: &str, incident: &Incident, teller: &mut Teller<'_>) -> Result<bool> {
        let now = clock::now();
        self.outbox.on_incident(Arc::new(incident.clone()), now);
        let Some(due) = self.outbox.poll_due(now) else {
            teller.failed(what, "nothing is due", "")?;
            return Ok(false);
        };
        let outcome = self.sink.deliver(&due.request(now));
        let done = self.outbox.on_outcome(&due, outcome, clock::now(), Jitter(0));
        let went = match done.result {
            DoneResult::Said(note) => {
                Went { note, ticket: done.record.and_then(|record| record.ticket) }
            }
            DoneResult::Unchanged => {
                Went { note: Some("there was nothing to change".into()), ticket: None }
            }
            DoneResult::Later(_, trouble) | DoneResult::Refused(trouble) => {
                teller.trouble(what, &trouble)?;
                return Ok(false);
            }
        };
        teller.ok(what, &went)?;
        Ok(true)
    }

    /// Whether people's work there can be read.
    fn listen(&mut self, teller: &mut Teller<'_>) -> Result<bool> {
        let what = "people's acts there can be read";
        let asked = self.sink.listen(None, clock::now());
        let heard: Result<(), (Wait, Trouble)> = asked
            .and_then(|from| self.sink.listen(from.cursor.as_deref(), clock::now()).map(|_| ()));
        match heard {
            Ok(()) => teller.ok(what, &Went::default())?,
            Err((_, trouble)) => {
                teller.trouble(what, &trouble)?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}
