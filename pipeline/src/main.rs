//! The binary `faultline`: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{Cli, Command};
use pipeline::commands;
use pipeline::config::ConfigErrors;

fn main() -> ExitCode {
    let cli = Cli::parse();
    pipeline::telemetry::start(&cli.command);
    let done = match &cli.command {
        Command::Demo(args) => commands::demo::demo(args),
        Command::Run(args) => commands::run::run(args),
        Command::Check(args) => return code(commands::check::check(args)),
        Command::Record(args) => commands::record::record(args),
        Command::Replay(args) => commands::replay::replay(args),
        Command::Eval(args) => commands::eval::eval(args),
        Command::Corpus(args) => commands::corpus::corpus(args),
        Command::Incidents(args) => commands::incidents::incidents(args),
        Command::Explain(args) => commands::explain::explain(args),
        Command::Control(command) => commands::control::control(command),
        Command::Top(args) => commands::top::top(args),
        Command::Sql(args) => commands::sql::sql(args),
        Command::Sinks(args) => return code(commands::sinks::sinks(args)),
        Command::Tap(args) => commands::tap::tap(args),
        Command::DeadLetters(args) => commands::dead_letters::dead_letters(args),
        Command::Health(args) => return code(commands::health::health(args)),
        Command::Config(args) => commands::reference::reference(args),
        Command::Completions(args) => commands::completions::completions(args),
        Command::Man(args) => commands::man::man(args),
    };
    code(done.map(|()| ExitCode::SUCCESS))
}

/// 0 when it is done, 78 when the configuration is wrong, else 1. A reader that went away (a pipe
/// into `head`) is no failure.
fn code(done: anyhow::Result<ExitCode>) -> ExitCode {
    let error = match done {
        Ok(code) => return code,
        Err(error) => error,
    };
    let pipe = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if pipe.into_iter().any(|io| io.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("faultline: {error:#}");
    if error.downcast_ref::<ConfigErrors>().is_some() {
        return ExitCode::from(commands::check::EXIT_CONFIG);
    }
    ExitCode::FAILURE
}
