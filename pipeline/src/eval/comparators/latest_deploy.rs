//! *Latest deploy*: whatever was rolled out last before the onset did it. The trap that people fall
//! into first.

use model::change::ChangeKind;

use super::{Answer, Case};

/// Deploys and rollbacks up to the onset, the latest first.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let deploys = case.raw.changes.iter().filter(|change| {
        matches!(change.kind, ChangeKind::Deploy | ChangeKind::Rollback)
            && change.at <= case.blame_until
    });
    Answer::of_changes(deploys.map(|change| (change, change.at.0 as f64 / 1e9)))
}
