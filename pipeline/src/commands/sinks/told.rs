//! How a trial of a sink is told: lines for people, or JSON Lines.

use std::io::Write;

use anyhow::Result;
use model::incident::Ticket;
use serde_json::{Value, json};
use sinks::config::SinkConfig;
use sinks::sink::Trouble;

/// Where the steps of a trial are told.
pub(super) struct Teller<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) json: bool,
}

/// How a step went, if it went well.
#[derive(Default)]
pub(super) struct Went {
    pub(super) note: Option<String>,
    pub(super) ticket: Option<Ticket>,
}

impl Teller<'_> {
    /// Which sink is tried.
    pub(super) fn begin(&mut self, sink: &SinkConfig) -> Result<()> {
        let (name, kind, to) = (sink.name(), sink.kind(), sink.destination());
        if self.json {
            return self.line(&json!({"sink": name, "kind": kind, "to": to}));
        }
        Ok(writeln!(self.out, "sink {name}: {kind} to {to}")?)
    }

    /// A step went well.
    pub(super) fn ok(&mut self, what: &str, went: &Went) -> Result<()> {
        if self.json {
            let (note, ticket) = (&went.note, &went.ticket);
            return self.line(&json!({"step": what, "ok": true, "note": note, "ticket": ticket}));
        }
        writeln!(self.out, "  ok      {what}")?;
        if let Some(note) = &went.note {
            writeln!(self.out, "  note    {note}")?;
        }
        if let Some(ticket) = &went.ticket {
            writeln!(self.out, "  ticket  {}", place(ticket))?;
        }
        Ok(())
    }

    /// A step failed; the advice is empty where there is none.
    pub(super) fn failed(&mut self, what: &str, why: &str, advice: &str) -> Result<()> {
        if self.json {
            let line = json!({"step": what, "ok": false, "error": why, "advice": advice});
            return self.line(&line);
        }
        writeln!(self.out, "  FAILED  {what}: {why}")?;
        if !advice.is_empty() {
            writeln!(self.out, "          {advice}")?;
        }
        Ok(())
    }

    /// The same of a trouble of the destination's, with what to do about it where that is known.
    pub(super) fn trouble(&mut self, what: &str, trouble: &Trouble) -> Result<()> {
        self.failed(what, &trouble.to_string(), advice(trouble))
    }

    /// The test incident stays open.
    pub(super) fn left(&mut self) -> Result<()> {
        if self.json {
            return self.line(&json!({"step": "test incident stays open", "ok": true}));
        }
        Ok(writeln!(self.out, "  left    the test incident stays open there (--keep)")?)
    }

    fn line(&mut self, line: &Value) -> Result<()> {
        Ok(writeln!(self.out, "{line}")?)
    }
}

fn advice(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Credentials(_) => "check auth, and the rights of the account (docs/sinks.md)",
        Trouble::Transport(_) | Trouble::Timeout => "check url, network and timeout_ms",
        Trouble::Redirect(_) => "give the url that it leads to; redirects are not followed",
        Trouble::Throttled => "wait; the destination counts our requests",
        Trouble::Setup(_) => "docs/sinks.md says what the destination needs",
        Trouble::Unavailable(_) => "it is in trouble itself; the service would try again",
        Trouble::Unsure(_) => "wait a minute; the service would try again",
        Trouble::Malformed(_) => "check whether url leads to the API and not to a page",
        Trouble::Rejected { .. } | Trouble::Request(_) => "check the settings of this sink",
    }
}

fn place(ticket: &Ticket) -> String {
    let number = ticket.number.as_deref().unwrap_or(&ticket.id);
    match ticket.url.as_deref() {
        Some(url) => format!("{number} {url}"),
        None => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: bool) -> String {
        let mut out = Vec::new();
        let mut teller = Teller { out: &mut out, json };
        let ticket = Ticket {
            sink: "itsm".into(),
            id: "7".into(),
            number: Some("INC7".into()),
            url: Some("https://example.org/7".into()),
        };
        let went = Went { note: None, ticket: Some(ticket) };
        teller.ok("test incident told", &went).unwrap();
        teller.trouble("test incident resolved", &Trouble::Timeout).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_get_lines_with_advice() {
        let told = told(false);
        assert!(told.contains("  ok      test incident told\n"), "{told}");
        assert!(told.contains("  ticket  INC7 https://example.org/7\n"), "{told}");
        assert!(told.contains("check url, network"), "{told}");
    }

    #[test]
    fn programs_get_one_object_a_step() {
        let told = told(true);
        let steps: Vec<Value> =
            told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(steps[0]["ticket"]["number"], "INC7");
        assert_eq!((&steps[1]["ok"], steps.len()), (&Value::Bool(false), 2));
    }
}
