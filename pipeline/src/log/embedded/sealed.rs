//! Write-ahead files that the store has finished, looked at before it opens them.
//!
//! At damage the store stops to read such a file, cuts it there, and goes on with the next: what is lost lies in the
//! middle, which no count of all records shows. But a finished file has no torn end. If the store cuts off anything
//! but the empty space that it was made with, the file is damaged. Not seen: a file that was cut before, exactly
//! between two batches.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

const CHUNK_BYTES: u64 = 64 << 10;

/// One finished file. It is held open: the store may remove it as soon as it is through with it.
struct Finished {
    path: PathBuf,
    file: File,
    /// Behind its last byte that is not empty.
    written: u64,
}

/// All finished files of a directory, as they were before the store was opened.
pub(super) struct Sealed(Vec<Finished>);

impl Sealed {
    /// Looks at all but the newest, which is still written to.
    pub(super) fn look(directory: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name.and_then(|name| name.strip_suffix(".jnl")?.parse::<u64>().ok());
            files.extend(number.map(|number| (number, path)));
        }
        files.sort();
        files.pop();
        let finished = files.into_iter().map(|(_, path)| {
            let mut file = File::open(&path)?;
            let written = written(&mut file)?;
            Ok(Finished { path, file, written })
        });
        Ok(Self(finished.collect::<io::Result<_>>()?))
    }

    /// A file of which the store has cut off something.
    pub(super) fn cut(&self) -> io::Result<Option<&Path>> {
        for Finished { path, file, written } in &self.0 {
            if file.metadata()?.len() < *written {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}

fn written(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut chunk = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(CHUNK_BYTES);
        file.seek(SeekFrom::Start(begin))?;
        chunk.clear();
        file.by_ref().take(end - begin).read_to_end(&mut chunk)?;
        if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_space_may_be_cut_off_a_finished_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let text = [vec![7; 100_000], vec![0; 200_000]].concat();
        for name in ["9.jnl", "10.jnl", "lock"] {
            fs::write(at(name), &text).unwrap();
        }
        let cut_at = |name: &str, bytes| {
            File::options().write(true).open(at(name)).unwrap().set_len(bytes).unwrap();
        };
        let sealed = Sealed::look(directory.path()).unwrap();
        cut_at("9.jnl", 100_000);
        cut_at("10.jnl", 5);
        assert_eq!(sealed.cut().unwrap(), None, "the newest may have a torn end");
        cut_at("9.jnl", 99_999);
        fs::remove_file(at("9.jnl")).unwrap();
        assert_eq!(sealed.cut().unwrap(), Some(&*at("9.jnl")), "seen although it is gone");
    }
}
