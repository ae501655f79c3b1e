//! What a Microsoft Teams sink's configuration holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::secret::SecretRef;
use super::{SinkSettings, default_timeout_ms};
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::{Places, check_templates};
use crate::sink::Sink;
use crate::teams::Teams;

/// Adaptive Cards in Microsoft Teams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamsConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// Where the address of the Workflow's webhook is: it holds a signature, so it is a secret.
    pub webhook: SecretRef,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// People's own words for the title and the text.
    #[serde(default)]
    pub templates: TemplatesConfig,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

impl SinkSettings for TeamsConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "teams"
    }

    fn destination(&self) -> &str {
        "a Workflow of Microsoft Teams"
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn check(&self, check: &mut Check) {
        check.console_url(self.console_url.as_deref());
        check.timeout(self.timeout_ms);
        check_templates(check, &self.templates, Target::Chat, Places::All);
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let url = check.secret("webhook", &self.webhook)?;
        // The words of the check never hold the address.
        check.url("webhook", url.expose(), UrlPath::Any);
        Some(Box::new(Teams::new(self, url)))
    }
}
