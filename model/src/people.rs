//! What people decided about one incident, as its record shows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::{Act, CauseRef};
use crate::name::Name;
use crate::time::Timestamp;

/// What people decided about an incident. All of it comes from acts in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct People {
    /// Who works on it, if anybody said so.
    pub acknowledged: Option<Said>,
    /// To whom it was given.
    pub assignee: Option<Name>,
    /// No sink is told of it until then.
    pub snoozed_until: Option<Timestamp>,
    /// A person said that it is over, or that it is not: set while that decides its state.
    pub state_held: Option<Said>,
    /// Why its members tell nobody now: silences, maintenance windows, inhibitions, by the id of
    /// their act. Empty if any member is not covered: then it is told.
    pub muted_by: Vec<Name>,
    /// What was said about its cause, oldest first.
    pub verdicts: Vec<Verdict>,
    /// What was said about it, oldest first; at most 50, the oldest leave first.
    pub comments: Vec<Said>,
    /// What somebody did at a destination that could not be carried out, oldest first; at most 10, the
    /// oldest leave first. Who asks us directly is told at once and is not listed.
    #[serde(default)]
    pub refused: Vec<Refused>,
}

/// What one person wanted and did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// Who, when and where.
    pub said: Said,
    /// What, as of a story: `resolved it`.
    pub wanted: String,
    /// What was in the way, and what to do.
    pub why: String,
}

/// One thing that one person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// The id of the act.
    pub act: Name,
    /// Who.
    pub author: Name,
    /// Where: `api`, `cli`, `console`, or the name of a sink.
    pub via: Name,
    /// When.
    pub at: Timestamp,
    /// In words; may be empty.
    pub text: String,
}

impl From<&Act> for Said {
    fn from(act: &Act) -> Self {
        Self {
            act: act.id.clone(),
            author: act.author.clone(),
            via: act.via.clone(),
            at: act.at,
            text: act.reason.clone(),
        }
    }
}

/// What a person said about a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Who said it, when and why.
    pub said: Said,
    /// Which cause.
    pub cause: CauseRef,
    /// Whether it was the cause.
    pub is_cause: bool,
}
