//! `faultline sql`: one text of SQL, asked of a running system or of the files of its history.

use std::io::{self, Read, Write};

use anyhow::{Context, Result, bail};

use crate::cli::SqlArgs;

/// Asks and prints.
///
/// # Errors
/// When nothing answers, or the statement cannot be answered.
#[cfg(feature = "history")]
pub fn sql(args: &SqlArgs) -> Result<()> {
    let query = query(args)?;
    let sheet = match &args.config {
        Some(path) => of_files(path, &query)?,
        None => of_running_system(args, &query)?,
    };
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
        bail!("{}: there is no history yet", directory.display());
    }
    let store = Store::open(&kept.recorder.place)?;
    let engine = Engine::new(&store, Shared::default(), kept.limits)?;
    let shared = engine.wait(Shared::of_files(&store)).context("the engine has ended")??;
    let engine = Engine::new(&store, shared, kept.limits)?;
    let session = engine.session();
    let answer = engine.wait(Sheet::of(&session, query)).context("the engine has ended")?;
    answer.map_err(|error| match &error.hint {
        Some(hint) => anyhow::anyhow!("{}: {error}. {hint}", error.code),
        None => anyhow::anyhow!("{}: {error}", error.code),
    })
}

#[cfg(feature = "history")]
fn of_running_system(args: &SqlArgs, query: &str) -> Result<history::sql::answer::Sheet> {
    /// Largest answer that is read. Unit: bytes.
    const ANSWER_BYTES_MAX: u64 = 256 << 20;

    let remote = &args.remote;
    let url = format!("{}/api/v1/sql", remote.url.trim_end_matches('/'));
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.post(&url);
    if let Some(token) = &remote.token {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    let mut answer = request
        .send_json(serde_json::json!({ "query": query }))
        .with_context(|| format!(
            "no running faultline answers at {}; start one, give --url, or read its files with -c",
            remote.url
        ))?;
    let status = answer.status();
    let bytes = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
    if status.is_success() {
        return serde_json::from_slice(&bytes)
            .with_context(|| format!("{} does not answer as faultline does", remote.url));
    }
    let said: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let part = |name: &str| said.pointer(&format!("/error/{name}")).and_then(|v| v.as_str());
    match (part("message"), part("action")) {
        (Some(message), Some(action)) => bail!("{message}. {action}"),
        _ => bail!("{} answers with status {status}", remote.url),
    }
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
