//! What is asked of the log when a role begins. A role is often taken over when the log is unwell itself: its owner died
//! with a broker. So the question is asked until there is an answer.

use std::time::Duration;

use anyhow::Result;

use crate::log::LogError;
use crate::run::stop::Stop;

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks until the log answers; `None`: it is time to stop.
///
/// # Errors
/// What will not pass by itself.
pub(super) fn answered<T>(
    stop: &Stop,
    what: &'static str,
    mut ask: impl FnMut() -> Result<T>,
) -> Result<Option<T>> {
    while !stop.is_set() {
        let error = match ask() {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        if !error.downcast_ref::<LogError>().is_some_and(LogError::may_pass) {
            return Err(error);
        }
        tracing::warn!(%error, what, "the log does not answer, trying again");
        let _stopped = stop.wait(PAUSE);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_log_that_is_away_is_asked_again_and_one_that_is_broken_is_not() {
        let stop = Stop::default();
        let mut asked = 0;
        let answer = answered(&stop, "test", || {
            asked += 1;
            let away = Err(LogError::Unavailable("away".to_owned()));
            if asked < 2 { away.context("asking") } else { Ok(asked) }
        });
        assert_eq!(answer.unwrap(), Some(2));
        let broken = || Err::<(), _>(LogError::Corrupt("torn".to_owned()).into());
        assert!(answered(&stop, "test", broken).is_err());
        stop.set();
        assert_eq!(answered(&stop, "test", || Ok(1)).unwrap(), None);
    }
}
