//! Who we are to a destination that knows users or tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::secret::{Secret, SecretRef};

/// How a sink says who we are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum AuthConfig {
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// Where the password is.
        password: SecretRef,
    },
    /// A token.
    Bearer {
        /// Where the token is.
        token: SecretRef,
    },
}

impl AuthConfig {
    /// Looks at what can be seen without the secret.
    pub(crate) fn check(&self, check: &mut Check) {
        if let Self::Basic { user, .. } = self
            && (user.is_empty() || user.contains(':') || user.chars().any(char::is_control))
        {
            check.wrong("auth.basic.user", "expected a user without a colon");
        }
    }

    /// Reads the secret.
    pub(crate) fn secret(&self, check: &mut Check) -> Option<Secret> {
        match self {
            Self::Basic { password, .. } => check.secret("auth.basic.password", password),
            Self::Bearer { token } => check.secret("auth.bearer.token", token),
        }
    }

    /// The value of the `authorization` header; `scheme` is what goes before a token.
    pub(crate) fn header(&self, scheme: &str, secret: &Secret) -> Secret {
        Secret::new(&match self {
            Self::Basic { user, .. } => {
                let pair = format!("{user}:{}", secret.expose());
                format!("Basic {}", STANDARD.encode(pair))
            }
            Self::Bearer { .. } => format!("{scheme} {}", secret.expose()),
        })
    }
}
