//! Progress on standard error: a bar or a spinner on a terminal, nothing elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Steps of a bar over work that is measured in bytes or time.
const STEPS: u64 = 1_000;
/// How often the spinner of a wait turns.
const TURN: Duration = Duration::from_millis(120);

/// What long work has to go through.
#[derive(Clone, Debug)]
pub enum Extent {
    /// So many bytes of files, of which so many were read.
    Bytes(Arc<AtomicU64>, u64),
    /// From one instant to another, by the time of the records; without a first one, from the
    /// first record on. Unit: Unix milliseconds.
    Time(Option<i64>, i64),
    /// Nobody knows.
    Unknown,
}

impl Extent {
    /// Which of the steps it is at, with a record of this time.
    fn step(&mut self, timestamp_ms: i64) -> u64 {
        let (done, all) = match self {
            Self::Bytes(read, all) => (read.load(Ordering::Relaxed), *all),
            Self::Time(from, to) => {
                let from = *from.get_or_insert(timestamp_ms);
                let since = |at: i64| u64::try_from(at.saturating_sub(from)).unwrap_or(0);
                (since(timestamp_ms), since(*to))
            }
            Self::Unknown => (0, 0),
        };
        let steps = u128::from(done) * u128::from(STEPS);
        let step = steps.checked_div(u128::from(all)).unwrap_or(0);
        u64::try_from(step).unwrap_or(STEPS).min(STEPS)
    }
}

/// A progress bar, or nothing.
pub struct Progress(ProgressBar);

impl Progress {
    /// Work of unknown length.
    #[must_use]
    pub fn spinner(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style("{spinner} {prefix} {msg}"));
        bar.set_prefix(what);
        bar.set_draw_target(ProgressDrawTarget::stderr());
        Self(bar)
    }

    /// Work of known length.
    #[must_use]
    pub fn bar(what: &'static str, length: u64) -> Self {
        // Its own style before anything is drawn.
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        bar.set_style(style("{prefix} [{bar:40}] {percent}% {msg}"));
        bar.set_prefix(what);
        bar.set_draw_target(ProgressDrawTarget::stderr());
        Self(bar)
    }

    /// Work over an extent: a bar where it has an end, a spinner where nobody knows.
    #[must_use]
    pub fn over(what: &'static str, extent: &Extent) -> Self {
        match extent {
            Extent::Bytes(..) | Extent::Time(..) => Self::bar(what, STEPS),
            Extent::Unknown => Self::spinner(what),
        }
    }

    /// Waiting for somebody else's work: turns by itself and tells for how long.
    #[must_use]
    pub fn waiting(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_prefix(what);
        bar.set_style(style("{spinner} {prefix} {elapsed}"));
        bar.enable_steady_tick(TURN);
        Self(bar)
    }

    /// Where in its extent it is, at a record of this time, and what is going on. Never goes back.
    pub fn reached(&self, extent: &mut Extent, timestamp_ms: i64, what: String) {
        self.at(extent.step(timestamp_ms).max(self.0.position()));
        self.say(what);
    }

    /// How far it has come.
    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// What is going on.
    pub fn say(&self, what: String) {
        self.0.set_message(what);
        self.0.tick();
    }

    /// Prints a line above the bar; on no terminal, on standard error.
    pub fn line(&self, text: &str) {
        if self.0.is_hidden() {
            eprintln!("{text}");
        } else {
            self.0.println(text);
        }
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_time_are_told_in_steps_and_stay_within_them() {
        let read = Arc::new(AtomicU64::new(0));
        let mut bytes = Extent::Bytes(Arc::clone(&read), 4_000);
        assert_eq!(bytes.step(7), 0);
        read.store(1_000, Ordering::Relaxed);
        assert_eq!(bytes.step(7), 250);
        read.store(9_000, Ordering::Relaxed);
        assert_eq!(bytes.step(7), STEPS);
        let mut time = Extent::Time(Some(1_000), 3_000);
        assert_eq!((time.step(0), time.step(2_000), time.step(9_000)), (0, 500, STEPS));
        let mut from_the_first = Extent::Time(None, 3_000);
        assert_eq!((from_the_first.step(2_000), from_the_first.step(2_500)), (0, 500));
        assert_eq!(Extent::Bytes(read, 0).step(0), 0, "an empty file");
    }

    #[test]
    fn a_bar_never_goes_back() {
        let mut extent = Extent::Time(Some(0), 1_000);
        let progress = Progress::over("playing", &extent);
        progress.reached(&mut extent, 600, String::new());
        progress.reached(&mut extent, 200, String::new());
        assert_eq!(progress.0.position(), 600);
    }
}
