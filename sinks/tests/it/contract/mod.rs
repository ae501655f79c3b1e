//! The contract of every sink, proved for each against a double of its destination.
//!
//! A new sink is a [`Destination`] in `rows` and one row in [`ROWS`]; `suite.rs` does the rest.

mod rows;
mod suite;
mod templates;

use crate::double::{Fault, Schedule};
use crate::world::{Setup, World};

/// A double, as the suite sees it.
pub(crate) trait Destination {
    /// The configuration of a sink that speaks to it, with the right secrets.
    fn setup(&self) -> Setup;

    /// Such a sink.
    fn world(&self) -> World {
        World::new(&self.setup())
    }

    /// Changes what goes wrong there.
    fn faults(&self, change: &mut dyn FnMut(&mut Schedule));

    /// What happens to the next requests.
    fn fail(&self, faults: &[Fault]) {
        self.faults(&mut |schedule| schedule.plan(faults));
    }

    /// What happens to the next request that writes, after so many that pass.
    fn fail_write(&self, passing: usize, fault: Fault) {
        self.faults(&mut |schedule| {
            schedule.plan_for_writes(&vec![Fault::Pass; passing]);
            schedule.plan_for_writes(&[fault]);
        });
    }

    /// Nothing more goes wrong; whether all that was planned happened.
    fn heal(&self) -> bool {
        let mut is_spent = true;
        self.faults(&mut |schedule| {
            is_spent = schedule.is_spent();
            schedule.clear();
        });
        is_spent
    }

    /// Requests so far.
    fn requests(&self) -> usize;

    /// What it holds of incident `ab`.
    fn seen(&self) -> Seen;

    /// The vendor's rules that were broken.
    fn broken(&self) -> Vec<String>;

    /// Everything that people or machines read there.
    fn texts(&self) -> Vec<Shown>;

    /// What must never be seen outside of a request.
    fn secrets(&self) -> Vec<String>;
}

/// What a destination holds of one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether it is shown as active; `None`: nothing is shown.
    pub(crate) active: Option<bool>,
    /// Things that are there twice.
    pub(crate) doubles: usize,
}

/// A text, and how it is read.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// By people, as plain text.
    Words(String),
    /// By people, as Slack's mrkdwn.
    Mrkdwn(String),
    /// By machines: the bytes of a JSON document.
    Data(Vec<u8>),
}

impl Shown {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Words(text) | Self::Mrkdwn(text) => text.clone(),
            Self::Data(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// Whether the destination can tell a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// By a key, or because the sink looks before it writes.
    Recognised,
    /// Not at all: the vendor offers nothing.
    Possible,
}

/// Over what a sink speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Http,
    Log,
}

/// One sink.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) start: fn() -> Box<dyn Destination>,
    pub(crate) repeats: Repeats,
    pub(crate) over: Over,
    /// Whether people's templates shape its text; else it carries data.
    pub(crate) has_templates: bool,
}

/// All sinks.
pub(crate) const ROWS: [Row; 12] = [
    row("webhook", rows::webhook, Repeats::Recognised),
    row("cdevents", rows::cdevents, Repeats::Recognised),
    shaped("servicenow", rows::servicenow, Repeats::Recognised),
    shaped("servicenow_events", rows::servicenow_events, Repeats::Recognised),
    shaped("rt", rows::rt, Repeats::Recognised),
    shaped("jira", rows::jira, Repeats::Recognised),
    shaped("jsm_ops", rows::jsm_ops, Repeats::Recognised),
    shaped("pagerduty", rows::pagerduty, Repeats::Recognised),
    shaped("slack", rows::slack, Repeats::Recognised),
    shaped("teams", rows::teams, Repeats::Possible),
    row("otlp", rows::otlp, Repeats::Possible),
    Row { over: Over::Log, ..row("kafka", rows::kafka, Repeats::Recognised) },
];

const fn row(name: &'static str, start: fn() -> Box<dyn Destination>, repeats: Repeats) -> Row {
    Row { name, start, repeats, over: Over::Http, has_templates: false }
}

const fn shaped(name: &'static str, start: fn() -> Box<dyn Destination>, repeats: Repeats) -> Row {
    Row { has_templates: true, ..row(name, start, repeats) }
}
