//! Small values for the tests of this room.

use model::alert::Severity;
use model::blast_radius::{BlastRadius, ObservedReach};
use model::change::ChangeKind;
use model::entity::Entity;
use model::hypothesis::{CauseKind, Hypothesis, SuspectedChange};
use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState, Lineage, Priority, SCHEMA_VERSION};
use model::time::Timestamp;

use super::labels::{Fault, RootCause};
use super::suite::{Stream, Window};

/// An instant in seconds.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// A window `w0`, in seconds.
pub(super) fn window(start: i64, end: i64) -> Window {
    Window { id: "w0".into(), start: at(start), end: at(end) }
}

/// A stream with windows `w0`, `w1` ..., in seconds.
pub(super) fn stream(id: &str, windows: &[(i64, i64)]) -> Stream {
    let windows = windows.iter().enumerate();
    Stream {
        id: id.into(),
        segments: Vec::new(),
        windows: windows
            .map(|(n, (from, to))| Window { id: format!("w{n}"), ..window(*from, *to) })
            .collect(),
        bytes: 0,
    }
}

/// A fault of a service in window `w0`, without guilty change.
pub(super) fn fault(onset: i64, service: &str) -> Fault {
    Fault {
        window: "w0".into(),
        onset: at(onset),
        onset_uncertainty_s: 0.0,
        duration_s: None,
        kind: "test".into(),
        root_cause: Some(RootCause { service: service.into() }),
        change_id: None,
        change_aliases: None,
        decoy_change_ids: None,
        decoy_aliases: None,
        affected: None,
    }
}

/// An open incident without content that began at an instant, in seconds.
pub(super) fn incident(number: u64, onset: i64) -> Incident {
    Incident {
        schema_version: SCHEMA_VERSION,
        id: IncidentId(number),
        revision: 1,
        cell: CellId("default".into()),
        state: IncidentState::Open,
        severity: Severity::Unknown,
        priority: Priority::P4,
        title: String::new(),
        onset_at: at(onset),
        opened_at: at(onset),
        updated_at: at(onset),
        resolved_at: None,
        services: Vec::new(),
        alerts: Vec::new(),
        symptoms: Vec::new(),
        exemplars: Vec::new(),
        blast_radius: BlastRadius::default(),
        hypotheses: Vec::new(),
        confidence_set_size: 1,
        owner: None,
        cause_items: Vec::new(),
        tickets: Vec::new(),
        people: model::people::People::default(),
        lineage: Lineage::default(),
        timeline: Vec::new(),
        narrative: String::new(),
    }
}

/// A hypothesis `(service, log odds, change)`; an empty service is "none".
pub(super) fn hypothesis(service: &str, log_odds: f64, change: Option<&str>) -> Hypothesis {
    let nothing = service.is_empty();
    Hypothesis {
        rank: 0,
        entity: if nothing { Entity::nothing() } else { Entity::service(service.into()) },
        kind: if nothing { CauseKind::None } else { CauseKind::Code },
        change: change.map(|id| SuspectedChange {
            id: id.into(),
            kind: ChangeKind::Deploy,
            at: at(0),
            title: id.into(),
            author: None,
            url: None,
        }),
        probability: 0.5,
        log_odds,
        summary: String::new(),
        path: Vec::new(),
        lacks: None,
        evidence: Vec::new(),
    }
}

/// An open incident with an impact and hypotheses as [`hypothesis`] takes them.
pub(super) fn told(
    number: u64,
    impact: f64,
    hypotheses: &[(&str, f64, Option<&str>)],
) -> std::sync::Arc<Incident> {
    let mut incident = incident(number, 0);
    incident.blast_radius.impact = impact;
    incident.hypotheses = hypotheses
        .iter()
        .map(|(service, odds, change)| hypothesis(service, *odds, *change))
        .collect();
    std::sync::Arc::new(incident)
}

/// Observed reach of services.
pub(super) fn reach(services: &[&str]) -> Vec<ObservedReach> {
    let row = |service: &&str| ObservedReach { service: (*service).into(), traces: 1, hops: None };
    services.iter().map(row).collect()
}
