//! Which sources tell times that agree with the arrivals of their records, and when they last did.
//!
//! Absent: what event time is. This only says whether arrivals can be trusted at the moment, and by how many.

use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// The sources that last agreed with an arrival, each once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Vouchers(Vec<(u64, Timestamp)>);

impl Vouchers {
    /// Sources that are kept: enough for a majority, and few enough to be looked through with each record.
    pub(super) const MAX: usize = 16;

    /// A source told a time that agrees with an arrival. Who was silent for longest makes room.
    pub(super) fn add(&mut self, source: u64, arrival: Timestamp) {
        if let Some(known) = self.0.iter_mut().find(|(known, _)| *known == source) {
            known.1 = arrival;
            return;
        }
        if self.0.len() >= Self::MAX
            && let Some(oldest) =
                self.0.iter().enumerate().min_by_key(|(_, (_, at))| *at).map(|(place, _)| place)
        {
            self.0.swap_remove(oldest);
        }
        self.0.push((source, arrival));
    }

    /// How many other sources agreed with an arrival around this one.
    pub(super) fn around(&self, arrival: Timestamp, within: Nanos, but: u64) -> usize {
        let is_around = |at: Timestamp| (arrival - at).0.unsigned_abs() <= within.0.unsigned_abs();
        self.0.iter().filter(|(source, at)| *source != but && is_around(*at)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn the_newest_are_kept_each_once_and_those_of_another_time_do_not_count() {
        let mut vouchers = Vouchers::default();
        for source in 0..20 {
            vouchers.add(source, at(1000 + source as i64));
            vouchers.add(source, at(1000 + source as i64));
        }
        let within = Nanos::from_secs(600);
        assert_eq!(vouchers.around(at(1020), within, 100), Vouchers::MAX);
        assert_eq!(vouchers.around(at(1020), within, 19), Vouchers::MAX - 1, "not for oneself");
        assert_eq!(vouchers.around(at(1020), within, 0), Vouchers::MAX, "the oldest has gone");
        assert_eq!(vouchers.around(at(9000), within, 100), 0, "another time");
    }
}
