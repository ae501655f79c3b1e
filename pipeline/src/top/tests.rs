//! Frames as a terminal would show them.

use model::entity::Entity;
use model::hypothesis::CauseKind;
use model::id::{CellId, IncidentId};
use model::incident::{IncidentState, Priority};
use model::name::Name;
use model::people::Said;
use model::time::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::exposition::Exposition;
use super::frame::{View, draw, printed};
use super::look::{Check, Look, Status};
use super::shown::Shown;
use crate::http::metrics::{Metric, Metrics, Stage, UNKNOWN};
use crate::http::summary::{IncidentSummary, LeadingCause};
use sinks::delivery::outbox::Owed;

const NOW_MS: i64 = 1_773_713_220_000;

fn incident(id: u64, priority: Priority, title: &str) -> IncidentSummary {
    let at = Timestamp::from_millis(NOW_MS - 300_000);
    IncidentSummary {
        id: IncidentId(id << 32),
        revision: 3,
        cell: CellId("default".into()),
        state: IncidentState::Open,
        priority,
        title: title.to_owned(),
        onset_at: at,
        opened_at: at,
        updated_at: at,
        cause: Some(LeadingCause {
            entity: Entity::service("payment".into()),
            kind: CauseKind::Change,
            change: Some("pool 50 to 5".into()),
            probability: 0.81,
        }),
        owner: Some("team-payments".into()),
        ..empty()
    }
}

fn empty() -> IncidentSummary {
    serde_json::from_value(serde_json::json!({
        "id": "0000000000000001", "revision": 1, "cell": "default", "state": "open",
        "severity": "critical", "priority": "P1", "title": "", "onset_at": "2026-03-17T02:07:00Z",
        "opened_at": "2026-03-17T02:07:00Z", "updated_at": "2026-03-17T02:07:00Z",
        "resolved_at": null, "services": ["payment", "checkout"], "alerts_count": 4,
        "alerts_firing_count": 3, "symptoms_count": 5, "impact": 50.0, "lost_requests": 7,
        "cause": null, "owner": null, "tickets": [], "merged_into": null, "acknowledged": null,
        "assignee": null, "snoozed_until": null, "state_held": null, "muted_by": [],
        "comments_count": 0
    }))
    .unwrap()
}

fn look(at_ms: i64, read: u64, incidents: Vec<IncidentSummary>) -> Look {
    let metrics = Metrics::default();
    metrics.add(Metric::RecordsRead, Stage::Observe, read);
    metrics.set(Metric::Lag, Stage::Observe, 12_345);
    metrics.set(Metric::LagTime, Stage::Observe, 75_000);
    metrics.add(Metric::DeadLetters, Stage::Observe, 2);
    Look {
        at: Timestamp::from_millis(at_ms),
        status: Status {
            version: "0.1.0".into(),
            now: Some(Timestamp::from_millis(NOW_MS)),
            incidents: [("open".to_owned(), 2)].into(),
            ready: false,
            checks: vec![Check {
                stage: "detect".into(),
                condition: "state_restored".into(),
                holds: false,
            }],
        },
        metrics: Exposition::read(&metrics.render()),
        matching: incidents.len(),
        incidents,
    }
}

fn shown(incidents: Vec<IncidentSummary>) -> Shown {
    let before = look(NOW_MS + 10_000, 1_000, Vec::new());
    let now = look(NOW_MS + 12_000, 3_000, incidents);
    Shown::new("http://127.0.0.1:7070", &now, Some(&before))
}

fn drawn(width: u16, height: u16, view: &View<'_>) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    terminal.backend().to_string()
}

fn of(shown: &Shown) -> View<'_> {
    View { shown: Some(shown), trouble: None, scrolled: 0 }
}

#[test]
fn eighty_columns_show_what_is_needed_to_act() {
    let shown = shown(vec![
        incident(1, Priority::P3, "search is slow"),
        incident(2, Priority::P1, "checkout fails"),
    ]);
    let frame = drawn(80, 24, &of(&shown));
    for words in [
        "not ready (detect: state_restored)",
        "2 open",
        "event time 2026-03-17T02:07:00Z, 12s behind now",
        "observe",
        "1000",
        "12.3k",
        "1m 15s",
        "checkout fails",
        "payment: pool 50 to 5",
        "5m",
        "team-payments",
        "q quits",
    ] {
        assert!(frame.contains(words), "{words}\n{frame}");
    }
    let place = |words: &str| frame.find(words).unwrap();
    assert!(place("checkout fails") < place("search is slow"), "P1 goes first\n{frame}");
}

#[test]
fn an_age_does_not_shrink_where_telemetry_dates_the_onset_later() {
    let mut incident = incident(2, Priority::P1, "checkout fails");
    incident.onset_at = Timestamp::from_millis(NOW_MS - 60_000);
    let shown = shown(vec![incident]);
    assert_eq!(shown.incidents[0].age_s, 300);
}

#[test]
fn who_has_an_incident_in_hand_is_shown() {
    let mut incident = incident(2, Priority::P1, "checkout fails");
    incident.acknowledged = Some(Said {
        act: "a".into(),
        author: "ann".into(),
        via: "api".into(),
        at: Timestamp::from_millis(NOW_MS),
        text: String::new(),
    });
    incident.comments_count = 2;
    let frame = drawn(140, 24, &of(&shown(vec![incident])));
    assert!(frame.contains("(81 %) | acknowledged by ann | 2 comments"), "{frame}");
}

