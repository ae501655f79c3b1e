//! Our own form of an act, for whatever can be taught to send one: a business rule, a scrip, a bot.

use model::command::{Act, Decision};
use model::name::Name;
use model::time::Timestamp;
use serde::Deserialize;

use super::{Letter, Unheard, parse};
use crate::heard::{Deed, incident_id, name};

/// What the form is, for whoever sent another one.
const EXPECTED: &str = "an act: {\"id\", \"incident\", \"decision\", \"author\"} and, where it needs them, \
                        \"text\", \"to\", \"until\", \"at\" (docs/sinks.md#hooks)";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    /// The same for the same deed about the same incident, however often it is sent.
    id: String,
    incident: String,
    decision: Word,
    author: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    at: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Acknowledge,
    Unacknowledge,
    Snooze,
    Unsnooze,
    Assign,
    Comment,
    Resolve,
    Reopen,
}

pub(super) fn read(sink: &Name, letter: &Letter<'_>) -> Result<Act, Unheard> {
    let form: Form = parse(letter.body, EXPECTED)?;
    let wrong = |what: &str| Unheard::Unreadable(what.to_owned());
    let incident = incident_id(&form.incident).ok_or_else(|| {
        wrong("`incident` is no id: send the 16 hexadecimal digits of the ticket's field")
    })?;
    if form.id.trim().is_empty() || form.author.trim().is_empty() {
        return Err(wrong("`id` and `author` may not be empty"));
    }
    let moment = |field: &str, text: &str| {
        Timestamp::parse_rfc3339(text).ok_or_else(|| {
            wrong(&format!("`{field}` is no time: send one like 2030-03-17T02:07:00Z"))
        })
    };
    let decision = match form.decision {
        Word::Acknowledge => Decision::Acknowledge { incident },
        Word::Unacknowledge => Decision::Unacknowledge { incident },
        Word::Snooze => {
            let until = form.until.as_deref().ok_or_else(|| wrong("a snooze needs `until`"))?;
            Decision::Snooze { incident, until: moment("until", until)? }
        }
        Word::Unsnooze => Decision::Unsnooze { incident },
        Word::Assign => {
            let to = form.to.as_deref().filter(|to| !to.trim().is_empty());
            Decision::Assign { incident, to: to.map(name) }
        }
        Word::Comment if form.text.trim().is_empty() => {
            return Err(wrong("a comment needs `text`"));
        }
        Word::Comment => Decision::Comment { incident },
        Word::Resolve => Decision::Resolve { incident },
        Word::Reopen => Decision::Reopen { incident },
    };
    let at = form.at.as_deref().map_or(Ok(letter.at), |at| moment("at", at))?;
    let entry = format!("{}:{incident}", form.id);
    let deed = Deed { via: sink, entry: &entry, author: &form.author, at, reason: &form.text };
    Ok(deed.act(decision))
}
