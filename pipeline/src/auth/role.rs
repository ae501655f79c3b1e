//! What somebody may do.

use std::fmt;

use model::name::Name;
use model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do; each may do what those before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything: incidents, history in SQL, metrics.
    Viewer,
    /// Decides about incidents, and silences alerts.
    Responder,
    /// Also changes what the system judges and whom it tells: maintenance windows and inhibitions.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Responder, Self::Admin];

    /// Its word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Responder => "responder",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a route wants of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: it holds no data.
    Open,
    /// At least this role.
    Needs(Role),
}

/// By what somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// By nothing: nobody is asked.
    Nothing,
    /// A bearer token.
    Token,
    /// The cookie of a session, until then.
    Session {
        /// When it ends.
        until: Timestamp,
    },
    /// The word of the proxy in front.
    Proxy,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Their name, if they are known by one.
    pub name: Option<Name>,
    /// What they may do.
    pub role: Role,
    /// By what they are known.
    pub means: Means,
}

impl Caller {
    /// Whoever asks where nobody is asked who they are: only a loopback address is served so.
    pub const ANYONE: Self = Self { name: None, role: Role::Admin, means: Means::Nothing };

    /// Whether they may use what wants this.
    #[must_use]
    pub fn may(&self, access: Access) -> bool {
        match access {
            Access::Open => true,
            Access::Needs(role) => self.role >= role,
        }
    }
}
