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

/// When the trouble of nodes that came back began. An alert that has been firing since the last time says
/// nothing of it. `None` without nodes.
pub(super) fn onset(members: &[&ActiveNode], config: &CorrelateConfig) -> Option<Pane> {
    let shown = |node: &&&ActiveNode| node.opening_level() >= config.support_level;
    let measured = members.iter().filter(shown).map(|node| node.onset).min();
    measured.or_else(|| members.iter().map(|node| node.onset).max())
}

impl Case {
    /// Starts anew at the onset of what came back; only `members` stay.
    pub(super) fn begin_episode<'a>(
        &mut self,
        members: &[&ActiveNode],
        onset: Pane,
        recent: impl Iterator<Item = &'a (Pane, std::sync::Arc<PaneSummary>)>,
    ) {
        self.first_onset = onset;
        // What was hot then opens nothing now.
        self.hot_panes = 0;
        self.last_loud = self.last_loud.max(onset);
        for node in members {
            if let Some(member) = self.nodes.get_mut(&node.key) {
                member.onset = node.onset;
                member.measured |= node.measured;
            }
        }
        // Who has kept quiet is free to be in trouble of another kind.
        self.nodes.retain(|key, _| members.iter().any(|node| node.key == *key));
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
