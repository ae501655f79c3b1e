//! One incident in its first revision, and how it goes on.

use model::alert::{AlertStatus, Severity};
use model::blast_radius::BlastRadius;
use model::change::ChangeKind;
use model::entity::Entity;
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm, Hypothesis, SuspectedChange};
use model::id::{CellId, Fingerprint, IncidentId, TraceId};
use model::incident::{
    Incident, IncidentAlert, IncidentState, JoinReason, Lineage, Priority, SCHEMA_VERSION,
};
use model::time::{Nanos, Timestamp};

/// 02:07 and so many seconds.
pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp(1_773_713_220_000_000_000) + Nanos::from_secs(secs)
}

/// Incident `ab`, open, at a revision; `updated_at` grows with it.
pub(crate) fn incident(revision: u32) -> Incident {
    Incident {
        schema_version: SCHEMA_VERSION,
        id: IncidentId(0xab),
        revision,
        cell: CellId("production".into()),
        state: IncidentState::Open,
        severity: Severity::Critical,
        priority: Priority::P2,
        title: String::from("Checkout is slow and fails"),
        onset_at: at(0),
        opened_at: at(10),
        updated_at: at(10 * i64::from(revision)),
        resolved_at: None,
        services: vec!["checkout".into(), "payment".into()],
        alerts: vec![alert()],
        symptoms: Vec::new(),
        exemplars: vec![TraceId(7)],
        blast_radius: BlastRadius::default(),
        hypotheses: vec![hypothesis(), nothing()],
        confidence_set_size: 1,
        owner: Some("team-payments".into()),
        cause_items: Vec::new(),
        tickets: Vec::new(),
        people: model::people::People::default(),
        lineage: Lineage::default(),
        timeline: Vec::new(),
        narrative: String::from("Checkout has been slow since 02:07."),
    }
}

fn alert() -> IncidentAlert {
    IncidentAlert {
        fingerprint: Fingerprint(1),
        name: "HighLatency".into(),
        status: AlertStatus::Firing,
        flapping: false,
        severity: Severity::Critical,
        service: Some("checkout".into()),
        summary: "p95 is above 2 s".into(),
        starts_at: at(5),
        ends_at: None,
        reason: JoinReason::First,
        muted_by: None,
        url: None,
    }
}

fn hypothesis() -> Hypothesis {
    Hypothesis {
        rank: 1,
        entity: Entity::service("payment".into()),
        kind: CauseKind::Change,
        change: Some(SuspectedChange {
            id: "c-1".into(),
            kind: ChangeKind::Config,
            at: at(-720),
            title: "pool size 10".into(),
            author: None,
            url: None,
        }),
        probability: 0.81,
        log_odds: 3.0,
        summary: String::from("A config change on payment."),
        path: vec!["payment".into(), "checkout".into()],
        lacks: None,
        evidence: vec![Evidence {
            term: EvidenceTerm::ErrorOrigin,
            nats: 3.0,
            text: String::from("errors originate at payment"),
            traces: vec![TraceId(7)],
            alerts: Vec::new(),
            changes: Vec::new(),
        }],
    }
}

fn nothing() -> Hypothesis {
    Hypothesis {
        rank: 2,
        entity: Entity::nothing(),
        kind: CauseKind::None,
        change: None,
        probability: 0.19,
        log_odds: 1.0,
        summary: String::from("None of these."),
        path: Vec::new(),
        lacks: None,
        evidence: Vec::new(),
    }
}

/// The same incident in another state.
pub(crate) fn in_state(revision: u32, state: IncidentState) -> Incident {
    let mut incident = incident(revision);
    incident.state = state;
    if state == IncidentState::Resolved {
        incident.resolved_at = Some(incident.updated_at);
    }
    if state == IncidentState::Merged {
        incident.lineage.merged_into = Some(IncidentId(0xcd));
    }
    incident
}

/// The same incident with one more service: worth an update.
pub(crate) fn with_service(revision: u32, service: &str) -> Incident {
    let mut incident = incident(revision);
    incident.services.push(service.into());
    incident.services.sort();
    incident
}
