//! Carriers: the services whose evidence carries a case, and what they say of its begin and its end.

use std::collections::{BTreeMap, BTreeSet};

use model::name::Name;
use model::nats::Nats;
use model::symptom::{Symptom, SymptomKind};
use model::time::Pane;

use super::activity::{ActiveNode, NodeKey, SymptomKey, is_present};
use super::case::Case;
use super::config::CorrelateConfig;
use super::facts::PaneSummary;
use super::sums::SymptomSum;
use super::ties;
use super::world::Rules;

impl Case {
    /// Evidence of each service in the first panes: telemetry first, metrics only where there is no other.
    pub(super) fn evidence_by_service(&self) -> BTreeMap<Name, Nats> {
        let sums = |metric: bool| -> BTreeMap<Name, Nats> {
            let mut found: BTreeMap<Name, Nats> = BTreeMap::new();
            for (key, sum) in &self.symptoms {
                if (key.kind == SymptomKind::Metric) == metric {
                    *found.entry(key.entity.service.clone()).or_default() += sum.early;
                }
            }
            found
        };
        let telemetry = sums(false);
        if telemetry.is_empty() { sums(true) } else { telemetry }
    }

    /// The services that carry the case: with at least a quarter of the strongest one's evidence.
    pub(super) fn core(&self) -> BTreeSet<Name> {
        let evidence = self.evidence_by_service();
        let most = evidence.values().max().copied().unwrap_or_default();
        let carries = |nats: &Nats| Nats(nats.0.saturating_mul(4)) >= most;
        evidence.into_iter().filter(|(_, nats)| carries(nats)).map(|(name, _)| name).collect()
    }

    /// Whether nothing but metrics tells of it.
    pub(super) fn rests_on_metrics(&self) -> bool {
        self.symptoms.keys().all(|key| key.kind == SymptomKind::Metric)
    }

    /// Counts a pane with telemetry as quiet or not, by the services that carry the case. Metrics
    /// support: a level that stays where it is holds nothing open that traces say is over. Nor does
    /// the odd error of a healthy day: the sequential evidence has to reach the level that supports. Nor what
    /// began when it had been quiet: its services may be in trouble of another kind by then.
    pub(super) fn note_quiet(&mut self, pane: Pane, all: &PaneSummary, rules: Rules<'_>) {
        let loud_from = rules.config.support_level;
        let core = self.core();
        let metrics = self.rests_on_metrics();
        let loud = |s: &&Symptom| {
            core.contains(&s.entity.service)
                && is_present(s)
                && s.level >= loud_from
                && (metrics || s.kind != SymptomKind::Metric)
                && self.follows(s.onset, rules.config)
        };
        if all.symptoms.iter().any(|symptom| loud(&symptom)) {
            self.quiet_panes = 0;
            self.last_loud = self.last_loud.max(pane);
            self.last_news = self.last_news.max(pane);
        } else if all.has_telemetry {
            self.quiet_panes += 1;
        }
    }

    /// Whether a cluster that began in a pane and holds some of its nodes belongs to it. Where none of them
    /// carries it, its loudness is no reason: what it reached is free to be in trouble of another kind.
    pub(super) fn takes_in(&self, onset: Pane, own: &BTreeSet<NodeKey>, rules: Rules<'_>) -> bool {
        let core = self.core();
        let carried = own.iter().filter_map(NodeKey::service).any(|name| core.contains(name));
        if carried || core.is_empty() {
            return self.goes_on(onset, rules);
        }
        let grown = self.nodes.values().map(|member| member.onset).filter(|at| *at < onset).max();
        let grown = grown.unwrap_or(self.first_onset).min(onset);
        ties::onsets_in_order((grown, true), (onset, true), rules.config)
    }

