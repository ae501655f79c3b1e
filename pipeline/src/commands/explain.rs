//! `faultline explain`: one incident as a page.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use model::id::IncidentId;
use model::incident::Incident;

use crate::cli::ExplainArgs;
use crate::remote::Remote;
use crate::tell;

/// Digits of an incident's id.
const ID_DIGITS: usize = 16;

/// Explains it.
///
/// # Errors
/// When there is no such incident, or several.
pub fn explain(args: &ExplainArgs) -> Result<()> {
    let wanted = args.id.to_ascii_lowercase();
    if wanted.is_empty()
        || wanted.len() > ID_DIGITS
        || !wanted.bytes().all(|b| b.is_ascii_hexdigit())
    {
        bail!(
            "`{}` is no incident id: give its {ID_DIGITS} hexadecimal digits, or the first of them",
            tell::clean(&args.id)
        );
    }
    let incident = match &args.file {
        Some(path) => {
            let mut incidents = from_file(path)?;
            let id = named(&wanted, incidents.keys().copied())?;
            let hint = "`faultline replay --json` writes such a file";
            id.and_then(|id| incidents.remove(&id)).with_context(|| {
                format!("no incident of {} begins with {wanted}; {hint}", path.display())
            })?
        }
        None => Remote::new(&args.remote)?.incident(&wanted)?,
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&incident)?)?;
    } else {
        writeln!(out, "{}", tell::page(&incident))?;
    }
    Ok(())
}

/// The one id that begins with these digits; `None` if no id does.
fn named(wanted: &str, ids: impl Iterator<Item = IncidentId>) -> Result<Option<IncidentId>> {
    let mut found = ids.filter(|id| id.to_string().starts_with(wanted));
    let first = found.next();
    if found.next().is_some() {
        bail!("several incidents begin with {wanted}; give more digits");
    }
    Ok(first)
}

/// The newest revision of each incident in a file of JSON Lines.
fn from_file(path: &Path) -> Result<BTreeMap<IncidentId, Incident>> {
    let lines: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Box::new(BufReader::new(file))
    };
    let mut newest: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        let incident: Incident = serde_json::from_str(&line).with_context(|| {
            format!(
                "{}:{number} is no incident; `faultline replay --json` writes one a line",
                path.display()
            )
        })?;
        let known = newest.get(&incident.id).map_or(0, |known| known.revision);
        if incident.revision >= known {
            newest.insert(incident.id, incident);
        }
    }
    Ok(newest)
}
