//! What people did to our alerts in Jira Service Management's Operations.
//!
//! The alerts that changed last are read until one is older than what was heard. An alert says that and
//! when it was acknowledged or closed, its notes say who wrote what; who did something stands in its
//! activity. Who owns it and until when it is snoozed is held against what stood before ([`super::standing`]); in
//! whose name is said by the newest thing that a person did to it. Alerts appear a little late in the list, so the last minute is read again, and what was
//! heard is passed over. What we wrote ourselves bears our mark; what policies do has no person as its
//! owner. An answer takes a few requests: pages wait meanwhile. An alert with much to read is read on in the
//! next one.

use std::collections::{BTreeMap, BTreeSet};

use model::command::Decision;
use model::id::IncidentId;
use model::name::Name;
use model::time::{Nanos, Timestamp};

use super::desk::{Alert, Desk, Entry, Note};
use super::standing::{self, Standing};
use super::{is_our_close, is_ours};
use crate::exchange::Stop;
use crate::heard::{Deed, Heard, More, Patience, incident_id};

/// Alerts of one page: each may have texts of 25 KB.
const PAGE: usize = 10;
/// Pages of notes and activity that one answer asks for.
const ASKED_MAX: usize = 5;
/// Pages of one alert's notes or activity that are read.
const PARTS_MAX: usize = 30;
/// How many alerts back the site's list goes. (Its own bound is 20,000.)
const OFFSET_MAX: usize = 19_000;
/// How far back is read again.
const OVERLAP: Nanos = Nanos::from_secs(60);
/// How far moments of one deed may be apart.
const NEAR: Nanos = Nanos::from_secs(5);
/// Alerts and deeds that are remembered.
const KEPT_MAX: usize = 10_000;

/// What was heard already in this process.
#[derive(Debug)]
pub(super) struct Ear {
    /// Of what our alerts say that they come.
    source: String,
    /// Alerts, and when they had changed.
    seen: BTreeMap<String, String>,
    /// Deeds that were told.
    told: BTreeSet<String>,
    /// An alert of which an answer could not read all.
    begun: Option<(String, String, Reading)>,
    patience: Patience,
}

/// Where we are in the list: the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// What changed before it was heard.
    since: Timestamp,
    /// While a list is read: its newest change, and how many alerts of it were read.
    rest: Option<(Timestamp, usize)>,
}

impl Place {
    /// `2026-03-17T02:07:00.000Z`, and behind it the newest change and a count.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let since = Timestamp::parse_rfc3339(parts.next()?)?;
        let rest = match (parts.next(), parts.next()) {
            (Some(until), Some(count)) => {
                Some((Timestamp::parse_rfc3339(until)?, count.parse().ok()?))
            }
            _ => None,
        };
        Some(Self { since, rest })
    }

    fn text(self) -> String {
        let since = self.since.to_rfc3339();
        match self.rest {
            Some((until, count)) => format!("{since} {} {count}", until.to_rfc3339()),
            None => since,
        }
    }
}

/// From when on something is news.
#[derive(Clone, Copy)]
struct At {
    /// What was done since.
    begin: Timestamp,
    /// Up to when was heard: the same each time that an answer is asked for again.
    since: Timestamp,
}

/// What one alert tells, as far as it was read.
#[derive(Debug)]
struct Reading {
    notes: Pages<Note>,
    activity: Pages<Entry>,
}

/// Pages that are read one after the other.
#[derive(Debug)]
struct Pages<T> {
    all: Vec<T>,
    /// Pages that were read.
    read: usize,
    /// The key of the next.
    after: Option<String>,
    is_whole: bool,
    /// There was more than is read.
    is_cut: bool,
}

