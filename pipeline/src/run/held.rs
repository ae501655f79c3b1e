//! What only one process may do with a data directory: each role that keeps something there, and whoever
//! tells sinks. Held until the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use model::id::stable_hash;

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
pub(super) const fn name(role: Role) -> Option<&'static str> {
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
    let Some(file) = try_lock(data_dir, role)? else {
        bail!(
            "another faultline runs `{role}` over {}; end it first, or give this one other roles with --roles",
            data_dir.display()
        )
    };
    Ok(file)
}

/// Locks the file of a name, for as long as it is kept; `None` if another process has it.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn try_lock(data_dir: &Path, name: &str) -> Result<Option<File>> {
    let at = || format!("cannot use the data directory {}", data_dir.display());
    std::fs::create_dir_all(data_dir).with_context(at)?;
    let path = data_dir.join(format!("{name}.lock"));
    let file = File::options().create(true).append(true).open(path).with_context(at)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(at),
    }
}

/// Names a file among all that this kernel has had since it was started: a copy of the file, or the same file
/// seen by another machine, has another name. `None` where the kernel does not say which it is.
pub(super) fn identity(file: &File) -> Option<String> {
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let about = file.metadata().ok()?;
    let (device, number) = (about.dev().to_le_bytes(), about.ino().to_le_bytes());
    Some(format!("faultline-{:016x}", stable_hash(&[&boot, &device, &number])))
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
    fn a_file_that_was_locked_before_has_the_same_identity_and_a_copy_has_not() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let of = |data: &Path| {
            let file = try_lock(data, "observe.seat").unwrap().unwrap();
            assert!(try_lock(data, "observe.seat").unwrap().is_none(), "it is locked");
            identity(&file).unwrap()
        };
        let first = of(here.path());
        assert_eq!(first, of(here.path()));
        std::fs::copy(
            here.path().join("observe.seat.lock"),
            there.path().join("observe.seat.lock"),
        )
        .unwrap();
        assert_ne!(first, of(there.path()));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_said() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let told = hold(&file.path().join("data"), &[Role::Observe]).unwrap_err().to_string();
        assert!(told.contains("cannot use the data directory"), "{told}");
    }
}
