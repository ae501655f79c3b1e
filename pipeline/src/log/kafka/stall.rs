//! The stall watchdog: what to do when Kafka cannot give what stands at an offset.
//!
//! librdkafka asks for a batch that it cannot read (a bad checksum, a decompression that fails)
//! again and again, for good (librdkafka issues 5260, 5595). So after some failures at one offset
//! the reader steps over it, in steps that double until something is readable again. What is
//! stepped over is at least the damaged batch and less than twice as many offsets.

/// Failures at one offset before it is stepped over.
const PATIENCE: u32 = 3;

/// Where one partition stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stall {
    failures: u32,
    step: u64,
}

impl Stall {
    /// What is at `next` could not be read. Returns where to go on instead, if it is time to.
    pub(super) fn failed_at(&mut self, next: u64) -> Option<u64> {
        self.failures += 1;
        if self.failures < PATIENCE {
            return None;
        }
        self.step = (self.step * 2).max(1);
        Some(next.saturating_add(self.step))
    }

    /// Something was read.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_patient_and_then_steps_over() {
        let mut stall = Stall::default();
        assert_eq!(stall.failed_at(10), None);
        assert_eq!(stall.failed_at(10), None);
        assert_eq!(stall.failed_at(10), Some(11));
    }

    // A damaged batch of 100 records: every offset inside it gives the same failure.
    #[test]
    fn steps_double_until_something_is_readable() {
        let mut stall = Stall::default();
        let mut next = 0;
        let mut failures = 0;
        while next < 100 {
            failures += 1;
            next = stall.failed_at(next).unwrap_or(next);
        }
        assert!(failures <= 10 && next < 200, "{failures} failures, went on at {next}");
    }

    #[test]
    fn a_record_restores_its_patience() {
        let mut stall = Stall::default();
        (0..5).for_each(|_| _ = stall.failed_at(0));
        stall.over();
        assert_eq!(stall.failed_at(9), None);
    }
}
