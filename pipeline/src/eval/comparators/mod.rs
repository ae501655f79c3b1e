//! What the product has to beat: simple rules and published methods on the same recordings.
//!
//! They see the raw records, never the engine's judgement (but for *most symptoms*), and unlike the
//! engine they are told when the fault began, as their papers' evaluations tell them: records of
//! the half hour before `onset - u` are normal, those from there to the end of the window abnormal.
//! Equal scores are ordered against them, as against the product. One file each.

pub mod most_alerts;
pub mod most_symptoms;
pub mod robust_z;
pub mod baro;
pub mod microrank;
pub mod tracerca;
pub mod latest_deploy;
pub mod longest_diff;
mod traces;
mod scale;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::change::ChangeEvent;
use model::incident::Incident;
use model::name::Name;
use model::time::{Nanos, Timestamp};

use super::labels::Fault;
use super::ranks::{Ranking, strict_rank, tied};
use super::raw::Raw;
use super::series::Series;
use super::suite::Window;

/// How much of the time before a fault is normal: the casebook's streams begin half an hour before
/// their case.
const NORMAL: Nanos = Nanos::from_secs(1800);

/// What a comparator is given for one fault.
pub struct Case<'a> {
    /// The stream's records.
    pub raw: &'a Raw,
    /// The stream's series.
    pub series: &'a [Series],
    /// The incidents that the fault claims.
    pub incidents: &'a [Arc<Incident>],
    /// The first normal instant.
    pub normal: Timestamp,
    /// The first abnormal instant.
    pub abnormal: Timestamp,
    /// When somebody would begin to look for the change that did it.
    pub page: Timestamp,
    /// The beginning of the window.
    pub start: Timestamp,
    /// The end of the window.
    pub end: Timestamp,
}

impl<'a> Case<'a> {
    /// The changes that had begun when the page came.
    fn suspects(&self) -> impl Iterator<Item = &'a ChangeEvent> + use<'a> {
        let page = self.page;
        let changes = self.raw.changes.iter();
        changes.filter(move |change| change.started_at.unwrap_or(change.at) <= page)
    }

    /// The case of a fault.
    #[must_use]
    pub fn new(
        raw: &'a Raw,
        series: &'a [Series],
        incidents: &'a [Arc<Incident>],
        window: &Window,
        fault: &Fault,
    ) -> Self {
        let abnormal = fault.onset - fault.uncertainty();
        Self {
            raw,
            series,
            incidents,
            normal: abnormal - NORMAL,
            abnormal,
            page: page(raw, abnormal, window),
            start: window.start,
            end: window.end,
        }
    }
}

/// When the first alert of the abnormal period fires; else the end of the window.
fn page(raw: &Raw, abnormal: Timestamp, window: &Window) -> Timestamp {
    let during = |at: &Timestamp| abnormal <= *at && *at <= window.end;
    let firing = raw.alerts.iter().filter(|alert| alert.firing).map(|alert| alert.at);
    firing.filter(during).min().unwrap_or(window.end)
}

/// What a comparator says: scores, the greater the more suspect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Of services.
    pub services: BTreeMap<Name, f64>,
    /// Of changes: the events of one change, and its score.
    pub changes: Vec<(Vec<Name>, f64)>,
}

impl Answer {
    /// An answer about services alone; scores that are no numbers or not above zero are none.
    fn of_services(scores: impl IntoIterator<Item = (Name, f64)>) -> Self {
        let mut services: BTreeMap<Name, f64> = BTreeMap::new();
        for (service, score) in scores.into_iter().filter(|(_, score)| *score > 0.0) {
            let known = services.entry(service).or_insert(score);
            *known = known.max(score);
        }
        Self { services, changes: Vec::new() }
    }

    /// An answer about changes, and through what they touched about services. The steps of one
    /// roll-out are one change with the greatest score of its events.
    fn of_changes<'a>(scores: impl IntoIterator<Item = (&'a ChangeEvent, f64)>) -> Self {
        let mut changes: BTreeMap<Name, (Vec<Name>, f64)> = BTreeMap::new();
        let mut touched = Vec::new();
        for (event, score) in scores {
            let first = event.links.iter().chain([&event.id]).min().unwrap_or(&event.id);
            let change = changes.entry(first.clone()).or_insert_with(|| (Vec::new(), score));
            change.0.push(event.id.clone());
            change.1 = change.1.max(score);
            touched.extend(event.targets.iter().map(|target| (target.clone(), score)));
        }
        let changes = changes.into_values().collect();
        Self { services: Self::of_services(touched).services, changes }
    }
}

