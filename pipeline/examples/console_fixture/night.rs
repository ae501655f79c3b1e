//! The 2:07 a.m. incident: a pool made too small, and what it does to a shop.

use model::alert::{AlertStatus, Severity};
use model::blast_radius::{BlastRadius, EntryPoint, GraphRole, ObservedReach, PredictedReach};
use model::change::ChangeKind;
use model::entity::{Criticality, Entity, EntityKind};
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm, Hypothesis};
use model::id::Fingerprint;
use model::incident::{
    Incident, IncidentAlert, IncidentSymptom, JoinReason, Priority, Ticket, TimelineEntry,
    TimelineKind,
};
use model::map::ItemIdentity;
use model::name::Name;
use model::symptom::SymptomKind;

use super::story::{at, blank, change, evidence, graph, hypothesis, trace};

const EDGES: [(&str, &str); 17] = [
    ("ingress", "frontend"),
    ("frontend", "checkout"),
    ("frontend", "catalog"),
    ("frontend", "cart"),
    ("frontend", "recommendation"),
    ("frontend", "search"),
    ("checkout", "payment"),
    ("checkout", "cart"),
    ("checkout", "shipping"),
    ("checkout", "email"),
    ("payment", "payments-db"),
    ("payment", "fraud-check"),
    ("catalog", "catalog-db"),
    ("recommendation", "catalog"),
    ("search", "catalog"),
    ("cart", "cart-cache"),
    ("mobile-gateway", "checkout"),
];

/// The 2:07 a.m. incident, at a revision that grows with time.
pub(crate) fn night(revision: u32) -> Incident {
    let mut incident = blank(0x2a07, revision, "Checkout fails: payment cannot reach its database");
    incident.priority = Priority::P1;
    incident.updated_at = at(90 + 5 * i64::from(revision));
    let services = ["cart", "checkout", "frontend", "ingress", "mobile-gateway", "payment"];
    incident.services = services.map(Name::from).to_vec();
    incident.alerts = night_alerts(&services);
    incident.symptoms = night_symptoms();
    incident.blast_radius = night_reach(u64::from(revision));
    incident.hypotheses = night_hypotheses(&incident.alerts);
    incident.confidence_set_size = 2;
    incident.owner = Some("team-payments".into());
    let item = |source: &str, id: &str| ItemIdentity { source: source.into(), id: id.into() };
    incident.cause_items = vec![
        item("backstage", "component:default/payment"),
        item("servicenow", "27d32778c0a8000b00db970eeaa60f16"),
    ];
    incident.tickets = vec![Ticket {
        sink: "servicenow".into(),
        id: "a1b2c3".into(),
        number: Some("INC0012345".into()),
        url: Some("https://itsm.example/INC0012345".into()),
    }];
    incident.timeline = night_timeline();
    incident.narrative =
        "Since 02:07 UTC about one checkout in three fails and the rest take 2.4 s \
        instead of 120 ms. The failures begin in payment, which waits for a connection to \
        payments-db; checkout retries, which triples the load. A config change of payment took \
        effect 12 minutes before."
            .into();
    incident
}

pub(crate) fn night_alerts(services: &[&str]) -> Vec<IncidentAlert> {
    let rules = ["HighErrorRate", "HighLatencyP95", "RetrySurge", "SLOBurnRateFast", "PodNotReady"];
    (0..240_u64)
        .map(|n| {
            let service = *services.iter().cycle().nth(n as usize).unwrap_or(&"");
            let name = *rules.iter().cycle().nth((n / 7) as usize).unwrap_or(&"");
            IncidentAlert {
                fingerprint: Fingerprint(0x1000 + n),
                name: name.into(),
                status: if n % 9 == 0 { AlertStatus::Resolved } else { AlertStatus::Firing },
                flapping: n % 40 == 3,
                severity: Severity::Critical,
                service: (n % 17 != 5).then(|| service.into()),
                summary: format!("{name} on {service}, instance {n}: above threshold for 1 min")
                    .into(),
                starts_at: at(20 + n as i64 / 3),
                ends_at: None,
                reason: if n == 0 { JoinReason::First } else { JoinReason::SharedTraces },
                muted_by: None,
                url: Some("https://prometheus.example/graph".into()),
            }
        })
        .collect()
}

