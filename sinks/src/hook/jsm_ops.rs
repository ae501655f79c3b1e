//! What people do to alerts in Jira Service Management's Operations, from its outgoing webhooks.
//!
//! The integration there sends a fixed form with the action, the alert and from where it was done. What came by
//! an API (we do) or from the site itself is nobody's act.

use model::command::{Act, Decision};
use model::id::stable_hash;
use model::name::Name;
use model::time::Timestamp;
use serde::Deserialize;

use super::{Letter, Unheard, parse};
use crate::heard::{Deed, incident_id, name};
use crate::jsm_ops::is_ours;

#[derive(Deserialize)]
struct Outer {
    action: String,
    #[serde(default)]
    alert: Alert,
    #[serde(default)]
    source: Source,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Alert {
    alert_id: String,
    alias: String,
    username: String,
    note: String,
    owner: String,
    /// When, since the epoch: in nanoseconds, though the times beside it are in milliseconds ([`moment`]).
    updated_at: Option<i64>,
}

/// From where it was done: `web`, `mobile`, `API`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
}

pub(super) fn read(sink: &Name, letter: &Letter<'_>) -> Result<Vec<Act>, Unheard> {
    let outer: Outer = parse(letter.body, "a webhook of JSM Operations")?;
    Ok(outer.act(sink, letter).into_iter().collect())
}

/// Counts from here on are nanoseconds: as milliseconds they would lie after the year 33000.
const NANOS_MIN: i64 = 1_000_000_000_000_000;

/// A moment of a webhook, in nanoseconds or in milliseconds.
fn moment(count: i64) -> Timestamp {
    if count >= NANOS_MIN { Timestamp(count) } else { Timestamp::from_millis(count) }
}

impl Outer {
    fn act(&self, sink: &Name, letter: &Letter<'_>) -> Option<Act> {
        let alert = &self.alert;
        let by_machine =
            ["", "api", "system"].iter().any(|kind| self.source.kind.eq_ignore_ascii_case(kind))
                || alert.username.eq_ignore_ascii_case("system");
        let incident = incident_id(&alert.alias).filter(|_| !by_machine)?;
        let given = |to: &str| (!to.is_empty()).then(|| name(to));
        let decision = match self.action.as_str() {
            "Acknowledge" => Decision::Acknowledge { incident },
            "UnAcknowledge" => Decision::Unacknowledge { incident },
            "Close" => Decision::Resolve { incident },
            "TakeOwnership" => Decision::Assign { incident, to: given(&alert.username) },
            "AssignOwnership" => Decision::Assign { incident, to: given(&alert.owner) },
            "AddNote" if !is_ours(&alert.note) && !alert.note.trim().is_empty() => {
                Decision::Comment { incident }
            }
            _ => return None,
        };
        // Sent again it is the same act, whatever our clock says then.
        let version = alert.updated_at.map_or_else(
            || format!("{:016x}", stable_hash(&[letter.body])),
            |count| count.to_string(),
        );
        let is_comment = matches!(decision, Decision::Comment { .. });
        let deed = Deed {
            via: sink,
            entry: &format!("{}:{version}", alert.alert_id),
            author: &alert.username,
            at: alert.updated_at.map_or(letter.at, moment),
            reason: if is_comment { &alert.note } else { "" },
        };
        Some(deed.act(decision))
    }
}
