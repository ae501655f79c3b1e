//! What only one process may do with a data directory: each role that keeps something there, and whoever
//! tells sinks. Held until the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::Role;

/// The roles of this process, held.
#[derive(Debug, Default)]
pub(super) struct Held {
    _locks: Vec<File>,
}

/// Holds the roles of a data directory, which is made if it is not there.
///
/// # Errors
/// When another process has one of them, or the directory cannot be written.
pub(super) fn hold(data_dir: &Path, roles: &[Role]) -> Result<Held> {
    let kept = roles.iter().copied().filter_map(name);
    let locks = kept.map(|role| lock(data_dir, role)).collect::<Result<_>>()?;
    Ok(Held { _locks: locks })
}

/// The name of a role that one process has; `None` where several may serve side by side.
const fn name(role: Role) -> Option<&'static str> {
    match role {
        Role::Observe => Some("observe"),
        Role::Detect => Some("detect"),
        Role::Correlate => Some("correlate"),
        Role::Deliver => Some("deliver"),
        Role::History => Some("history"),
        Role::Intake | Role::Console => None,
    }
}

fn lock(data_dir: &Path, role: &str) -> Result<File> {
    let at = || format!("cannot use the data directory {}", data_dir.display());
    std::fs::create_dir_all(data_dir).with_context(at)?;
    let path = data_dir.join(format!("{role}.lock"));
    let file = File::options().create(true).append(true).open(path).with_context(at)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another faultline runs `{role}` over {}; end it first, or give this one other roles with --roles",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_of_a_directory_is_held_once_and_free_again_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let first = hold(&data, &[Role::Observe, Role::Deliver, Role::Console]).unwrap();
        let told = hold(&data, &[Role::Detect, Role::Deliver]).unwrap_err().to_string();
        assert!(told.contains("another faultline runs `deliver`"), "{told}");
        drop(hold(&data, &[Role::Detect, Role::Console]).unwrap());
        drop(first);
        drop(hold(&data, &[Role::Observe, Role::Deliver]).unwrap());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_said() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let told = hold(&file.path().join("data"), &[Role::Observe]).unwrap_err().to_string();
        assert!(told.contains("cannot use the data directory"), "{told}");
    }
}
