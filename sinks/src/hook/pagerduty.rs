//! What users do in PagerDuty, from its V3 webhooks.
//!
//! They carry the incident with its key and who did it, but of a note only PagerDuty's own id of the
//! incident, and nothing of alerts that were grouped, nor of our key of the incident that another was merged
//! into: those are heard by the REST API alone. What has no user
//! as its agent (time-outs, policies, what we sent) is nobody's act.

use model::command::{Act, Decision};
use model::name::Name;
use model::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Letter, Unheard, parse};
use crate::heard::{Deed, incident_id, name};

#[derive(Deserialize)]
struct Outer {
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    event_type: String,
    #[serde(default)]
    occurred_at: String,
    #[serde(default)]
    agent: Option<Reference>,
    #[serde(default)]
    data: Paged,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paged {
    incident_key: Option<String>,
    assignees: Vec<Reference>,
    /// Why it was resolved, if not because it is over: it was merged.
    resolve_reason: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    #[serde(rename = "type")]
    kind: String,
    summary: Option<String>,
}

pub(super) fn read(sink: &Name, letter: &Letter<'_>) -> Result<Vec<Act>, Unheard> {
    let Outer { event } = parse(letter.body, "a V3 webhook of PagerDuty")?;
    Ok(event.act(sink, letter.at).into_iter().collect())
}

impl Event {
    fn act(&self, sink: &Name, now: Timestamp) -> Option<Act> {
        let agent = self.agent.as_ref().filter(|agent| agent.kind.starts_with("user"))?;
        let incident = incident_id(self.data.incident_key.as_deref()?)?;
        let decision = match self.event_type.as_str() {
            "incident.acknowledged" => Decision::Acknowledge { incident },
            "incident.unacknowledged" => Decision::Unacknowledge { incident },
            "incident.resolved" if self.data.resolve_reason.is_none() => {
                Decision::Resolve { incident }
            }
            "incident.reopened" => Decision::Reopen { incident },
            "incident.reassigned" | "incident.delegated" => {
                let to = self.data.assignees.first()?.summary.as_deref()?;
                Decision::Assign { incident, to: Some(name(to)) }
            }
            _ => return None,
        };
        let deed = Deed {
            via: sink,
            entry: &self.id,
            author: agent.summary.as_deref().unwrap_or_default(),
            at: Timestamp::parse_rfc3339(&self.occurred_at).unwrap_or(now),
            reason: "",
        };
        Some(deed.act(decision))
    }
}
