//! Signs: what was said in words of a service lately, by others in their logs and by the platform.
//!
//! A complaint speaks of the service that it names, not of the one that logs it; only the map knows
//! which words are names. A sign is said once and stays true for a while, so signs are kept apart
//! from symptoms: they rank causes and never open, hold or tie an incident.

use std::collections::{BTreeMap, BTreeSet};

use model::id::TraceId;
use model::map::ObservedDependency;
use model::name::Name;
use model::nats::Nats;
use model::symptom::{Symptom, SymptomKind};
use model::time::Pane;
use serde::{Deserialize, Serialize};

use super::limits::{SIGN_TRACES_MAX, SIGNS_MAX, SIGNS_OF_ONE_MAX};
use super::map::Map;

/// For so long a sign is believed after it was last given. Unit: panes (half an hour of 10 s).
const KEEPS: i64 = 180;
/// A complaint that was not heard for longer is over, and begins anew when it comes back. Unit: panes (two minutes of 10 s,
/// the longest that an effect comes after its cause, as among the onsets of services).
const GOES_ON: i64 = 12;
/// The shortest word that is taken for a name. Unit: bytes.
const NAME_BYTES_MIN: usize = 3;

/// Whether a kind of symptom is a sign.
pub(super) const fn is_sign(kind: SymptomKind) -> bool {
    matches!(kind, SymptomKind::Complaint | SymptomKind::Platform)
}

/// Identity of a sign of one service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct SignKey {
    /// Which kind.
    pub(super) kind: SymptomKind,
    /// Who says it: a service that complains, or the service itself for the platform's word.
    pub(super) by: Name,
    /// In which words.
    pub(super) text: Name,
}

/// A sign over its panes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sign {
    /// Evidence over all panes.
    pub(super) nats: Nats,
    /// How often it was said.
    pub(super) times: u64,
    /// The last pane in which it was said.
    pub(super) last: Pane,
    /// Calls that its subject answered in the panes in which it was said.
    #[serde(default)]
    pub(super) answered: u64,
    /// Traces in which it was said, those of the newest panes: what a case shows now is held against what
    /// is said now, however much was said before.
    #[serde(default)]
    pub(super) said_in: BTreeSet<(Pane, TraceId)>,
}

/// All signs that are believed, by the service that they speak of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signs {
    of: BTreeMap<Name, BTreeMap<SignKey, Sign>>,
    held: usize,
}

