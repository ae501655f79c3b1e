//! The threads that keep a process's leases, one a role: each hears what the role's group says, asks what [`Tenure`]
//! wants to know, and tells the role until when it is ours.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::tenure::{Step, Tenure};
use super::{LOOK_EVERY, Lost, Place};
use crate::http::HttpState;
use crate::http::metrics::Stage;
use crate::log::seat::{Seat, SeatEvent};
use crate::run::stop::Stop;

/// Where a role is waited for.
pub(super) struct Post {
    stage: Stage,
    place: Arc<Place>,
    seat: Box<dyn Seat>,
    tenure: Tenure,
    /// What was told of it last.
    was_ours: bool,
    has_begun: bool,
    why: &'static str,
}

/// All posts of a process.
pub(in crate::run) struct Keeper {
    posts: Vec<Post>,
    http: HttpState,
}

/// The keeper at work. It outlives the threads of the roles: what they finish is under a lease, too.
pub(in crate::run) struct Keeping {
    stop: Stop,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Keeping {
    /// Leaves the groups.
    ///
    /// # Errors
    /// [`Lost`], when a role was lost.
    pub(in crate::run) fn end(self) -> Result<()> {
        self.stop.set();
        let mut ended = Ok(());
        for thread in self.threads {
            let kept =
                thread.join().unwrap_or_else(|_| Err(anyhow!("the keeper of a lease panicked")));
            if ended.is_ok() {
                ended = kept;
            }
        }
        ended
    }
}

/// Ends the service with a thread that panics: without it no role could be proved any more.
struct Fuse<'s>(&'s Stop);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set();
        }
    }
}

impl Keeper {
    pub(super) fn new(posts: Vec<Post>, http: HttpState) -> Self {
        Self { posts, http }
    }

    /// Starts a thread for each role, so that none waits for another's group; each stops the service when its role
    /// is lost.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(in crate::run) fn start(self, service: &Stop) -> Result<Keeping> {
        let stop = Stop::default();
        let mut threads = Vec::with_capacity(self.posts.len());
        for post in self.posts {
            let (http, until, service) = (self.http.clone(), stop.clone(), service.clone());
            let body = move || post.keep(&http, &until, &service);
            let thread = std::thread::Builder::new().name("lease".into()).spawn(body);
            threads.push(thread.context("cannot start a thread")?);
        }
        Ok(Keeping { stop, threads })
    }
}

impl Post {
    pub(super) fn new(
        stage: Stage,
        place: Arc<Place>,
        seat: Box<dyn Seat>,
        session: Duration,
    ) -> Self {
        let tenure = Tenure::new(session);
        tracing::info!(role = place.role, "standing by");
        let why = "another claimed it";
        Self { stage, place, seat, tenure, was_ours: false, has_begun: false, why }
    }

    fn keep(mut self, http: &HttpState, stop: &Stop, service: &Stop) -> Result<()> {
        let _fuse = Fuse(service);
        let mut lost: Option<Lost> = None;
        loop {
            self.turn(http);
            if self.tenure.is_over() && lost.is_none() {
                let this = lost.insert(Lost { role: self.place.role, why: self.why });
                tracing::error!("{this}");
                service.set();
            }
            if stop.wait(LOOK_EVERY) {
                break;
            }
        }
        self.place.set(Duration::ZERO);
        self.seat.leave();
        lost.map_or(Ok(()), |lost| Err(lost.into()))
    }

    fn hear(&mut self) {
        for event in self.seat.poll() {
            let now = self.place.since.elapsed();
            match event {
                SeatEvent::Given => self.tenure.given(now),
                SeatEvent::Taken => self.tenure.taken(now),
                SeatEvent::Failed => {
                    self.why = "its group refuses this process";
                    self.tenure.over();
                }
            }
        }
        self.place.set(self.tenure.until());
    }

    fn turn(&mut self, http: &HttpState) {
        self.hear();
        match self.tenure.next(self.place.since.elapsed()) {
            Step::Wait => {}
            Step::Look => match self.seat.newest_term() {
                Ok(newest) => self.tenure.found(newest, self.place.since.elapsed()),
                Err(error) => tracing::debug!(role = self.place.role, %error, "no answer"),
            },
            Step::Prove { term } => {
                let answer = self.seat.prove(term);
                if let Err(error) = &answer {
                    tracing::debug!(role = self.place.role, %error, "no proof");
                }
                // If the role was taken away in the meantime, the answer is no proof.
                self.hear();
                self.tenure.answered(answer.is_ok(), self.place.since.elapsed());
            }
        }
        self.place.set(self.tenure.until());
        self.tell(http);
    }

