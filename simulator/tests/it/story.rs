//! The demo tells the story that the issue asks for.

use std::collections::{BTreeMap, BTreeSet};

use model::recording::topic;
use model::time::Timestamp;
use simulator::the_two_oh_seven;

use crate::reading::{json, p95, spans};

fn at(text: &str) -> u64 {
    let instant = Timestamp::parse_rfc3339(&format!("2026-03-17T{text}Z")).unwrap();
    instant.0.try_into().unwrap()
}

/// What one playing of the whole story shows.
#[derive(Default)]
struct Told {
    spans: u64,
    records: u64,
    checkout: BTreeMap<&'static str, Vec<f64>>,
    payment_self_ms: BTreeMap<&'static str, Vec<f64>>,
    /// By phase, then service: server spans and failed ones.
    servers: BTreeMap<&'static str, BTreeMap<String, (u64, u64)>>,
    retries: BTreeMap<&'static str, u64>,
    firing: BTreeSet<(String, String)>,
    alert_services: BTreeMap<String, u64>,
    firing_before: u64,
    open: BTreeSet<String>,
    changes: Vec<(String, String)>,
    versions: BTreeMap<String, BTreeSet<String>>,
    services: BTreeSet<String>,
    databases: BTreeSet<String>,
}

fn phase(start: u64) -> Option<&'static str> {
    let in_range = |from: &str, until: &str| (at(from)..at(until)).contains(&start);
    if in_range("01:47:00", "02:07:00") {
        Some("healthy")
    } else if in_range("02:07:30", "02:16:00") {
        Some("fault")
    } else if in_range("02:17:00", "02:24:00") {
        Some("after")
    } else {
        None
    }
}

impl Told {
    fn span_record(&mut self, record: &model::recording::TopicRecord) {
        for span in spans(record) {
            self.spans += 1;
            self.services.insert(span.service().to_owned());
            let version = span.resource["service.version"].clone();
            self.versions.entry(span.service().to_owned()).or_default().insert(version);
            self.databases.extend(span.attributes.get("db.namespace").cloned());
            let Some(phase) = phase(span.start) else { continue };
            if span.attributes.contains_key("http.request.resend_count") {
                *self.retries.entry(phase).or_default() += 1;
            }
            if !span.is_server() {
                continue;
            }
            if span.name == "POST /checkout" {
                self.checkout.entry(phase).or_default().push(span.ms());
            }
            if span.name == "POST /payments" {
                self.payment_self_ms.entry(phase).or_default().push(span.ms());
            }
            let services = self.servers.entry(phase).or_default();
            let count = services.entry(span.service().to_owned()).or_default();
            count.0 += 1;
            count.1 += u64::from(span.failed);
        }
    }

    fn alert_record(&mut self, record: &model::recording::TopicRecord) {
        let payload = json(record);
        for alert in payload["alerts"].as_array().unwrap() {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let id = text(&alert["fingerprint"]);
            if alert["status"] == "resolved" {
                self.open.remove(&id);
                continue;
            }
            self.open.insert(id.clone());
            if self.firing.insert((id, text(&alert["startsAt"]))) {
                let service = text(&alert["labels"]["service"]);
                *self.alert_services.entry(service).or_default() += 1;
                let before = u64::try_from(record.timestamp_ms).unwrap() * 1_000_000;
                self.firing_before += u64::from(before < at("02:07:00"));
            }
        }
    }

    fn play() -> Self {
        let scenario = the_two_oh_seven();
        let mut told = Self::default();
        for record in scenario.records() {
            told.records += 1;
            match record.topic.as_str() {
                topic::SPANS => told.span_record(&record),
                topic::ALERTS => told.alert_record(&record),
                topic::CHANGES => {
                    let event = json(&record);
                    let field = |name: &str| event[name].as_str().unwrap().to_owned();
                    told.changes.push((field("id"), field("time")));
                }
                _ => {}
            }
        }
        told
    }
}

/// One playing, looked at from all sides: it is the slowest test of the crate.
#[test]
fn the_night_goes_as_the_story_says() {
    let told = Told::play();
    let p95_of = |phase: &str| p95(told.checkout[phase].clone());
    let share = |phase: &str, service: &str| {
        let (all, failed) = told.servers[phase][service];
        failed as f64 / all as f64
    };
    println!("{} spans in {} records", told.spans, told.records);
    println!("checkout p95 ms: {} {} {}", p95_of("healthy"), p95_of("fault"), p95_of("after"));
    println!("alerts: {} {:?}", told.firing.len(), told.alert_services);
    println!("retries: {:?}", told.retries);
    for (phase, services) in &told.servers {
        println!("{phase}: {services:?}");
    }

    assert!((300_000..=600_000).contains(&told.spans), "{} spans", told.spans);
    assert!((105.0..=140.0).contains(&p95_of("healthy")), "{} ms", p95_of("healthy"));
    assert!((2_200.0..=2_600.0).contains(&p95_of("fault")), "{} ms", p95_of("fault"));
    assert!((105.0..=140.0).contains(&p95_of("after")), "{} ms", p95_of("after"));
    assert!(p95(told.payment_self_ms["fault"].clone()) > 900.0);

    for service in ["ingress", "web", "mobile-bff", "checkout", "orders", "payment"] {
        assert!(share("fault", service) > 0.02, "{service} fails");
        assert!(share("healthy", service) < 0.005, "{service} was healthy");
        assert!(share("after", service) < 0.005, "{service} recovers");
    }
    assert!(share("fault", "recommendation") < 0.005, "the decoy is healthy");
    assert!(told.retries["fault"] > 50 * told.retries["healthy"].max(1), "{:?}", told.retries);

    assert!((200..=400).contains(&told.firing.len()), "{} alerts", told.firing.len());
    assert!(told.alert_services.len() >= 6, "{:?}", told.alert_services);
    assert!(told.firing_before <= 5, "{} alerts fired in healthy time", told.firing_before);
    assert!(told.open.len() <= 2, "all but noise is over in the end: {:?}", told.open);

    let ids: Vec<&str> = told.changes.iter().map(|(id, _)| id.as_str()).collect();
    let truth = the_two_oh_seven().truth().faults.remove(0);
    let change = truth.change_id.unwrap();
    assert!(ids.contains(&change.as_str()));
    assert_eq!(truth.decoy_change_ids.len(), 3);
    assert!(truth.decoy_change_ids.iter().all(|id| ids.contains(&id.as_str())));
    let guilty_at = told.changes.iter().find(|(id, _)| *id == change).map(|(_, at)| at.as_str());
    assert_eq!(guilty_at, Some("2026-03-17T01:55:00.000Z"), "twelve minutes earlier");
    assert!(truth.affected.iter().all(|service| told.services.contains(service)));
    assert_eq!(truth.root_cause.unwrap().service, "payment");
    assert_eq!(told.versions["recommendation"].len(), 2, "the deploy is seen in its spans");
    assert_eq!(told.versions["checkout"].len(), 1, "this one was long before");
    assert_eq!(told.databases.len(), 2);
    assert_eq!(told.services.len(), 16, "{:?}", told.services);
}
