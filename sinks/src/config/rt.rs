//! What Request Tracker's configuration holds.

use std::collections::BTreeMap;

use model::time::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::AuthConfig;
use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::hook::{HookConfig, Hooked};
use super::{SinkSettings, default_listen_every_s, default_timeout_ms, listen_every};
use crate::hook::{Hears, Tongue};
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::{Places, check_templates};
use crate::rt::RequestTracker;
use crate::sink::Sink;

/// Tickets in Request Tracker 5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RtConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// Where it is, with its web path if it has one: `https://rt.example.org` or `.../rt`.
    pub url: String,
    /// Who we are: an account that only faultline uses. `bearer` is one of RT's own tokens.
    pub auth: AuthConfig,
    /// The queue of new tickets.
    pub queue: String,
    /// The ticket custom field that holds the incident's id: one free text value, in every queue
    /// that is named here.
    #[serde(default = "default_custom_field")]
    pub custom_field: String,
    /// What a service is in Request Tracker, by its name in telemetry.
    #[serde(default)]
    pub services: BTreeMap<String, RtService>,
    /// The status of a ticket whose incident is over.
    #[serde(default = "default_resolved")]
    pub resolved_status: String,
    /// The status of a ticket whose incident is active again.
    #[serde(default = "default_open")]
    pub open_status: String,
    /// Statuses that belong to people: such a ticket is not touched.
    #[serde(default = "default_left_alone")]
    pub left_alone_statuses: Vec<String>,
    /// How often people's work on tickets is read back. Unit: seconds, 5 to 3,600; 0: never.
    #[serde(default = "default_listen_every_s")]
    pub listen_every_s: u32,
    /// Where Request Tracker sends what people did there; see docs/sinks.md#hooks.
    #[serde(default)]
    pub hook: Option<HookConfig>,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// People's own words for the subject of a ticket and the text of a new one.
    #[serde(default)]
    pub templates: TemplatesConfig,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// What a service is in Request Tracker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RtService {
    /// The queue of its tickets.
    #[serde(default)]
    pub queue: Option<String>,
    /// The user to whom its tickets are given.
    #[serde(default)]
    pub owner: Option<String>,
}

fn default_custom_field() -> String {
    String::from("FaultlineId")
}

fn default_resolved() -> String {
    String::from("resolved")
}

fn default_open() -> String {
    String::from("open")
}

fn default_left_alone() -> Vec<String> {
    vec![String::from("rejected"), String::from("deleted")]
}

impl RtConfig {
    /// All queues that may hold tickets of ours, each once.
    pub(crate) fn queues(&self) -> Vec<&str> {
        let services = self.services.values().filter_map(|service| service.queue.as_deref());
        let mut queues: Vec<&str> = std::iter::once(self.queue.as_str()).chain(services).collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }
}

/// A name that stands in a query of RT: no quotes, braces or backslashes.
fn plain(check: &mut Check, field: &str, value: &str) {
    let bad = |c: char| c.is_control() || matches!(c, '\'' | '"' | '\\' | '{' | '}');
    if value.is_empty() || value.len() > 100 || value.chars().any(bad) {
        check.wrong(field, "expected 1 to 100 characters without quotes, braces and backslashes");
    }
}

impl SinkSettings for RtConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "rt"
    }

    fn destination(&self) -> &str {
        &self.url
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn listen_every(&self) -> Option<Nanos> {
        listen_every(self.listen_every_s)
    }

    fn hook(&self) -> Option<Hooked<'_>> {
        let hears = if self.listen_every().is_some() { Hears::Ring } else { Hears::Acts };
        self.hook.as_ref().map(|config| Hooked { config, tongue: Tongue::Form, hears })
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::Any);
        check.console_url(self.console_url.as_deref());
        check_templates(check, &self.templates, Target::Ticket, Places::All);
        check.timeout(self.timeout_ms);
        check.listen_every(self.listen_every_s);
        self.auth.check(check);
        plain(check, "queue", &self.queue);
        plain(check, "custom_field", &self.custom_field);
        plain(check, "resolved_status", &self.resolved_status);
        plain(check, "open_status", &self.open_status);
        for status in &self.left_alone_statuses {
            plain(check, "left_alone_statuses", status);
        }
        for (service, places) in &self.services {
            let named = [("queue", &places.queue), ("owner", &places.owner)];
            for (field, value) in named {
                if let Some(value) = value {
                    plain(check, &format!("services.{service}.{field}"), value);
                }
            }
        }
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let secret = self.auth.secret(check)?;
        Some(Box::new(RequestTracker::new(self, &secret)))
    }
}
