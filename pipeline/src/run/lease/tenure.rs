//! Whose turn a role is, decided from what the group said and when. Pure: time is an argument.
//!
//! ```text
//! standing by --given--> looks for the newest term --found t--> claims t + 1 --acknowledged--> at work
//! at work --proof acknowledged--> at work, for a while from when it was asked for
//! at work --taken--> suspended: looks --found its own term, given again--> at work
//!                                     --found another's term--> over
//! ```
//!
//! A *term* is a number that each owner raises by one when it begins; it is kept in the group, which takes it from
//! members of its present generation alone. Who finds its own term after the role was taken away knows that nobody
//! was at work in between: it may go on. Who finds another's may not, whatever it holds in memory.

use std::time::Duration;

/// Time between two looks for the newest term.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time between a question that was refused and the next.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing for now.
    Wait,
    /// Ask the group for the newest term.
    Look,
    /// Write the term: it claims the role, or proves that it is still ours.
    Prove {
        /// The term.
        term: u64,
    },
}

/// A process's claim on one role. Moments are durations since the process began to count.
#[derive(Debug)]
pub(super) struct Tenure {
    /// How long a proof is good for, from when it was asked for.
    good_for: Duration,
    prove_every: Duration,
    /// The group says that the role is ours.
    is_given: bool,
    /// Under which term we claim it, since it was given last.
    claim: Option<u64>,
    /// Under which term we were at work.
    mine: Option<u64>,
    /// Until when it is ours for sure.
    until: Duration,
    /// Since when an answer is waited for.
    asked_at: Option<Duration>,
    next_at: Duration,
    is_over: bool,
}

/// How long what is begun under a lease may take: no record and no call may arrive after the group can have given the
/// role away. The group counts a session from the last sign of life that came to it, at the latest when it took the
/// proof; a lease is good for half of one from when the proof was asked for, and an eighth is for clocks that run
/// differently.
#[must_use]
pub const fn finish_within(session: Duration) -> Duration {
    Duration::from_millis(session.as_millis() as u64 * 3 / 8)
}

impl Tenure {
    /// Standing by in a group that gives up on a member after `session` without a sign of life.
    pub(super) fn new(session: Duration) -> Self {
        Self {
            good_for: session / 2,
            prove_every: session / 6,
            is_given: false,
            claim: None,
            mine: None,
            until: Duration::ZERO,
            asked_at: None,
            next_at: Duration::ZERO,
            is_over: false,
        }
    }

    /// The group gives the role to us.
    pub(super) fn given(&mut self, now: Duration) {
        self.turned(true, now);
    }

    /// The group takes it away, or has done so.
    pub(super) fn taken(&mut self, now: Duration) {
        self.turned(false, now);
    }

    /// Whatever was asked before belongs to another assignment: its answer proves nothing now.
    fn turned(&mut self, is_given: bool, now: Duration) {
        self.is_given = is_given;
        self.claim = None;
        self.asked_at = None;
        self.until = Duration::ZERO;
        self.next_at = now;
    }

    /// The newest term that the group knows.
    pub(super) fn found(&mut self, newest: Option<u64>, now: Duration) {
        match self.mine {
            Some(mine) if newest != Some(mine) => self.over(),
            _ if !self.is_given || self.claim.is_some() => {}
            Some(mine) => self.claim = Some(mine),
            None => self.claim = Some(newest.map_or(1, |newest| newest.saturating_add(1))),
        }
        if self.claim.is_some() {
            self.next_at = now;
        }
    }

    /// The group took the term, or did not. What happened before that was told.
    pub(super) fn answered(&mut self, is_taken: bool, now: Duration) {
        let Some(asked_at) = self.asked_at.take() else { return };
        if is_taken {
            self.mine = self.claim;
            self.until = asked_at + self.good_for;
            self.next_at = asked_at + self.prove_every;
        } else {
            self.next_at = now + ASK_AGAIN;
        }
    }

    /// It is never ours again in this process.
    pub(super) fn over(&mut self) {
        self.is_over = true;
        self.until = Duration::ZERO;
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: Duration) -> Step {
        if self.is_over || now < self.next_at {
            return Step::Wait;
        }
        let Some(term) = self.claim else {
            if !self.is_given && self.mine.is_none() {
                return Step::Wait;
            }
            self.next_at = now + LOOK_EVERY;
            return Step::Look;
        };
        self.asked_at = Some(now);
        Step::Prove { term }
    }

    /// Until when it is ours for sure; a moment that has passed if it is not.
    pub(super) fn until(&self) -> Duration {
        self.until
    }

