//! Hosts: what services on one host show together is what the host shows.
//!
//! A crowded host makes each of its guests spend more time in itself. Each of them could be to blame for its
//! own time, and for none of the others'; the host explains all of it at once. It needs two guests that show
//! time of their own, and those that are well speak against it ([`super::common_cause`]). Deliberately absent: time lost
//! on the way and errors, which pass between services wherever they run.

use std::collections::BTreeSet;

use model::entity::EntityKind;
use model::hypothesis::{Evidence, EvidenceTerm};
use model::id::Fingerprint;
use model::name::Name;
use model::nats::Nats;
use model::symptom::SymptomKind;

use crate::correlate::limits::EXEMPLARS_MAX;

use super::{View, evidence};

/// Guests that must show time of their own.
const GUESTS_MIN: usize = 2;
/// Guests that a row names.
const NAMED_MAX: usize = 3;

/// The services on a host that spend more time in themselves than usual; none if the node is no host, or
/// fewer than two do.
pub(super) fn slow_guests(view: &View<'_>, name: &Name) -> BTreeSet<Name> {
    if view.world.map.kind(name) != Some(EntityKind::Host) {
        return BTreeSet::new();
    }
    let is_slow =
        |guest: &Name| early(view, guest, SymptomKind::SlowSelf) >= view.config.support_level;
    let slow: BTreeSet<Name> = view.world.map.callers(name).into_iter().filter(is_slow).collect();
    if slow.len() < GUESTS_MIN { BTreeSet::new() } else { slow }
}

/// What the guests of a host show, as its own: their time, their metrics, and the alerts that name it.
pub(super) fn own(view: &View<'_>, name: &Name) -> Vec<Evidence> {
    let slow = slow_guests(view, name);
    if slow.is_empty() {
        return Vec::new();
    }
    let ranking = &view.config.ranking;
    let sum = |kind| slow.iter().map(|guest| early(view, guest, kind)).sum::<Nats>().to_f64();
    let named: Vec<&str> = slow.iter().take(NAMED_MAX).map(Name::as_str).collect();
    let (count, named) = (slow.len(), named.join(", "));
    let text = format!("{count} services on it spend far more time in themselves: {named}");
    let time = evidence::capped(sum(SymptomKind::SlowSelf), ranking.telemetry_cap);
    let mut rows = vec![evidence::row(EvidenceTerm::SlowSelf, time, text)];
    let metrics = evidence::capped(sum(SymptomKind::Metric), ranking.metric_cap).min(time);
    if metrics > 0.0 {
        let text = format!("metrics of the services on it are out of their range: {named}");
        rows.push(evidence::row(EvidenceTerm::Metric, metrics, text));
    }
    rows.extend(named_by_alerts(view, name, &slow));
    rows
}

/// Alerts of its guests that name this host. Were it not the host's doing, each would name any of the hosts of its
/// service alike: `ln(hosts)` for each service.
fn named_by_alerts(view: &View<'_>, name: &Name, guests: &BTreeSet<Name>) -> Option<Evidence> {
    let map = &view.world.map;
    let mut services: BTreeSet<&Name> = BTreeSet::new();
    let mut pointers: Vec<Fingerprint> = Vec::new();
    for fingerprint in view.case.heard() {
        let Some(state) = view.world.alerts.get(*fingerprint) else { continue };
        let Some(guest) = state.binding.node().and_then(|node| guests.get(node)) else { continue };
        let named = state.alert.labels.iter().filter_map(|(_, value)| map.bind(value));
        let hosts: BTreeSet<Name> =
            named.filter(|node| map.kind(node) == Some(EntityKind::Host)).collect();
        if hosts.len() == 1 && hosts.contains(name) {
            services.insert(guest);
            pointers.push(*fingerprint);
        }
    }
    let hosts = |service: &Name| {
        let needs = map.callees(service).into_iter();
        needs.filter(|node| map.kind(node) == Some(EntityKind::Host)).count().max(1)
    };
    let nats: f64 = services.iter().map(|service| libm::log(hosts(service) as f64)).sum();
    if nats <= 0.0 {
        return None;
    }
    let text =
        format!("alerts of {} services name it, and no other of their hosts", services.len());
    let cap = view.config.ranking.alerts_cap;
    let mut row = evidence::row(EvidenceTerm::Alerts, evidence::capped(nats, cap), text);
    pointers.sort_unstable();
    pointers.truncate(EXEMPLARS_MAX);
    row.alerts = pointers;
    Some(row)
}

/// What a service shows of one kind in the first panes.
fn early(view: &View<'_>, service: &Name, kind: SymptomKind) -> Nats {
    let own = view.case.symptoms.iter();
    let own = own.filter(|(key, _)| key.kind == kind && key.entity.service == *service);
    own.map(|(_, sum)| sum.early).sum()
}
