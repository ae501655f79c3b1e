//! The test incident of `faultline sinks test`: clearly marked, of the lowest priority, over at
//! once. Pure: its id comes from the sink's name and the moment.

use model::alert::Severity;
use model::blast_radius::BlastRadius;
use model::id::{CellId, IncidentId, stable_hash};
use model::incident::{Incident, IncidentState, Lineage, Priority, SCHEMA_VERSION};
use model::name::Name;
use model::people::People;
use model::time::{Nanos, Timestamp};

use crate::delivery::decide::{DeliveryPolicy, Suspected};

/// What the title of every test incident begins with.
pub const MARK: &str = "TEST:";

/// A test incident that was found at `now`.
#[must_use]
pub fn incident(sink: &Name, now: Timestamp) -> Incident {
    Incident {
        schema_version: SCHEMA_VERSION,
        id: IncidentId(stable_hash(&[b"sinks test", sink.as_bytes(), &now.0.to_le_bytes()])),
        revision: 1,
        cell: CellId("test".into()),
        state: IncidentState::Open,
        severity: Severity::Info,
        priority: Priority::P4,
        title: format!("{MARK} faultline reaches {sink}, nobody has to do anything"),
        onset_at: now,
        opened_at: now,
        updated_at: now,
        resolved_at: None,
        services: vec!["faultline-test".into()],
        alerts: Vec::new(),
        symptoms: Vec::new(),
        exemplars: Vec::new(),
        blast_radius: BlastRadius::default(),
        hypotheses: Vec::new(),
        confidence_set_size: 0,
        owner: None,
        cause_items: Vec::new(),
        tickets: Vec::new(),
        people: People::default(),
        lineage: Lineage::default(),
        timeline: Vec::new(),
        narrative: String::from(
            "Somebody ran faultline sinks test. Nothing is broken; it is resolved in a moment.",
        ),
    }
}

/// The same, over.
#[must_use]
pub fn resolved(open: &Incident, now: Timestamp) -> Incident {
    Incident {
        revision: open.revision + 1,
        state: IncidentState::Resolved,
        updated_at: now,
        resolved_at: Some(now),
        ..open.clone()
    }
}

/// It is told whatever the sink is told otherwise, and at once.
#[must_use]
pub fn policy() -> DeliveryPolicy {
    DeliveryPolicy {
        suspected: Suspected::Told,
        priority_lowest: Priority::P4,
        update_every: Nanos::ZERO,
        ..DeliveryPolicy::default()
    }
}
