//! ITIL priority: a matrix of impact and urgency.

use model::alert::Severity;
use model::incident::{IncidentState, Priority};

/// Impact score from which impact is high, and from which it is medium.
const IMPACT: (f64, f64) = (40.0, 10.0);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    High,
    Medium,
    Low,
}

/// The priority of an incident.
pub(super) fn priority(impact: f64, severity: Severity, state: IncidentState) -> Priority {
    let reach = level(impact >= IMPACT.0, impact >= IMPACT.1);
    let open = state == IncidentState::Open;
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
    fn wide_and_urgent_comes_first_and_what_is_over_comes_last() {
        let open = IncidentState::Open;
        assert_eq!(priority(80.0, Severity::Critical, open), Priority::P1);
        assert_eq!(priority(80.0, Severity::Unknown, open), Priority::P2);
        assert_eq!(priority(1.0, Severity::Warning, open), Priority::P4);
        assert_eq!(priority(80.0, Severity::Critical, IncidentState::Resolved), Priority::P3);
    }
}
