//! *Longest diff*: the change with the most text before the onset did it.

use super::{Answer, Case};

/// Changes with content up to the onset, by the length of message and diff. Unit: bytes, as far as
/// the decoder keeps them.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let changes = case.raw.changes.iter().filter(|change| change.at <= case.blame_until);
    let written = changes.filter(|change| !change.content.text.is_empty());
    Answer::of_changes(written.map(|change| (change, change.content.text.len() as f64)))
}
