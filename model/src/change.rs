//! Changes: what people and machines did to the system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::time::Timestamp;

/// What kind of change.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A version was put into service.
    Deploy,
    /// An earlier version was put back.
    Rollback,
    /// A setting changed.
    Config,
    /// A feature flag changed.
    FeatureFlag,
    /// A certificate was renewed.
    Certificate,
    /// A schema or data migration ran.
    Migration,
    /// More or fewer instances.
    Scale,
    /// Hosts, clusters, networks.
    Infrastructure,
    /// A change was merged; it may not run anywhere yet.
    Commit,
    /// Anything else.
    Other,
}

impl ChangeKind {
    /// How people say it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Config => "config change",
            Self::FeatureFlag => "feature flag",
            Self::Certificate => "certificate",
            Self::Migration => "migration",
            Self::Scale => "scaling",
            Self::Infrastructure => "infrastructure change",
            Self::Commit => "commit",
            Self::Other => "change",
        }
    }

    /// A change of this kind by its title, in a sentence. A title that begins with the kind itself does not say it
    /// twice: `deploy "checkout 4.3.1"`.
    #[must_use]
    pub fn named(self, title: &str) -> String {
        let label = self.label();
        let begins =
            title.get(..label.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(label));
        let rest =
            title.get(label.len()..).filter(|_| begins).and_then(|rest| rest.strip_prefix(' '));
        let name = rest.map(str::trim).filter(|rest| !rest.is_empty()).unwrap_or(title);
        format!("{label} \"{name}\"")
    }
}

/// How a change went, as far as its source says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChangeOutcome {
    /// Nothing was said.
    #[default]
    Unknown,
    /// It began.
    Started,
    /// It is in force.
    Succeeded,
    /// It failed; parts of it may be in force.
    Failed,
}

/// What changed, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeContent {
    /// Paths of changed files or keys; at most 100.
    pub paths: Vec<Name>,
    /// Message and diff; at most 16 KiB.
    pub text: Name,
}

/// One change event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeEvent {
    /// The CloudEvents id where there is one, else a stable id from the source's own fields.
    pub id: Name,
    /// What kind of change.
    pub kind: ChangeKind,
    /// When it took effect, by the source.
    pub at: Timestamp,
    /// When it began, if the source says so.
    pub started_at: Option<Timestamp>,
    /// The services or items it touched; empty when the source names none.
    pub targets: Vec<Name>,
    /// The environment, if the source names one.
    pub environment: Option<Name>,
    /// One line for people.
    pub title: Name,
    /// Who did it.
    pub author: Option<Name>,
    /// The version that it put into service.
    pub version: Option<Name>,
    /// How it went.
    pub outcome: ChangeOutcome,
    /// What changed.
    pub content: ChangeContent,
    /// Ids of other events of the same change (the steps of a roll-out, the commits of a deploy).
    pub links: Vec<Name>,
    /// A link for people, never followed.
    pub url: Option<Name>,
}

/// What the id of a change begins with that only telemetry shows: a version seen for the first time.
pub const OBSERVED_PREFIX: &str = "version:";

impl ChangeEvent {
    /// Whether nobody announced it: telemetry showed it.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.id.starts_with(OBSERVED_PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_once() {
        let named = |title: &str| ChangeKind::Deploy.named(title);
        assert_eq!(named("deploy checkout 4.3.1"), "deploy \"checkout 4.3.1\"");
        assert_eq!(named("Deploy checkout"), "deploy \"checkout\"");
        for title in
            ["checkout 4.3.1", "deployment of checkout", "deploy", "deploy ", "", "d\u{e9}ploy"]
        {
            assert_eq!(named(title), format!("deploy \"{title}\""));
        }
    }
}
