//! What the configuration of a hook holds: where a destination sends what people did there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::secret::{Secret, SecretRef};
use super::{ConfigError, SinkConfig, sink_name};
use crate::hook::{Hears, Hook, Tongue};

/// Shortest secret. Unit: bytes.
const SECRET_BYTES_MIN: usize = 16;

/// Where a destination sends what people did there: `POST /hooks/NAME` of console and API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookConfig {
    /// One or two secrets of at least 16 bytes, by which the sender is known: any is enough, so that they can
    /// be changed.
    pub secrets: Vec<SecretRef>,
}

/// A hook, as a sink's settings have it.
pub(crate) struct Hooked<'a> {
    pub(crate) config: &'a HookConfig,
    pub(crate) tongue: Tongue,
    pub(crate) hears: Hears,
}

impl HookConfig {
    pub(super) fn check(&self, check: &mut Check) {
        let count = self.secrets.len();
        if !(1..=2).contains(&count) {
            check.wrong("hook.secrets", format!("expected one or two, found {count}"));
        }
    }

    fn read(&self, check: &mut Check) -> Vec<Secret> {
        let mut secrets = Vec::new();
        for reference in &self.secrets {
            let Some(secret) = check.secret("hook.secrets", reference) else { continue };
            if secret.expose().len() < SECRET_BYTES_MIN {
                check.wrong("hook.secrets", format!("expected at least {SECRET_BYTES_MIN} bytes"));
            }
            secrets.push(secret);
        }
        secrets
    }
}

impl SinkConfig {
    /// What becomes of what comes to the sink's hook; `None`: it has none.
    #[must_use]
    pub fn hook_hears(&self) -> Option<Hears> {
        self.settings().hook().map(|hooked| hooked.hears)
    }
}

/// The hook of a sink, with its secrets; `None` if it has none.
///
/// # Errors
/// Everything that is wrong with it.
pub fn build_hook(config: &SinkConfig) -> Result<Option<Hook>, Vec<ConfigError>> {
    let Some(hooked) = config.settings().hook() else { return Ok(None) };
    let mut check = Check::new(config.name());
    hooked.config.check(&mut check);
    let secrets = hooked.config.read(&mut check);
    if !check.errors.is_empty() {
        return Err(check.errors);
    }
    Ok(Some(Hook::new(sink_name(config.name()), hooked.tongue, hooked.hears, secrets)))
}
