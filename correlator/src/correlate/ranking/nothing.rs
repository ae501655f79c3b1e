//! The hypothesis that nothing inside the system is to blame, with its own evidence.
//!
//! It needs positive evidence: a surge of traffic, a certificate, a crowded node, a poison record, a
//! provider. Such a cause explains what the services show, so it takes the place of the strongest
//! one's evidence; a change must then say by its content why it is more than nearby.

use std::collections::BTreeSet;

use model::entity::{Entity, EntityKind};
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm};

use crate::correlate::traffic::RUSH_MILLI;

use super::candidates::Draft;
use super::words::words;
use super::{View, content, evidence};

/// Its share before any evidence.
const PRIOR: f64 = 0.5;
/// Traffic that explains all by itself: systems are rarely built for twice their load. Unit: thousandths.
const FULL_MILLI: u64 = 2000;
/// What it says against a fault that it would begin in the same five minutes of a day. Unit: nats, `ln(288)`.
const COINCIDENCE: f64 = 5.7;
/// Those five minutes.
const COINCIDES_PANES: i64 = 30;
/// A rush that grows is a sure one only some panes after it began to be felt.
const GROWS_PANES: i64 = 3;
/// What one message says that names a cause outside: as much as time, locality and a little content
/// of a change that is merely nearby. Unit: nats.
const SPOKEN: f64 = 6.0;

/// A cause outside, and how messages speak of it: one word of each set, in one message.
struct Outside {
    what: &'static str,
    of: &'static [&'static str],
    says: &'static [&'static str],
}

/// Causes that no change inside explains. The words are those of common libraries and platforms.
const OUTSIDE: [Outside; 4] = [
    Outside {
        what: "a certificate",
        of: &["certificate", "certificates", "x509", "cert"],
        says: &["expired", "revoked", "untrusted", "notafter"],
    },
    Outside {
        what: "a crowded node",
        of: &["node", "host", "kubelet", "cgroup", "hypervisor"],
        says: &[
            "pressure",
            "memorypressure",
            "contended",
            "contention",
            "throttling",
            "throttled",
            "starved",
            "evicted",
            "eviction",
            "steal",
            "saturated",
            "overcommitted",
        ],
    },
    Outside {
        what: "bad data",
        of: &["offset", "partition", "record", "message", "payload"],
        says: &["redelivering", "redelivered", "redelivery", "poison", "malformed", "corrupt"],
    },
    Outside {
        what: "a provider",
        of: &["provider", "vendor", "partner", "thirdparty", "external"],
        says: &[
            "outage",
            "unavailable",
            "degraded",
            "quota",
            "throttled",
            "ratelimit",
            "incident",
            "unreachable",
        ],
    },
];

/// The draft, given what speaks against the others.
pub(super) fn draft(view: &View<'_>, others: &[Draft]) -> Draft {
    let text = String::from("nothing that we can see inside the system, before any evidence");
    let mut rows = vec![evidence::row(EvidenceTerm::Prior, libm::log(PRIOR), text)];
    let spoken = spoken(view);
    rows.extend(surge(view, others));
    if !spoken.is_empty() {
        let what = spoken.join(" and ");
        rows.push(evidence::row(
            EvidenceTerm::LogPath,
            SPOKEN,
            format!("messages speak of {what}"),
        ));
        let own = others.iter().map(Draft::own).fold(0.0, f64::max);
        let text = format!("{what} explains what the services show");
        rows.push(evidence::row(EvidenceTerm::CommonCause, own, text));
    }
    rows.extend(outside_party(others));
    Draft { entity: Entity::nothing(), kind: CauseKind::None, change: None, evidence: rows }
}

/// More load than usual explains what services show all over: it takes the place of the strongest
/// candidate's evidence, the more the more traffic there is, and all of it from twice the usual on. That a
/// fault should begin in the very minutes of such a rush is then a coincidence that it has to pay for.
fn surge(view: &View<'_>, others: &[Draft]) -> Option<Evidence> {
    let (milli, onset) = (view.case.rush.milli, view.case.onset());
    // Who retries what has failed makes traffic as well, but not before it fails.
    let since = view.case.rush.since.filter(|since| *since <= onset.plus(GROWS_PANES))?;
    let coincides = onset.since(since) <= COINCIDES_PANES;
    let strongest = others.iter().map(Draft::own).fold(0.0, f64::max);
    let more = milli.saturating_sub(RUSH_MILLI) as f64;
    let share = (more / (FULL_MILLI - RUSH_MILLI) as f64).min(1.0);
    let coincidence = if coincides { COINCIDENCE } else { 0.0 };
    let times = milli as f64 / 1000.0;
    let text = format!("traffic at the entries rose to {times:.1} times the usual");
    Some(evidence::row(EvidenceTerm::CommonCause, share * (strongest + coincidence), text))
}

/// The causes outside that messages of the case name.
fn spoken(view: &View<'_>) -> Vec<&'static str> {
    let texts: Vec<BTreeSet<String>> = content::messages(view).into_iter().map(words).collect();
    let named = |outside: &&Outside| texts.iter().any(|text| speaks(outside, text));
    OUTSIDE.iter().filter(named).map(|outside| outside.what).collect()
}

fn speaks(outside: &Outside, text: &BTreeSet<String>) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(*word));
    has(outside.of) && has(outside.says)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<&'static str> {
        let text = words(text);
        OUTSIDE.iter().filter(|one| speaks(one, &text)).map(|one| one.what).collect()
    }

    #[test]
    fn causes_outside_are_named_by_what_and_how_together() {
        assert_eq!(
            told("tls: x509: certificate has expired or is not yet valid"),
            ["a certificate"]
        );
        assert_eq!(
            told("Throttling container shop on node pool-3 (node CPU contended)"),
            ["a crowded node"]
        );
        assert_eq!(told("record_id=7 offset=9 lat out of range; redelivering"), ["bad data"]);
        assert!(told("chore: rotate staging TLS certificate").is_empty());
        assert!(told("failed to deserialize: missing required field 'meta'").is_empty());
    }
}