pub(crate) fn night_symptoms() -> Vec<IncidentSymptom> {
    let row = |entity: Entity, kind, detail: &str, nats, hits, trials| IncidentSymptom {
        entity,
        kind,
        detail: detail.into(),
        nats,
        hits,
        trials,
        first_at: at(0),
        last_at: at(110),
        exemplars: vec![trace(1)],
        reason: JoinReason::SharedTraces,
    };
    vec![
        row(
            Entity::operation("payment".into(), "POST /charge"),
            SymptomKind::ErrorOrigin,
            "ConnectionPoolTimeout",
            214.6,
            1_312,
            3_904,
        ),
        row(
            Entity::operation("payment".into(), "POST /charge"),
            SymptomKind::SlowSelf,
            "own time 2.1 s, was 38 ms",
            96.2,
            2_410,
            3_904,
        ),
        row(
            Entity::edge("payment", "payments-db".into()),
            SymptomKind::SlowEdge,
            "waits 2.0 s for a connection",
            51.3,
            2_377,
            3_904,
        ),
        row(
            Entity::service("payment".into()),
            SymptomKind::LogPath,
            "pool exhausted: <n> of <n> connections in use",
            18.4,
            1_290,
            1_290,
        ),
        row(
            Entity::service("checkout".into()),
            SymptomKind::Metric,
            "http.client.retries",
            9.1,
            11,
            12,
        ),
    ]
}

fn night_hypotheses(alerts: &[IncidentAlert]) -> Vec<Hypothesis> {
    let config = change(
        "chg-4711",
        ChangeKind::Config,
        -720,
        "payment: lower db.pool.max from 50 to 5",
        "dana",
    );
    let ledger = night_ledger(alerts, &config.id);
    let first = hypothesis(
        1,
        Entity::service("payment".into()),
        CauseKind::Change,
        0.87,
        "payment waits for database connections since its pool was made ten times smaller.",
        ledger,
    );
    let deploy = change("dep-88", ChangeKind::Deploy, -300, "recommendation 2.41.0", "ci");
    vec![
        Hypothesis {
            change: Some(config),
            path: ["payment", "checkout", "frontend", "ingress"].map(Name::from).to_vec(),
            ..first
        },
        hypothesis(
            2,
            Entity::standalone(EntityKind::Database, "payments-db".into()),
            CauseKind::Resource,
            0.07,
            "payments-db is short of connections for all its clients.",
            vec![
                evidence(EvidenceTerm::CommonCause, 1.2, "its only caller payment is slow"),
                evidence(EvidenceTerm::Prior, -3.0, "databases cause 5 % of incidents"),
            ],
        ),
        hypothesis(
            3,
            Entity::nothing(),
            CauseKind::None,
            0.04,
            "Something that faultline cannot see.",
            vec![evidence(EvidenceTerm::Prior, -2.0, "causes outside of the data: 12 %")],
        ),
        Hypothesis {
            change: Some(deploy),
            ..hypothesis(
                4,
                Entity::service("recommendation".into()),
                CauseKind::Change,
                0.02,
                "recommendation was deployed shortly before, but no failing trace passes it.",
                vec![
                    evidence(EvidenceTerm::ChangeTime, 2.9, "5 min before the onset"),
                    evidence(EvidenceTerm::Coverage, -6.0, "on 0 % of the failing traces"),
                ],
            )
        },
    ]
}