impl Ear {
    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            seen: BTreeMap::new(),
            told: BTreeSet::new(),
            begun: None,
            patience: Patience::default(),
        }
    }

    pub(super) fn listen(
        &mut self,
        desk: &Desk,
        sink: &Name,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Heard, Stop> {
        let (place, stood) =
            cursor.map_or(("", ""), |text| text.split_once(';').unwrap_or((text, "")));
        let Some(place) = Place::parse(place) else {
            let newest = desk.alerts(0, 1, now)?;
            let since = newest.first().and_then(Alert::changed).unwrap_or(Timestamp::EPOCH);
            let cursor = Some(Place { since, rest: None }.text());
            return Ok(Heard { cursor, ..Heard::default() });
        };
        let mut standing = Standing::parse(stood);
        let offset = place.rest.map_or(0, |(_, count)| count);
        let (page, size) = match desk.alerts(offset, PAGE, now) {
            Err(stop) if stop.is_too_large() => (desk.alerts(offset, 1, now)?, 1),
            page => (page?, PAGE),
        };
        let newest = page.first().and_then(Alert::changed).unwrap_or(place.since);
        let until = place.rest.map_or(newest, |(until, _)| until).max(place.since);
        let begin = Timestamp(place.since.0.saturating_sub(OVERLAP.0));
        let mut heard = Heard::default();
        let (mut passed, mut left, mut is_end) = (0, ASKED_MAX, page.len() < size);
        for alert in &page {
            if alert.changed().is_none_or(|at| at < begin) {
                is_end = true;
                break;
            }
            if self.seen.get(&alert.id) != Some(&alert.updated_at) {
                let at = At { begin, since: place.since };
                let look = (alert, at, &mut standing);
                let whole = self.take(desk, sink, look, &mut left, &mut heard, now)?;
                if !whole {
                    is_end = false;
                    break;
                }
            }
            passed += 1;
        }
        let count = offset + passed;
        if !is_end && count > OFFSET_MAX {
            heard.notes.push(format!("more than {OFFSET_MAX} alerts changed at once"));
            is_end = true;
        }
        self.remember(page.iter().take(passed), &heard);
        let next = if is_end {
            Place { since: until, rest: None }
        } else {
            heard.more = More::Yes;
            Place { rest: Some((until, count)), ..place }
        };
        heard.acts.sort_by_key(|act| act.at);
        heard.cursor = Some(format!("{};{}", next.text(), standing.text()));
        Ok(heard)
    }

    /// After all of an answer was heard: what was heard before an error is heard again.
    fn remember<'a>(&mut self, alerts: impl Iterator<Item = &'a Alert>, heard: &Heard) {
        if self.seen.len() > KEPT_MAX || self.told.len() > KEPT_MAX {
            // What is heard twice has the same id.
            *self = Self::new(&self.source);
        }
        self.seen.extend(alerts.map(|alert| (alert.id.clone(), alert.updated_at.clone())));
        self.told.extend(heard.acts.iter().map(|act| act.id.to_string()));
        self.patience.renew();
    }

    /// The acts of one alert since a moment; `left` is how many pages may still be asked for. Answers whether
    /// all of it was read.
    fn take(
        &mut self,
        desk: &Desk,
        sink: &Name,
        (alert, at, standing): (&Alert, At, &mut Standing),
        left: &mut usize,
        heard: &mut Heard,
        now: Timestamp,
    ) -> Result<bool, Stop> {
        let since = at.begin;
        // The site's search looks for words.
        let incident = incident_id(&alert.alias).filter(|_| alert.source == self.source);
        let Some(incident) = incident else { return Ok(true) };
        let begun = self.begun.take();
        let same = |(id, changed, _): &(String, String, Reading)| {
            (id, changed) == (&alert.id, &alert.updated_at)
        };
        let begun = begun.filter(same).map(|(.., reading)| reading);
        let owner = self.owner(alert);
        let news = standing.news(alert, owner, incident);
        let mut reading = begun.unwrap_or_else(|| Reading::new(alert, since, !news.is_empty()));
        let read = reading.go_on(desk, alert, since, left, now);
        let Some(()) = self.patience.read(&alert.id, read)? else {
            heard.notes.push(format!("the notes of alert {incident} cannot be read"));
            return Ok(true);
        };
        if !reading.notes.is_whole || !reading.activity.is_whole {
            self.begun = Some((alert.id.clone(), alert.updated_at.clone(), reading));
            return Ok(false);
        }
        if reading.notes.is_cut || reading.activity.is_cut {
            heard.notes.push(format!("alert {incident} has more notes than are read"));
        }
        standing.note(alert, owner);
        let mut deeds = self.deeds(alert, &reading, incident, since);
        if let Some((who, done_at)) = self.newest_person(alert, &reading, since) {
            // The alert does not say when it was: the same answer to the same question has the same id, and another
            // one another, also where the first was heard and a crash came before its cursor was kept.
            let since = at.since.millis();
            deeds.extend(news.into_iter().map(|(what, decision)| {
                let entry = format!("{}:{since}:{}", alert.id, standing::entry(what, &decision));
                (entry, who.to_owned(), done_at, String::new(), decision)
            }));
        }
        for (entry, author, at, reason, decision) in deeds {
            let act = Deed { via: sink, entry: &entry, author: &author, at, reason: &reason }
                .act(decision);
            if !self.told.contains(act.id.as_str()) {
                heard.acts.push(act);
            }
        }
        Ok(true)
    }
}

