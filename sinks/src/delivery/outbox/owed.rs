//! How far a sink is behind: what it should have been told by now and was not.

use model::time::Timestamp;

use super::Outbox;

/// What a sink should have been told by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// Incidents whose newest revision is due and not told.
    pub incidents: u64,
    /// Since when the oldest of them is due; a failed attempt changes nothing about that.
    pub oldest_since: Option<Timestamp>,
}

impl Outbox {
    /// Counts. What is not due yet (an escalation, an update that waits for others) is not owed.
    /// Costs a look at each incident that waits, at most `queued_max` of them and some.
    #[must_use]
    pub fn owed(&self, now: Timestamp) -> Owed {
        let mut owed = Owed::default();
        for id in self.queue.ids() {
            let since = self.entries.get(&id).and_then(|entry| entry.owed_since);
            if let Some(since) = since.filter(|since| *since <= now) {
                owed.incidents += 1;
                owed.oldest_since = Some(owed.oldest_since.map_or(since, |old| old.min(since)));
            }
        }
        owed
    }
}
