//! `faultline explain`: one incident as a page.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use model::id::IncidentId;
use model::incident::Incident;

use crate::cli::ExplainArgs;
use crate::commands::remote;
use crate::tell;

/// Explains it.
///
/// # Errors
/// When there is no such incident, or several.
pub fn explain(args: &ExplainArgs) -> Result<()> {
    let incidents = match &args.file {
        Some(path) => from_file(path)?,
        None => remote::incidents(&args.remote)?,
    };
    let wanted = args.id.to_ascii_lowercase();
    let mut found = incidents.iter().filter(|i| i.id.to_string().starts_with(&wanted));
    let Some(incident) = found.next() else {
        bail!("no incident begins with {}; `faultline incidents` lists them", args.id);
    };
    if found.next().is_some() {
        bail!("several incidents begin with {}; give more digits", args.id);
    }
    writeln!(io::stdout().lock(), "{}", tell::page(incident))?;
    Ok(())
}

/// The newest revision of each incident in a file of JSON Lines.
fn from_file(path: &Path) -> Result<Vec<Incident>> {
    let lines: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Box::new(BufReader::new(file))
    };
    let mut newest: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let incident: Incident = serde_json::from_str(&line?)
            .with_context(|| format!("{}:{number} is no incident", path.display()))?;
        let known = newest.get(&incident.id).map_or(0, |known| known.revision);
        if incident.revision >= known {
            newest.insert(incident.id, incident);
        }
    }
    Ok(newest.into_values().collect())
}
