//! ITIL priority: a matrix of impact and urgency.
//!
//! What is over keeps the priority that it had last while it was open: a ticket is closed with the weight
//! with which somebody was called, and reports count what was urgent then.

use model::alert::Severity;
use model::incident::Priority;

/// Impact score from which impact is high, and from which it is medium.
const IMPACT: (f64, f64) = (40.0, 10.0);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    High,
    Medium,
    Low,
}

/// The priority of an incident that is `open`, or was before it was over; else it is only suspected.
pub(super) fn priority(impact: f64, severity: Severity, open: bool) -> Priority {
    let reach = level(impact >= IMPACT.0, impact >= IMPACT.1);
    let urgency = level(open && severity >= Severity::Error, open);
    match (reach, urgency) {
        (Level::High, Level::High) => Priority::P1,
        (Level::High, Level::Medium) | (Level::Medium, Level::High) => Priority::P2,
        (Level::High, Level::Low) | (Level::Medium, Level::Medium) | (Level::Low, Level::High) => {
            Priority::P3
        }
        (Level::Medium | Level::Low, _) => Priority::P4,
    }
}

const fn level(high: bool, medium: bool) -> Level {
    match (high, medium) {
        (true, _) => Level::High,
        (false, true) => Level::Medium,
        (false, false) => Level::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_urgent_comes_first_and_what_is_suspected_comes_last() {
        assert_eq!(priority(80.0, Severity::Critical, true), Priority::P1);
        assert_eq!(priority(80.0, Severity::Unknown, true), Priority::P2);
        assert_eq!(priority(1.0, Severity::Warning, true), Priority::P4);
        assert_eq!(priority(80.0, Severity::Critical, false), Priority::P3);
    }
}
