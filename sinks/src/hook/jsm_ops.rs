//! What people do to alerts in Jira Service Management's Operations, from its outgoing webhooks.
//!
//! The integration there sends a fixed form with the action, the alert and from where it was done. What came by
//! an API (we do) or from the site itself is nobody's act.

use model::command::{Act, Decision};
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
    /// Unit: milliseconds since the epoch.
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
    Ok(outer.act(sink, letter.at).into_iter().collect())
}

impl Outer {
    fn act(&self, sink: &Name, now: Timestamp) -> Option<Act> {
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
        let at = alert.updated_at.map_or(now, Timestamp::from_millis);
        let is_comment = matches!(decision, Decision::Comment { .. });
        let deed = Deed {
            via: sink,
            entry: &format!("{}:{}", alert.alert_id, at.millis()),
            author: &alert.username,
            at,
            reason: if is_comment { &alert.note } else { "" },
        };
        Some(deed.act(decision))
    }
}
