//! One at work, others stand by (ADR 19): over a log that several processes may share, a role is done by the process
//! to which a group of the log gave it, for as long as that can be proved.
//!
//! A [`Lease`] is what a role's threads hold: before they begin, before each append and before each call to a
//! destination they ask it. [`keeper`] speaks to the groups, [`tenure`] decides.
//! Over a log of one process a lease is always held.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sinks::permit::Permit;

use super::held::{self, Held};
use super::stop::Stop;
use crate::cli::Role;
use crate::clock::StopWatch;
use crate::http::HttpState;
use crate::http::metrics::Stage;
use crate::log::seat::SeatSpec;
use crate::log::{Log, LogError};
use crate::topics::OwnTopics;

pub(super) mod keeper;
mod tenure;

use keeper::{Keeper, Post};
pub use tenure::finish_within;

/// How often it is looked whether the role is ours.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The process lost a role for good: another was at work in between.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{role}` is done by another process now: {why}; this one ends without writing anything, and stands by \
     when it is started again"
)]
pub struct Lost {
    /// The role.
    pub role: &'static str,
    /// How that is known.
    pub why: &'static str,
}

/// Whether a role may be done here now. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Lease(Option<Arc<Place>>);

/// What the keeper and the threads of a role share.
#[derive(Debug)]
struct Place {
    data_dir: PathBuf,
    role: &'static str,
    since: StopWatch,
    session: Duration,
    /// Until when it is ours, after `since`. Unit: milliseconds.
    until_ms: AtomicU64,
    /// Held from when the role is begun.
    directory: Mutex<Option<File>>,
    /// Held as long as the process lives, if no other has it: what its identity is made of.
    seat: Option<File>,
}

impl Lease {
    /// Whether the role is ours at this moment.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(|place| place.holds())
    }

    /// Waits until the role is ours; `false`: it is not, and it is time to stop.
    #[must_use]
    pub fn wait(&self, stop: &Stop) -> bool {
        loop {
            if self.holds() {
                return true;
            }
            if stop.wait(LOOK_EVERY) {
                return self.holds();
            }
        }
    }

    /// Waits until the role can be begun: it is ours, and so is its part of the data directory. `false`: it is
    /// time to stop.
    ///
    /// # Errors
    /// When the data directory cannot be used.
    pub(super) fn begin(&self, stop: &Stop) -> Result<bool> {
        let Some(place) = &self.0 else { return Ok(true) };
        let mut is_told = false;
        while !stop.is_set() {
            if place.holds() {
                if place.hold_directory()? {
                    return Ok(true);
                }
                if !is_told {
                    is_told = true;
                    tracing::warn!(
                        role = place.role,
                        data_dir = %place.data_dir.display(),
                        "the role is ours, but a process that is not at work any more still holds the data directory"
                    );
                }
            }
            let _stopped = stop.wait(LOOK_EVERY);
        }
        Ok(false)
    }
}

impl Permit for Lease {
    fn left(&self) -> Option<Duration> {
        self.0.as_ref().map_or(Some(Duration::MAX), |place| {
            let left = place.left();
            (!left.is_zero()).then(|| left + finish_within(place.session))
        })
    }
}

impl Place {
    fn holds(&self) -> bool {
        !self.left().is_zero()
    }

    fn left(&self) -> Duration {
        let until = Duration::from_millis(self.until_ms.load(Ordering::Acquire));
        until.saturating_sub(self.since.elapsed())
    }

    fn set(&self, until: Duration) {
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until_ms.store(until, Ordering::Release);
    }

    /// Several threads may do one role: the process holds its directory once.
    fn hold_directory(&self) -> Result<bool> {
        let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        if directory.is_none() {
            *directory = held::try_lock(&self.data_dir, self.role)?;
        }
        Ok(directory.is_some())
    }

    /// A name under which the group takes a process that was started again for the one that it knew, at once. Two
    /// that live must never share it: it names a file that this process alone holds, on this running kernel.
    fn identity(&self) -> Option<String> {
        self.seat.as_ref().and_then(held::identity)
    }
}

/// The leases of a process, and what keeps them.
#[derive(Default)]
pub(super) struct Leases {
    places: Vec<(Stage, Arc<Place>)>,
    _held: Held,
}

impl Leases {
    /// The lease of a stage.
    pub(super) fn of(&self, stage: Stage) -> Lease {
        let place = self.places.iter().find(|(of, _)| *of == stage);
        Lease(place.map(|(_, place)| place.clone()))
    }

    /// Whether other processes may do the same roles.
    pub(super) fn are_shared(&self) -> bool {
        !self.places.is_empty()
    }
}

