//! From rules that hold to webhook payloads: what Alertmanager does between the two. Pending,
//! firing and resolved alerts; groups with their wait, interval and repeat; version "4" payloads.

use std::collections::BTreeMap;

use model::time::{Nanos, Timestamp};
use serde_json::{Value, json};

use crate::rules::{Breach, Labels};

const GROUP_WAIT: Nanos = Nanos::from_secs(10);
const GROUP_INTERVAL: Nanos = Nanos::from_secs(45);
const REPEAT_INTERVAL: Nanos = Nanos::from_secs(300);
/// What stands for "not over yet" in a payload.
const NEVER: &str = "0001-01-01T00:00:00Z";

struct Alert {
    labels: Labels,
    summary: String,
    held: u32,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

struct Group {
    since: Timestamp,
    notified_at: Option<Timestamp>,
    changed: bool,
}

/// Alerts and groups of one Alertmanager.
#[derive(Default)]
pub(crate) struct Alertmanager {
    /// By fingerprint.
    alerts: BTreeMap<u64, Alert>,
    /// By alert name and service.
    groups: BTreeMap<(String, String), Group>,
}

/// Prometheus' own fingerprint of a label set: FNV-1a over sorted names and values, each ended
/// by the byte 255.
fn fingerprint(labels: &Labels) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (name, value) in labels {
        let bytes = name.bytes().chain([255]).chain(value.bytes()).chain([255]);
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

fn group_of(labels: &Labels) -> (String, String) {
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    (label("alertname"), label("service"))
}

impl Alertmanager {
    /// Takes one evaluation; gives the payloads of the groups that are due.
    pub(crate) fn evaluate(&mut self, breaches: Vec<Breach>, now: Timestamp) -> Vec<Value> {
        let mut holding = BTreeMap::new();
        for breach in breaches {
            holding.insert(fingerprint(&breach.labels), breach);
        }
        self.resolve_all_but(&holding, now);
        for (id, breach) in holding {
            self.hold(id, breach, now);
        }
        self.notify(now)
    }

    fn resolve_all_but(&mut self, holding: &BTreeMap<u64, Breach>, now: Timestamp) {
        // An alert that never fired, or whose end was told, is forgotten.
        self.alerts.retain(|id, alert| alert.starts_at.is_some() || holding.contains_key(id));
        for (id, alert) in &mut self.alerts {
            if holding.contains_key(id) {
                continue;
            }
            alert.held = 0;
            if alert.ends_at.is_none() {
                alert.ends_at = Some(now);
                if let Some(group) = self.groups.get_mut(&group_of(&alert.labels)) {
                    group.changed = true;
                }
            }
        }
    }

    fn hold(&mut self, id: u64, breach: Breach, now: Timestamp) {
        let alert = self.alerts.entry(id).or_insert_with(|| Alert {
            labels: breach.labels,
            summary: String::new(),
            held: 0,
            starts_at: None,
            ends_at: None,
        });
        alert.held += 1;
        // Until it fires anew, an alert that ended stays ended: its end may not have been told yet.
        let fires = alert.starts_at.is_some() && alert.ends_at.is_none();
        if !fires && alert.held > breach.hold {
            alert.starts_at = Some(now);
            alert.ends_at = None;
            alert.summary = breach.summary;
            let group = self.groups.entry(group_of(&alert.labels)).or_insert(Group {
                since: now,
                notified_at: None,
                changed: true,
            });
            group.changed = true;
        }
    }

    fn notify(&mut self, now: Timestamp) -> Vec<Value> {
        let mut due = Vec::new();
        for (key, group) in &mut self.groups {
            let ready = match group.notified_at {
                None => now - group.since >= GROUP_WAIT,
                Some(at) if group.changed => now - at >= GROUP_INTERVAL,
                Some(at) => now - at >= REPEAT_INTERVAL,
            };
            if ready {
                group.notified_at = Some(now);
                group.changed = false;
                due.push(key.clone());
            }
        }
        due.iter().filter_map(|key| self.payload(key)).collect()
    }

    fn payload(&mut self, key: &(String, String)) -> Option<Value> {
        let mine: Vec<(u64, &Alert)> = self
            .alerts
            .iter()
            .filter(|(_, alert)| alert.starts_at.is_some() && group_of(&alert.labels) == *key)
            .map(|(id, alert)| (*id, alert))
            .collect();
        let alerts: Vec<Value> = mine.iter().map(|(id, alert)| alert_json(*id, alert)).collect();
        let firing = mine.iter().any(|(_, alert)| alert.ends_at.is_none());
        let common = common_labels(&mine);
        let over: Vec<u64> =
            mine.iter().filter(|(_, it)| it.ends_at.is_some()).map(|(id, _)| *id).collect();
        for id in over {
            self.alerts.remove(&id);
        }
        if !firing {
            self.groups.remove(key);
        }
        (!alerts.is_empty()).then(|| payload_json(key, &alerts, firing, &common))
    }
}

fn alert_json(id: u64, alert: &Alert) -> Value {
    let at = |time: Option<Timestamp>| time.map_or_else(|| NEVER.to_owned(), |it| it.to_rfc3339());
    json!({
        "status": if alert.ends_at.is_none() { "firing" } else { "resolved" },
        "labels": alert.labels,
        "annotations": { "summary": alert.summary },
        "startsAt": at(alert.starts_at),
        "endsAt": at(alert.ends_at),
        "generatorURL": "",
        "fingerprint": format!("{id:016x}"),
    })
}

fn common_labels(alerts: &[(u64, &Alert)]) -> Labels {
    let Some(((_, first), rest)) = alerts.split_first() else { return Labels::new() };
    let mut common = first.labels.clone();
    common.retain(|name, value| rest.iter().all(|(_, it)| it.labels.get(name) == Some(value)));
    common
}

fn payload_json(key: &(String, String), alerts: &[Value], firing: bool, common: &Labels) -> Value {
    let (alertname, service) = key;
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname=\"{alertname}\", service=\"{service}\"}}"),
        "truncatedAlerts": 0,
        "status": if firing { "firing" } else { "resolved" },
        "receiver": "kafka",
        "groupLabels": { "alertname": alertname, "service": service },
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": alerts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breach(hold: u32) -> Breach {
        let labels = Labels::from([
            ("alertname", "HighErrorRate".to_owned()),
            ("service", "payment".to_owned()),
        ]);
        Breach { labels, summary: String::from("it fails"), hold }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000) + Nanos::from_secs(seconds)
    }

    #[test]
    fn an_alert_is_told_after_its_group_waited_and_told_again_when_it_is_over() {
        let mut manager = Alertmanager::default();
        assert!(manager.evaluate(vec![breach(1)], at(0)).is_empty(), "pending");
        assert!(manager.evaluate(vec![breach(1)], at(15)).is_empty(), "the group waits");
        let told = manager.evaluate(vec![breach(1)], at(30));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["status"], "firing");
        assert_eq!(told[0]["alerts"][0]["startsAt"], at(15).to_rfc3339());
        assert!(manager.evaluate(vec![], at(45)).is_empty(), "the interval is not over");
        let over = manager.evaluate(vec![], at(75));
        assert_eq!(over[0]["alerts"][0]["endsAt"], at(45).to_rfc3339());
        assert!(manager.evaluate(vec![], at(2_000)).is_empty(), "forgotten");
    }

    #[test]
    fn a_breach_that_ends_before_it_was_held_long_enough_is_never_told() {
        let mut manager = Alertmanager::default();
        for second in [0, 30, 60] {
            assert!(manager.evaluate(vec![breach(1)], at(second)).is_empty());
            assert!(manager.evaluate(vec![], at(second + 15)).is_empty());
        }
    }

    #[test]
    fn an_alert_that_goes_on_is_repeated() {
        let mut manager = Alertmanager::default();
        let told: usize =
            (0..60).map(|n| manager.evaluate(vec![breach(0)], at(n * 15)).len()).sum();
        assert_eq!(told, 3, "once, and after five and ten minutes");
    }
}
