//! The hypothesis that nothing inside the system is to blame, with its own evidence.

use std::collections::BTreeSet;

use model::entity::{Entity, EntityKind};
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm};

use super::candidates::Draft;
use super::{View, content, evidence};

/// Its share before any evidence.
const PRIOR: f64 = 0.5;
/// Traffic above this multiple of the usual is a surge. Unit: thousandths.
const SURGE_MILLI: u64 = 1500;
/// What people write when the outside is to blame.
const OUTSIDE: [&str; 16] = [
    "provider",
    "upstream",
    "thirdparty",
    "external",
    "partner",
    "vendor",
    "dns",
    "quota",
    "throttled",
    "ratelimit",
    "certificate",
    "x509",
    "expired",
    "handshake",
    "region",
    "outage",
];
/// Bound of what words can say. Unit: nats.
const WORDS_CAP: f64 = 4.0;

/// The draft, given what speaks against the others.
pub(super) fn draft(view: &View<'_>, others: &[Draft]) -> Draft {
    let text = String::from("nothing that we can see inside the system, before any evidence");
    let mut rows = vec![evidence::row(EvidenceTerm::Prior, libm::log(PRIOR), text)];
    rows.extend(surge(view, others));
    rows.extend(words(view));
    rows.extend(outside_party(others));
    Draft { entity: Entity::nothing(), kind: CauseKind::None, change: None, evidence: rows }
}

/// More load than usual explains slowness all over: it takes the place of the strongest candidate's
/// evidence, the more the more traffic there is, up to all of it and a little at three times the
/// usual.
fn surge(view: &View<'_>, others: &[Draft]) -> Option<Evidence> {
    let milli = view.case.surge_milli;
    if milli < SURGE_MILLI {
        return None;
    }
    let times = milli as f64 / 1000.0;
    let strongest = others.iter().map(Draft::own).fold(0.0, f64::max);
    let share = (libm::log(times) / libm::log(3.0)).min(1.2);
    let text = format!("traffic at the entries rose to {times:.1} times the usual");
    Some(evidence::row(EvidenceTerm::CommonCause, strongest * share, text))
}

fn words(view: &View<'_>) -> Option<Evidence> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for key in view.case.symptoms.keys() {
        found.extend(content::words(&key.detail));
    }
    for state in view.case.alerts.keys().filter_map(|fp| view.world.alerts.get(*fp)).take(200) {
        found.extend(content::words(&state.alert.name));
        found.extend(
            state.alert.annotations.get("summary").map(|t| content::words(t)).unwrap_or_default(),
        );
    }
    let told: Vec<&str> = OUTSIDE.iter().copied().filter(|word| found.contains(*word)).collect();
    if told.is_empty() {
        return None;
    }
    let nats = (1.5 * told.len() as f64).min(WORDS_CAP);
    Some(evidence::row(
        EvidenceTerm::LogPath,
        nats,
        format!("the messages speak of {}", told.join(", ")),
    ))
}

/// An outside party that fails is a candidate of its own; "nothing inside" is then likely as well.
fn outside_party(others: &[Draft]) -> Option<Evidence> {
    let party = others
        .iter()
        .filter(|draft| draft.entity.kind == EntityKind::External && draft.own() > 0.0)
        .max_by(|a, b| a.own().total_cmp(&b.own()))?;
    let text = format!("{} lies outside and fails", party.entity.id);
    Some(evidence::row(EvidenceTerm::OrphanCalls, 0.5 * party.own(), text))
}