    fn tell(&mut self, http: &HttpState) {
        let is_ours = self.place.holds();
        if is_ours == self.was_ours {
            return;
        }
        self.was_ours = is_ours;
        http.health.set_owned(self.stage, is_ours);
        let role = self.place.role;
        match (is_ours, self.has_begun) {
            (true, false) => tracing::info!(role, "at work"),
            (true, true) => tracing::info!(role, "at work again: nobody was in between"),
            (false, _) => {
                tracing::warn!(role, "suspended: it cannot be proved that the role is still ours")
            }
        }
        self.has_begun = true;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::log::LogError;
    use crate::run::lease::tests::place;

    /// A group that says what it is told to.
    #[derive(Clone, Default)]
    struct Group(Arc<Mutex<Said>>);

    #[derive(Default)]
    struct Said {
        events: VecDeque<SeatEvent>,
        newest: Option<u64>,
        refuses: bool,
        proofs: Vec<u64>,
        has_left: bool,
    }

    impl Group {
        fn with<T>(&self, act: impl FnOnce(&mut Said) -> T) -> T {
            act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl Seat for Group {
        fn poll(&mut self) -> Vec<SeatEvent> {
            self.with(|said| said.events.drain(..).collect())
        }

        fn newest_term(&mut self) -> Result<Option<u64>, LogError> {
            Ok(self.with(|said| said.newest))
        }

        fn prove(&mut self, term: u64) -> Result<(), LogError> {
            self.with(|said| {
                said.proofs.push(term);
                if said.refuses {
                    return Err(LogError::Unavailable("refused".to_owned()));
                }
                said.newest = Some(term);
                Ok(())
            })
        }

        fn leave(self: Box<Self>) {
            self.with(|said| said.has_left = true);
        }
    }

    const SESSION: Duration = Duration::from_millis(400);

    fn post(group: &Group) -> (Post, Arc<Place>) {
        let place = place("deliver", SESSION);
        let seat = Box::new(group.clone());
        (Post::new(Stage::Deliver, place.clone(), seat, SESSION), place)
    }

    #[test]
    fn a_role_is_ours_from_the_proof_until_it_is_taken_or_not_proved_for_half_a_session() {
        let (group, http) = (Group::default(), HttpState::default());
        group.with(|said| said.newest = Some(4));
        let (mut post, place) = post(&group);
        post.turn(&http);
        assert!(!place.holds(), "nobody gave it");
        group.with(|said| said.events.push_back(SeatEvent::Given));
        post.turn(&http);
        assert!(!place.holds(), "the newest term is known, but not that ours is taken");
        post.turn(&http);
        assert!(place.holds() && place.left() <= SESSION / 2);
        assert_eq!(group.with(|said| said.proofs.clone()), [5]);
        assert_eq!(http.health.owned(), [(Stage::Deliver, true)]);
        group.with(|said| said.refuses = true);
        let _never = Stop::default().wait(SESSION / 2);
        post.turn(&http);
        assert!(!place.holds(), "no proof for half a session");
        group.with(|said| said.refuses = false);
        let _never = Stop::default().wait(SESSION);
        post.turn(&http);
        assert!(place.holds(), "nobody was in between");
        group.with(|said| said.events.push_back(SeatEvent::Taken));
        post.turn(&http);
        assert!(!place.holds());
        assert_eq!(http.health.standing_by(), [Stage::Deliver]);
    }

    #[test]
    fn who_finds_the_term_of_another_ends_the_service_and_leaves() {
        let (group, http) = (Group::default(), HttpState::default());
        let (post, place) = post(&group);
        group.with(|said| said.events.push_back(SeatEvent::Given));
        let (stop, service) = (Stop::default(), Stop::default());
        let keeper = Keeper::new(vec![post], http).start(&service).unwrap();
        while !place.holds() {
            let _never = stop.wait(LOOK_EVERY);
        }
        group.with(|said| {
            said.newest = Some(9);
            said.events.extend([SeatEvent::Taken, SeatEvent::Given]);
        });
        while !service.wait(LOOK_EVERY) {}
        assert!(!place.holds());
        let lost = keeper.end().unwrap_err();
        assert!(lost.downcast_ref::<Lost>().is_some_and(|lost| lost.role == "deliver"));
        assert!(group.with(|said| said.has_left));
    }

    #[test]
    fn a_keeper_that_panics_takes_the_service_with_it() {
        struct Breaks;
        impl Seat for Breaks {
            fn poll(&mut self) -> Vec<SeatEvent> {
                panic!("a bug")
            }
            fn newest_term(&mut self) -> Result<Option<u64>, LogError> {
                Ok(None)
            }
            fn prove(&mut self, _: u64) -> Result<(), LogError> {
                Ok(())
            }
            fn leave(self: Box<Self>) {}
        }
        let place = place("deliver", SESSION);
        let post = Post::new(Stage::Deliver, place, Box::new(Breaks), SESSION);
        let service = Stop::default();
        let keeper = Keeper::new(vec![post], HttpState::default()).start(&service).unwrap();
        while !service.wait(LOOK_EVERY) {}
        assert!(keeper.end().is_err());
    }
}
