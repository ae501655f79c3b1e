//! `faultline run`: the service.

use anyhow::Result;

use crate::cli::{Role, RunArgs};
use crate::run;

/// Every role.
pub const ALL_ROLES: [Role; 6] =
    [Role::Intake, Role::Observe, Role::Detect, Role::Correlate, Role::Deliver, Role::Console];

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// When the configuration is wrong, or a stage cannot go on.
pub fn run(args: &RunArgs) -> Result<()> {
    let config = args.config.load()?;
    let log = config.open_log()?;
    let roles = if args.roles.is_empty() { ALL_ROLES.to_vec() } else { args.roles.clone() };
    run::start(&config, log, &roles)?.wait()
}
