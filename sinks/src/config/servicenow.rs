//! What ServiceNow's configuration holds.

use std::collections::BTreeMap;

use model::time::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::AuthConfig;
use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::hook::{HookConfig, Hooked};
use super::{SinkSettings, default_listen_every_s, default_timeout_ms, listen_every, yes};
use crate::hook::{Hears, Tongue};
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::{Places, check_templates};
use crate::servicenow::{ServiceNow, ServiceNowEvents};
use crate::sink::Sink;

/// Tickets in ServiceNow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceNowConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// The instance, such as `https://example.service-now.com`: http or https, no path.
    pub url: String,
    /// Who we are.
    pub auth: AuthConfig,
    /// Whether tickets are made here, or events are sent whose alerts the instance handles.
    #[serde(default)]
    pub mode: ServiceNowMode,
    /// The user name behind a `bearer` token: what it did is not a person's act. With `basic` it is
    /// known.
    #[serde(default)]
    pub account: Option<String>,
    /// How often people's work on tickets or alerts is read back. Unit: seconds, 5 to 3,600; 0: never. Needs a
    /// known account.
    #[serde(default = "default_listen_every_s")]
    pub listen_every_s: u32,
    /// `assignment_group` (a `sys_id`) by the owner of the cause, as the map has it.
    #[serde(default)]
    pub groups: BTreeMap<String, String>,
    /// `category` of new tickets; ServiceNow's own default if not given.
    #[serde(default)]
    pub category: Option<String>,
    /// `subcategory` of new tickets.
    #[serde(default)]
    pub subcategory: Option<String>,
    /// `contact_type` of new tickets.
    #[serde(default)]
    pub contact_type: Option<String>,
    /// `assignment_group` (a `sys_id`) of new tickets for which no other was found.
    #[serde(default)]
    pub assignment_group: Option<String>,
    /// What a service is in ServiceNow, by its name in telemetry.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceNowService>,
    /// Whether a new ticket gets the `cmdb_ci` of the cause's service, where `services` names none: the item whose
    /// `sys_id` the map has from the CMDB, else the only one that is called as the service.
    #[serde(default = "yes")]
    pub look_up_ci: bool,
    /// Whether a new ticket goes to the group in `sys_user_group` that is called as the cause's owner on the map,
    /// where neither `services` nor `groups` names one.
    #[serde(default = "yes")]
    pub look_up_group: bool,
    /// `close_code` of resolved tickets: a choice of the instance.
    #[serde(default = "default_close_code")]
    pub close_code: String,
    /// Where ServiceNow sends what people did there; see docs/sinks.md#hooks.
    #[serde(default)]
    pub hook: Option<HookConfig>,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// People's own words for `short_description` of a ticket and `description` of a new one; with
    /// `mode: events` for `description`, whose first line is the title.
    #[serde(default)]
    pub templates: TemplatesConfig,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// What ServiceNow is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceNowMode {
    /// One record of the incident table per incident.
    #[default]
    Incidents,
    /// Events for Event Management.
    Events,
}

/// What a service is in ServiceNow. Values are `sys_id`s: 32 hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceNowService {
    /// Its configuration item.
    #[serde(default)]
    pub cmdb_ci: Option<String>,
    /// Who works on it.
    #[serde(default)]
    pub assignment_group: Option<String>,
}

fn default_close_code() -> String {
    String::from("Solution provided")
}

impl ServiceNowConfig {
    /// The user name under which we write, if it is known.
    pub(crate) fn account(&self) -> Option<&str> {
        match &self.auth {
            AuthConfig::Basic { user, .. } => Some(user),
            AuthConfig::Bearer { .. } => self.account.as_deref(),
        }
    }
}

impl SinkSettings for ServiceNowConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "servicenow"
    }

    fn destination(&self) -> &str {
        &self.url
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn listen_every(&self) -> Option<Nanos> {
        listen_every(self.listen_every_s).filter(|_| self.account().is_some())
    }

    fn hook(&self) -> Option<Hooked<'_>> {
        let hears = if self.listen_every().is_some() { Hears::Ring } else { Hears::Acts };
        self.hook.as_ref().map(|config| Hooked { config, tongue: Tongue::Form, hears })
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::None);
        check.listen_every(self.listen_every_s);
        if let Some(account) = &self.account {
            let fits = |c: char| !c.is_control() && c != '^';
            if account.is_empty() || !account.chars().all(fits) {
                check.wrong("account", "expected a user name without ^");
            }
        }
        for (owner, group) in &self.groups {
            check.sys_id(&format!("groups.{owner}"), Some(group));
        }
        check.console_url(self.console_url.as_deref());
        let places = match self.mode {
            ServiceNowMode::Events => Places::EndOnly,
            ServiceNowMode::Incidents => Places::All,
        };
        check_templates(check, &self.templates, Target::Ticket, places);
        check.timeout(self.timeout_ms);
        check.choice("close_code", &self.close_code);
        let choices = [
            ("category", &self.category),
            ("subcategory", &self.subcategory),
            ("contact_type", &self.contact_type),
        ];
        for (field, value) in choices {
            if let Some(value) = value {
                check.choice(field, value);
            }
        }
        self.auth.check(check);
        check.sys_id("assignment_group", self.assignment_group.as_ref());
        for (service, ids) in &self.services {
            check.sys_id(&format!("services.{service}.cmdb_ci"), ids.cmdb_ci.as_ref());
            let group = ids.assignment_group.as_ref();
            check.sys_id(&format!("services.{service}.assignment_group"), group);
        }
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let secret = self.auth.secret(check)?;
        Some(match self.mode {
            ServiceNowMode::Incidents => Box::new(ServiceNow::new(self, &secret)),
            ServiceNowMode::Events => Box::new(ServiceNowEvents::new(self, &secret)),
        })
    }
}
