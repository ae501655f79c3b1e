//! `faultline man`: the manual pages, made from the same types that read the command line.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::{Cli, ManArgs};

/// What the program's exit codes say; a section of the first page.
const EXIT_CODES: &str = "\
.SH \"EXIT STATUS\"
.TP
\\fB0\\fR
It is done.
.TP
\\fB1\\fR
It could not be done; standard error says why and what to do.
.TP
\\fB2\\fR
The command line is wrong.
.TP
\\fB78\\fR
The configuration is wrong; standard error lists everything that is.
.SH ENVIRONMENT
.TP
\\fBFAULTLINE_LOG\\fR
How much is logged on standard error: error, warn, info, debug or trace.
.TP
\\fBFAULTLINE_LOG_FORMAT\\fR
\\fIjson\\fR logs one JSON object a line.
";

/// Prints the page of the program, or writes all pages to a directory.
///
/// # Errors
/// When standard output or the directory cannot be written.
pub fn man(args: &ManArgs) -> Result<()> {
    let command = built();
    let Some(directory) = &args.directory else {
        io::stdout().lock().write_all(&page(&command)?)?;
        return Ok(());
    };
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make directory {}", directory.display()))?;
    let written = write_all(directory, &command)?;
    eprintln!("{written} pages in {}; read one with `man -l FILE`", directory.display());
    Ok(())
}

fn built() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    if command.get_name() == "faultline" {
        text.extend_from_slice(EXIT_CODES.as_bytes());
    }
    Ok(text)
}

/// The command's page and those of everything below it; tells how many.
fn write_all(directory: &Path, command: &Command) -> Result<usize> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let path = directory.join(format!("{name}.1"));
    fs::write(&path, page(command)?).with_context(|| format!("cannot write {}", path.display()))?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.map(|below| write_all(directory, below)).try_fold(1, |sum, wrote| Ok(sum + wrote?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let written = write_all(directory.path(), &built()).unwrap();
        assert!(written > 10, "{written}");
        for name in ["faultline.1", "faultline-replay.1", "faultline-man.1"] {
            let text = fs::read_to_string(directory.path().join(name)).unwrap();
            assert!(text.contains(".SH SYNOPSIS"), "{name}");
        }
        let first = fs::read_to_string(directory.path().join("faultline.1")).unwrap();
        assert!(first.contains("EXIT STATUS") && first.contains("78"));
    }
}
