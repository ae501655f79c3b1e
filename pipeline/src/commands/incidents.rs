//! `faultline incidents`: the incidents of a running system.

use std::io::{self, Write};

use anyhow::Result;

use crate::cli::IncidentsArgs;
use crate::failure;
use crate::remote::Remote;
use crate::remote::send::escaped;
use crate::tell;

/// Lists them.
///
/// # Errors
/// When no running system answers, or it refuses a filter.
pub fn incidents(args: &IncidentsArgs) -> Result<()> {
    let list = Remote::new(&args.remote)?.list(&query(args))?;
    let mut out = io::stdout().lock();
    if list.incidents.is_empty() && !args.json {
        let filtered = !args.state.is_empty() || args.service.is_some() || args.since.is_some();
        writeln!(out, "{}", if filtered { "no such incidents" } else { "no incidents" })?;
    }
    for incident in &list.incidents {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(incident)?)?;
        } else {
            writeln!(out, "{}", tell::row(incident))?;
        }
    }
    let shown = list.incidents.len();
    if shown < list.matching {
        let note = format!("the newest {shown} of {}; --limit shows more", list.matching);
        eprintln!("{}", failure::note(note, args.json));
    }
    Ok(())
}

fn query(args: &IncidentsArgs) -> String {
    let mut query = format!("limit={}", args.limit);
    let mut add = |name: &str, value: &str| {
        query.push('&');
        query.push_str(name);
        query.push('=');
        query.push_str(&escaped(value));
    };
    if !args.state.is_empty() {
        add("state", &args.state.join(","));
    }
    if let Some(service) = &args.service {
        add("service", service);
    }
    if let Some(since) = &args.since {
        add("since", since);
    }
    query
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn no_value_can_add_a_parameter() {
        assert_eq!(escaped("a&limit=1"), "a%26limit%3D1");
        assert_eq!(escaped("2026-03-17T02:07:00+01:00"), "2026-03-17T02%3A07%3A00%2B01%3A00");
        assert_eq!(escaped("é"), "%C3%A9");
    }
}
