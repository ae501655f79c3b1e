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
use model::recording::{TopicRecord, topic};

use crate::player::Player;
use crate::stages::correlate::ActCounts;
use crate::stages::settings::Settings;
use told::{Keeper, Told};

/// What two runs over the same records told.
pub struct Runs {
    /// How many records were played.
    pub records: u64,
    /// Arrival of the oldest and the newest of them. Unit: Unix milliseconds.
    pub span_ms: Option<(i64, i64)>,
    /// How many of the records are people's acts.
    pub acts: u64,
    /// What became of them in the older and in the newer run: an act about an incident that a run does not tell is
    /// not carried out there.
    pub act_counts: [ActCounts; 2],
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
    let (mut count, mut acts, mut span_ms) = (0, 0, None);
    for record in records {
        let record = record?;
        each(count, &record);
        count += 1;
        // A silence from before the records begin says nothing of when they do.
        if record.topic == topic::ACTS {
            acts += 1;
        } else {
            let at = record.timestamp_ms;
            let (first, last) = span_ms.unwrap_or((at, at));
            span_ms = Some((first.min(at), last.max(at)));
        }
        old.play(record.clone())?;
        new.play(record)?;
    }
    let (old, new) = (old.end()?, new.end()?);
    let act_counts = [old.1, new.1];
    Ok(Runs { records: count, span_ms, acts, act_counts, old: old.0, new: new.0 })
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

    fn end(mut self) -> Result<(Vec<Told>, ActCounts)> {
        let keeper = &mut self.keeper;
        self.player.finish(&mut |output| {
            keeper.take(output);
            Ok(())
        })?;
        let line = self.player.line();
        Ok((self.keeper.end(&line.settled_ids()), line.act_counts()))
    }
}

#[cfg(test)]
mod tests;
