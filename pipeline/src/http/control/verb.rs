//! What can be decided about an incident: one row each, for routes and OpenAPI.

use serde_json::{Value, json};

/// The decisions about one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each one's row has its words")]
pub enum Verb {
    Acknowledge,
    Unacknowledge,
    Snooze,
    Unsnooze,
    Assign,
    Comment,
    Resolve,
    Reopen,
    Merge,
    Split,
    ConfirmCause,
    RejectCause,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Acknowledge,
        Self::Unacknowledge,
        Self::Snooze,
        Self::Unsnooze,
        Self::Assign,
        Self::Comment,
        Self::Resolve,
        Self::Reopen,
        Self::Merge,
        Self::Split,
        Self::ConfirmCause,
        Self::RejectCause,
    ];

    /// Its route.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Acknowledge => "/api/v1/incidents/{id}/acknowledge",
            Self::Unacknowledge => "/api/v1/incidents/{id}/unacknowledge",
            Self::Snooze => "/api/v1/incidents/{id}/snooze",
            Self::Unsnooze => "/api/v1/incidents/{id}/unsnooze",
            Self::Assign => "/api/v1/incidents/{id}/assign",
            Self::Comment => "/api/v1/incidents/{id}/comment",
            Self::Resolve => "/api/v1/incidents/{id}/resolve",
            Self::Reopen => "/api/v1/incidents/{id}/reopen",
            Self::Merge => "/api/v1/incidents/{id}/merge",
            Self::Split => "/api/v1/incidents/{id}/split",
            Self::ConfirmCause => "/api/v1/incidents/{id}/confirm-cause",
            Self::RejectCause => "/api/v1/incidents/{id}/reject-cause",
        }
    }

    /// What it is for.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Acknowledge => "Somebody works on it: escalation ends.",
            Self::Unacknowledge => "Nobody works on it after all.",
            Self::Snooze => "No sink is told of it until then, unless its priority rises.",
            Self::Unsnooze => "Ends a snooze early.",
            Self::Assign => "Gives it to a person or a team, or takes that back.",
            Self::Comment => "Adds a comment.",
            Self::Resolve => "It is over, until something new begins.",
            Self::Reopen => "It is not over: it stays open until a person resolves it.",
            Self::Merge => "It becomes part of another incident.",
            Self::Split => "Some of its services are another incident.",
            Self::ConfirmCause => "This was the cause; later rankings learn from it.",
            Self::RejectCause => "This was not the cause; later rankings learn from it.",
        }
    }

    /// The fields of its body beside `author`, `reason` and `via`, as JSON Schema; and those of
    /// them that must be there.
    #[must_use]
    pub fn fields(self) -> (Value, Vec<&'static str>) {
        let text = |help: &str| json!({ "type": "string", "description": help });
        match self {
            Self::Snooze => (
                json!({
                    "until": { "type": "string", "format": "date-time" },
                    "duration": text("Instead of `until`: 30m, 2h, 1d12h."),
                }),
                vec![],
            ),
            Self::Assign => (
                json!({ "to": { "type": ["string", "null"], "description": "A person or a team; null takes it back." } }),
                vec!["to"],
            ),
            Self::Merge => (
                json!({ "into": text("Id of the other incident, or its first digits.") }),
                vec!["into"],
            ),
            Self::Split => (
                json!({ "services": { "type": "array", "items": { "type": "string" }, "minItems": 1 } }),
                vec!["services"],
            ),
            Self::ConfirmCause | Self::RejectCause => (
                json!({ "cause": {
                    "type": "object",
                    "description": "As in a hypothesis; both null: none of ours.",
                    "properties": {
                        "service": { "type": ["string", "null"] },
                        "change": { "type": ["string", "null"], "description": "Id of the change." },
                    },
                    "required": ["service", "change"],
                } }),
                vec!["cause"],
            ),
            Self::Comment => (json!({}), vec!["reason"]),
            _ => (json!({}), vec![]),
        }
    }
}
