//! Whether an act is well formed: asked of the correlator, which will fold it, so that the two
//! cannot differ.

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
        Self { message: fault.to_string(), action: fault.action().to_owned() }
    }
}

/// Whether the act is well formed.
///
/// # Errors
/// What is wrong with it.
pub fn form(act: &Act) -> Result<(), Refusal> {
    check(act).map_err(Refusal::from)
}
