//! The incidents: the 2:07 a.m. one, a small one, a large one, and one whose every text attacks.

use model::alert::{AlertStatus, Severity};
use model::blast_radius::{
    BlastRadius, EntryPoint, Graph, GraphEdge, GraphNode, GraphRole, ObservedReach, PredictedReach,
};
use model::change::ChangeKind;
use model::entity::{Criticality, Entity, EntityKind};
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm, Hypothesis, SuspectedChange};
use model::id::{CellId, Fingerprint, IncidentId, TraceId};
use model::incident::{
    Incident, IncidentAlert, IncidentState, IncidentSymptom, JoinReason, Lineage, Priority, Ticket,
    TimelineEntry, TimelineKind,
};
use model::name::Name;
use model::symptom::SymptomKind;
use model::time::{Nanos, Timestamp};

/// 2026-03-17T02:07:00Z.
const ONSET_MS: i64 = 1_773_713_220_000;

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

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(ONSET_MS) + Nanos::from_secs(seconds)
}

fn trace(n: u64) -> TraceId {
    let half = u128::from(model::id::stable_hash(&[&n.to_le_bytes()]));
    TraceId(half << 64 | half.rotate_left(17))
}

fn evidence(term: EvidenceTerm, nats: f64, text: &str) -> Evidence {
    Evidence { term, nats, text: text.into(), traces: vec![], alerts: vec![], changes: vec![] }
}

fn change(id: &str, kind: ChangeKind, seconds: i64, title: &str, author: &str) -> SuspectedChange {
    SuspectedChange {
        id: id.into(),
        kind,
        at: at(seconds),
        title: title.into(),
        author: Some(author.into()),
        url: Some(format!("https://git.example/changes/{id}").into()),
    }
}

fn blank(id: u64, revision: u32, title: &str) -> Incident {
    Incident {
        schema_version: 1,
        id: IncidentId(id),
        revision,
        cell: CellId("default".into()),
        state: IncidentState::Open,
        severity: Severity::Critical,
        priority: Priority::P3,
        title: title.into(),
        onset_at: at(0),
        opened_at: at(12),
        updated_at: at(120),
        resolved_at: None,
        services: vec![],
        alerts: vec![],
        symptoms: vec![],
        exemplars: (0..3).map(trace).collect(),
        blast_radius: BlastRadius::default(),
        hypotheses: vec![],
        confidence_set_size: 1,
        owner: None,
        tickets: vec![],
        lineage: Lineage::default(),
        timeline: vec![],
        narrative: String::new(),
        provisional: false,
    }
}

/// Everything that is there at the start.
pub(crate) fn all() -> Vec<Incident> {
    let mut ended = small(0);
    ended.id = IncidentId(0xe);
    ended.title = "search answers slowly".into();
    ended.state = IncidentState::Resolved;
    ended.resolved_at = Some(at(-4_000));
    (ended.onset_at, ended.opened_at, ended.updated_at) = (at(-5_200), at(-5_190), at(-3_900));
    vec![night(1), small(0), large(), hostile(), ended]
}

/// The 2:07 a.m. incident, at a revision that grows with time.
pub(crate) fn night(revision: u32) -> Incident {
    let mut incident = blank(0x2a07, revision, "Checkout fails: payment cannot reach its database");
    incident.priority = Priority::P1;
    incident.updated_at = at(90 + 5 * i64::from(revision));
    incident.provisional = true;
    let services = ["cart", "checkout", "frontend", "ingress", "mobile-gateway", "payment"];
    incident.services = services.map(Name::from).to_vec();
    incident.alerts = night_alerts(&services);
    incident.symptoms = night_symptoms();
    incident.blast_radius = night_reach(u64::from(revision));
    incident.hypotheses = night_hypotheses(&incident.alerts);
    incident.confidence_set_size = 2;
    incident.owner = Some("team-payments".into());
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

fn night_alerts(services: &[&str]) -> Vec<IncidentAlert> {
    let rules = ["HighErrorRate", "HighLatencyP95", "RetrySurge", "SLOBurnRateFast", "PodNotReady"];
    (0..240_u64)
        .map(|n| {
            let service = services[n as usize % services.len()];
            let name = rules[(n / 7) as usize % rules.len()];
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
                url: Some("https://prometheus.example/graph".into()),
            }
        })
        .collect()
}

