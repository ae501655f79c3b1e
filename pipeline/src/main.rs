//! The binary `faultline`: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{Cli, Command};
use pipeline::{commands, failure};

fn main() -> ExitCode {
    let json = failure::wants_json(std::env::args_os().skip(1));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are told this way, too, and are no failure.
        Err(error) if json && error.use_stderr() => {
            eprintln!("{}", failure::usage(&error));
            return ExitCode::from(failure::EXIT_USAGE);
        }
        Err(error) => error.exit(),
    };
    pipeline::telemetry::start(&cli.command, json);
    code(run(&cli.command), json)
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Demo(args) => commands::demo::demo(args),
        Command::Run(args) => commands::run::run(args),
        Command::Check(args) => return commands::check::check(args),
        Command::Record(args) => commands::record::record(args),
        Command::Replay(args) => commands::replay::replay(args),
        Command::Eval(args) => commands::eval::eval(args),
        Command::Corpus(args) => commands::corpus::corpus(args),
        Command::Incidents(args) => commands::incidents::incidents(args),
        Command::Explain(args) => commands::explain::explain(args),
        Command::Control(command) => commands::control::control(command),
        Command::Top(args) => commands::top::top(args),
        Command::Sql(args) => commands::sql::sql(args),
        Command::Sinks(args) => return commands::sinks::sinks(args),
        Command::Tap(args) => commands::tap::tap(args),
        Command::DeadLetters(args) => commands::dead_letters::dead_letters(args),
        Command::Health(args) => return commands::health::health(args),
        Command::Config(args) => commands::reference::reference(args),
        Command::Completions(args) => commands::completions::completions(args),
        Command::Man(args) => commands::man::man(args),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// 0 when it is done, 78 when the configuration is wrong, else 1. A reader that went away (a pipe
/// into `head`) is no failure.
fn code(done: anyhow::Result<ExitCode>, json: bool) -> ExitCode {
    let error = match done {
        Ok(code) => return code,
        Err(error) => error,
    };
    let pipe = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if pipe.into_iter().any(|io| io.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", failure::told(&error, json));
    ExitCode::from(failure::exit_code(&error))
}
