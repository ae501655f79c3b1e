//! Matchers over labels: Alertmanager's `=`, `!=`, `=~`, `!~`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// How a label is compared.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum MatchOp {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    NotEqual,
    /// Matches the whole value (anchored, as Alertmanager does).
    #[serde(rename = "=~")]
    Regex,
    /// Does not match the whole value.
    #[serde(rename = "!~")]
    NotRegex,
}

/// One matcher. A label that is absent has the empty value, as in Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Matcher {
    /// The label. `service` also means the service that the alert was bound to.
    pub label: Name,
    /// How.
    pub op: MatchOp,
    /// With what: a text, or a regular expression.
    pub value: String,
}