    /// Whether another was at work after us, or the group cannot be asked any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Duration = Duration::from_secs(12);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn is_ours(tenure: &Tenure, now: Duration) -> bool {
        now < tenure.until()
    }

    /// Does what it wants: an answer of `newest` and, if it proves, of `is_taken`.
    fn serve(
        tenure: &mut Tenure,
        now: Duration,
        newest: Option<u64>,
        is_taken: bool,
    ) -> Option<u64> {
        match tenure.next(now) {
            Step::Wait => None,
            Step::Look => {
                tenure.found(newest, now);
                serve(tenure, now, newest, is_taken)
            }
            Step::Prove { term } => {
                tenure.answered(is_taken, now);
                Some(term)
            }
        }
    }

    /// At work under term 8 since the moment 1000.
    fn at_work() -> Tenure {
        let mut tenure = Tenure::new(SESSION);
        tenure.given(at(1_000));
        assert_eq!(serve(&mut tenure, at(1_000), Some(7), true), Some(8));
        assert!(is_ours(&tenure, at(1_000)));
        tenure
    }

    #[test]
    fn who_was_given_nothing_claims_nothing() {
        let mut tenure = Tenure::new(SESSION);
        for ms in [0, 1_000, 100_000] {
            assert_eq!(tenure.next(at(ms)), Step::Wait);
            assert!(!is_ours(&tenure, at(ms)));
        }
    }

    #[test]
    fn it_is_ours_when_the_claim_is_acknowledged_and_not_before() {
        let mut tenure = Tenure::new(SESSION);
        tenure.given(at(0));
        assert_eq!(tenure.next(at(0)), Step::Look);
        assert_eq!(tenure.next(at(1)), Step::Wait, "one question at a time");
        tenure.found(None, at(5));
        assert_eq!(tenure.next(at(5)), Step::Prove { term: 1 });
        assert!(!is_ours(&tenure, at(6)));
        tenure.answered(false, at(7));
        assert!(!is_ours(&tenure, at(7)), "it was refused");
        assert_eq!(tenure.next(at(8)), Step::Wait);
        assert_eq!(tenure.next(at(300)), Step::Prove { term: 1 });
        tenure.answered(true, at(400));
        assert!(is_ours(&tenure, at(400)));
    }

    #[test]
    fn it_ends_before_the_group_can_give_it_away_counted_from_the_question() {
        let mut tenure = at_work();
        assert_eq!(tenure.next(at(4_000)), Step::Prove { term: 8 });
        // The answer is late, as after a pause of the whole process.
        tenure.answered(true, at(9_000));
        assert!(is_ours(&tenure, at(9_900)));
        assert!(!is_ours(&tenure, at(4_000) + SESSION / 2));
    }

    #[test]
    fn proofs_that_stay_out_suspend_it_and_one_that_comes_lets_it_go_on() {
        let mut tenure = at_work();
        assert_eq!(tenure.next(at(3_000)), Step::Prove { term: 8 });
        assert!(!is_ours(&tenure, at(11_000)), "the first proof is good for six seconds");
        tenure.answered(false, at(11_000));
        assert_eq!(serve(&mut tenure, at(12_000), None, true), Some(8));
        assert!(is_ours(&tenure, at(12_000)) && !tenure.is_over());
    }

    #[test]
    fn what_was_taken_is_not_ours_at_once_whatever_was_proved() {
        let mut tenure = at_work();
        assert_eq!(tenure.next(at(3_000)), Step::Prove { term: 8 });
        tenure.taken(at(3_100));
        assert!(!is_ours(&tenure, at(3_100)));
        tenure.answered(true, at(3_200));
        assert!(!is_ours(&tenure, at(3_200)), "the answer is of before");
        assert_eq!(tenure.next(at(3_200)), Step::Look);
        tenure.given(at(3_300));
        tenure.answered(true, at(3_300));
        assert!(!is_ours(&tenure, at(3_300)), "and says nothing of the new assignment");
    }

    #[test]
    fn who_finds_its_own_term_goes_on_and_who_finds_another_does_not() {
        for (newest, goes_on) in [(Some(8), true), (Some(9), false), (None, false)] {
            let mut tenure = at_work();
            tenure.taken(at(20_000));
            tenure.given(at(21_000));
            let proved = serve(&mut tenure, at(21_000), newest, true);
            assert_eq!(proved, goes_on.then_some(8), "{newest:?}");
            assert_eq!((is_ours(&tenure, at(21_000)), tenure.is_over()), (goes_on, !goes_on));
        }
    }

    #[test]
    fn who_is_given_nothing_any_more_looks_until_another_is_at_work() {
        let mut tenure = at_work();
        tenure.taken(at(20_000));
        assert_eq!(serve(&mut tenure, at(20_000), Some(8), true), None);
        assert!(!tenure.is_over());
        assert_eq!(serve(&mut tenure, at(21_000), Some(9), true), None);
        assert!(tenure.is_over());
        assert_eq!(tenure.next(at(30_000)), Step::Wait);
    }

    #[test]
    fn a_claim_that_was_never_acknowledged_is_no_work_of_ours() {
        let mut tenure = Tenure::new(SESSION);
        tenure.given(at(0));
        tenure.found(Some(4), at(0));
        assert!(matches!(tenure.next(at(0)), Step::Prove { term: 5 }));
        tenure.taken(at(10));
        assert_eq!(tenure.next(at(1_000)), Step::Wait, "it stands by");
        tenure.given(at(2_000));
        assert_eq!(serve(&mut tenure, at(2_000), Some(6), true), Some(7));
    }
}
