//! The making of a log's directory, so that one which was broken off is begun anew.
//!
//! The store below cannot open what it has half made. While it makes its files, a file of ours says so; whoever
//! finds that file knows that nothing was promised yet, and clears the directory. The file is locked: a
//! second process that comes meanwhile is refused. A directory from before this file was thought of is whole.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::log::LogError;

const NAME: &str = "being-made";

/// A directory that is being made.
pub(super) struct Making {
    directory: PathBuf,
    /// Keeps others out until it is dropped.
    _locked: File,
}

/// Begins to make the log in a directory, if there is none: `None` if there is.
pub(super) fn begin(directory: &Path) -> Result<Option<Making>, LogError> {
    let name = directory.display();
    let fail = |error: io::Error| LogError::Unavailable(format!("{name}: {error}"));
    fs::create_dir_all(directory).map_err(fail)?;
    let mark = directory.join(NAME);
    if !mark.exists() && fs::read_dir(directory).map_err(fail)?.next().is_some() {
        return Ok(None);
    }
    let file = File::create(&mark).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LogError::Locked(name.to_string())),
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    if !mark.exists() {
        // Another process has come to its end meanwhile.
        return Ok(None);
    }
    clear(directory).and_then(|()| sync(directory)).map_err(fail)?;
    Ok(Some(Making { directory: directory.to_owned(), _locked: file }))
}

fn clear(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == NAME {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

impl Making {
    /// It is whole: from now on it is opened as it is.
    pub(super) fn end(self) -> Result<(), LogError> {
        let ended = fs::remove_file(self.directory.join(NAME)).and_then(|()| sync(&self.directory));
        ended.map_err(|error| {
            LogError::Unavailable(format!("{}: {error}", self.directory.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_broken_off_is_begun_anew_and_what_is_whole_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        drop(begin(at).unwrap().unwrap());
        fs::create_dir(at.join("half")).unwrap();
        fs::write(at.join("made"), "x").unwrap();
        let making = begin(at).unwrap().unwrap();
        assert_eq!(fs::read_dir(at).unwrap().count(), 1, "the mark alone");
        assert!(matches!(begin(at), Err(LogError::Locked(_))), "somebody makes it");
        fs::write(at.join("whole"), "x").unwrap();
        making.end().unwrap();
        assert!(begin(at).unwrap().is_none());
        assert_eq!(fs::read_to_string(at.join("whole")).unwrap(), "x");
    }
}
