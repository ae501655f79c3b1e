//! Content: what a change touched, against what went wrong, by their words.
//!
//! Words that are rare among the changes count most (IDF), long texts less (BM25's normalisation);
//! names of services do not count at all, for locality has spoken of them. A change whose text has
//! nothing to do with what went wrong is less likely to have caused it than one of which we know
//! nothing. Deliberately absent: understanding of the text.

use std::collections::{BTreeMap, BTreeSet};

use model::alert::Alert;
use model::hypothesis::{Evidence, EvidenceTerm};
use model::name::Name;
use model::signal::LogSeverity;

use crate::correlate::change::Change;

use super::diff::{self, Reading};
use super::words::{bare, mentions, words};
use super::{View, evidence};

/// Bound of the overlap: as much as time and locality together, for a diff that names what broke is
/// as good as both. Unit: nats.
const OVERLAP_CAP: f64 = 5.0;
/// Weight of a word of the title or a path, against one that was changed.
const NAMED: f64 = 0.7;
/// Weight of a word that stands around the changed lines.
const AROUND: f64 = 0.4;
/// Weight of a word that only a monitor says: its rule was written before anything went wrong.
const MONITORED: f64 = 0.5;
/// BM25's `b`: how much the length of a text counts against it (Robertson & Zaragoza 2009).
const LENGTH: f64 = 0.75;
/// Nats for each unit of IDF that is shared.
const PER_IDF: f64 = 0.5;
/// What it says that a text shares nothing. Unit: nats.
const UNRELATED: f64 = -1.5;
/// What it says that nothing that runs was touched. Unit: nats.
const HARMLESS: f64 = -3.0;
/// What a moved limit says at most, at a factor of three. Unit: nats.
const LIMIT: f64 = 1.5;
/// What a removed call or check says. Unit: nats.
const GUARD: f64 = 1.0;
/// Alerts whose texts are read.
const ALERTS_READ: usize = 200;

/// The words of the anomaly, and how rare each is among the changes.
pub(super) struct Corpus {
    anomaly: BTreeMap<String, f64>,
    rarity: BTreeMap<String, f64>,
    length: f64,
}

impl Corpus {
    /// Reads what went wrong, and all changes that a candidate will be asked for. Without any, nothing will be.
    pub(super) fn new(view: &View<'_>, changes: &[Change]) -> Self {
        if changes.is_empty() {
            return Self { anomaly: BTreeMap::new(), rarity: BTreeMap::new(), length: 1.0 };
        }
        let mut told: BTreeSet<String> = BTreeSet::new();
        for key in view.case.symptoms.keys() {
            told.extend(words(&key.detail));
            told.extend(key.entity.operation_name().map(words).unwrap_or_default());
        }
        told.extend(voices(view).into_iter().flat_map(words));
        let monitored: BTreeSet<String> = alert_texts(view).into_iter().flat_map(words).collect();
        let names: BTreeSet<String> = view.case.services().iter().flat_map(names_of).collect();
        let anomaly = told
            .union(&monitored)
            .filter(|word| !names.contains(*word))
            .map(|word| (word.clone(), if told.contains(word) { 1.0 } else { MONITORED }))
            .collect();
        let readings: Vec<Reading> = changes.iter().map(diff::read).collect();
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for word in readings.iter().flat_map(all_words) {
            *counts.entry(word).or_default() += 1;
        }
        let all = changes.len() as f64;
        let rare = |(word, n): (&String, usize)| (word.clone(), libm::log(1.0 + all / n as f64));
        let rarity = counts.into_iter().map(rare).collect();
        let told: Vec<f64> = readings.iter().filter(|r| r.has_text).map(length).collect();
        let length = told.iter().sum::<f64>() / told.len().max(1) as f64;
        Self { anomaly, rarity, length: length.max(1.0) }
    }

    /// The content row of a change, if its text says anything.
    pub(super) fn term(&self, change: &Change) -> Option<Evidence> {
        let row = |nats, text| Some(evidence::row(EvidenceTerm::ChangeContent, nats, text));
        if diff::is_without_behaviour(change) {
            return row(HARMLESS, String::from("touches nothing that runs"));
        }
        let reading = diff::read(change);
        let (overlap, shared) = self.overlap(&reading);
        let mut says: Vec<String> = Vec::new();
        let mut nats = overlap;
        if reading.has_text && overlap < 0.5 {
            nats += UNRELATED;
            says.push(String::from("its text speaks of nothing that went wrong"));
        } else if !shared.is_empty() {
            says.push(format!("shares words with what went wrong: {}", shared.join(", ")));
        }
        if let Some((key, moved)) = diff::moved_limit(change) {
            nats += LIMIT * (moved / libm::log(3.0)).min(1.0);
            says.push(format!("moves the number of {key} by a factor of {:.1}", libm::exp(moved)));
        }
        if diff::removes_guards(change) {
            nats += GUARD;
            says.push(String::from("removes a call or a check"));
        }
        if says.is_empty() { None } else { row(nats, says.join("; ")) }
    }

