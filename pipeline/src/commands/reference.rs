//! `faultline config`: every key that a configuration may have.

use std::io::{self, Write};

use anyhow::Result;

use crate::cli::{ReferenceArgs, ReferenceForm};
use crate::config::{reference, schema};

/// Prints the reference or the schema.
///
/// # Errors
/// When standard output cannot be written.
pub fn reference(args: &ReferenceArgs) -> Result<()> {
    let form = if args.json { ReferenceForm::Schema } else { args.form };
    let text = match form {
        ReferenceForm::Reference => reference::markdown(),
        ReferenceForm::Schema => serde_json::to_string_pretty(&schema::schema())? + "\n",
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