fn night_symptoms() -> Vec<IncidentSymptom> {
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
    time.changes = vec![config.id.clone()];
    let mut content = evidence(
        EvidenceTerm::ChangeContent,
        3.0,
        "the change touches db.pool.max; the new log line says: pool exhausted",
    );
    content.changes = vec![config.id.clone()];
    content.traces = vec![trace(2)];
    let ledger = vec![
        split,
        content,
        time,
        evidence(EvidenceTerm::Coverage, 1.8, "explains 97 % of the failing traces"),
        said,
        evidence(EvidenceTerm::Prior, -4.6, "1 config change in 100 breaks something"),
        evidence(EvidenceTerm::Absent, -0.4, "fraud-check, also called by payment, is well"),
    ];
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

fn hypothesis(
    rank: u32,
    entity: Entity,
    kind: CauseKind,
    probability: f64,
    summary: &str,
    evidence: Vec<Evidence>,
) -> Hypothesis {
    Hypothesis {
        rank,
        entity,
        kind,
        change: None,
        probability,
        log_odds: evidence.iter().map(|e| e.nats).sum(),
        summary: summary.into(),
        path: vec![],
        evidence,
    }
}

fn night_reach(revision: u64) -> BlastRadius {
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

fn graph(edges: &[(String, String)], role: impl Fn(&str) -> GraphRole, entries: &[&str]) -> Graph {
    let mut ids: Vec<&String> = edges.iter().flat_map(|(a, b)| [a, b]).collect();
    ids.sort();
    ids.dedup();
    let node = |id: &String| GraphNode {
        id: id.as_str().into(),
        role: role(id),
        entry: entries.contains(&id.as_str()),
    };
    let edge = |(from, to): &(String, String)| GraphEdge {
        from: from.as_str().into(),
        to: to.as_str().into(),
    };
    Graph { nodes: ids.into_iter().map(node).collect(), edges: edges.iter().map(edge).collect() }
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

/// Five services.
pub(crate) fn small(number: u32) -> Incident {
    let mut incident = blank(0x50 + u64::from(number), 1, "catalog is slow for search");
    if number > 0 {
        incident.title = format!("catalog is slow, episode {number}");
        incident.updated_at = at(90 + 5 * i64::from(number));
        (incident.onset_at, incident.opened_at) = (incident.updated_at, incident.updated_at);
    }
    incident.state = IncidentState::Suspected;
    incident.services = vec!["catalog".into()];
    incident.narrative = "catalog takes 310 ms instead of 90 ms since 02:07 UTC.".into();
    incident.hypotheses = vec![
        hypothesis(
            1,
            Entity::nothing(),
            CauseKind::None,
            0.58,
            "None of the known candidates fits.",
            vec![evidence(EvidenceTerm::Prior, -0.5, "causes outside of the data")],
        ),
        hypothesis(
            2,
            Entity::service("catalog".into()),
            CauseKind::Code,
            0.42,
            "catalog itself became slow.",
            vec![evidence(EvidenceTerm::SlowSelf, 1.4, "own time x3")],
        ),
    ];
    incident.confidence_set_size = 2;
    let edges = [
        ("frontend", "catalog"),
        ("frontend", "search"),
        ("search", "catalog"),
        ("catalog", "catalog-db"),
    ];
    let role = |name: &str| match name {
        "catalog" => GraphRole::Cause,
        "search" => GraphRole::Observed,
        "frontend" => GraphRole::Predicted,
        _ => GraphRole::Healthy,
    };
    incident.blast_radius.graph =
        graph(&edges.map(|(a, b)| (a.to_owned(), b.to_owned())), role, &["frontend"]);
    incident
}

/// A hundred services.
pub(crate) fn large() -> Incident {
    let mut incident = blank(0x100, 1, "identity fails, and with it most of the platform");
    incident.priority = Priority::P2;
    incident.services = (0..30).map(|n| format!("service-{n:02}").as_str().into()).collect();
    incident.narrative = "identity refuses one request in five since 02:07 UTC.".into();
    incident.hypotheses = vec![hypothesis(
        1,
        Entity::service("service-70".into()),
        CauseKind::Unavailable,
        0.97,
        "service-70 answers nothing.",
        vec![evidence(EvidenceTerm::OrphanCalls, 7.5, "4 of 5 calls get no answer")],
    )];
    let mut edges: Vec<(String, String)> = Vec::new();
    for n in 1..=100_u64 {
        // Tiers of 12: each service is called by one or two of the tier before.
        let before = (n.saturating_sub(12) / 12) * 12;
        let pick = |salt: u64| before + model::id::stable_hash(&[&(n + salt).to_le_bytes()]) % 12;
        for caller in [pick(0), pick(1000)] {
            if caller < n && edges.last() != Some(&(name(caller), name(n))) {
                edges.push((name(caller), name(n)));
            }
        }
    }
    edges.sort();
    edges.dedup();
    let role = |id: &str| match id.get(8..).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) {
        70 => GraphRole::Cause,
        n if n < 70 && n % 3 == 0 => GraphRole::Observed,
        n if n < 70 && n % 7 == 0 => GraphRole::Predicted,
        _ => GraphRole::Healthy,
    };
    incident.blast_radius.graph = graph(&edges, role, &["service-00", "service-01"]);
    incident
}

fn name(n: u64) -> String {
    format!("service-{n:02}")
}

/// Every text is an attack.
pub(crate) fn hostile() -> Incident {
    let script = "<script>alert('title')</script>";
    let image = "<img src=x onerror=alert(1)>";
    let bidi = "payment\u{202e}gpj.exe\u{2066}";
    let long = "x".repeat(180);
    let mut incident = blank(0xbad, 1, &format!("{script}{image} {bidi} {long}"));
    incident.services = vec![script.into(), image.into(), long.as_str().into()];
    incident.narrative =
        format!("{script} \"><svg onload=alert(2)> {{{{7*7}}}} ${{7*7}} {bidi} {long}");
    incident.owner = Some(image.into());
    incident.tickets = vec![
        Ticket {
            sink: script.into(),
            id: image.into(),
            number: Some(script.into()),
            url: Some("javascript:alert(3)".into()),
        },
        Ticket {
            sink: "data".into(),
            id: "data:text/html".into(),
            number: None,
            url: Some("data:text/html,<script>alert(4)</script>".into()),
        },
    ];
    incident.alerts = vec![IncidentAlert {
        fingerprint: Fingerprint(7),
        name: image.into(),
        service: Some(script.into()),
        summary: long.as_str().into(),
        url: Some(" java\nscript:alert(5)".into()),
        ..night_alerts(&["a"]).swap_remove(1)
    }];
    incident.symptoms = vec![IncidentSymptom {
        detail: script.into(),
        entity: Entity::operation(image.into(), script),
        ..night_symptoms().swap_remove(0)
    }];
    let mut ledger = evidence(EvidenceTerm::LogPath, 3.0, &format!("{image}{long}"));
    ledger.alerts = vec![Fingerprint(7)];
    ledger.changes = vec![script.into()];
    ledger.traces = vec![trace(9)];
    let mut blamed = change("c", ChangeKind::Other, -60, image, script);
    blamed.id = script.into();
    blamed.url = Some("vbscript:msgbox(1)".into());
    incident.hypotheses = vec![Hypothesis {
        change: Some(blamed),
        path: vec![script.into(), long.as_str().into()],
        ..hypothesis(1, Entity::service(image.into()), CauseKind::Change, 0.5, script, vec![ledger])
    }];
    incident.timeline = vec![TimelineEntry {
        at: at(-60),
        kind: TimelineKind::Change,
        service: Some(image.into()),
        text: format!("{script}{long}"),
    }];
    let edges = [(script.to_owned(), image.to_owned()), (image.to_owned(), long)];
    incident.blast_radius.graph = graph(&edges, |_| GraphRole::Observed, &[script]);
    incident.blast_radius.entry_points = vec![EntryPoint {
        service: script.into(),
        operation: image.into(),
        ..night_reach(0).entry_points.swap_remove(0)
    }];
    incident
}

/// A drift report.
pub(crate) fn drift() -> serde_json::Value {
    serde_json::json!({
        "declared_never_seen": [
            { "from": "checkout", "to": "legacy-tax", "source": "servicenow", "declared_at": "2025-11-02" },
            { "from": "<script>alert(6)</script>", "to": "email", "source": "backstage" },
        ],
        "seen_never_declared": [{ "from": "payment", "to": "fraud-check", "calls": 41_220 }],
    })
}
