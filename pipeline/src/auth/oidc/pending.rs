//! Sign-ins that were begun and not finished: each is good once, for ten minutes, in the browser that began it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::time::{Nanos, Timestamp};
use ring::digest::{SHA256, digest};

/// How long somebody has to sign in. Unit: seconds.
pub const PENDING_SECS: i64 = 600;
/// How many may be under way; beyond that the oldest is forgotten.
const PENDING_MAX: usize = 4_096;

/// What has to come back with a sign-in.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// What the cookie of the browser holds that began it.
    pub(super) browser: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// The page to go to.
    pub(super) next: String,
}

/// All that are under way, by their state.
#[derive(Default)]
pub(super) struct Sheet(Mutex<BTreeMap<String, (Timestamp, Pending)>>);

impl Sheet {
    pub(super) fn add(&self, state: String, pending: Pending, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (until, _)| now < *until);
        if all.len() >= PENDING_MAX {
            let oldest = all.iter().min_by_key(|(_, (until, _))| *until);
            if let Some(oldest) = oldest.map(|(state, _)| state.clone()) {
                all.remove(&oldest);
            }
        }
        all.insert(state, (now + Nanos::from_secs(PENDING_SECS), pending));
    }

    /// Takes one out, if it comes from the browser that began it: it cannot be taken twice.
    pub(super) fn take(&self, state: &str, browser: &str, now: Timestamp) -> Option<Pending> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, pending) = all.get(state)?;
        // By their digests: how long that takes says nothing about either.
        let hash = |text: &str| digest(&SHA256, text.as_bytes());
        let is_good = now < *until && hash(&pending.browser).as_ref() == hash(browser).as_ref();
        if is_good { all.remove(state).map(|(_, pending)| pending) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(browser: &str) -> Pending {
        let text = String::new;
        Pending { browser: browser.to_owned(), nonce: text(), verifier: text(), next: text() }
    }

    #[test]
    fn a_sign_in_is_good_once_in_its_browser_and_for_its_time() {
        let (sheet, now) = (Sheet::default(), Timestamp::from_millis(1_000));
        let later = now + Nanos::from_secs(PENDING_SECS);
        sheet.add("one".into(), pending("mine"), now);
        sheet.add("two".into(), pending("mine"), now);
        assert!(sheet.take("one", "another's", now).is_none());
        assert!(sheet.take("none", "mine", now).is_none());
        assert!(sheet.take("one", "mine", now).is_some());
        assert!(sheet.take("one", "mine", now).is_none(), "twice");
        assert!(sheet.take("two", "mine", later).is_none(), "too late");
    }

    #[test]
    fn a_flood_of_beginnings_keeps_to_its_bound() {
        let sheet = Sheet::default();
        for at in 0..=i64::try_from(PENDING_MAX).unwrap() {
            sheet.add(at.to_string(), pending("mine"), Timestamp::from_millis(at));
        }
        let now = Timestamp::from_millis(5_000);
        assert!(sheet.take("0", "mine", now).is_none(), "the oldest is forgotten");
        assert!(sheet.take(&PENDING_MAX.to_string(), "mine", now).is_some());
        assert_eq!(sheet.0.lock().unwrap().len(), PENDING_MAX - 1);
    }
}
