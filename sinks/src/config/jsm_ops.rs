//! What the configuration of Jira Service Management's Operations holds.

use model::time::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::AuthConfig;
use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::hook::{HookConfig, Hooked};
use super::secret::{Secret, SecretRef};
use super::{SinkSettings, default_listen_every_s, default_timeout_ms, listen_every};
use crate::hook::{Hears, Tongue};
use crate::jsm_ops::JsmOps;
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::{Places, check_templates};
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
    /// Of what our alerts say that they come: 1 to 40 of `a-z 0-9 - _`. Only alerts of this source are listened to.
    /// Where several faultlines write to one site, each reads less if it has its own.
    #[serde(default = "default_source")]
    pub source: String,
    /// Teams that respond, by name; else the integration's own team.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Tags of all alerts: at most 20 of 50 characters.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Where it is heard what people do to alerts; nothing is heard if not given.
    #[serde(default)]
    pub rest_api: Option<JsmOpsRest>,
    /// How often people's work on alerts is read back. Unit: seconds, 5 to 3,600; 0: never. Needs `rest_api`.
    #[serde(default = "default_listen_every_s")]
    pub listen_every_s: u32,
    /// Where the site sends what people did there; see docs/sinks.md#hooks.
    #[serde(default)]
    pub hook: Option<HookConfig>,
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

/// The REST API of Jira Service Management's Operations: only alerts, their notes and activity are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsmOpsRest {
    /// Where it is.
    #[serde(default = "default_rest_url")]
    pub url: String,
    /// The cloud id of the site, as `https://SITE.atlassian.net/_edge/tenant_info` has it.
    pub cloud_id: String,
    /// The e-mail address of an account that may see the alerts of the teams.
    pub user: String,
    /// Its API token: one of the scope `read:ops-alert:jira-service-management` suffices.
    pub token: SecretRef,
}

impl JsmOpsRest {
    /// The value of the `authorization` header.
    pub(crate) fn header(&self, token: &Secret) -> Secret {
        let password = self.token.clone();
        AuthConfig::Basic { user: self.user.clone(), password }.header("Basic", token)
    }

    fn check(&self, check: &mut Check) {
        check.url("rest_api.url", &self.url, UrlPath::Any);
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if !(8..=64).contains(&self.cloud_id.len()) || !self.cloud_id.bytes().all(fits) {
            check.wrong("rest_api.cloud_id", "expected an id of letters, digits and -");
        }
        let user = &self.user;
        if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
            check.wrong("rest_api.user", "expected an e-mail address");
        }
    }
}

fn default_rest_url() -> String {
    String::from("https://api.atlassian.com/jsm/ops/api")
}

fn default_source() -> String {
    String::from("faultline")
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

    fn listen_every(&self) -> Option<Nanos> {
        listen_every(self.listen_every_s).filter(|_| self.rest_api.is_some())
    }

    fn hook(&self) -> Option<Hooked<'_>> {
        let hears = if self.listen_every().is_some() { Hears::Ring } else { Hears::Acts };
        self.hook.as_ref().map(|config| Hooked { config, tongue: Tongue::JsmOps, hears })
    }

    fn check(&self, check: &mut Check) {
        check.listen_every(self.listen_every_s);
        if let Some(rest) = &self.rest_api {
            rest.check(check);
        }
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if !(1..=40).contains(&self.source.len()) || !self.source.bytes().all(fits) {
            check.wrong("source", "expected 1 to 40 of a-z, 0-9, - and _");
        }
        check.url("url", &self.url, UrlPath::Any);
        check.console_url(self.console_url.as_deref());
        check_templates(check, &self.templates, Target::Ticket, Places::All);
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
        let rest = self.rest_api.as_ref();
        let token = match rest.map(|rest| check.secret("rest_api.token", &rest.token)) {
            None => None,
            Some(Some(token)) => Some(token),
            Some(None) => return None,
        };
        Some(Box::new(JsmOps::new(self, &key, token.as_ref())))
    }
}
