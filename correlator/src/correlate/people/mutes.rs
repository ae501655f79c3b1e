//! Mutes: silences, maintenance windows and inhibitions, and what they cover at an instant.
//!
//! A mute never works backwards: it covers from its start or from its arrival, whichever is later, so
//! that what was told stays told. Deliberately absent: what covered alerts mean for a case
//! ([`super::cover`]).

use std::collections::{BTreeMap, BTreeSet};

use model::alert::Alert;
use model::id::Fingerprint;
use model::matcher::Matcher;
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::check::ActFault;
use super::matching::MatcherSet;
use crate::correlate::dedup::{AlertState, Alerts};
use crate::correlate::limits::{INHIBITIONS_MAX, SILENCES_MAX, WINDOWS_MAX};

/// How long after its end a mute is kept: unsettled panes of its time may still be folded.
const KEPT_AFTER: Nanos = Nanos::from_secs(3600);

/// Later than any instant that an act may name.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// A time, its end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    from: Timestamp,
    until: Timestamp,
}

impl Span {
    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    fn end(&mut self, at: Timestamp) -> bool {
        let was_in_force = at < self.until;
        self.until = self.until.min(at);
        was_in_force
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Silence {
    span: Span,
    matchers: MatcherSet,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Window {
    span: Span,
    services: BTreeSet<Name>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inhibition {
    span: Span,
    source: MatcherSet,
    target: MatcherSet,
    equal: Vec<Name>,
}

/// All that mutes, by the id of the act that made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::correlate) struct Mutes {
    silences: BTreeMap<Name, Silence>,
    windows: BTreeMap<Name, Window>,
    inhibitions: BTreeMap<Name, Inhibition>,
}

/// Which alerts are muted, each with the act that does it.
pub(in crate::correlate) type Muted = BTreeMap<Fingerprint, Name>;

impl Mutes {
    /// Alerts that match are muted from the later of `from` and `now` until `until`.
    ///
    /// # Errors
    /// An expression that does not compile, or too many silences.
    pub(in crate::correlate) fn silence(
        &mut self,
        act: Name,
        matchers: Vec<Matcher>,
        (from, until): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<(), ActFault> {
        room(self.silences.values().map(|one| one.span), now, SILENCES_MAX, "silences")?;
        let span = Span { from: from.max(now), until };
        self.silences.insert(act, Silence { span, matchers: MatcherSet::new(matchers)? });
        Ok(())
    }

    /// Services are worked on from the later of `from` and `now` until `until`.
    ///
    /// # Errors
    /// Too many windows.
    pub(in crate::correlate) fn maintain(
        &mut self,
        act: Name,
        services: Vec<Name>,
        (from, until): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<(), ActFault> {
        room(self.windows.values().map(|one| one.span), now, WINDOWS_MAX, "maintenance windows")?;
        let span = Span { from: from.max(now), until };
        self.windows.insert(act, Window { span, services: services.into_iter().collect() });
        Ok(())
    }

    /// While something that matches `source` fires, what matches `target` is muted, from `now` on.
    ///
    /// # Errors
    /// An expression that does not compile, or too many inhibitions.
    pub(in crate::correlate) fn inhibit(
        &mut self,
        act: Name,
        (source, target): (Vec<Matcher>, Vec<Matcher>),
        equal: Vec<Name>,
        now: Timestamp,
    ) -> Result<(), ActFault> {
        room(self.inhibitions.values().map(|one| one.span), now, INHIBITIONS_MAX, "inhibitions")?;
        let (source, target) = (MatcherSet::new(source)?, MatcherSet::new(target)?);
        let span = Span { from: now, until: NEVER };
        self.inhibitions.insert(act, Inhibition { span, source, target, equal });
        Ok(())
    }

    /// Ends a silence or a window.
    ///
    /// # Errors
    /// None of that name is in force or to come.
    pub(in crate::correlate) fn expire(
        &mut self,
        target: &Name,
        now: Timestamp,
    ) -> Result<(), ActFault> {
        let silence = self.silences.get_mut(target).map(|one| &mut one.span);
        let span = silence.or_else(|| self.windows.get_mut(target).map(|one| &mut one.span));
        let ended = span.is_some_and(|span| span.end(now));
        if ended { Ok(()) } else { Err(ActFault::UnknownTarget(target.clone())) }
    }

    /// Ends an inhibition.
    ///
    /// # Errors
    /// None of that name is in force.
    pub(in crate::correlate) fn uninhibit(
        &mut self,
        target: &Name,
        now: Timestamp,
    ) -> Result<(), ActFault> {
        let ended = self.inhibitions.get_mut(target).is_some_and(|one| one.span.end(now));
        if ended { Ok(()) } else { Err(ActFault::UnknownTarget(target.clone())) }
    }

    /// Forgets what ended long before `now`.
    pub(in crate::correlate) fn forget(&mut self, now: Timestamp) {
        let kept = |span: &Span| span.until == NEVER || now - span.until <= KEPT_AFTER;
        self.silences.retain(|_, one| kept(&one.span));
        self.windows.retain(|_, one| kept(&one.span));
        self.inhibitions.retain(|_, one| kept(&one.span));
    }

    /// The services that are worked on at any moment between two instants, with the act of each.
    /// `node` tells what the map calls a service that a person named.
    pub(in crate::correlate) fn worked_on(
        &self,
        (start, end): (Timestamp, Timestamp),
        node: impl Fn(&Name) -> Name,
    ) -> BTreeMap<Name, Name> {
        let overlaps = |span: &Span| span.from < end && start < span.until;
        let mut found = BTreeMap::new();
        for (act, window) in self.windows.iter().filter(|(_, window)| overlaps(&window.span)) {
            for service in &window.services {
                found.entry(node(service)).or_insert_with(|| act.clone());
            }
        }
        found
    }

    /// Which of the alerts that fire are muted. `fired` are those of this pane with their instants; all
    /// others are asked for `last`, the last instant of the pane.
    pub(in crate::correlate) fn muted(
        &self,
        alerts: &Alerts,
        fired: &BTreeMap<Fingerprint, Timestamp>,
        last: Timestamp,
        stale_after: Nanos,
        node: impl Fn(&Name) -> Name,
    ) -> Muted {
        if self.silences.is_empty() && self.windows.is_empty() && self.inhibitions.is_empty() {
            return Muted::new();
        }
        let firing: Vec<Firing<'_>> = alerts
            .iter()
            .filter_map(|(fingerprint, state)| {
                let at = fired.get(&fingerprint).copied();
                let holds = at.is_some() || state.holds(last, stale_after);
                holds.then(|| Firing { fingerprint, state, at: at.unwrap_or(last) })
            })
            .collect();
        let mut muted = Muted::new();
        for one in &firing {
            let act = self.silenced(one).or_else(|| self.at_work(one, &node));
            if let Some(act) = act {
                muted.insert(one.fingerprint, act.clone());
            }
        }
        for (act, inhibition) in &self.inhibitions {
            for fingerprint in inhibition.mutes(&firing) {
                muted.entry(fingerprint).or_insert_with(|| act.clone());
            }
        }
        muted
    }

    fn silenced(&self, one: &Firing<'_>) -> Option<&Name> {
        let covers =
            |silence: &Silence| silence.span.holds(one.at) && one.matches(&silence.matchers);
        self.silences.iter().find(|(_, silence)| covers(silence)).map(|(act, _)| act)
    }

    fn at_work(&self, one: &Firing<'_>, node: impl Fn(&Name) -> Name) -> Option<&Name> {
        let service = one.state.binding.node()?;
        let covers = |window: &Window| {
            window.span.holds(one.at) && window.services.iter().any(|name| node(name) == *service)
        };
        self.windows.iter().find(|(_, window)| covers(window)).map(|(act, _)| act)
    }
}

/// An alert that fires, and since when that matters here.
struct Firing<'a> {
    fingerprint: Fingerprint,
    state: &'a AlertState,
    at: Timestamp,
}

impl Firing<'_> {
    fn alert(&self) -> &Alert {
        &self.state.alert
    }

    fn matches(&self, set: &MatcherSet) -> bool {
        set.matches(self.alert(), self.state.binding.node())
    }
}

impl Inhibition {
    /// What it mutes. As in Alertmanager, an alert that matches both sides is not muted by one of which
    /// the same is true: so none mutes itself. A source must have fired by then.
    fn mutes(&self, firing: &[Firing<'_>]) -> Vec<Fingerprint> {
        let values = |one: &Firing<'_>| -> Vec<Name> {
            let value = |label: &Name| one.alert().labels.get(label).cloned().unwrap_or_default();
            self.equal.iter().map(value).collect()
        };
        // The earliest source of each combination of labels: of all, and of those that match one side.
        let mut any: BTreeMap<Vec<Name>, Timestamp> = BTreeMap::new();
        let mut one_sided: BTreeMap<Vec<Name>, Timestamp> = BTreeMap::new();
        for source in firing.iter().filter(|one| one.matches(&self.source)) {
            let since = source.state.since.min(source.at);
            let key = values(source);
            if !source.matches(&self.target) {
                let first = one_sided.entry(key.clone()).or_insert(since);
                *first = since.min(*first);
            }
            let first = any.entry(key).or_insert(since);
            *first = since.min(*first);
        }
        let is_muted = |one: &&Firing<'_>| {
            let sources = if one.matches(&self.source) { &one_sided } else { &any };
            let since = sources.get(&values(one));
            self.span.holds(one.at) && since.is_some_and(|since| *since <= one.at)
        };
        let targets = firing.iter().filter(|one| one.matches(&self.target));
        targets.filter(is_muted).map(|one| one.fingerprint).collect()
    }
}

fn room(
    spans: impl Iterator<Item = Span>,
    now: Timestamp,
    max: usize,
    what: &'static str,
) -> Result<(), ActFault> {
    let count = spans.filter(|span| span.until > now).count();
    if count >= max { Err(ActFault::Full(count, what)) } else { Ok(()) }
}
