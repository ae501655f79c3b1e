//! Secrets by reference: the configuration names an environment variable or a file, never the
//! secret itself.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest secret. Unit: bytes.
const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretRef {
    /// In this environment variable.
    Env(String),
    /// In this file; white space around it is not part of it.
    File(PathBuf),
}

/// A secret. It has no `Display`, and `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A secret that is known already.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for the one place that signs, sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Why there is no secret. The words never hold it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none, or it is none.
    #[error("{0}")]
    None(String),
    /// Its file could not be read, which says nothing about what is in it: a mount that is away, too many open
    /// files, an error of the disk.
    #[error("{0}")]
    Unread(String),
}

impl SecretRef {
    /// Reads the secret.
    ///
    /// # Errors
    /// When it is missing, empty, too long, or holds a control character. The words never hold
    /// the secret.
    pub fn read(&self) -> Result<Secret, String> {
        self.look().map_err(|error| error.to_string())
    }

    /// As [`SecretRef::read`], for whoever reads again and again and has to tell a secret that is gone from one that
    /// cannot be read at the moment.
    ///
    /// # Errors
    /// As [`SecretRef::read`].
    pub fn look(&self) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| {
                SecretError::None(format!("environment variable {name} is not set"))
            })?,
            Self::File(path) => {
                let open = || {
                    let mut text = String::new();
                    let file = std::fs::File::open(path)?;
                    file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)?;
                    Ok(text)
                };
                open().map_err(|error| unread(path, &error))?
            }
        };
        check(text.trim()).map_err(SecretError::None)
    }
}

fn unread(path: &Path, error: &io::Error) -> SecretError {
    use io::ErrorKind::{InvalidData, NotADirectory, NotFound};
    let words = format!("file {} cannot be read: {}", path.display(), error.kind());
    match error.kind() {
        // A path through something that is no directory leads nowhere; what is no text is no secret.
        NotFound | NotADirectory | InvalidData => SecretError::None(words),
        _ => SecretError::Unread(words),
    }
}

fn check(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err(String::from("expected a secret, found nothing"));
    }
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("expected a secret of at most {SECRET_BYTES_MAX} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(String::from("expected a secret of one line without control characters"));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2hunter2")), "Secret(..)");
        let problem = SecretRef::Env(String::from("FAULTLINE_NO_SUCH_SECRET")).read().unwrap_err();
        assert_eq!(problem, "environment variable FAULTLINE_NO_SUCH_SECRET is not set");
        assert!(check("two\nlines").is_err_and(|problem| !problem.contains("two")));
        assert!(check("").is_err());
    }

    #[test]
    fn a_file_is_read_without_the_white_space_around() {
        let path = std::env::temp_dir().join(format!("faultline-secret-{}", std::process::id()));
        std::fs::write(&path, "  s3cret-s3cret\n").unwrap();
        let secret = SecretRef::File(path.clone()).read().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secret.expose(), "s3cret-s3cret");
        assert!(SecretRef::File(path).read().is_err());
    }

    #[test]
    fn a_file_that_is_gone_is_told_from_one_that_cannot_be_read() {
        let directory = std::env::temp_dir().join(format!("faultline-none-{}", std::process::id()));
        let gone = SecretRef::File(directory.join("secret")).look();
        assert!(matches!(gone, Err(SecretError::None(_))), "{gone:?}");
        std::fs::create_dir_all(&directory).unwrap();
        let unread = SecretRef::File(directory.clone()).look();
        std::fs::remove_dir(&directory).unwrap();
        assert!(matches!(unread, Err(SecretError::Unread(_))), "{unread:?}");
    }
}
