//! The making of a log's directory, so that one which was broken off is begun anew.
//!
//! The store below cannot open what it has half made. While it makes its files, a file of ours says so; whoever
//! finds that file knows that nothing was promised yet, and clears the directory. The file is locked: a
//! second process that comes meanwhile is refused. A directory from before this file was thought of is whole.
//!
//! Only what the file says makes a directory half made, and that is written under the lock, into a directory
//! that holds nothing else. Whoever saw an empty directory, and comes to make the file only when another process
//! has made the log and is done, leaves an empty file, which says nothing and clears nothing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::log::LogError;

const NAME: &str = "being-made";
/// What the file says from when the making begins.
const BEGUN: &str = "nothing is promised yet\n";

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
    let Some(mut file) = opened(&mark).map_err(fail)? else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LogError::Locked(name.to_string())),
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    // Of the file that stands there now: ours may be one that was removed, with the log made.
    let said = match fs::read_to_string(&mark) {
        Ok(said) => said,
        // Another process has come to its end meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    if said == BEGUN {
        clear(directory).and_then(|()| sync(directory)).map_err(fail)?;
    } else if stands_alone(directory).map_err(fail)? {
        let begun = file.set_len(0).and_then(|()| file.write_all(BEGUN.as_bytes()));
        begun.and_then(|()| file.sync_all()).and_then(|()| sync(directory)).map_err(fail)?;
    } else {
        fs::remove_file(&mark).map_err(fail)?;
        return Ok(None);
    }
    Ok(Some(Making { directory: directory.to_owned(), _locked: file }))
}

/// The file, made if there is none: `None` if it went away meanwhile, as it does at the end.
fn opened(mark: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).create_new(true).open(mark) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map(Some),
    }
    match OpenOptions::new().write(true).open(mark) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Whether the file is all that the directory holds.
fn stands_alone(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        if entry?.file_name() != NAME {
            return Ok(false);
        }
    }
    Ok(true)
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

    #[test]
    fn a_mark_that_comes_when_the_log_is_made_clears_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let making = begin(at).unwrap().unwrap();
        fs::write(at.join("whole"), "x").unwrap();
        making.end().unwrap();
        // Another process had found the directory empty, and only now makes its file.
        let late = opened(&at.join(NAME)).unwrap().unwrap();
        assert!(begin(at).unwrap().is_none(), "it says nothing");
        drop(late);
        assert!(begin(at).unwrap().is_none());
        assert_eq!(fs::read_to_string(at.join("whole")).unwrap(), "x");
        assert_eq!(fs::read_dir(at).unwrap().count(), 1, "and is gone");
    }
}
