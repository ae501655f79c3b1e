//! What the configuration of Jira Service Management's Operations holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::secret::SecretRef;
use super::{SinkSettings, default_timeout_ms};
use crate::jsm_ops::JsmOps;
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::check_templates;
use crate::sink::Sink;

/// Most responders and tags of an alert.
const LISTED_MAX: usize = 20;

/// Alerts in Jira Service Management's Operations (the successor of Opsgenie).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsmOpsConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// Where the integration events API is.
    #[serde(default = "default_url")]
    pub url: String,
    /// The key of an API integration.
    pub api_key: SecretRef,
    /// Teams that respond, by name; else the integration's own team.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Tags of all alerts: at most 20 of 50 characters.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// People's own words for `message` (cut at 130 characters) and `description` of an alert.
    #[serde(default)]
    pub templates: TemplatesConfig,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

fn default_url() -> String {
    String::from("https://api.atlassian.com/jsm/ops/integration/v2")
}

impl SinkSettings for JsmOpsConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "jsm_ops"
    }

    fn destination(&self) -> &str {
        &self.url
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::Any);
        check.console_url(self.console_url.as_deref());
        check_templates(check, &self.templates, Target::Ticket);
        check.timeout(self.timeout_ms);
        if self.teams.len() > LISTED_MAX {
            check.wrong("teams", format!("expected at most {LISTED_MAX}"));
        }
        for team in &self.teams {
            check.choice("teams", team);
        }
        let fits = |tag: &String| !tag.is_empty() && tag.chars().count() <= 50;
        if self.tags.len() > LISTED_MAX || !self.tags.iter().all(fits) {
            check.wrong("tags", format!("expected at most {LISTED_MAX} of 1 to 50 characters"));
        }
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let key = check.secret("api_key", &self.api_key)?;
        Some(Box::new(JsmOps::new(self, &key)))
    }
}
