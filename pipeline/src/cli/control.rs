//! The commands by which people decide about incidents of a running system.

use clap::{Args, Subcommand};
use model::matcher;

use crate::cli::RemoteArgs;
use crate::span;

/// Who decides, why, where; and how it is told.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Who decides. Default: whose token it is, or $USER.
    #[arg(long, env = "FAULTLINE_AUTHOR", value_name = "NAME")]
    pub author: Option<String>,
    /// Why, in your words.
    #[arg(short = 'm', long, visible_alias = "comment", default_value = "", value_name = "TEXT")]
    pub reason: String,
    /// Print the answer as one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Where the running system is.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// What is decided.
#[derive(Debug, Subcommand)]
pub enum Control {
    /// Say that somebody works on incidents: escalation ends.
    Ack(IncidentsOf),
    /// Take an acknowledgement back.
    Unack(IncidentsOf),
    /// Tell no sink of incidents for a time, unless their priority rises.
    Snooze {
        /// Which, and who says so.
        #[command(flatten)]
        of: IncidentsOf,
        /// For how long: 30m, 2h, 1d12h.
        #[arg(short, long, default_value = "1h", value_parser = a_span, conflicts_with = "until")]
        duration: String,
        /// Until when instead (RFC 3339, as 2026-03-17T02:07:00Z).
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// End a snooze early.
    Unsnooze(IncidentsOf),
    /// Give an incident to a person or a team.
    Assign {
        /// Its id; the first digits are enough when they are unique.
        id: String,
        /// To whom.
        #[arg(required_unless_present = "nobody")]
        to: Option<String>,
        /// Take it back: nobody has it.
        #[arg(long, conflicts_with = "to")]
        nobody: bool,
        /// Who says so.
        #[command(flatten)]
        by: DecideArgs,
    },
    /// Say something about an incident.
    Comment {
        /// Its id; the first digits are enough when they are unique.
        id: String,
        /// What; the same as --reason.
        #[arg(required_unless_present = "reason")]
        text: Option<String>,
        /// Who says so.
        #[command(flatten)]
        by: DecideArgs,
    },
    /// Say that incidents are over, until something new begins.
    Resolve(IncidentsOf),
    /// Say that incidents are not over: they stay open until a person resolves them.
    Reopen(IncidentsOf),
    /// Make one incident part of another.
    Merge {
        /// What becomes part.
        id: String,
        /// Of what.
        #[arg(long)]
        into: String,
        /// Who says so.
        #[command(flatten)]
        by: DecideArgs,
    },
    /// Make some services of an incident another incident.
    Split {
        /// Its id; the first digits are enough when they are unique.
        id: String,
        /// What leaves it; not all of its services.
        #[arg(required = true)]
        services: Vec<String>,
        /// Who says so.
        #[command(flatten)]
        by: DecideArgs,
    },
    /// Say what was the cause, or was not; later rankings learn from it.
    #[command(subcommand)]
    Cause(Cause),
    /// Silences: alerts that match open no incident and tell nobody for a time.
    #[command(subcommand)]
    Silences(Silences),
    /// Maintenance windows: what services show in that time pages nobody and blames nobody.
    #[command(subcommand)]
    Maintenance(Maintenance),
    /// Inhibitions: while one alert fires, others tell nobody.
    #[command(subcommand)]
    Inhibitions(Inhibitions),
}

/// Some incidents, and who decides about them.
#[derive(Debug, Args)]
pub struct IncidentsOf {
    /// Ids; the first digits are enough when they are unique.
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Who decides.
    #[command(flatten)]
    pub by: DecideArgs,
}

/// What is said of a cause.
#[derive(Debug, Subcommand)]
pub enum Cause {
    /// This was the cause.
    Confirm(CauseArgs),
    /// This was not the cause.
    Reject(CauseArgs),
}

/// Which cause. Without any choice: the first hypothesis.
#[derive(Debug, Args)]
pub struct CauseArgs {
    /// The incident's id; the first digits are enough when they are unique.
    pub id: String,
    /// The cause of the hypothesis with this rank.
    #[arg(long, conflicts_with_all = ["service", "change", "none"])]
    pub rank: Option<u32>,
    /// This service.
    #[arg(long)]
    pub service: Option<String>,
    /// This change of the service, by its id.
    #[arg(long, requires = "service")]
    pub change: Option<String>,
    /// None of ours: a party outside.
    #[arg(long, conflicts_with_all = ["service", "change"])]
    pub none: bool,
    /// Who says so.
    #[command(flatten)]
    pub by: DecideArgs,
}

/// What is asked of a list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Also what is over.
    #[arg(long)]
    pub expired: bool,
    /// Print the rows as JSON Lines.
    #[arg(long)]
    pub json: bool,
    /// Where the running system is.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// From when to when.
#[derive(Debug, Args)]
pub struct TimesArgs {
    /// For how long: 30m, 2h, 1d12h.
    #[arg(short, long, default_value = "1h", value_parser = a_span, conflicts_with = "end")]
    pub duration: String,
    /// From when (RFC 3339). Default: now.
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// Until when instead of a duration (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,
    /// Only in this cell. Default: in all.
    #[arg(long)]
    pub cell: Option<String>,
}

/// What ends.
#[derive(Debug, Args)]
pub struct EndArgs {
    /// Ids; their beginning is enough when it is unique.
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Who says so.
    #[command(flatten)]
    pub by: DecideArgs,
}

/// What is done with silences.
#[derive(Debug, Subcommand)]
pub enum Silences {
    /// List them.
    List(ListArgs),
    /// Add one.
    Add {
        /// What alerts must match, all of it: service=payment, alertname=~"Disk.*". A word alone is
        /// an alert's name.
        #[arg(required = true, value_name = "MATCHER", value_parser = a_matcher)]
        matchers: Vec<String>,
        /// When.
        #[command(flatten)]
        times: TimesArgs,
        /// Who says so.
        #[command(flatten)]
        by: DecideArgs,
    },
    /// End some now.
    Expire(EndArgs),
}

/// What is done with maintenance windows.
#[derive(Debug, Subcommand)]
pub enum Maintenance {
    /// List them.
    List(ListArgs),
    /// Add one.
    Add {
        /// The services that are worked on.
        #[arg(required = true, value_name = "SERVICE")]
        services: Vec<String>,
        /// When.
        #[command(flatten)]
        times: TimesArgs,
        /// Who says so.
        #[command(flatten)]
        by: DecideArgs,
    },
    /// End some now.
    End(EndArgs),
}

/// What is done with inhibitions.
#[derive(Debug, Subcommand)]
pub enum Inhibitions {
    /// List them.
    List(ListArgs),
    /// Add one.
    Add {
        /// What speaks; may be repeated.
        #[arg(long, required = true, value_name = "MATCHER", value_parser = a_matcher)]
        source: Vec<String>,
        /// What is not heard then; may be repeated.
        #[arg(long, required = true, value_name = "MATCHER", value_parser = a_matcher)]
        target: Vec<String>,
        /// Labels in which both must agree; may be repeated.
        #[arg(long, value_name = "LABEL", value_delimiter = ',')]
        equal: Vec<String>,
        /// Only in this cell. Default: in all.
        #[arg(long)]
        cell: Option<String>,
        /// Who says so.
        #[command(flatten)]
        by: DecideArgs,
    },
    /// Remove some.
    Remove(EndArgs),
}

fn a_span(text: &str) -> Result<String, String> {
    span::parse(text).map(|_| text.trim().to_owned())
}

/// A matcher in its full form.
fn a_matcher(text: &str) -> Result<String, String> {
    let word = !text.is_empty() && !text.contains(['=', '!', '~', '"']);
    let text = if word { format!("alertname={text}") } else { text.to_owned() };
    matcher::parse(&text).map(|matcher| matcher::show(&matcher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parse(line: &[&str]) -> Result<Control, String> {
        let line = ["faultline"].iter().chain(line);
        match Cli::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Control(control) => Ok(control),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn silences_are_added_as_with_amtool() {
        let line = [
            "silences",
            "add",
            "service=payment",
            "alertname=~\"Disk.*\"",
            "--duration",
            "2h",
            "--comment",
            "disk swap",
            "--author",
            "ann",
        ];
        let Ok(Control::Silences(Silences::Add { matchers, times, by })) = parse(&line) else {
            panic!()
        };
        assert_eq!(matchers, ["service=\"payment\"", "alertname=~\"Disk.*\""]);
        assert_eq!((times.duration.as_str(), by.reason.as_str()), ("2h", "disk swap"));
        assert_eq!(by.author.as_deref(), Some("ann"));
        let Ok(Control::Silences(Silences::Add { matchers, .. })) =
            parse(&["silences", "add", "DiskFull"])
        else {
            panic!()
        };
        assert_eq!(matchers, ["alertname=\"DiskFull\""]);
    }

    #[test]
    fn every_command_reads_its_usual_line() {
        for line in [
            &["ack", "2a07", "50"][..],
            &["unack", "2a07"],
            &["snooze", "2a07", "-d", "30m", "-m", "deploying"],
            &["snooze", "2a07", "--until", "2026-03-17T02:07:00Z"],
            &["unsnooze", "2a07"],
            &["assign", "2a07", "team-pay"],
            &["assign", "2a07", "--nobody"],
            &["comment", "2a07", "the pool is too small"],
            &["comment", "2a07", "--reason", "the pool is too small"],
            &["resolve", "2a07", "--json"],
            &["reopen", "2a07"],
            &["merge", "50", "--into", "2a07"],
            &["split", "2a07", "cart", "search"],
            &["cause", "confirm", "2a07"],
            &["cause", "reject", "2a07", "--rank", "2"],
            &["cause", "confirm", "2a07", "--service", "payment", "--change", "c-1"],
            &["cause", "confirm", "2a07", "--none"],
            &["silences", "list", "--expired"],
            &["silences", "expire", "1234", "--author", "ann"],
            &["maintenance", "add", "payment", "cart", "--start", "2026-03-17T02:07:00Z"],
            &["maintenance", "list", "--json"],
            &["maintenance", "end", "1234"],
            &[
                "inhibitions",
                "add",
                "--source",
                "alertname=NodeDown",
                "--target",
                "severity=warning",
                "--equal",
                "cluster,zone",
            ],
            &["inhibitions", "list"],
            &["inhibitions", "remove", "1234"],
        ] {
            assert!(parse(line).is_ok(), "{line:?}: {:?}", parse(line));
        }
    }

    #[test]
    fn wrong_lines_say_what_is_missing() {
        for (line, hint) in [
            (&["ack"][..], "<ID>"),
            (&["snooze", "2a07", "-d", "soon"], "1d12h"),
            (&["snooze", "2a07", "-d", "1h", "--until", "x"], "cannot be used with"),
            (&["assign", "2a07"], "TO"),
            (&["comment", "2a07"], "TEXT"),
            (&["merge", "2a07"], "--into"),
            (&["split", "2a07"], "SERVICES"),
            (&["cause", "confirm", "2a07", "--change", "c"], "--service"),
            (&["cause", "reject", "2a07", "--none", "--service", "x"], "cannot be used with"),
            (&["silences", "add"], "MATCHER"),
            (&["silences", "add", "9a=b"], "service=payment"),
            (&["maintenance", "add"], "SERVICE"),
            (&["inhibitions", "add", "--source", "a=b"], "--target"),
        ] {
            let said = parse(line).unwrap_err();
            assert!(said.contains(hint), "{line:?}: {said}");
        }
    }
}
