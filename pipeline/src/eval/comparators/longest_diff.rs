//! *Longest diff*: the change with the most text before the page did it.

use super::{Answer, Case};

/// Changes with content that had begun by the first alert, by the length of message and diff. Unit: bytes, as far as
/// the decoder keeps them.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let written = case.suspects().filter(|change| !change.content.text.is_empty());
    Answer::of_changes(written.map(|change| (change, change.content.text.len() as f64)))
}
