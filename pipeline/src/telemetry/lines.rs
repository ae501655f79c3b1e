//! Lines of the program's log that wait to be sent: those of a level and above, at most so many.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use model::time::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::clock;

/// Lines that wait; of more the oldest go.
const WAITING_MAX: usize = 1_024;
/// Fields of one line that are kept.
const FIELDS_MAX: usize = 16;
/// Longest text of a line. Unit: characters.
const TEXT_CHARS_MAX: usize = 2_000;

/// What is kept: levels up to this number, of which the gravest is 1. 0: nothing, nobody sends it.
static KEPT: AtomicU8 = AtomicU8::new(0);
static WAITING: Mutex<Waiting> = Mutex::new(Waiting { lines: VecDeque::new(), dropped: 0 });

/// Tests that keep or take lines do so one after the other: what waits is the process's.
#[cfg(test)]
pub(super) static ALONE: Mutex<()> = Mutex::new(());

struct Waiting {
    lines: VecDeque<Line>,
    dropped: u64,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    /// OpenTelemetry's number.
    pub(super) severity: u64,
    pub(super) level: &'static str,
    pub(super) body: String,
    pub(super) fields: Vec<(&'static str, String)>,
}

/// From now on lines of a level and above are kept; `None`: no more.
pub(super) fn keep(level: Option<Level>) {
    KEPT.store(level.map_or(0, |level| rank(&level)), Ordering::Relaxed);
}

/// All that wait, and how many were dropped since the last time.
pub(super) fn take() -> (Vec<Line>, u64) {
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    (waiting.lines.drain(..).collect(), std::mem::take(&mut waiting.dropped))
}

fn rank(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Sees every line that is logged.
pub(super) struct Tap;

impl<S: Subscriber> Layer<S> for Tap {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = event.metadata().level();
        if rank(level) > KEPT.load(Ordering::Relaxed) {
            return;
        }
        let severity = match *level {
            Level::ERROR => 17,
            Level::WARN => 13,
            Level::INFO => 9,
            Level::DEBUG => 5,
            Level::TRACE => 1,
        };
        let (body, fields) = (String::new(), Vec::new());
        let mut line = Line { at: clock::now(), severity, level: level.as_str(), body, fields };
        event.record(&mut line);
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() >= WAITING_MAX {
            waiting.lines.pop_front();
            waiting.dropped += 1;
        }
        waiting.lines.push_back(line);
    }
}

impl Line {
    fn put(&mut self, field: &Field, text: String) {
        let text = match text.char_indices().nth(TEXT_CHARS_MAX) {
            Some((at, _)) => text.get(..at).unwrap_or_default().to_owned(),
            None => text,
        };
        if field.name() == "message" {
            self.body = text;
        } else if self.fields.len() < FIELDS_MAX {
            self.fields.push((field.name(), text));
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn lines_of_the_level_wait_within_a_bound_and_others_do_not() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish().with(Tap);
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("nobody sends it");
            keep(Some(Level::WARN));
            drop(take());
            tracing::info!("not so grave");
            tracing::warn!(sink = "itsm", status = 503, "does not answer");
            let (lines, dropped) = take();
            let own: Vec<_> =
                lines.into_iter().filter(|line| line.body == "does not answer").collect();
            let [line] = own.as_slice() else { panic!("{own:?}") };
            assert_eq!((line.severity, line.level, dropped), (13, "WARN", 0));
            let fields = [("sink", "itsm".to_owned()), ("status", "503".to_owned())];
            assert_eq!(line.fields, fields);
            for turn in 0..WAITING_MAX + 10 {
                tracing::warn!(turn, "{}", "x".repeat(3_000));
            }
            keep(None);
            let (lines, dropped) = take();
            assert!(lines.len() <= WAITING_MAX && dropped >= 10, "{} {dropped}", lines.len());
            assert!(lines.iter().all(|line| line.body.chars().count() <= TEXT_CHARS_MAX));
        });
    }
}
