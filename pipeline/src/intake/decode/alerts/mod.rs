//! Alerts: four forms in use, and CloudEvents around any of them, told apart by their shape. The usual ones
//! have short ways of their own: `plain` for the usual one as it is usually written, else `quick`.

mod alert;
mod alertmanager;
mod api_v2;
mod event_recorder;
mod quick;
mod plain;

use model::alert::Alert;
use model::time::Timestamp;
use serde_json::Value;

use super::error::DecodeError;
use super::interner::Interner;
use super::limits::DecodeLimits;
use super::said::Said;
use super::{Decoded, json};

const TRIED: &str = "Alertmanager webhook, Grafana webhook, Alertmanager API v2, Alertmanager \
                     event recorder, CloudEvents";

/// What one form makes of a payload: `None` if it is not of that form.
type Attempt = Option<Result<Vec<Alert>, &'static str>>;

/// What payloads share: most of what alerts say comes again and again.
#[derive(Debug)]
pub(super) struct Memory {
    names: Interner,
    /// Annotations by their beginning.
    said: Said,
}

impl Memory {
    /// With room for so many names.
    pub(super) fn new(names_max: usize) -> Self {
        Self { names: Interner::new(names_max), said: Said::default() }
    }
}

/// Decodes an alert payload.
pub(super) fn decode(
    body: &[u8],
    limits: &DecodeLimits,
    arrival: Timestamp,
    memory: &mut Memory,
) -> Result<Decoded, DecodeError> {
    let text = json::text(body)?;
    if let Some(alerts) = plain::decode(text, arrival, limits, memory) {
        return Ok(Decoded::Alerts(alerts));
    }
    json::check_bounds(text.as_bytes(), limits)?;
    match quick::decode(text, arrival, limits.items_max, &mut memory.names) {
        Some(alerts) => Ok(Decoded::Alerts(alerts)),
        None => in_any_form(body, limits, arrival),
    }
}

/// The long way: tries one form after the other.
fn in_any_form(
    body: &[u8],
    limits: &DecodeLimits,
    arrival: Timestamp,
) -> Result<Decoded, DecodeError> {
    let value: Value = json::parse(body, limits, "JSON with alerts")?;
    // In structured CloudEvents the payload is the member `data`; in binary mode it is the body.
    let data = match value.get("specversion") {
        Some(_) => value.get("data").unwrap_or(&Value::Null),
        None => &value,
    };
    let forms = [alertmanager::decode, api_v2::decode, event_recorder::decode];
    let found = forms.iter().find_map(|form| form(data, arrival));
    match found.ok_or(DecodeError::UnknownForm { tried: TRIED })? {
        Ok(alerts) if alerts.len() > limits.items_max => {
            Err(DecodeError::TooMany { what: "alerts", limit: limits.items_max })
        }
        Ok(alerts) => Ok(Decoded::Alerts(alerts)),
        Err(reason) => Ok(Decoded::Nothing(reason)),
    }
}

/// Reads a list of alerts. A list in which none has labels is not of that form.
fn read_all(list: &[Value], read: impl Fn(&Value) -> Option<Alert>) -> Attempt {
    if list.is_empty() {
        return Some(Err("a notification without alerts"));
    }
    let alerts: Vec<Alert> = list.iter().filter_map(read).collect();
    (!alerts.is_empty()).then_some(Ok(alerts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::decode::{Decoder, Payload, TopicKind};
    use model::alert::{AlertStatus, Severity};
    use serde_json::json;

    const NOW: &str = "2026-03-17T02:07:00.000Z";

    fn decode(value: &Value) -> Result<Decoded, DecodeError> {
        let body = value.to_string();
        let timestamp_ms = Timestamp::parse_rfc3339(NOW).unwrap().millis();
        let kind = TopicKind::Alerts;
        let value = body.as_bytes();
        let payload = Payload { kind, timestamp_ms, key: None, headers: &[], value };
        Decoder::new(DecodeLimits::default()).decode(&payload)
    }

    fn alerts(value: &Value) -> Vec<Alert> {
        match decode(value) {
            Ok(Decoded::Alerts(alerts)) => alerts,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn alertmanager_and_grafana_webhooks_are_read() {
        for (version, extra) in [("4", json!({})), ("1", json!({"B": 22.5}))] {
            let alerts = alerts(&json!({"version": version, "receiver": "r", "status": "firing",
                "alerts": [
                    {"status": "firing", "labels": {"alertname": "Slow", "service": "cart",
                     "severity": "critical", "trace_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9"},
                     "annotations": {"summary": "s"}, "startsAt": "2026-03-17T02:06:00Z",
                     "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/g", "values": extra},
                    {"status": "resolved", "labels": {"alertname": "Down"},
                     "startsAt": "0001-01-01T00:00:00Z", "endsAt": "2026-03-17T02:06:30Z"}]}));
            assert_eq!(alerts[0].name.as_str(), "Slow");
            assert_eq!(alerts[0].severity, Severity::Critical);
            assert_eq!((alerts[0].status, alerts[0].ends_at), (AlertStatus::Firing, None));
            assert!(alerts[0].trace_id.is_some());
            assert_eq!(alerts[1].status, AlertStatus::Resolved);
            assert_eq!(alerts[1].starts_at.to_rfc3339(), "2026-03-17T02:06:30.000Z");
        }
    }

    #[test]
    fn api_v2_alerts_are_resolved_when_their_end_has_come() {
        let post = |ends: &str| {
            let alert = json!([{"labels": {"alertname": "A"}, "startsAt": "2026-03-17T02:00:00Z",
                                "endsAt": ends}]);
            alerts(&alert)[0].status
        };
        assert_eq!(post("2026-03-17T02:11:00Z"), AlertStatus::Firing, "Prometheus' keep-alive");
        assert_eq!(post("2026-03-17T02:06:59Z"), AlertStatus::Resolved);
        assert_eq!(post("0001-01-01T00:00:00Z"), AlertStatus::Firing);
    }

    #[test]
    fn the_event_recorder_speaks_of_alerts_and_of_other_things() {
        let labels = json!([{"name": "alertname", "value": "A"}, {"name": "b", "value": "1"}]);
        let created = json!({"@timestamp": NOW, "instance": "am-0",
            "alertCreated": {"alert": {"labels": labels, "startsAt": "2026-03-17T02:06:00Z",
                                       "fingerprint": "123"}}});
        assert_eq!(alerts(&created)[0].labels.get("b").unwrap().as_str(), "1");
        let resolved = json!({"@timestamp": NOW, "data": {"alert_resolved": {"labels": labels}}});
        assert_eq!(alerts(&resolved)[0].status, AlertStatus::Resolved);
        let silence = json!({"@timestamp": NOW, "silenceCreated": {"id": "x"}});
        assert!(matches!(decode(&silence), Ok(Decoded::Nothing(_))));
    }

    #[test]
    fn a_cloudevent_may_wrap_any_form_and_what_is_unknown_is_said_so() {
        let wrapped = json!({"specversion": "1.0", "type": "x", "id": "1", "source": "s",
                             "data": {"labels": {"alertname": "A"}}});
        assert_eq!(alerts(&wrapped)[0].name.as_str(), "A");
        for unknown in [json!({"hello": 1}), json!([1]), json!({"alerts": [{"no": "labels"}]})] {
            assert_eq!(decode(&unknown).unwrap_err(), DecodeError::UnknownForm { tried: TRIED });
        }
    }
}
