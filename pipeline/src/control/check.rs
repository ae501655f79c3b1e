//! Whether an act is well formed: asked of the correlator, which will fold it, so that the two
//! cannot differ; its words are parted into what is wrong and what to do.

use correlator::correlate::people::{ActFault, check};
use model::command::Act;

/// Why an act is not taken: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub action: String,
}

impl From<ActFault> for Refusal {
    fn from(fault: ActFault) -> Self {
        let said = fault.to_string();
        match said.split_once("; ") {
            Some((message, action)) => Self { message: message.into(), action: action.into() },
            None => Self { message: said, action: "mend it and ask again".into() },
        }
    }
}

/// Whether a text can be the id of an act: 1 to 64 of `A-Z a-z 0-9 - _ : .`.
#[must_use]
pub fn is_act_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_:.".contains(c))
}

/// Whether the act is well formed.
///
/// # Errors
/// What is wrong with it.
pub fn form(act: &Act) -> Result<(), Refusal> {
    check(act).map_err(Refusal::from)
}
