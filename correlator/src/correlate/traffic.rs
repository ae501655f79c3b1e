//! What traffic is usual at each entry: the yardstick for "more load than it can carry".
//!
//! An exponential mean in integers, one step a pane; the first ten panes only learn.

use std::collections::BTreeMap;

use model::name::Name;
use model::symptom::EntryObservation;
use model::time::Pane;
use serde::{Deserialize, Serialize};

use super::limits::TRAFFIC_KEYS_MAX;

/// Panes before a mean is believed.
const WARM_PANES: u32 = 10;
/// The mean moves by one part in this many a pane: half of it is 20 minutes old at 10 s panes.
const SLOWNESS: u64 = 170;

/// How far above the usual a pane's requests must be in any case: a pane of a few requests is often twice as
/// busy as another. Unit: standard deviations of their number, which is that of arrivals by chance.
const DEVIATIONS: u64 = 3;

/// Traffic above this multiple of the usual is a rush. Unit: thousandths.
pub(super) const RUSH_MILLI: u64 = 1500;

/// Traffic beyond the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rush {
    /// How much there surely is, against the usual; the most of a time. Unit: thousandths.
    pub(super) milli: u64,
    /// Since when it is a rush; `None` if it is none.
    pub(super) since: Option<Pane>,
}

impl Default for Rush {
    fn default() -> Self {
        Self { milli: 1000, since: None }
    }
}

impl Rush {
    /// The most of two, since the first.
    pub(super) fn or(self, other: Self) -> Self {
        let since = [self.since, other.since].into_iter().flatten().min();
        Self { milli: self.milli.max(other.milli), since }
    }
}

/// Usual requests a pane over all entries, and how many panes it knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Traffic {
    usual: BTreeMap<(Name, Name), (u64, u32)>,
    /// Since when there is a rush, if there is one.
    #[serde(default)]
    rose: Option<Pane>,
}

impl Traffic {
    /// The traffic that a pane surely has against the usual, in thousandths, then learns the pane. While
    /// `troubled`, nothing is learned: a surge must not become usual.
    pub(super) fn note(
        &mut self,
        pane: Pane,
        entries: &[EntryObservation],
        troubled: bool,
    ) -> Rush {
        let (mut now, mut usual) = (0_u64, 0_u64);
        for entry in entries {
            let key = (entry.service.clone(), entry.operation.clone());
            let calls = entry.calls.saturating_mul(1000);
            let room = self.usual.len() < TRAFFIC_KEYS_MAX;
            match self.usual.get_mut(&key) {
                Some((mean, panes)) => {
                    if *panes >= WARM_PANES {
                        now = now.saturating_add(calls);
                        usual = usual.saturating_add(*mean);
                    }
                    if !troubled {
                        // While young the mean is exact, then it moves slowly.
                        let weight = u64::from(*panes + 1).min(SLOWNESS);
                        *mean = (mean.saturating_mul(weight - 1).saturating_add(calls)) / weight;
                        *panes = panes.saturating_add(1).min(1_000_000);
                    }
                }
                None if room => {
                    self.usual.insert(key, (calls, 1));
                }
                None => {}
            }
        }
        let by_chance = DEVIATIONS.saturating_mul(1000).saturating_mul((now / 1000).isqrt());
        let sure = now.saturating_sub(by_chance);
        let milli = sure.saturating_mul(1000).checked_div(usual).unwrap_or(1000);
        self.rose = if milli >= RUSH_MILLI { self.rose.or(Some(pane)) } else { None };
        Rush { milli, since: self.rose }
    }
}
