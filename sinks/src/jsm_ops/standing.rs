//! Who owns an alert, and until when it is snoozed, as it stood at the last look.
//!
//! An alert says what stands, but neither since when nor by whom. So what stood is kept in the cursor, and
//! what differs from it was done since. Only what is not as we made an alert takes room: of one that
//! nobody owns and nobody snoozed, and of a closed one, nothing is kept.

use std::collections::BTreeMap;

use model::command::Decision;
use model::id::{IncidentId, stable_hash};
use model::time::Timestamp;

use super::desk::Alert;
use crate::heard::name;

/// Alerts that are kept. Beyond it some are forgotten: what stands of them is told once more with their next change.
const KEPT_MAX: usize = 300;

/// What stands of alerts, by a hash of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing(BTreeMap<u64, Stands>);

/// What stands of one alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stands {
    /// A hash of the owner's name; 0: nobody.
    owner: u32,
    /// Unit: milliseconds since the epoch; 0: not snoozed.
    snoozed_until: i64,
}

impl Standing {
    /// Reads `id.owner.until`, separated by commas, all in hexadecimal; what cannot be read is left out.
    pub(super) fn parse(text: &str) -> Self {
        let one = |part: &str| {
            let mut fields = part.split('.');
            let id = u64::from_str_radix(fields.next()?, 16).ok()?;
            let owner = u32::from_str_radix(fields.next()?, 16).ok()?;
            let snoozed_until = i64::from_str_radix(fields.next()?, 16).ok()?;
            Some((id, Stands { owner, snoozed_until }))
        };
        Self(text.split(',').filter_map(one).take(KEPT_MAX).collect())
    }

