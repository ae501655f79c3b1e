//! `faultline man`: the manual pages, made from the same types that read the command line.

use std::fs;
use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde_json::json;

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

/// Prints the page of the program, or writes all pages to a directory. `--json` prints all pages, or where
/// each was written.
///
/// # Errors
/// When standard output or the directory cannot be written.
pub fn man(args: &ManArgs) -> Result<()> {
    let pages = pages(&built())?;
    let mut out = io::stdout().lock();
    let Some(directory) = &args.directory else {
        if args.json {
            let told = pages.iter().map(|(name, text)| json!({ "name": name, "text": text }));
            writeln!(out, "{}", json!({ "pages": told.collect::<Vec<_>>() }))?;
        } else if let Some((_, text)) = pages.first() {
            out.write_all(text.as_bytes())?;
        }
        return Ok(());
    };
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make directory {}", directory.display()))?;
    for (name, text) in &pages {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        let told =
            pages.iter().map(|(name, _)| json!({ "name": name, "file": directory.join(name) }));
        writeln!(out, "{}", json!({ "pages": told.collect::<Vec<_>>() }))?;
    } else {
        eprintln!("{} pages in {}; read one with `man -l FILE`", pages.len(), directory.display());
    }
    Ok(())
}

fn built() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// The pages of a command and of everything below it, its own first, each with the name of its file.
fn pages(command: &Command) -> Result<Vec<(String, String)>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    if name == "faultline" {
        text.extend_from_slice(EXIT_CODES.as_bytes());
    }
    let mut all = vec![(format!("{name}.1"), String::from_utf8(text)?)];
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        all.extend(pages(below)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let all = pages(&built()).unwrap();
        assert!(all.len() > 10, "{}", all.len());
        for name in ["faultline.1", "faultline-replay.1", "faultline-man.1"] {
            let (_, text) = all.iter().find(|(page, _)| page == name).unwrap();
            assert!(text.contains(".SH SYNOPSIS"), "{name}");
        }
        let (name, first) = all.first().unwrap();
        assert_eq!(name, "faultline.1");
        assert!(first.contains("EXIT STATUS") && first.contains("78"));
    }

    #[test]
    fn pages_are_written_where_they_are_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path().join("man1");
        man(&ManArgs { directory: Some(into.clone()), json: false }).unwrap();
        let text = fs::read_to_string(into.join("faultline-sinks-test.1")).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{text}");
    }
}
