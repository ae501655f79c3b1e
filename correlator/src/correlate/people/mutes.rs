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
use crate::correlate::limits::{ENDS_MAX, INHIBITIONS_MAX, SILENCES_MAX, WINDOWS_MAX};

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

    /// Whether it holds at any instant from the first to the last.
    fn meets(&self, (first, last): (Timestamp, Timestamp)) -> bool {
        self.from <= last && first < self.until
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
    /// What was ended before it was made: records of several partitions come in any order.
    #[serde(default)]
    ends: BTreeMap<Name, Timestamp>,
}

/// What may cover an alert in a time, with the names that people wrote resolved once.
pub(in crate::correlate) struct InForce<'a> {
    silences: Vec<(&'a Name, &'a Silence)>,
    /// Windows by what the map calls their services.
    windows: BTreeMap<Name, Vec<(&'a Name, Span)>>,
    inhibitions: Vec<(&'a Name, &'a Inhibition)>,
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
        room(self.silences.len(), SILENCES_MAX, "silences in force or ended in the last hour")?;
        let matchers = MatcherSet::new(matchers)?;
        let span = self.span(&act, from.max(now), until);
        self.silences.insert(act, Silence { span, matchers });
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
        room(
            self.windows.len(),
            WINDOWS_MAX,
            "maintenance windows in force or ended in the last hour",
        )?;
        let span = self.span(&act, from.max(now), until);
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
        room(
            self.inhibitions.len(),
            INHIBITIONS_MAX,
            "inhibitions in force or ended in the last hour",
        )?;
        let (source, target) = (MatcherSet::new(source)?, MatcherSet::new(target)?);
        let span = self.span(&act, now, NEVER);
        self.inhibitions.insert(act, Inhibition { span, source, target, equal });
        Ok(())
    }

    /// Ends a silence, a window or an inhibition; one that is not known yet will have ended when it comes.
    ///
    /// # Errors
    /// It has ended already.
    pub(in crate::correlate) fn end(
        &mut self,
        target: &Name,
        now: Timestamp,
    ) -> Result<(), ActFault> {
        let silence = self.silences.get_mut(target).map(|one| &mut one.span);
        let window = self.windows.get_mut(target).map(|one| &mut one.span);
        let inhibition = self.inhibitions.get_mut(target).map(|one| &mut one.span);
        if let Some(span) = silence.or(window).or(inhibition) {
            let ended = span.end(now);
            return if ended { Ok(()) } else { Err(ActFault::UnknownTarget(target.clone())) };
        }
        let first = self.ends.entry(target.clone()).or_insert(now);
        *first = now.min(*first);
        while self.ends.len() > ENDS_MAX {
            let oldest = self.ends.iter().min_by_key(|(name, at)| (**at, *name));
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            self.ends.remove(&oldest);
        }
        Ok(())
    }

    /// When an act holds, unless it was ended before it came.
    fn span(&mut self, act: &Name, from: Timestamp, until: Timestamp) -> Span {
        let end = self.ends.remove(act).unwrap_or(until);
        Span { from, until: until.min(end) }
    }

    /// Forgets what ended long before `now`.
    pub(in crate::correlate) fn forget(&mut self, now: Timestamp) {
        let kept = |span: &Span| span.until == NEVER || now - span.until <= KEPT_AFTER;
        self.ends.retain(|_, at| now - *at <= KEPT_AFTER);
        self.silences.retain(|_, one| kept(&one.span));
        self.windows.retain(|_, one| kept(&one.span));
        self.inhibitions.retain(|_, one| kept(&one.span));
    }

    /// What may cover an alert at any instant from the first to the last. `node` tells what the map calls
    /// a service that a person named.
    pub(in crate::correlate) fn in_force(
        &self,
        time: (Timestamp, Timestamp),
        node: impl Fn(&Name) -> Name,
    ) -> InForce<'_> {
        let mut windows: BTreeMap<Name, Vec<(&Name, Span)>> = BTreeMap::new();
        for (act, window) in self.windows.iter().filter(|(_, one)| one.span.meets(time)) {
            for service in &window.services {
                windows.entry(node(service)).or_default().push((act, window.span));
            }
        }
        InForce {
            silences: self.silences.iter().filter(|(_, one)| one.span.meets(time)).collect(),
            windows,
            inhibitions: self.inhibitions.iter().filter(|(_, one)| one.span.meets(time)).collect(),
        }
    }

    /// The services that are worked on at any moment between two instants, with the act of each.
    /// `node` tells what the map calls a service that a person named.
    pub(in crate::correlate) fn worked_on(
        &self,
        (start, end): (Timestamp, Timestamp),
        node: impl Fn(&Name) -> Name,
    ) -> BTreeMap<Name, Name> {
        // One that was ended before it began holds at no moment.
        let overlaps =
            |span: &Span| span.from < span.until && span.from < end && start < span.until;
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
        let first = fired.values().copied().fold(last, Timestamp::min);
        let in_force =
            self.in_force((first, fired.values().copied().fold(last, Timestamp::max)), node);
        if in_force.is_empty() {
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
            let act = in_force.covers(one.alert(), one.state.binding.node(), one.at);
            if let Some(act) = act {
                muted.insert(one.fingerprint, act.clone());
            }
        }
        for (act, inhibition) in in_force.inhibitions {
            for fingerprint in inhibition.mutes(&firing) {
                muted.entry(fingerprint).or_insert_with(|| act.clone());
            }
        }
        muted
    }
}

