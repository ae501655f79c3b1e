//! What a sink is told, and how often: the same settings for all sinks.

use model::incident::Priority;
use model::time::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use crate::delivery::decide::{DeliveryPolicy, Suspected, TicketNews};
use crate::delivery::when::When;

/// What is said, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// Lowest priority that is told.
    pub priority_lowest: Priority,
    /// Whether incidents that are only suspected are told.
    pub suspected: bool,
    /// At most one update per incident in this time. Unit: seconds, 0 to 86,400.
    pub update_every_s: u32,
    /// What ended longer ago and was never told stays untold. Unit: seconds.
    pub stale_after_s: u32,
    /// Which incidents are told: matchers in Alertmanager's syntax over `service`, `owner`,
    /// `severity`, `priority` and `cell`; all must match.
    pub when: Vec<String>,
    /// The first page goes out only if nobody acknowledged the incident for so long and it is
    /// still active. Unit: seconds, 1 to 604,800. At once if not given.
    pub escalate_after_s: Option<u32>,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            priority_lowest: Priority::P4,
            suspected: false,
            update_every_s: 30,
            stale_after_s: 86_400,
            when: Vec::new(),
            escalate_after_s: None,
        }
    }
}

impl DeliveryConfig {
    pub(super) fn check(&self, check: &mut Check) {
        if self.update_every_s > 86_400 {
            let found = self.update_every_s;
            check.wrong("delivery.update_every_s", format!("expected 0 to 86400, found {found}"));
        }
        for (place, problem) in When::parse(&self.when).err().unwrap_or_default() {
            check.wrong(&format!("delivery.when[{place}]"), problem);
        }
        if let Some(found) = self.escalate_after_s
            && !(1..=604_800).contains(&found)
        {
            let problem = format!("expected 1 to 604800, found {found}");
            check.wrong("delivery.escalate_after_s", problem);
        }
    }

    /// What the outbox makes of it.
    pub(super) fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy {
            suspected: if self.suspected { Suspected::Told } else { Suspected::Untold },
            priority_lowest: self.priority_lowest,
            update_every: Nanos::from_secs(i64::from(self.update_every_s)),
            stale_after: Nanos::from_secs(i64::from(self.stale_after_s)),
            // A sink with matchers that cannot be read is not built.
            when: When::parse(&self.when).unwrap_or_default(),
            escalate_after: self.escalate_after_s.map(|s| Nanos::from_secs(i64::from(s))),
            tickets: TicketNews::Ignored,
        }
    }
}