/// Entry, author, moment, words, decision.
type Told = (String, String, Timestamp, String, Decision);

impl Ear {
    fn deeds(
        &self,
        alert: &Alert,
        read: &Reading,
        incident: IncidentId,
        since: Timestamp,
    ) -> Vec<Told> {
        let recent = |text: Option<&String>| {
            let at = Timestamp::parse_rfc3339(text?)?;
            (at >= since).then_some(at)
        };
        let mut deeds = Vec::new();
        for note in &read.notes.all {
            let Some(at) = recent(Some(&note.created_at)) else { continue };
            if !is_ours(&note.note)
                && !self.is_machine(alert, &note.owner)
                && !note.note.trim().is_empty()
            {
                let entry = format!("{}:{}", alert.id, note.id);
                let (author, words) = (note.owner.clone(), note.note.clone());
                deeds.push((entry, author, at, words, Decision::Comment { incident }));
            }
        }
        let done = |at: Timestamp| format!("{}:{}", alert.id, at.millis());
        if alert.acknowledged
            && let Some(at) = recent(alert.ack_time.as_ref())
        {
            // We never acknowledge one, so somebody did, also where the activity names nobody.
            let owner = alert.owner.clone().unwrap_or_default();
            let who = self.person(alert, read, at).unwrap_or(owner);
            deeds.push((done(at), who, at, String::new(), Decision::Acknowledge { incident }));
        }
        let ours = |at: Timestamp| {
            read.notes.all.iter().any(|note| is_our_close(&note.note) && near(note_at(note), at))
        };
        if alert.is_closed()
            && let Some(at) = recent(alert.close_time.as_ref())
            && !ours(at)
            && let Some(who) = self.person(alert, read, at)
        {
            deeds.push((done(at), who, at, String::new(), Decision::Resolve { incident }));
        }
        deeds
    }

    /// Who did what was done at that moment, if a person did: of several, the one nearest to it.
    fn person(&self, alert: &Alert, read: &Reading, at: Timestamp) -> Option<String> {
        let apart = |entry: &Entry| {
            let moment = Timestamp::parse_rfc3339(&entry.log_time);
            moment.filter(|_| near(moment, at)).map(|moment| moment.0.abs_diff(at.0))
        };
        let people = read.activity.all.iter().filter(|entry| !self.is_machine(alert, &entry.owner));
        let nearest =
            people.filter_map(|entry| Some((apart(entry)?, entry))).min_by_key(|(d, _)| *d);
        nearest.map(|(_, entry)| entry.owner.clone())
    }

