//! Who is at work where several processes share a log: groups of which one member at a time is given the work.
//!
//! What is deliberately absent: any judgement. A seat says what the group said; whoever holds it decides what that
//! means (`run::lease`).

use std::time::Duration;

use super::LogError;

/// Groups of a log that several processes may share.
pub trait Seats {
    /// Joins a group. The work is given to one member at a time, and stays with it while it gives signs of life.
    ///
    /// # Errors
    /// When the log refuses what was asked for.
    fn join(&self, spec: &SeatSpec) -> Result<Box<dyn Seat>, LogError>;
}

/// Which group, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatSpec {
    /// A topic with one partition: who is given it has the work. Nothing is written there.
    pub topic: String,
    /// The group.
    pub group: String,
    /// Without a sign of life for so long a member is given up.
    pub session: Duration,
    /// Under which the group knows a member again that died and came back. Two that live must not share it.
    pub identity: Option<String>,
}

/// What a group said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeatEvent {
    /// The work is given to this member.
    Given,
    /// It is taken away, or was given to another while this member was silent.
    Taken,
    /// This member can never be given anything again.
    Failed,
}

/// A member of a group. It gives signs of life by itself.
pub trait Seat: Send {
    /// What happened since the last time, in order.
    fn poll(&mut self) -> Vec<SeatEvent>;

    /// The newest term that a member wrote; `None` if nobody ever has.
    ///
    /// # Errors
    /// When the group does not answer within a moment.
    fn newest_term(&mut self) -> Result<Option<u64>, LogError>;

    /// Writes a term, which the group takes from its present members alone.
    ///
    /// # Errors
    /// When the group did not take it, or did not say so in time.
    fn prove(&mut self, term: u64) -> Result<(), LogError>;

    /// Leaves, so that the work is given to another at once. Waits for that for a moment.
    fn leave(self: Box<Self>);
}