/// One comparator.
pub struct Comparator {
    /// Its name in the report, and its field in the JSON.
    pub name: &'static str,
    /// Its method.
    pub answer: fn(&Case<'_>) -> Answer,
}

/// All of them.
pub const ALL: [Comparator; 8] = [
    Comparator { name: "most_alerts", answer: most_alerts::answer },
    Comparator { name: "most_symptoms", answer: most_symptoms::answer },
    Comparator { name: "largest_robust_z", answer: robust_z::answer },
    Comparator { name: "max_z_baro", answer: baro::answer },
    Comparator { name: "microrank", answer: microrank::answer },
    Comparator { name: "tracerca", answer: tracerca::answer },
    Comparator { name: "latest_deploy", answer: latest_deploy::answer },
    Comparator { name: "longest_diff", answer: longest_diff::answer },
];

/// How one comparator did at one fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// It said something of services.
    pub named_services: bool,
    /// It said something of changes.
    pub named_changes: bool,
    /// Strict rank of the root cause's service.
    pub rank: Option<usize>,
    /// Strict rank of the guilty change.
    pub change_rank: Option<usize>,
    /// A decoy is first, or as good as the first.
    pub decoy_first: bool,
}

/// Asks all comparators, in the order of [`ALL`].
#[must_use]
pub fn compare(case: &Case<'_>, fault: &Fault) -> Vec<Compared> {
    ALL.iter().map(|comparator| judge(&(comparator.answer)(case), fault)).collect()
}

fn judge(answer: &Answer, fault: &Fault) -> Compared {
    let ranking = |mut entries: Vec<(usize, f64)>| {
        entries.sort_by(|a, b| b.1.total_cmp(&a.1));
        [Ranking { impact: 0.0, entries }]
    };
    let services: Vec<(&Name, f64)> = answer.services.iter().map(|(n, s)| (n, *s)).collect();
    let of_services = services.iter().enumerate().map(|(place, (_, score))| (place, *score));
    let of_changes = answer.changes.iter().enumerate().map(|(place, (_, score))| (place, *score));
    let names = |place: usize| services.get(place).map(|(name, _)| name.as_str());
    let events = |place: usize| answer.changes.get(place).map(|(events, _)| events.iter());
    let best = answer.changes.iter().map(|(_, score)| *score).max_by(f64::total_cmp);
    let first = answer.changes.iter().filter(|(_, score)| best.is_some_and(|b| tied(b, *score)));
    Compared {
        named_services: !services.is_empty(),
        named_changes: !answer.changes.is_empty(),
        rank: fault.service().and_then(|wanted| {
            strict_rank(&ranking(of_services.collect()), |place| names(*place) == Some(wanted))
        }),
        change_rank: strict_rank(&ranking(of_changes.collect()), |place| {
            events(*place).is_some_and(|mut ids| ids.any(|id| fault.is_guilty(id)))
        }),
        decoy_first: first.flat_map(|(ids, _)| ids).any(|id| fault.is_decoy(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::fault;

    #[test]
    fn ties_are_lost_here_too() {
        let answer = Answer::of_services(
            [("a", 3.0), ("cart", 3.0), ("b", 1.0), ("c", 0.0)].map(|(n, s)| (n.into(), s)),
        );
        let compared = judge(&answer, &fault(0, "cart"));
        assert_eq!(
            (compared.rank, compared.named_services, compared.named_changes),
            (Some(2), true, false)
        );
        assert_eq!(judge(&answer, &fault(0, "c")).rank, None, "no score is no answer");
    }

    #[test]
    fn changes_are_found_by_any_of_their_events() {
        let answer = Answer {
            services: BTreeMap::new(),
            changes: vec![
                (vec!["x-1".into(), "x-2".into()], 5.0),
                (vec!["g-1".into(), "g-2".into()], 4.0),
                (vec!["d".into()], 5.0),
            ],
        };
        let mut fault = fault(0, "cart");
        fault.change_id = Some("g".into());
        fault.change_aliases = Some(vec!["g-2".into()]);
        fault.decoy_change_ids = Some(vec!["d".into()]);
        let compared = judge(&answer, &fault);
        assert_eq!((compared.change_rank, compared.decoy_first), (Some(3), true));
    }
}