    pub(super) fn text(&self) -> String {
        let one = |(id, stands): (&u64, &Stands)| {
            format!("{id:x}.{:x}.{:x}", stands.owner, stands.snoozed_until)
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(",")
    }

    /// What was decided since: owner and snooze of an open alert that differ from what stood. `owner` is who
    /// owns it, if that is a person or a team.
    pub(super) fn news(
        &self,
        alert: &Alert,
        owner: Option<&str>,
        incident: IncidentId,
    ) -> Vec<(&'static str, Decision)> {
        let mut news = Vec::new();
        if alert.is_closed() {
            return news;
        }
        let (stood, stands) = (self.of(alert), Stands::of(alert, owner));
        if stands.owner != stood.owner {
            let to = owner.map(name);
            news.push(("owner", Decision::Assign { incident, to }));
        }
        let is_over = |until: i64| alert.changed().is_none_or(|at| at.millis() >= until);
        match (stood.snoozed_until, stands.snoozed_until) {
            (before, now) if before == now => {}
            // Before its time was over: somebody ended it.
            (before, 0) if !is_over(before) => {
                news.push(("snoozed", Decision::Unsnooze { incident }));
            }
            (_, 0) => {}
            (_, until) => {
                let until = Timestamp::from_millis(until);
                news.push(("snoozed", Decision::Snooze { incident, until }));
            }
        }
        news
    }

    /// It was heard.
    pub(super) fn note(&mut self, alert: &Alert, owner: Option<&str>) {
        let stands = Stands::of(alert, owner);
        if alert.is_closed() || stands == Stands::default() {
            self.0.remove(&key(alert));
            return;
        }
        self.0.insert(key(alert), stands);
        while self.0.len() > KEPT_MAX {
            self.0.pop_first();
        }
    }

    fn of(&self, alert: &Alert) -> Stands {
        self.0.get(&key(alert)).copied().unwrap_or_default()
    }
}

impl Stands {
    fn of(alert: &Alert, owner: Option<&str>) -> Self {
        let until = alert.snoozed_until.as_deref().filter(|_| alert.snoozed);
        let until = until.and_then(Timestamp::parse_rfc3339);
        Self {
            // One is kept apart from nobody.
            owner: owner.map_or(0, |owner| (stable_hash(&[owner.as_bytes()]) as u32).max(1)),
            snoozed_until: until.map_or(0, |until| until.millis().max(1)),
        }
    }
}

/// What was decided, with a hash of what stands since: of several answers to one question each is its own.
pub(super) fn entry(what: &str, decision: &Decision) -> String {
    let hash = match decision {
        Decision::Assign { to: Some(to), .. } => stable_hash(&[to.as_str().as_bytes()]),
        Decision::Snooze { until, .. } => stable_hash(&[&until.0.to_le_bytes()]),
        _ => 0,
    };
    format!("{what}:{hash:x}")
}

fn key(alert: &Alert) -> u64 {
    stable_hash(&[alert.id.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(snoozed_until: Option<&str>) -> Alert {
        Alert {
            id: String::from("4513b7ea"),
            status: String::from("open"),
            updated_at: String::from("2026-03-17T02:10:00Z"),
            snoozed: snoozed_until.is_some(),
            snoozed_until: snoozed_until.map(str::to_owned),
            ..Alert::default()
        }
    }

    const INCIDENT: IncidentId = IncidentId(0xab);
    const LATER: &str = "2026-03-17T03:00:00Z";

    #[test]
    fn only_what_differs_is_news_and_it_survives_its_text() {
        let mut standing = Standing::default();
        let owned = alert(Some(LATER));
        let words: Vec<_> = standing.news(&owned, Some("Ann"), INCIDENT).into_iter().collect();
        assert!(
            matches!(
                words.as_slice(),
                [("owner", Decision::Assign { .. }), ("snoozed", Decision::Snooze { .. })]
            ),
            "{words:?}"
        );
        standing.note(&owned, Some("Ann"));
        let standing = Standing::parse(&standing.text());
        assert_eq!(standing.news(&owned, Some("Ann"), INCIDENT), []);
        let nobody = standing.news(&owned, None, INCIDENT);
        assert_eq!(nobody, [("owner", Decision::Assign { incident: INCIDENT, to: None })]);
    }

    #[test]
    fn a_snooze_that_ends_by_itself_is_nobodys_act() {
        let mut standing = Standing::default();
        standing.note(&alert(Some(LATER)), None);
        let early = standing.news(&alert(None), None, INCIDENT);
        assert_eq!(early, [("snoozed", Decision::Unsnooze { incident: INCIDENT })]);
        let in_time = Alert { updated_at: String::from("2026-03-17T03:00:01Z"), ..alert(None) };
        assert_eq!(standing.news(&in_time, None, INCIDENT), []);
    }

    #[test]
    fn another_owner_and_another_end_are_another_entry_and_the_same_is_the_same() {
        let standing = Standing::default();
        let entries = |until: &str, owner: Option<&str>| {
            let news = standing.news(&alert(Some(until)), owner, INCIDENT);
            let entries = news.iter().map(|(what, decision)| entry(what, decision));
            entries.collect::<Vec<_>>()
        };
        let first = entries(LATER, Some("Ann"));
        assert_eq!(first, entries(LATER, Some("Ann")));
        let other = entries("2026-03-17T04:00:00Z", Some("Bob"));
        assert!(first.len() == 2 && other.len() == 2, "{first:?} {other:?}");
        assert!(first.iter().all(|entry| !other.contains(entry)), "{first:?} {other:?}");
    }

    #[test]
    fn nothing_is_kept_of_closed_alerts_and_the_bound_holds() {
        let mut standing = Standing::default();
        for id in 0..=KEPT_MAX {
            standing.note(&Alert { id: id.to_string(), ..alert(None) }, Some("Ann"));
        }
        assert_eq!(standing.0.len(), KEPT_MAX);
        standing.note(&Alert { status: String::from("closed"), ..alert(None) }, Some("Ann"));
        assert_eq!(standing.0.len(), KEPT_MAX);
        assert_eq!(Standing::parse(&standing.text()), standing);
        assert_eq!(Standing::parse("x,1.2,zz.1.1"), Standing::default());
    }
}
