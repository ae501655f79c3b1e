//! *Latest deploy*: whatever was rolled out last before the page did it. The trap that people fall
//! into first.

use model::change::ChangeKind;

use super::{Answer, Case};

/// Deploys and rollbacks that had begun by the first alert, the latest first.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let deploys = case
        .suspects()
        .filter(|change| matches!(change.kind, ChangeKind::Deploy | ChangeKind::Rollback));
    Answer::of_changes(deploys.map(|change| (change, change.at.0 as f64 / 1e9)))
}
