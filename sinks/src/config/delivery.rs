//! What a sink is told, and how often: the same settings for all sinks.

use model::incident::Priority;
use model::time::Nanos;
use serde::{Deserialize, Serialize};

use super::check::Check;
use crate::delivery::decide::{DeliveryPolicy, Suspected};

/// What is said, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            priority_lowest: Priority::P4,
            suspected: false,
            update_every_s: 30,
            stale_after_s: 86_400,
        }
    }
}

impl DeliveryConfig {
    pub(super) fn check(&self, check: &mut Check) {
        if self.update_every_s > 86_400 {
            let found = self.update_every_s;
            check.wrong("delivery.update_every_s", format!("expected 0 to 86400, found {found}"));
        }
    }

    /// What the outbox makes of it.
    pub(super) fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy {
            suspected: if self.suspected { Suspected::Told } else { Suspected::Untold },
            priority_lowest: self.priority_lowest,
            update_every: Nanos::from_secs(i64::from(self.update_every_s)),
            stale_after: Nanos::from_secs(i64::from(self.stale_after_s)),
        }
    }
}
