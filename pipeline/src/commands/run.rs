//! `faultline run`: the service.

use anyhow::{Result, bail};

use crate::cli::{Role, RunArgs};
use crate::run;

/// Every role that needs nothing to be configured for it. `history` joins them where `history:` is.
pub const ALL_ROLES: [Role; 6] =
    [Role::Intake, Role::Observe, Role::Detect, Role::Correlate, Role::Deliver, Role::Console];

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// When the configuration is wrong, or a stage cannot go on.
pub fn run(args: &RunArgs) -> Result<()> {
    let config = args.config.load()?;
    let mut roles = if args.roles.is_empty() { ALL_ROLES.to_vec() } else { args.roles.clone() };
    if args.roles.is_empty() && config.history.is_some() {
        roles.push(Role::History);
    }
    if roles.contains(&Role::History) && config.history.is_none() {
        bail!("the role `history` needs `history:` in the configuration");
    }
    let log = config.open_log()?;
    run::start(&config, log, &roles)?.wait()
}
