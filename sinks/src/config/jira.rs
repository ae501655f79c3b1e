//! What Jira's configuration holds.

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
use crate::jira::Jira;
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::{Places, check_templates};
use crate::sink::Sink;

/// Issues in Jira or Jira Service Management (Cloud, REST v3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JiraConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// The site, such as `https://example.atlassian.net`, or `https://api.atlassian.com/ex/jira/ID`.
    pub url: String,
    /// Who we are: `basic` with e-mail address and API token, or `bearer` with an OAuth token. An
    /// account that only faultline uses.
    pub auth: AuthConfig,
    /// The key of the project (space) of new issues: `OPS`.
    pub project: String,
    /// The type of new issues.
    #[serde(default = "default_issue_type")]
    pub issue_type: String,
    /// Names of Jira's priorities for P1 to P4, the highest first; none are set if not given.
    #[serde(default)]
    pub priorities: Vec<String>,
    /// What a service is in Jira, by its name in telemetry.
    #[serde(default)]
    pub services: BTreeMap<String, JiraService>,
    /// The transition that resolves an issue, by its name; else the first that leads to a status of
    /// the category "done".
    #[serde(default)]
    pub resolve_transition: Option<String>,
    /// The transition that reopens an issue, by its name; else the first that leads elsewhere.
    #[serde(default)]
    pub reopen_transition: Option<String>,
    /// The link type by which people call an issue a duplicate of another: both incidents are merged. Empty:
    /// links are not heard.
    #[serde(default = "default_duplicate_link")]
    pub duplicate_link: String,
    /// The `resolution` that is given with the resolving transition; none if not given.
    #[serde(default)]
    pub resolution: Option<String>,
    /// How often people's work on issues is read back. Unit: seconds, 5 to 3,600; 0: never.
    #[serde(default = "default_listen_every_s")]
    pub listen_every_s: u32,
    /// Where Jira sends what people did there; see docs/sinks.md#hooks.
    #[serde(default)]
    pub hook: Option<HookConfig>,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// People's own words for the summary of an issue and the description of a new one.
    #[serde(default)]
    pub templates: TemplatesConfig,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// What a service is in Jira.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JiraService {
    /// The component of its issues, by name.
    #[serde(default)]
    pub component: Option<String>,
    /// The account id to whom its issues are given.
    #[serde(default)]
    pub assignee: Option<String>,
}

/// As Jira ships it.
fn default_duplicate_link() -> String {
    String::from("Duplicate")
}

fn default_issue_type() -> String {
    String::from("Incident")
}

impl SinkSettings for JiraConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "jira"
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
        let hears = Hears::Ring;
        self.hook.as_ref().map(|config| Hooked { config, tongue: Tongue::Jira, hears })
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::Any);
        check.console_url(self.console_url.as_deref());
        check_templates(check, &self.templates, Target::Ticket, Places::All);
        check.timeout(self.timeout_ms);
        check.listen_every(self.listen_every_s);
        if self.hook.is_some() && self.listen_every().is_none() {
            check.wrong(
                "hook",
                "needs `listen_every_s`: it says that there is something to read, no more",
            );
        }
        self.auth.check(check);
        let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if self.project.is_empty() || self.project.len() > 80 || !self.project.bytes().all(fits) {
            check.wrong("project", "expected a key of capitals, digits and _");
        }
        check.choice("issue_type", &self.issue_type);
        if !matches!(self.priorities.len(), 0 | 4) {
            let found = self.priorities.len();
            check.wrong("priorities", format!("expected four, for P1 to P4, found {found}"));
        }
        let named = [
            ("resolve_transition", &self.resolve_transition),
            ("reopen_transition", &self.reopen_transition),
            ("resolution", &self.resolution),
        ];
        for (field, value) in named {
            if let Some(value) = value {
                check.choice(field, value);
            }
        }
        if !self.duplicate_link.is_empty() {
            check.choice("duplicate_link", &self.duplicate_link);
        }
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let secret = self.auth.secret(check)?;
        Some(Box::new(Jira::new(self, &secret)))
    }
}
