//! What a Slack sink's configuration holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::hook::{HookConfig, Hooked};
use super::secret::SecretRef;
use super::{SinkSettings, default_timeout_ms};
use crate::hook::{Hears, Tongue};
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::{Places, check_templates};
use crate::sink::Sink;
use crate::slack::Slack;

/// Messages in a channel of Slack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// Where Slack is; another address only for tests and gateways.
    #[serde(default = "default_url")]
    pub url: String,
    /// A bot token (`xoxb-`) with the scope `chat:write`; `channels:history` (or
    /// `groups:history`) as well, to find a message whose answer was lost.
    pub token: SecretRef,
    /// The channel's id, such as `C0123456789`: at the end of the channel's details in Slack.
    pub channel: String,
    /// Where Slack sends what people did there; see docs/sinks.md#hooks.
    #[serde(default)]
    pub hook: Option<HookConfig>,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// People's own words for the header and the text.
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
    String::from("https://slack.com")
}

impl SinkSettings for SlackConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "slack"
    }

    fn destination(&self) -> &str {
        &self.channel
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn hook(&self) -> Option<Hooked<'_>> {
        let hears = Hears::Acts;
        self.hook.as_ref().map(|config| Hooked { config, tongue: Tongue::Slack, hears })
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::None);
        check.console_url(self.console_url.as_deref());
        check.timeout(self.timeout_ms);
        let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        let known = self.channel.starts_with(['C', 'G']);
        if !known || self.channel.len() < 3 || !self.channel.bytes().all(fits) {
            check.wrong("channel", "expected a channel's id like C0123456789, not its name");
        }
        check_templates(check, &self.templates, Target::Mrkdwn, Places::All);
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let token = check.secret("token", &self.token)?;
        Some(Box::new(Slack::new(self, &token)))
    }
}
