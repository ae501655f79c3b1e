//! Episodes: a case that comes back is the same incident, but what it shows is of now.
//!
//! Its causes, its reach and its onset are drawn from the new episode alone: who looks at 3 a.m. wants to
//! know what is wrong now, and a change is to be linked to the onset that is at hand. Deliberately absent:
//! the memory of earlier episodes beyond the count; their revisions were published.

use model::time::Pane;

use super::activity::ActiveNode;
use super::case::Case;
use super::config::CorrelateConfig;
use super::facts::PaneSummary;

impl Case {
    /// Starts anew at the onset of what came back.
    pub(super) fn begin_episode<'a>(
        &mut self,
        members: &[&ActiveNode],
        recent: impl Iterator<Item = &'a (Pane, std::sync::Arc<PaneSummary>)>,
        config: &CorrelateConfig,
    ) {
        let telling =
            |node: &&&ActiveNode| !node.measured || node.opening_level() >= config.support_level;
        let Some(onset) = members.iter().filter(telling).map(|node| node.onset).min() else {
            return;
        };
        self.first_onset = onset;
        for node in members {
            if let Some(member) = self.nodes.get_mut(&node.key) {
                member.onset = node.onset;
                member.measured |= node.measured;
            }
        }
        self.symptoms.clear();
        self.reach.clear();
        self.entries.clear();
        self.versions.clear();
        let services = self.services();
        for (pane, summary) in recent.filter(|(pane, _)| *pane >= onset) {
            self.absorb(*pane, summary, &services, true);
            self.absorb_traffic(summary);
        }
    }
}
