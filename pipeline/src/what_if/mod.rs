//! What if: the same records through two engines, and how their incidents differ.
//!
//! [`told`] keeps what each run said in the end, [`matching`] finds who is whom, [`difference`] says
//! what became of each, [`report`] prints it. Deliberately absent: any look at the engines' insides;
//! two runs are compared by what they published.

pub mod told;
pub mod matching;
pub mod difference;
pub mod report;

use anyhow::Result;
use model::recording::TopicRecord;

use crate::player::Player;
use crate::stages::settings::Settings;
use told::{Keeper, Told};

/// What two runs over the same records told.
pub struct Runs {
    /// How many records were played.
    pub records: u64,
    /// Arrival of the oldest and the newest of them. Unit: Unix milliseconds.
    pub span_ms: Option<(i64, i64)>,
    /// The incidents of the older configuration.
    pub old: Vec<Told>,
    /// The incidents of the newer one.
    pub new: Vec<Told>,
}

/// Plays every record into an engine of each configuration. Neither knows of the other, so a record
/// is read once however long the recording is. `partitions` is as for a replay.
///
/// # Errors
/// What the iterator of records returns.
pub fn play(
    old: Settings,
    new: Settings,
    partitions: u32,
    records: impl Iterator<Item = Result<TopicRecord>>,
    mut each: impl FnMut(u64, &TopicRecord),
) -> Result<Runs> {
    let (mut old, mut new) = (Engine::new(old, partitions), Engine::new(new, partitions));
    let (mut count, mut span_ms) = (0, None);
    for record in records {
        let record = record?;
        each(count, &record);
        count += 1;
        let at = record.timestamp_ms;
        let (first, last) = span_ms.unwrap_or((at, at));
        span_ms = Some((first.min(at), last.max(at)));
        old.play(record.clone())?;
        new.play(record)?;
    }
    Ok(Runs { records: count, span_ms, old: old.end()?, new: new.end()? })
}

struct Engine {
    player: Player,
    keeper: Keeper,
}

impl Engine {
    fn new(settings: Settings, partitions: u32) -> Self {
        Self { player: Player::new(settings, partitions), keeper: Keeper::default() }
    }

    fn play(&mut self, record: TopicRecord) -> Result<()> {
        let keeper = &mut self.keeper;
        self.player.play(record, &mut |output| {
            keeper.take(output);
            Ok(())
        })
    }

    fn end(mut self) -> Result<Vec<Told>> {
        let keeper = &mut self.keeper;
        self.player.finish(&mut |output| {
            keeper.take(output);
            Ok(())
        })?;
        Ok(self.keeper.end(&self.player.line().settled_ids()))
    }
}

#[cfg(test)]
mod tests;