    /// Whether what began in a pane may belong to it: as long as its causes are loud and a little after. Where
    /// requests told nothing of it before, by when it began: a monitor tells late, so what it told of may well
    /// have begun earlier, but not long after.
    pub(super) fn goes_on(&self, onset: Pane, rules: Rules<'_>) -> bool {
        let told = |(key, sum): (&SymptomKey, &SymptomSum)| {
            key.kind != SymptomKind::Metric && sum.onset < onset
        };
        if self.symptoms.iter().any(told) {
            return self.follows(onset, rules.config);
        }
        if onset < self.first_onset {
            let late = (self.first_onset, false);
            return ties::onsets_in_order((onset, true), late, rules.config);
        }
        ties::onsets_in_order((self.first_onset, true), (onset, true), rules.config)
    }

    /// Whether what began in a pane follows on what carried the case last.
    fn follows(&self, onset: Pane, config: &CorrelateConfig) -> bool {
        ties::onsets_in_order((self.last_loud.min(onset), true), (onset, true), config)
    }

    /// When the trouble began: the earliest onset of a telling symptom, else of a member. Where
    /// requests tell it, a metric that moved before anybody suffered is a cause, not the onset.
    pub(super) fn onset(&self) -> Pane {
        let core = self.core();
        let metrics = self.rests_on_metrics();
        let own = || {
            self.symptoms.iter().filter(|(key, _)| {
                core.contains(&key.entity.service) && (metrics || key.kind != SymptomKind::Metric)
            })
        };
        let most = own().map(|(_, sum)| sum.early).max().unwrap_or_default();
        let telling = own().filter(|(_, sum)| Nats(sum.early.0.saturating_mul(4)) >= most);
        let members = || self.nodes.values().map(|member| member.onset).min();
        telling.map(|(_, sum)| sum.onset).min().or_else(members).unwrap_or(self.first_onset)
    }

    /// When the trouble of one service began: the earliest onset of those of its symptoms that carry
    /// at least a quarter of the strongest one's evidence; requests before metrics, as in [`onset`].
    ///
    /// [`onset`]: Self::onset
    pub(super) fn onset_of(&self, service: &Name) -> Option<Pane> {
        let own = |metric: bool| {
            let of = move |key: &SymptomKey| (key.kind == SymptomKind::Metric) == metric;
            self.symptoms.iter().filter(move |(key, _)| key.entity.service == *service && of(key))
        };
        let is_metric = own(false).next().is_none();
        let most = own(is_metric).map(|(_, sum)| sum.early).max()?;
        let telling = own(is_metric).filter(|(_, sum)| Nats(sum.early.0.saturating_mul(4)) >= most);
        telling.map(|(_, sum)| sum.onset).min()
    }

    /// Whether what is abnormal now is the trouble of this case again: a service that carried it shows a
    /// symptom of then, and carries what is shown now. What is shown elsewhere as strongly is news.
    pub(super) fn is_again(&self, members: &[&ActiveNode]) -> bool {
        let metrics = self.rests_on_metrics();
        let counts = |key: &SymptomKey| metrics || key.kind != SymptomKind::Metric;
        let own = || self.symptoms.iter().filter(|(key, _)| counts(key));
        let told = own().map(|(_, sum)| sum.early).max().unwrap_or_default();
        let tells = |key: &SymptomKey| {
            let sum = self.symptoms.get(key).filter(|_| counts(key));
            sum.is_some_and(|sum| Nats(sum.early.0.saturating_mul(4)) >= told)
        };
        // Most resolved cases share nothing with what is abnormal now: this is asked first.
        if !members.iter().any(|node| node.symptoms.iter().any(tells)) {
            return false;
        }
        let core = self.core();
        let most = members.iter().map(|node| node.opening_level()).max().unwrap_or_default();
        members.iter().any(|node| {
            let level = node.opening_level();
            let carried = node.key.service().is_some_and(|name| core.contains(name));
            carried
                && level > Nats::ZERO
                && Nats(level.0.saturating_mul(4)) >= most
                && node.symptoms.iter().any(tells)
        })
    }
}