impl<'a> InForce<'a> {
    fn is_empty(&self) -> bool {
        self.silences.is_empty() && self.windows.is_empty() && self.inhibitions.is_empty()
    }

    /// The silence or the window that covers an alert, bound to a service, at an instant. Inhibitions are
    /// not asked: they depend on what else fires.
    pub(in crate::correlate) fn covers(
        &self,
        alert: &Alert,
        service: Option<&Name>,
        at: Timestamp,
    ) -> Option<&'a Name> {
        let silenced = |one: &Silence| one.span.holds(at) && one.matchers.matches(alert, service);
        let silence = self.silences.iter().find(|(_, one)| silenced(one)).map(|(act, _)| *act);
        silence.or_else(|| {
            let mut windows = self.windows.get(service?)?.iter();
            windows.find(|(_, span)| span.holds(at)).map(|(act, _)| *act)
        })
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

/// What has ended is remembered for a while and counts as well: so the bound holds for memory, too.
fn room(count: usize, max: usize, what: &'static str) -> Result<(), ActFault> {
    if count >= max { Err(ActFault::Full(count, what)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use model::matcher::MatchOp;

    use super::*;
    use crate::correlate::tests::dsl::at;

    fn matchers() -> Vec<Matcher> {
        vec![Matcher { label: "service".into(), op: MatchOp::Equal, value: "ads".into() }]
    }

    fn act(place: usize) -> Name {
        format!("act-{place}").into()
    }

    #[test]
    fn what_has_ended_is_bounded_too() {
        let mut mutes = Mutes::default();
        for place in 0..SILENCES_MAX {
            mutes.silence(act(place), matchers(), (at(0), at(900)), at(0)).unwrap();
            mutes.end(&act(place), at(1)).unwrap();
        }
        let more = mutes.silence("more".into(), matchers(), (at(2), at(900)), at(2));
        assert!(more.unwrap_err().to_string().contains("ended in the last hour"));
        mutes.forget(at(3700));
        mutes.silence("more".into(), matchers(), (at(3700), at(3900)), at(3700)).unwrap();
    }

    #[test]
    fn the_order_of_a_mute_and_its_end_does_not_show() {
        let (mut one, mut other) = (Mutes::default(), Mutes::default());
        one.silence(act(1), matchers(), (at(0), at(900)), at(0)).unwrap();
        one.end(&act(1), at(60)).unwrap();
        other.end(&act(1), at(60)).unwrap();
        other.silence(act(1), matchers(), (at(0), at(900)), at(0)).unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn ends_of_what_never_comes_are_forgotten() {
        let mut mutes = Mutes::default();
        for place in 0..=ENDS_MAX {
            let secs = i64::try_from(place).unwrap();
            mutes.end(&act(place), at(secs)).unwrap();
        }
        assert_eq!(mutes.ends.len(), ENDS_MAX);
        assert!(!mutes.ends.contains_key(&act(0)), "the oldest goes first");
        mutes.forget(at(20_000));
        assert!(mutes.ends.is_empty());
    }
}
