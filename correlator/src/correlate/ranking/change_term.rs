//! The change term: how likely this change did it, given what went wrong where and when.
//!
//! `C = prior of its kind + time + locality + version split + content`. The time term is capped below
//! locality on purpose: "blame the latest deploy" is the trap. A change after the onset (beyond the
//! skew of clocks) is not even a candidate; time counts from the onset, never from the page.

use model::change::ChangeKind;
use model::entity::EntityKind;
use model::hypothesis::{Evidence, EvidenceTerm};
use model::name::Name;
use model::time::Timestamp;

use crate::correlate::change::Change;

use super::content::Corpus;
use super::{View, evidence, split};

/// Upper and lower bound of the time term. Unit: nats.
const TIME: (f64, f64) = (2.0, -3.0);
/// The window over which a change without any influence would be spread evenly. Unit: seconds.
const UNIFORM_SECS: f64 = 6.0 * 3600.0;

/// The rows that blaming `change` for trouble at `name` adds; `None` if it has nothing to do with it.
pub(super) fn terms(
    view: &View<'_>,
    name: &Name,
    change: &Change,
    onset: Timestamp,
    corpus: &Corpus,
) -> Option<Vec<Evidence>> {
    let locality = locality(view, name, change)?;
    let kind = change.kind;
    let chance = prior(kind) / change.commits as f64;
    let mut rows = vec![
        evidence::row(
            EvidenceTerm::Prior,
            libm::log(chance / (1.0 - chance)),
            format!("a {} is to blame in {:.0} % of such cases", kind.label(), chance * 100.0),
        ),
        time(change, onset),
        locality,
    ];
    rows.extend(split::term(view, name, change));
    rows.extend(corpus.term(change));
    for row in &mut rows {
        row.changes = change.events.iter().map(|event| event.id.clone()).take(10).collect();
    }
    Some(rows)
}

/// How often a change of this kind near trouble is its cause.
fn prior(kind: ChangeKind) -> f64 {
    match kind {
        ChangeKind::Deploy | ChangeKind::Migration | ChangeKind::Infrastructure => 0.12,
        ChangeKind::Config | ChangeKind::FeatureFlag => 0.15,
        ChangeKind::Commit => 0.08,
        ChangeKind::Certificate | ChangeKind::Scale => 0.06,
        ChangeKind::Rollback | ChangeKind::Other => 0.04,
    }
}

/// `ln(f/u)` with f = 0.7 Exp(5 min) + 0.3 Exp(45 min), u even over 6 h.
fn time(change: &Change, onset: Timestamp) -> Evidence {
    let secs = (onset - change.at).as_secs_f64();
    let delta = secs.max(0.0);
    let near = 0.7 / 300.0 * libm::exp(-delta / 300.0);
    let far = 0.3 / 2700.0 * libm::exp(-delta / 2700.0);
    let nats = libm::log((near + far) * UNIFORM_SECS).clamp(TIME.1, TIME.0);
    let text = if secs >= 0.0 {
        format!("took effect {} before the onset", duration(secs))
    } else {
        format!("took effect within {} of the onset", duration(-secs))
    };
    evidence::row(EvidenceTerm::ChangeTime, nats, text)
}

/// A length of time as people say it.
fn duration(secs: f64) -> String {
    let secs = secs.round() as i64;
    match secs {
        ..=119 => format!("{secs} s"),
        120..=7199 => format!("{} min", secs / 60),
        _ => format!("{:.1} h", secs as f64 / 3600.0),
    }
}

/// Same service +3; what it depends on directly, if that shows nothing of itself, +1.5, over one
/// more node 0; a caller, whose load it carries, +1; what services share, +1.5. A change that names no
/// target may be anywhere.
fn locality(view: &View<'_>, name: &Name, change: &Change) -> Option<Evidence> {
    let map = &view.world.map;
    let term = |nats, text| Some(evidence::row(EvidenceTerm::ChangeLocality, nats, text));
    let bound = |target: &Name| map.node(target);
    let mut targets: Vec<Name> = change.targets.iter().map(bound).collect();
    let mut guessed = false;
    if targets.is_empty() {
        targets = super::content::mentioned_services(view, change);
        guessed = true;
    }
    if targets.is_empty() {
        return if super::diff::is_shared(change) {
            term(1.5, String::from("touches what services share"))
        } else {
            term(0.0, String::from("the change names no service"))
        };
    }
    if targets.contains(name) {
        let nats = if guessed { 2.0 } else { 3.0 };
        // A change to everything is near to everything: its nearness is worth less.
        let spread = 0.5 * libm::log(targets.len() as f64);
        let how = if guessed { "its text names" } else { "was made to" };
        return term(nats - spread, format!("{how} {name} itself"));
    }
    let silent = |target: &&Name| {
        let kind = map.kind(target);
        !matches!(kind, Some(EntityKind::Service)) && !view.case.services().contains(*target)
    };
    let near = targets
        .iter()
        .filter(silent)
        .filter_map(|target| map.distance(name, target, 2).map(|hops| (hops, target)));
    if let Some((hops, target)) = near.min() {
        let nats = if hops <= 1 { 1.5 } else { 0.0 };
        return term(nats, format!("was made to {target}, which {name} needs ({hops} hops)"));
    }
    // Load flows the other way: a caller that begins to ask more breaks whom it asks, if that is ours.
    if matches!(map.kind(name), Some(EntityKind::Host | EntityKind::External)) {
        return None;
    }
    let caller = targets.iter().find(|target| map.callees(target).contains(name))?;
    term(1.0, format!("was made to {caller}, which calls {name}"))
}