    /// Who did something to it last, and when, if a person did anything since.
    fn newest_person<'r>(
        &self,
        alert: &Alert,
        read: &'r Reading,
        since: Timestamp,
    ) -> Option<(&'r str, Timestamp)> {
        let people = read.activity.all.iter().filter(|entry| !self.is_machine(alert, &entry.owner));
        let done = people.filter_map(|entry| {
            let at = Timestamp::parse_rfc3339(&entry.log_time).filter(|at| *at >= since)?;
            Some((entry.owner.as_str(), at))
        });
        done.max_by_key(|(_, at)| *at)
    }

    /// Who owns it, if that is a person or a team.
    fn owner<'a>(&self, alert: &'a Alert) -> Option<&'a str> {
        alert.owner.as_deref().filter(|owner| !self.is_machine(alert, owner))
    }

    /// The site itself, its policies, our integration, we.
    fn is_machine(&self, alert: &Alert, owner: &str) -> bool {
        owner.is_empty()
            || owner.eq_ignore_ascii_case("system")
            || owner == self.source
            || alert.integration_name.as_deref() == Some(owner)
    }
}

fn near(one: Option<Timestamp>, other: Timestamp) -> bool {
    one.is_some_and(|one| one.0.abs_diff(other.0) <= NEAR.0.unsigned_abs())
}

fn note_at(note: &Note) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&note.created_at)
}

impl Reading {
    /// Nothing read yet: the activity only if something was done that needs a name.
    fn new(alert: &Alert, since: Timestamp, is_other: bool) -> Self {
        let done = [alert.ack_time.as_deref(), alert.close_time.as_deref()];
        let is_news = |text: &str| Timestamp::parse_rfc3339(text).is_some_and(|at| at >= since);
        let is_whole = !is_other && !done.into_iter().flatten().any(is_news);
        Self { notes: Pages::default(), activity: Pages { is_whole, ..Pages::default() } }
    }

    /// Reads on, as far as pages may be asked for.
    fn go_on(
        &mut self,
        desk: &Desk,
        alert: &Alert,
        since: Timestamp,
        left: &mut usize,
        now: Timestamp,
    ) -> Result<(), Stop> {
        self.notes.go_on(since, note_at, left, |after| desk.notes(&alert.id, after, now))?;
        let moment = |entry: &Entry| Timestamp::parse_rfc3339(&entry.log_time);
        self.activity.go_on(since, moment, left, |after| desk.activity(&alert.id, after, now))
    }
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { all: Vec::new(), read: 0, after: None, is_whole: false, is_cut: false }
    }
}

impl<T> Pages<T> {
    /// Pages until there are no more. The site does not say in which order they are: from the newest on
    /// it is enough to read until one is too old.
    fn go_on(
        &mut self,
        since: Timestamp,
        moment: impl Fn(&T) -> Option<Timestamp>,
        left: &mut usize,
        ask: impl Fn(Option<&str>) -> Result<super::desk::Part<T>, Stop>,
    ) -> Result<(), Stop> {
        while !self.is_whole && *left > 0 {
            *left -= 1;
            let (part, next) = ask(self.after.as_deref())?;
            let (first, last) = (part.first().and_then(&moment), part.last().and_then(&moment));
            let is_past = first > last && last.is_some_and(|last| last < since);
            self.all.extend(part);
            self.read += 1;
            self.is_cut = next.is_some() && !is_past && self.read >= PARTS_MAX;
            self.is_whole = next.is_none() || is_past || self.is_cut;
            self.after = next;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_survives_its_text() {
        let at = |secs| Timestamp::EPOCH + Nanos::from_secs(secs);
        for place in
            [Place { since: at(5), rest: None }, Place { since: at(5), rest: Some((at(9), 40)) }]
        {
            assert_eq!(Place::parse(&place.text()), Some(place));
        }
        assert_eq!(Place::parse("yesterday"), None);
    }
}