/// What is wanted of the leases of a process.
pub(super) struct Wanted<'a> {
    pub(super) roles: &'a [Role],
    pub(super) data_dir: &'a Path,
    pub(super) own: &'a OwnTopics,
    pub(super) session: Duration,
}

/// What can be refused before anything is done: over a log of one process, roles of a directory that another
/// process has.
pub(super) struct Reserved {
    held: Held,
    places: Vec<(Stage, Arc<Place>)>,
}

/// Holds what can be held now.
///
/// # Errors
/// When the directory cannot be used, or another process has it and nobody can wait for it.
pub(super) fn reserve(wanted: &Wanted<'_>, log: &dyn Log) -> Result<Reserved> {
    if log.seats().is_none() {
        let held = held::hold(wanted.data_dir, wanted.roles)?;
        return Ok(Reserved { held, places: Vec::new() });
    }
    let since = StopWatch::start();
    let kept = wanted.roles.iter().filter_map(|role| held::name(*role).zip(stage(*role)));
    let place = |(role, stage)| {
        let place = Place {
            data_dir: wanted.data_dir.to_owned(),
            role,
            since,
            session: wanted.session,
            until_ms: AtomicU64::new(0),
            directory: Mutex::default(),
            seat: held::try_lock(wanted.data_dir, &format!("{role}.seat"))?,
        };
        Ok((stage, Arc::new(place)))
    };
    Ok(Reserved { held: Held::default(), places: kept.map(place).collect::<Result<_>>()? })
}

/// Joins the groups. From now on the roles may be given to this process.
///
/// # Errors
/// When the topic of the groups is not there or is none for them, or a client cannot be made.
pub(super) fn join(
    reserved: Reserved,
    wanted: &Wanted<'_>,
    log: &dyn Log,
    http: &HttpState,
) -> Result<(Leases, Option<Keeper>)> {
    let Reserved { held, places } = reserved;
    let Some(seats) = log.seats().filter(|_| !places.is_empty()) else {
        for stage in wanted.roles.iter().filter_map(|role| stage(*role)) {
            http.health.set_owned(stage, true);
        }
        return Ok((Leases { places: Vec::new(), _held: held }, None));
    };
    let topic = &wanted.own.lease;
    match log.partitions(topic)? {
        0 => return Err(LogError::UnknownTopic(topic.clone()).into()),
        count => ensure!(
            count == 1,
            "topic {topic} has {count} partitions and must have one: each is a turn at the same role; make it anew"
        ),
    }
    let mut posts = Vec::with_capacity(places.len());
    for (stage, place) in &places {
        let spec = SeatSpec {
            topic: topic.clone(),
            group: format!("{topic}.{}", place.role),
            session: wanted.session,
            identity: place.identity(),
        };
        let seat =
            seats.join(&spec).with_context(|| format!("cannot stand by for `{}`", place.role))?;
        http.health.set_owned(*stage, false);
        posts.push(Post::new(*stage, place.clone(), seat, wanted.session));
    }
    let keeper = Keeper::new(posts, http.clone());
    Ok((Leases { places, _held: held }, Some(keeper)))
}

/// The stage of a role that one process does.
const fn stage(role: Role) -> Option<Stage> {
    match role {
        Role::Observe => Some(Stage::Observe),
        Role::Detect => Some(Stage::Detect),
        Role::Correlate => Some(Stage::Correlate),
        Role::Deliver => Some(Stage::Deliver),
        Role::History => Some(Stage::History),
        Role::Intake | Role::Console => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A role that nobody has proved yet.
    pub(super) fn place(role: &'static str, session: Duration) -> Arc<Place> {
        Arc::new(Place {
            data_dir: PathBuf::new(),
            role,
            since: StopWatch::start(),
            session,
            until_ms: AtomicU64::new(0),
            directory: Mutex::default(),
            seat: None,
        })
    }

    #[test]
    fn what_is_begun_under_a_lease_has_to_end_before_the_session_does() {
        let session = Duration::from_secs(60);
        let place = place("deliver", session);
        let lease = Lease(Some(place.clone()));
        assert_eq!(lease.left(), None, "it is not ours");
        // Proved at this moment: good for half a session.
        place.set(place.since.elapsed() + session / 2);
        let left = lease.left().unwrap();
        assert!(left > session / 2 && left < session, "{left:?}");
        assert_eq!(Lease::default().left(), Some(Duration::MAX));
    }

    #[test]
    fn whoever_waits_for_a_role_goes_when_it_is_time_to_stop() {
        let lease = Lease(Some(place("deliver", Duration::from_secs(60))));
        let stop = Stop::default();
        stop.set();
        assert!(!lease.wait(&stop));
        assert!(!lease.begin(&stop).unwrap());
        assert!(Lease::default().wait(&stop), "a log of one process has no others");
    }
}