impl Signs {
    /// Takes the signs of a pane in, with the calls that its spans show, and forgets those that were not
    /// given for long. Returns how many found no room.
    pub(super) fn note(
        &mut self,
        pane: Pane,
        signs: &[Symptom],
        calls: &[ObservedDependency],
        map: &Map,
    ) -> u64 {
        let mut dropped = 0;
        let by_subject = answered(signs, calls, map);
        for symptom in signs {
            for subject in subjects(symptom, map) {
                let answered = by_subject.get(&subject).copied().unwrap_or_default();
                dropped += u64::from(!self.add(pane, subject, symptom, answered));
            }
        }
        for signs in self.of.values_mut() {
            signs.retain(|_, sign| pane.since(sign.last) < KEEPS);
        }
        self.of.retain(|_, signs| !signs.is_empty());
        self.held = self.of.values().map(BTreeMap::len).sum();
        dropped
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// What is said of a service, by (kind, who, words).
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = (&SignKey, &Sign)> {
        self.of.get(name).into_iter().flatten()
    }

    /// The services of which something is said that counts, sorted.
    pub(super) fn subjects(&self, since: Pane) -> impl Iterator<Item = &Name> {
        self.of.keys().filter(move |name| self.weight(name, since) > Nats::ZERO)
    }

    /// All that is said of a service, and counts; of complaints, those that went on in a pane or after it.
    pub(super) fn weight(&self, name: &str, since: Pane) -> Nats {
        let complained = self.complained(name, since);
        let platform = self.of(name).filter(|(key, _)| key.kind == SymptomKind::Platform);
        let complaints =
            self.complaints(name, since).map(|(_, sign)| complained.left_of(sign.nats));
        complaints.chain(platform.map(|(_, sign)| sign.nats)).sum()
    }

    /// Complaints of a service that went on in a pane or after it.
    pub(super) fn complaints(
        &self,
        name: &str,
        since: Pane,
    ) -> impl Iterator<Item = (&SignKey, &Sign)> {
        let goes_on = move |(key, sign): &(&SignKey, &Sign)| {
            key.kind == SymptomKind::Complaint && sign.last >= since
        };
        self.of(name).filter(goes_on)
    }

    /// All of them. The panes of one complainer are mostly those of the others, so the most
    /// that was answered during one complaint stands for all.
    pub(super) fn complained(&self, name: &str, since: Pane) -> Complained {
        self.complaints(name, since).fold(Complained::default(), |sum, (_, sign)| Complained {
            times: sum.times.saturating_add(sign.times),
            answered: sum.answered.max(sign.answered),
        })
    }

    /// Of how many services the platform gives this reason.
    pub(super) fn with_reason(&self, reason: &str) -> usize {
        let gives = |signs: &BTreeMap<SignKey, Sign>| {
            signs.keys().any(|key| key.kind == SymptomKind::Platform && key.reason() == reason)
        };
        self.of.values().filter(|signs| gives(signs)).count()
    }

    /// Traces in which each service complains of another one.
    pub(super) fn complaining(&self) -> BTreeMap<&Name, BTreeSet<TraceId>> {
        let mut traces: BTreeMap<&Name, BTreeSet<TraceId>> = BTreeMap::new();
        let all = self.of.values().flatten();
        for (key, sign) in all.filter(|(key, _)| key.kind == SymptomKind::Complaint) {
            let said_in = sign.said_in.iter().map(|(_, trace)| *trace);
            traces.entry(&key.by).or_default().extend(said_in);
        }
        traces
    }

    /// Whether there was room.
    fn add(&mut self, pane: Pane, subject: Name, symptom: &Symptom, answered: u64) -> bool {
        let signs = self.of.entry(subject).or_default();
        let key = SignKey {
            kind: symptom.kind,
            by: symptom.entity.service.clone(),
            text: symptom.detail.clone(),
        };
        let full = self.held >= SIGNS_MAX || signs.len() >= SIGNS_OF_ONE_MAX;
        if full && !signs.contains_key(&key) {
            return false;
        }
        let sign = signs.entry(key).or_insert_with(|| {
            self.held += 1;
            Sign::default()
        });
        // Who has not complained for long complains of something else now.
        if symptom.kind == SymptomKind::Complaint && pane.since(sign.last) > GOES_ON {
            *sign = Sign::default();
        }
        sign.nats += symptom.nats;
        sign.times = sign.times.saturating_add(symptom.hits);
        sign.answered = sign.answered.saturating_add(answered);
        sign.last = sign.last.max(pane);
        sign.said_in.extend(symptom.exemplars.iter().map(|trace| (pane, *trace)));
        while sign.said_in.len() > SIGN_TRACES_MAX {
            sign.said_in.pop_first();
        }
        true
    }
}

/// All complaints of one service, and the calls that it answered meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Complained {
    times: u64,
    answered: u64,
}

impl Complained {
    /// What is left of a complaint. It says nothing where as many calls were answered as complaints say were not:
    /// who answers is there, and the fault is the complainer's, or lies between them.
    pub(super) fn left_of(self, nats: Nats) -> Nats {
        let left = self.times.saturating_sub(self.answered);
        let part = i128::from(nats.0) * i128::from(left) / i128::from(self.times.max(1));
        // Not more than the whole, which fits.
        Nats(i64::try_from(part).unwrap_or(nats.0))
    }
}

impl SignKey {
    /// The reason that an event of the platform begins with.
    pub(super) fn reason(&self) -> &str {
        self.text.split_once(':').map_or(self.text.as_str(), |(reason, _)| reason)
    }
}

/// Calls that services surely answered in a pane, by spans of their own; nothing where nobody complains.
fn answered(signs: &[Symptom], calls: &[ObservedDependency], map: &Map) -> BTreeMap<Name, u64> {
    let mut by_subject: BTreeMap<Name, u64> = BTreeMap::new();
    if signs.iter().all(|symptom| symptom.kind != SymptomKind::Complaint) {
        return by_subject;
    }
    for edge in calls {
        let answered = edge.calls.saturating_sub(edge.failed).saturating_sub(edge.orphans);
        let sum = by_subject.entry(map.node(&edge.to)).or_default();
        *sum = sum.saturating_add(answered);
    }
    by_subject
}

/// Of whom a sign speaks: the platform's word of its own object; a complaint of those whom the map
/// knows among its words, without the one who complains.
fn subjects(symptom: &Symptom, map: &Map) -> BTreeSet<Name> {
    let own = &symptom.entity.service;
    if symptom.kind == SymptomKind::Platform {
        return BTreeSet::from([map.node(own)]);
    }
    let words = symptom.detail.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
    let named = words.filter(|word| word.len() >= NAME_BYTES_MIN).filter_map(|word| map.bind(word));
    let me = map.bind(own);
    named.filter(|name| name != own && Some(name) != me.as_ref()).collect()
}
