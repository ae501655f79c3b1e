//! `faultline sql`: one text of SQL, asked of a running system or of the files of its history.

#[cfg(feature = "history")]
use std::io::Write;
use std::io::{self, Read};

use anyhow::{Context, Result, bail};

use crate::cli::SqlArgs;
#[cfg(feature = "history")]
use crate::failure;
#[cfg(feature = "history")]
use crate::progress::Progress;
#[cfg(feature = "history")]
use crate::remote::Remote;

/// How long an answer may take. The statement's own time is bounded where it runs.
#[cfg(feature = "history")]
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(600);

/// Asks and prints.
///
/// # Errors
/// When nothing answers, or the statement cannot be answered.
#[cfg(feature = "history")]
pub fn sql(args: &SqlArgs) -> Result<()> {
    let query = query(args)?;
    let progress = Progress::waiting("asking");
    let sheet = match &args.config {
        Some(path) => of_files(path, &query),
        None => of_running_system(args, &query),
    };
    progress.clear();
    let sheet = sheet?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.json {
        for row in sheet.to_objects() {
            writeln!(out, "{row}")?;
        }
    } else if args.csv {
        out.write_all(sheet.to_csv().as_bytes())?;
    } else {
        print(&sheet, &mut out)?;
    }
    out.flush()?;
    if args.config.is_some() && sheet.rows.is_empty() {
        // Not everybody who has typed `-c` for other commands means the files.
        let note = "asked of the files, which may lack the last `history.flush_s` seconds; without -c a \
                    running system is asked, which has them";
        eprintln!("{}", failure::note(note.to_owned(), args.json));
    }
    Ok(())
}

/// Says that there is nothing to ask.
///
/// # Errors
/// Always.
#[cfg(not(feature = "history"))]
pub fn sql(args: &SqlArgs) -> Result<()> {
    query(args)?;
    bail!("this build has no history: build without `--no-default-features`")
}

fn query(args: &SqlArgs) -> Result<String> {
    if args.query != "-" {
        return Ok(args.query.clone());
    }
    let mut query = String::new();
    io::stdin().read_to_string(&mut query).context("cannot read the query from stdin")?;
    if query.trim().is_empty() {
        bail!("there is no query on stdin");
    }
    Ok(query)
}

#[cfg(feature = "history")]
fn of_files(path: &std::path::Path, query: &str) -> Result<history::sql::answer::Sheet> {
    use history::snapshot::Shared;
    use history::sql::answer::Sheet;
    use history::sql::engine::Engine;
    use history::store::place::{Place, Store};

    let config = crate::config::load(path)?;
    let Some(kept) = config.history else {
        bail!(
            "{}: there is no `history:`; add one, or ask a running system by --url",
            path.display()
        );
    };
    if let Place::Directory(directory) = &kept.recorder.place
        && !directory.is_dir()
    {
        bail!(
            "{}: there is no history yet; `faultline run -c {}` writes one (its role `history`), and \
             a relative directory is looked for where the command is started",
            directory.display(),
            path.display()
        );
    }
    let store = Store::open(&kept.recorder.place)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = runtime.block_on(Shared::of_files(&store))?;
    let session = Engine::new(&store, shared, kept.limits)?.session();
    let answer = runtime.block_on(Sheet::of(&session, query));
    answer.map_err(|error| match &error.hint {
        Some(hint) => anyhow::anyhow!("{}: {error}. {hint}", error.code),
        None => anyhow::anyhow!("{}: {error}", error.code),
    })
}

#[cfg(feature = "history")]
fn of_running_system(args: &SqlArgs, query: &str) -> Result<history::sql::answer::Sheet> {
    Remote::within(&args.remote, TIMEOUT)?.sql(query)
}

/// A table for people: columns padded, long values cut at a line's end by the terminal itself.
#[cfg(feature = "history")]
fn print(sheet: &history::sql::answer::Sheet, out: &mut impl Write) -> Result<()> {
    use history::sql::answer::text;

    let cells: Vec<Vec<String>> = sheet
        .rows
        .iter()
        .map(|row| row.iter().map(|value| crate::tell::clean(&text(value))).collect())
        .collect();
    let names: Vec<String> =
        sheet.columns.iter().map(|column| crate::tell::clean(&column.name)).collect();
    let width = |place: usize, name: &str| {
        let longest =
            cells.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count());
        longest.max().unwrap_or(0).max(name.chars().count())
    };
    let widths: Vec<usize> =
        names.iter().enumerate().map(|(place, name)| width(place, name)).collect();
    let line = |row: &[String]| -> String {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(&names))?;
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    writeln!(out, "{}", line(&rules))?;
    for row in &cells {
        writeln!(out, "{}", line(row))?;
    }
    let rows = if cells.len() == 1 { "row" } else { "rows" };
    writeln!(out, "({} {rows})", cells.len())?;
    Ok(())
}
