//! What others and the platform say in words of a candidate.

use std::collections::{BTreeMap, BTreeSet};

use model::hypothesis::{Evidence, EvidenceTerm};
use model::name::Name;
use model::nats::Nats;
use model::symptom::SymptomKind;
use model::template::readable;
use model::time::Pane;

use crate::correlate::limits::WALK_HOPS_MAX;
use crate::correlate::signs::{Sign, SignKey};
use crate::correlate::ties;

use super::{View, evidence};

/// Services whose signs are asked whom they explain, the most spoken of first.
const EXPLAINING_MAX: usize = 50;

/// Complaints that ended before it are not of the case: as long before its onset as an effect comes after its
/// cause, and longer where only monitors tell when it began.
pub(super) fn since(view: &View<'_>) -> Pane {
    let measured = !view.case.rests_on_metrics();
    let lag = view.config.width.panes_in(ties::longest_lag(measured));
    Pane(view.case.onset().0.saturating_sub(lag))
}

/// The services that need, within a few hops, one of which others or the platform speak clearly:
/// what they log themselves may well be its failure, passed on.
pub(super) fn explained(view: &View<'_>) -> BTreeSet<Name> {
    let signs = &view.world.signs;
    let since = since(view);
    let mut spoken_of: Vec<(std::cmp::Reverse<Nats>, &Name)> = signs
        .subjects(since)
        .map(|name| (std::cmp::Reverse(signs.weight(name, since)), name))
        .filter(|(weight, _)| weight.0 >= view.config.support_level)
        .collect();
    spoken_of.sort_unstable();
    let causes = spoken_of.into_iter().take(EXPLAINING_MAX).map(|(_, name)| name);
    let dependants = causes.flat_map(|name| view.world.map.downstream(name, WALK_HOPS_MAX));
    dependants.map(|(name, _, _)| name).collect()
}

/// Warnings and errors of other services that name it.
pub(super) fn complaints(view: &View<'_>, name: &Name) -> Option<Evidence> {
    let since = since(view);
    let complained = view.world.signs.complained(name, since);
    let signs = || view.world.signs.complaints(name, since);
    let (loudest, _) = signs().max_by_key(|(key, sign)| (sign.nats, std::cmp::Reverse(*key)))?;
    let left = complained.left_of(signs().map(|(_, sign)| sign.nats).sum());
    if left == Nats::ZERO {
        return None;
    }
    let times: u64 = signs().map(|(_, sign)| sign.times).sum();
    let who: BTreeSet<&str> = signs().map(|(key, _)| key.by.as_str()).collect();
    let told = who.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let complain = if who.len() == 1 { "complains" } else { "complain" };
    let count = if times == 1 { String::from("once") } else { format!("{times} times") };
    let text = format!("{told} {complain} about it {count}: {}", readable(&loudest.text));
    let nats = evidence::capped(left.to_f64(), view.config.ranking.telemetry_cap);
    Some(evidence::row(EvidenceTerm::Complaint, nats, text))
}

/// What the platform says of its objects. A reason that it gives of many services at once (probes
/// that fail while everything starts) tells none of them from the others: it counts by the share
/// of `ln(n) - ln(n with it)` in `ln(n)`, `n` the services of which anything is known.
pub(super) fn platform(view: &View<'_>, name: &Name) -> Option<Evidence> {
    let mut by_reason: BTreeMap<&str, (&SignKey, &Sign)> = BTreeMap::new();
    for (key, sign) in view.world.signs.of(name) {
        if key.kind != SymptomKind::Platform {
            continue;
        }
        let heaviest = by_reason.entry(key.reason()).or_insert((key, sign));
        if sign.nats > heaviest.1.nats {
            *heaviest = (key, sign);
        }
    }
    let known =
        view.world.signs.subjects(since(view)).count().max(view.case.services().len()).max(2)
            as f64;
    let told = |reason: &str, sign: &Sign| {
        let with = view.world.signs.with_reason(reason).max(1) as f64;
        sign.nats.to_f64() * (1.0 - libm::log(with) / libm::log(known)).max(0.0)
    };
    let nats: f64 = by_reason.iter().map(|(reason, (_, sign))| told(reason, sign)).sum();
    let by_weight = |a: &(&SignKey, &Sign), b: &(&SignKey, &Sign)| {
        told(a.0.reason(), a.1).total_cmp(&told(b.0.reason(), b.1)).then(b.0.cmp(a.0))
    };
    let (first, _) = by_reason.values().copied().max_by(by_weight)?;
    let nats = evidence::capped(nats, view.config.ranking.telemetry_cap);
    Some(evidence::row(EvidenceTerm::Platform, nats, readable(&first.text)))
}