fn night_ledger(alerts: &[IncidentAlert], config: &Name) -> Vec<Evidence> {
    let mut split = evidence(
        EvidenceTerm::ErrorOrigin,
        6.2,
        "1 312 of 3 904 requests of payment fail without a failing child; 2 in 10 000 are normal",
    );
    split.traces = (1..=5).map(trace).collect();
    let mut said = evidence(EvidenceTerm::Alerts, 1.1, "61 alerts of 4 rules speak of payment");
    said.alerts = alerts.iter().step_by(6).take(30).map(|a| a.fingerprint).collect();
    let mut time =
        evidence(EvidenceTerm::ChangeTime, 2.4, "the change took effect 12 min before the onset");
    time.changes = vec![config.clone()];
    let mut content = evidence(
        EvidenceTerm::ChangeContent,
        3.0,
        "the change touches db.pool.max; the new log line says: pool exhausted",
    );
    content.changes = vec![config.clone()];
    content.traces = vec![trace(2)];
    vec![
        split,
        content,
        time,
        evidence(EvidenceTerm::Coverage, 1.8, "explains 97 % of the failing traces"),
        said,
        evidence(EvidenceTerm::Prior, -4.6, "1 config change in 100 breaks something"),
        evidence(EvidenceTerm::Absent, -0.4, "fraud-check, also called by payment, is well"),
    ]
}

pub(crate) fn night_reach(revision: u64) -> BlastRadius {
    let role = |name: &str| match name {
        "payment" => GraphRole::Cause,
        "checkout" | "frontend" | "ingress" => GraphRole::Observed,
        "mobile-gateway" => GraphRole::Predicted,
        _ => GraphRole::Healthy,
    };
    let entry = |service: &str, operation: &str, requests, affected, share| EntryPoint {
        service: service.into(),
        operation: operation.into(),
        criticality: Some(Criticality::Critical),
        requests,
        affected,
        traffic_share: share,
        degradation: 0.61,
        impact_term: 0.52,
    };
    let observed = |service: &str, traces, hops| ObservedReach {
        service: service.into(),
        traces,
        hops: Some(hops),
    };
    BlastRadius {
        observed: vec![
            observed("checkout", 2_377, 1),
            observed("frontend", 2_240, 2),
            observed("ingress", 2_240, 3),
            observed("payment", 2_410, 0),
        ],
        predicted: vec![PredictedReach {
            service: "mobile-gateway".into(),
            probability: 0.34,
            hops: 2,
        }],
        entry_points: vec![
            entry("ingress", "POST /checkout", 3_904 + 20 * revision, 2_377 + 12 * revision, 0.11),
            entry("ingress", "GET /cart", 9_120, 41, 0.24),
        ],
        impact: 64.0,
        terms: vec![
            "ingress POST /checkout: 1.0 x sqrt(0.11) x 0.61 = 0.20".into(),
            "100 x (1 - (1 - 0.20) x (1 - 0.02)) = 22".into(),
        ],
        lost_requests: 1_312 + 9 * revision,
        graph: graph(
            &EDGES.map(|(a, b)| (a.to_owned(), b.to_owned())),
            role,
            &["ingress", "mobile-gateway"],
        ),
    }
}

fn night_timeline() -> Vec<TimelineEntry> {
    let entry = |seconds, kind, service: &str, text: &str| TimelineEntry {
        at: at(seconds),
        kind,
        service: (!service.is_empty()).then(|| service.into()),
        text: text.into(),
    };
    vec![
        entry(-7_200, TimelineKind::Change, "checkout", "deploy: checkout 5.9.1 by ci"),
        entry(-2_400, TimelineKind::Change, "ingress", "certificate renewed"),
        entry(
            -720,
            TimelineKind::Change,
            "payment",
            "config change: db.pool.max from 50 to 5, by dana",
        ),
        entry(-300, TimelineKind::Change, "recommendation", "deploy: recommendation 2.41.0 by ci"),
        entry(0, TimelineKind::Symptom, "payment", "errors begin: ConnectionPoolTimeout"),
        entry(12, TimelineKind::State, "", "incident opened"),
        entry(20, TimelineKind::Alert, "checkout", "HighErrorRate, and 239 more until 02:08"),
    ]
}