#[test]
fn a_lag_that_nobody_knows_is_not_shown_as_none() {
    let mut look = look(NOW_MS, 5_000, Vec::new());
    let metrics = Metrics::default();
    metrics.set(Metric::Lag, Stage::Observe, UNKNOWN);
    metrics.set(Metric::LagTime, Stage::Observe, UNKNOWN);
    look.metrics = Exposition::read(&metrics.render());
    let shown = Shown::new("u", &look, None);
    let row = shown.stages.iter().find(|row| row.stage == "observe").unwrap();
    assert_eq!((row.lag_records, row.lag_s), (None, None));
    assert!(drawn(80, 24, &of(&shown)).contains('?'));
}

#[test]
fn sinks_that_were_not_told_are_named_with_how_late_they_are() {
    let now = Timestamp::from_millis(NOW_MS);
    let with = |owed: u64| {
        let metrics = Metrics::default();
        let oldest_since = (owed > 0).then(|| Timestamp::from_millis(NOW_MS - 300_000));
        metrics.outboxes.set(&"itsm".into(), Owed { incidents: owed, oldest_since });
        metrics.outboxes.set(&"chat".into(), Owed::default());
        let mut text = metrics.render();
        metrics.outboxes.render(&mut text, now);
        let mut look = look(NOW_MS, 5_000, vec![incident(2, Priority::P1, "checkout fails")]);
        look.metrics = Exposition::read(&text);
        Shown::new("u", &look, None)
    };
    let late = with(3);
    assert_eq!(late.sinks.iter().map(|sink| sink.owed_count).collect::<Vec<_>>(), [0, 3]);
    let frame = drawn(80, 24, &of(&late));
    assert!(frame.contains("not told yet  itsm: 3 since 5m"), "{frame}");
    assert!(!frame.contains("chat") && frame.contains("checkout fails"), "{frame}");
    assert!(!drawn(80, 24, &of(&with(0))).contains("not told yet"));
}

#[test]
fn a_wider_terminal_shows_more_and_a_low_one_the_incidents() {
    let shown = shown(vec![incident(2, Priority::P1, "checkout fails")]);
    assert!(drawn(140, 40, &of(&shown)).contains("payment: pool 50 to 5 (81 %)"));
    let low = drawn(80, 10, &of(&shown));
    assert!(low.contains("checkout fails") && !low.contains("STAGE"), "{low}");
    let tiny = drawn(30, 5, &of(&shown));
    assert!(tiny.contains("40x8"), "{tiny}");
}

#[test]
fn trouble_is_told_and_what_was_seen_last_stays() {
    let shown = shown(vec![incident(2, Priority::P1, "checkout fails")]);
    let view = View { trouble: Some("no running faultline answers"), ..of(&shown) };
    let frame = drawn(80, 24, &view);
    assert!(frame.contains("no running faultline answers") && frame.contains("checkout fails"));
    let nothing = View { shown: None, trouble: None, scrolled: 0 };
    assert!(drawn(80, 24, &nothing).contains("looking"));
}

#[test]
fn the_list_scrolls() {
    let many = (0..30).map(|n| incident(n, Priority::P2, &format!("incident {n:02}"))).collect();
    let shown = shown(many);
    let view = View { scrolled: 25, ..of(&shown) };
    let frame = drawn(80, 24, &view);
    assert!(frame.contains("incident 25") && !frame.contains("incident 02"), "{frame}");
}

#[test]
fn hostile_text_cannot_move_the_cursor() {
    let mut hostile = incident(2, Priority::P1, "down\u{1b}[2J\u{7}\u{202e}gnp");
    hostile.owner = Some(Name::from("\u{1b}]0;pwned\u{7}"));
    let shown = shown(vec![hostile]);
    let texts = [drawn(80, 24, &of(&shown)), printed(&shown, 120).unwrap()];
    for text in texts {
        let inert = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(text.chars().all(inert), "{text:?}");
        assert!(text.contains("down"), "{text}");
    }
    let json = serde_json::to_string(&shown).unwrap();
    assert!(!json.contains('\u{1b}'), "{json}");
}

#[test]
fn a_printed_frame_holds_every_incident_and_no_empty_tail() {
    let many = (0..40).map(|n| incident(n, Priority::P2, &format!("incident {n:02}"))).collect();
    let text = printed(&shown(many), 120).unwrap();
    assert!(text.contains("incident 00") && text.contains("incident 39"), "{text}");
    assert!(!text.contains("q quits") && !text.ends_with("\n\n"), "{text}");
}

#[test]
fn rates_need_two_looks_and_a_process_that_began_anew_has_none() {
    let first = look(NOW_MS, 5_000, Vec::new());
    let anew = look(NOW_MS + 2_000, 10, Vec::new());
    let rate =
        |shown: &Shown| shown.stages.iter().find(|row| row.stage == "observe").unwrap().read_per_s;
    assert_eq!(rate(&Shown::new("u", &first, None)), None);
    assert_eq!(rate(&Shown::new("u", &anew, Some(&first))), None);
    assert_eq!(rate(&shown(Vec::new())), Some(1_000.0));
}

#[test]
fn nothing_open_is_good_news() {
    assert!(drawn(80, 24, &of(&shown(Vec::new()))).contains("No incident is open."));
}