    /// Nats of the shared words, and the most telling of them.
    fn overlap(&self, reading: &Reading) -> (f64, Vec<String>) {
        let weigh = |word: &String, share: f64| {
            let told = self.anomaly.get(word)?;
            let rarity = self.rarity.get(word).copied().unwrap_or(0.0);
            Some((share * told * rarity, word.clone()))
        };
        let turned = reading.turned.iter().filter_map(|word| weigh(word, 1.0));
        let around = reading.around.iter().filter_map(|word| weigh(word, AROUND));
        let named = reading.named.iter().filter_map(|word| weigh(word, NAMED));
        let mut shared: Vec<(f64, String)> = turned.chain(named).chain(around).collect();
        shared.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let sum: f64 = shared.iter().map(|(weight, _)| weight).sum();
        let long = 1.0 - LENGTH + LENGTH * length(reading) / self.length;
        // Short texts gain nothing by being short: little was said.
        let nats = PER_IDF * sum / long.max(1.0);
        let told = shared.into_iter().take(5).map(|(_, word)| word).collect();
        (nats.min(OVERLAP_CAP), told)
    }
}

fn length(reading: &Reading) -> f64 {
    let (turned, named) = (reading.turned.len() as f64, reading.named.len() as f64);
    turned + NAMED * named + AROUND * reading.around.len() as f64
}

fn all_words(reading: &Reading) -> impl Iterator<Item = &String> {
    reading.turned.iter().chain(&reading.named).chain(&reading.around)
}

/// What monitors and services say of the case.
pub(super) fn messages<'v>(view: &'v View<'_>) -> Vec<&'v str> {
    let mut found: Vec<&str> = alert_texts(view).into_iter().collect();
    found.extend(voices(view));
    found
}

/// Labels under which an alert says in words what is wrong.
const TEXTS: [&str; 4] = ["summary", "description", "detail", "message"];

/// What some alerts say in words, each text once. Alerts of one rule mostly share their annotations.
pub(in crate::correlate) fn each_text_once<'a>(
    alerts: impl Iterator<Item = &'a Alert>,
) -> BTreeSet<&'a Name> {
    let mut found = BTreeSet::new();
    let mut newest = None;
    for alert in alerts {
        let said = &alert.annotations;
        if newest.replace(said) != Some(said) {
            found.extend(TEXTS.iter().filter_map(|key| said.get(key)));
        }
    }
    found
}

/// Texts of its alerts, each once: the instances of a service complain in the same words. The name of a rule says
/// little, and the same every time.
fn alert_texts<'v>(view: &'v View<'_>) -> BTreeSet<&'v str> {
    let alerts = view.case.alerts.keys().filter_map(|fp| view.world.alerts.get(*fp));
    let alerts = alerts.take(ALERTS_READ).map(|state| &*state.alert);
    each_text_once(alerts).into_iter().map(Name::as_str).collect()
}

/// Messages of its members, and those of others that name a member.
fn voices<'v>(view: &'v View<'_>) -> Vec<&'v str> {
    let members = view.case.services();
    let speaks = |service: &Name, text: &str, severity: LogSeverity| {
        let names_member = || members.iter().any(|member| mentions(text, member));
        members.contains(service) || severity >= LogSeverity::Warn && names_member()
    };
    let told = view.case.voices.iter();
    told.filter(|((service, text), said)| speaks(service, text, said.severity))
        .map(|((_, text), _)| text.as_str())
        .collect()
}

fn names_of(service: &Name) -> BTreeSet<String> {
    let mut names = words(service);
    names.insert(bare(service));
    names.insert(service.to_lowercase());
    names
}

/// Services of the case or the map that a change without targets names in its paths or title.
pub(super) fn mentioned_services(view: &View<'_>, change: &Change) -> Vec<Name> {
    let members: Vec<(String, Name)> =
        view.case.services().into_iter().map(|name| (bare(&name), name)).collect();
    let mut found = BTreeSet::new();
    for event in &change.events {
        let paths = event.content.paths.iter().flat_map(|path| path.split('/'));
        let title = event.title.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
        for part in paths.chain(title).filter(|part| part.len() >= 3) {
            found.extend(view.world.map.bind(part));
            let plain = bare(part);
            let same = members.iter().filter(|(name, _)| *name == plain);
            found.extend(same.map(|(_, name)| name.clone()));
        }
    }
    found.into_iter().collect()
}
