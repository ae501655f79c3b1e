//! The incidents: the 2:07 a.m. one, a small one, a large one, and one whose every text attacks.

use model::alert::Severity;
use model::blast_radius::{BlastRadius, EntryPoint, Graph, GraphEdge, GraphNode, GraphRole};
use model::change::ChangeKind;
use model::entity::Entity;
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm, Hypothesis, SuspectedChange};
use model::id::{CellId, Fingerprint, IncidentId, TraceId};
use model::incident::{
    Incident, IncidentAlert, IncidentState, IncidentSymptom, Lineage, Priority, Ticket,
    TimelineEntry, TimelineKind,
};
use model::map::ItemIdentity;
use model::time::{Nanos, Timestamp};

use super::night::{night, night_alerts, night_reach, night_symptoms};
use super::people;

/// 2026-03-17T02:07:00Z.
const ONSET_MS: i64 = 1_773_713_220_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(ONSET_MS) + Nanos::from_secs(seconds)
}

pub(crate) fn trace(n: u64) -> TraceId {
    let half = u128::from(model::id::stable_hash(&[&n.to_le_bytes()]));
    TraceId(half << 64 | half.rotate_left(17))
}

pub(crate) fn evidence(term: EvidenceTerm, nats: f64, text: &str) -> Evidence {
    Evidence { term, nats, text: text.into(), traces: vec![], alerts: vec![], changes: vec![] }
}

pub(crate) fn change(
    id: &str,
    kind: ChangeKind,
    seconds: i64,
    title: &str,
    author: &str,
) -> SuspectedChange {
    SuspectedChange {
        id: id.into(),
        kind,
        at: at(seconds),
        title: title.into(),
        author: Some(author.into()),
        url: Some(format!("https://git.example/changes/{id}").into()),
    }
}

pub(crate) fn blank(id: u64, revision: u32, title: &str) -> Incident {
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
        cause_items: Vec::new(),
        tickets: vec![],
        people: model::people::People::default(),
        lineage: Lineage::default(),
        timeline: vec![],
        narrative: String::new(),
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
    let mut busy = small(0);
    busy.people = people::busy();
    vec![night(1), busy, large(), hostile(), ended]
}

pub(crate) fn hypothesis(
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
        lacks: None,
        evidence,
    }
}

pub(crate) fn graph(
    edges: &[(String, String)],
    role: impl Fn(&str) -> GraphRole,
    entries: &[&str],
) -> Graph {
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
    incident.cause_items = vec![ItemIdentity { source: script.into(), id: image.into() }];
    incident.people = people::hostile(script, image, bidi);
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
            { "from": "checkout", "to": "legacy-tax", "declared_panes_ago": 8_640, "confidence": 0.31 },
            { "from": "<script>alert(6)</script>", "to": "email", "declared_panes_ago": 120, "confidence": 0.9 },
        ],
        "seen_never_declared": [{ "from": "payment", "to": "fraud-check", "calls": 41_220,
            "first_seen_panes_ago": 52_000, "last_seen_panes_ago": 1 }],
        "declared_items_never_seen": ["mainframe-gateway"],
        "seen_items_never_declared": ["fraud-check", "recommendation"],
        "agreed": 41,
        "omitted": 0,
    })
}
