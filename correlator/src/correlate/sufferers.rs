//! Sufferers: who suffers from a cause without a trace that shows it, by the map and by what it
//! says. Deliberately absent: proof; this only adds whom traces cannot reach.

use std::collections::BTreeSet;

use model::entity::EntityKind;
use model::name::Name;
use model::signal::LogSeverity;
use model::time::Pane;

use super::case::Case;
use super::ranking::content::each_text_once;
use super::ranking::words::{bare, mentions, words};
use super::world::World;

/// Words that two complaints must share to be of the same thing.
const SAME_WORDS: usize = 3;
/// Share of a complaint's words that the origin must have said as well.
const SAME_SHARE: f64 = 0.4;
/// Panes before the onset from which complaints are read: logs may be a little early.
const EARLY_PANES: i64 = 6;

/// What is said in a case, seen from its origins.
pub(super) struct Sufferers<'a> {
    world: &'a World,
    case: &'a Case,
    origins: &'a BTreeSet<Name>,
    since: Pane,
}

impl<'a> Sufferers<'a> {
    /// The complaints of a case.
    pub(super) fn of(world: &'a World, case: &'a Case, origins: &'a BTreeSet<Name>) -> Self {
        let since = case.onset().min(case.first_onset).plus(-EARLY_PANES);
        Self { world, case, origins, since }
    }

    /// Whether a member may suffer from an origin: it is not what an origin needs, unless it names
    /// the origin in a complaint.
    pub(super) fn may_be_reached(&self, member: &Name) -> bool {
        let depends = |from: &str, on: &str| self.world.map.distance(from, on, 6).is_some();
        let below = self.origins.iter().any(|origin| depends(member, origin));
        let above = self.origins.iter().any(|origin| depends(origin, member));
        below || !above || self.blames_origin(member)
    }

    /// Services that complain of an origin, or of the same in its words. Of services that the map
    /// does not know (a node's agent, a scheduler) a warning about the origin is no suffering.
    pub(super) fn speakers(&self, members: &BTreeSet<Name>) -> BTreeSet<Name> {
        let complaining: BTreeSet<&Name> = self.all().map(|(service, _, _)| service).collect();
        let of_case = |service: &&&Name| {
            let known = members.contains(**service)
                || self.world.map.kind(service) == Some(EntityKind::Service);
            let grave = known || self.worst(service) >= LogSeverity::Error;
            let depends =
                || self.origins.iter().any(|o| self.world.map.distance(service, o, 6).is_some());
            let blames = grave && self.blames_origin(service);
            blames || known && depends() || self.echoes(service)
        };
        complaining.iter().filter(of_case).map(|service| (*service).clone()).collect()
    }

    /// Sufferers of others than the origins since the onset.
    fn all(&self) -> impl Iterator<Item = (&'a Name, &'a Name, LogSeverity)> {
        let told = self.case.voices.iter().filter(|((service, _), said)| {
            said.severity >= LogSeverity::Warn
                && said.since >= self.since
                && !self.origins.contains(service)
        });
        told.map(|((service, text), said)| (service, text, said.severity))
    }

    fn of_service(&self, service: &str) -> impl Iterator<Item = &'a Name> {
        self.all().filter(move |(who, _, _)| who.as_str() == service).map(|(_, text, _)| text)
    }

    fn worst(&self, service: &str) -> LogSeverity {
        let own = self.all().filter(|(who, _, _)| who.as_str() == service);
        own.map(|(_, _, severity)| severity).max().unwrap_or_default()
    }

    /// Whether it names an origin in a complaint.
    fn blames_origin(&self, service: &str) -> bool {
        self.of_service(service).any(|text| {
            let said = words(text);
            self.origins.iter().any(|origin| {
                let short = bare(origin);
                mentions(text, origin) || short.len() >= 4 && said.contains(&short)
            })
        })
    }

    /// Whether it complains of the same as an origin does, in its words.
    fn echoes(&self, service: &str) -> bool {
        let mut theirs: BTreeSet<String> = BTreeSet::new();
        for ((who, text), said) in &self.case.voices {
            if self.origins.contains(who) && said.severity >= LogSeverity::Warn {
                theirs.extend(words(text));
            }
        }
        let alerts = self.case.alerts.keys().filter_map(|fp| self.world.alerts.get(*fp));
        let theirs_alone = alerts
            .filter(|state| state.binding.node().is_some_and(|node| self.origins.contains(node)));
        let texts = each_text_once(theirs_alone.map(|state| &*state.alert));
        theirs.extend(texts.into_iter().flat_map(|text| words(text)));
        self.of_service(service).any(|text| {
            let said = words(text);
            let shared = said.intersection(&theirs).count();
            shared >= SAME_WORDS && shared as f64 >= SAME_SHARE * said.len() as f64
        })
    }
}
