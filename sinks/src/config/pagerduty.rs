//! What a PagerDuty sink's configuration holds.

use model::time::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::hook::{HookConfig, Hooked};
use super::secret::SecretRef;
use super::{SinkSettings, default_listen_every_s, default_timeout_ms, listen_every, yes};
use crate::hook::{Hears, Tongue};
use crate::pagerduty::PagerDuty;
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::{Places, check_templates};
use crate::sink::Sink;

/// Alerts in PagerDuty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagerDutyConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// Where the Events API is; `https://events.eu.pagerduty.com` for the EU.
    #[serde(default = "default_url")]
    pub url: String,
    /// The integration key of a service (Events API v2): 32 characters.
    pub routing_key: SecretRef,
    /// Whether the change that is blamed is sent as a change event. Needs a service's key.
    #[serde(default = "yes")]
    pub change_events: bool,
    /// Where it is heard what people do in PagerDuty; nothing is heard if not given.
    #[serde(default)]
    pub rest_api: Option<PagerDutyRest>,
    /// How often people's work on alerts is read back. Unit: seconds, 5 to 3,600; 0: never. Needs `rest_api`.
    #[serde(default = "default_listen_every_s")]
    pub listen_every_s: u32,
    /// Where PagerDuty sends what people did there; see docs/sinks.md#hooks.
    #[serde(default)]
    pub hook: Option<HookConfig>,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// People's own words for `summary` and `custom_details.text`.
    #[serde(default)]
    pub templates: TemplatesConfig,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// PagerDuty's REST API: only its log entries and alerts are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagerDutyRest {
    /// Where it is; `https://api.eu.pagerduty.com` for the EU.
    #[serde(default = "default_rest_url")]
    pub url: String,
    /// A REST API key: one that may only read suffices.
    pub token: SecretRef,
    /// The id of the service that `routing_key` belongs to, as the service's page has it in its address:
    /// `PABC123`. What happens at others is not heard.
    pub service_id: String,
}

fn default_rest_url() -> String {
    String::from("https://api.pagerduty.com")
}

fn default_url() -> String {
    String::from("https://events.pagerduty.com")
}

impl SinkSettings for PagerDutyConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "pagerduty"
    }

    fn destination(&self) -> &str {
        &self.url
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn listen_every(&self) -> Option<Nanos> {
        listen_every(self.listen_every_s).filter(|_| self.rest_api.is_some())
    }

    fn hook(&self) -> Option<Hooked<'_>> {
        let hears = if self.listen_every().is_some() { Hears::Ring } else { Hears::Acts };
        self.hook.as_ref().map(|config| Hooked { config, tongue: Tongue::PagerDuty, hears })
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::None);
        check.listen_every(self.listen_every_s);
        if let Some(rest) = &self.rest_api {
            check.url("rest_api.url", &rest.url, UrlPath::None);
            let id = &rest.service_id;
            if !(4..=20).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                check.wrong("rest_api.service_id", "expected letters and digits, such as PABC123");
            }
        }
        check.console_url(self.console_url.as_deref());
        check.timeout(self.timeout_ms);
        check_templates(check, &self.templates, Target::Plain, Places::None);
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let key = check.secret("routing_key", &self.routing_key)?;
        if key.expose().len() != 32 || !key.expose().bytes().all(|b| b.is_ascii_alphanumeric()) {
            check.wrong("routing_key", "expected the 32 letters and digits of an integration key");
            return None;
        }
        let rest = self.rest_api.as_ref();
        let token = match rest.map(|rest| check.secret("rest_api.token", &rest.token)) {
            None => None,
            Some(Some(token)) => Some(token),
            Some(None) => return None,
        };
        Some(Box::new(PagerDuty::new(self, key, token.as_ref())))
    }
}
