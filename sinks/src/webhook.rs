//! A generic webhook: CloudEvents 1.0 (structured JSON) over HTTP, signed as Standard Webhooks say.
//!
//! `webhook-signature: v1,<base64 of hmac-sha256 over "id.timestamp.body">`, one per key, so keys
//! can be rotated; `webhook-id`, `idempotency-key` and the CloudEvents `id` are one and the same
//! stable key. 2xx is success, the body of the answer does not matter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use model::incident::{Incident, IncidentState};
use model::name::Name;
use serde_json::{Value, json};
use sha2::Sha256;
use ureq::http::Method;

use crate::config::secret::Secret;
use crate::config::{Check, WebhookConfig, sink_name, timeout};
use crate::delivery::decide::is_over;
use crate::delivery::record::Delivered;
use crate::http::{Client, Verdict, verdict};
use crate::render::untrusted::{Untrusted, clean_json, json_bytes};
use crate::sink::{Delivery, Outcome, Sink, Trouble};

/// Longest text in the event. Unit: characters.
const TEXT_CHARS_MAX: usize = 4_096;
/// Shortest key. Unit: bytes.
const KEY_BYTES_MIN: usize = 16;

/// A webhook.
pub struct Webhook {
    name: Name,
    url: String,
    source: String,
    keys: Vec<Hmac<Sha256>>,
    client: Client,
}

impl Webhook {
    pub(crate) fn new(
        config: &WebhookConfig,
        secrets: &[Secret],
        check: &mut Check,
    ) -> Option<Self> {
        let mut keys = Vec::new();
        for secret in secrets {
            match key(secret) {
                Ok(key) => keys.push(key),
                Err(problem) => check.wrong("secrets", problem),
            }
        }
        if keys.is_empty() {
            return None;
        }
        Some(Self {
            name: sink_name(&config.name),
            url: config.url.clone(),
            source: config.source.clone(),
            keys,
            client: Client::new(timeout(config.timeout_ms)),
        })
    }

    fn signatures(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signed: Vec<String> =
            self.keys.iter().map(|key| signature(key.clone(), id, timestamp, body)).collect();
        signed.join(" ")
    }
}

impl Sink for Webhook {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        let body = json_bytes(&event(request, &self.source));
        let id = request.idempotency_key;
        let timestamp = request.now.millis().div_euclid(1_000);
        let signatures = self.signatures(id, timestamp, &body);
        let timestamp = timestamp.to_string();
        let headers = [
            ("content-type", "application/cloudevents+json; charset=utf-8"),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp.as_str()),
            ("webhook-signature", signatures.as_str()),
            ("idempotency-key", id),
        ];
        let sent = self.client.send(Method::POST, &self.url, &headers, body, request.now);
        match sent {
            Ok(answer) => {
                let detail = || Untrusted(&String::from_utf8_lossy(&answer.body)).line(200);
                match verdict(&answer, detail) {
                    Verdict::Success => Outcome::Delivered { ticket: None, note: None },
                    Verdict::Retry(wait, trouble) => Outcome::RetryAfter(wait, trouble),
                    Verdict::Refuse(trouble) => Outcome::Refused(trouble),
                }
            }
            Err(trouble @ Trouble::Request(_)) => Outcome::Refused(trouble),
            Err(trouble) => Outcome::RetryAfter(crate::sink::Wait::Backoff, trouble),
        }
    }
}

/// A key from text, or from `whsec_` and base64.
fn key(secret: &Secret) -> Result<Hmac<Sha256>, String> {
    let bytes = match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => {
            STANDARD.decode(encoded).map_err(|_| String::from("expected base64 after whsec_"))?
        }
        None => secret.expose().as_bytes().to_vec(),
    };
    if bytes.len() < KEY_BYTES_MIN {
        return Err(format!("expected a key of at least {KEY_BYTES_MIN} bytes"));
    }
    Hmac::new_from_slice(&bytes).map_err(|_| String::from("expected another length of the key"))
}

/// Source: Standard Webhooks, "Signature scheme".
fn signature(mut mac: Hmac<Sha256>, id: &str, timestamp: i64, body: &[u8]) -> String {
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The event. Its text is encoded for machines: names still compare, nothing invisible is left.
fn event(request: &Delivery<'_>, source: &str) -> Value {
    let incident = request.incident;
    let data = serde_json::to_value(incident).unwrap_or(Value::Null);
    json!({
        "specversion": "1.0",
        "id": request.idempotency_key,
        "source": source,
        "type": format!("io.faultline.incident.{}.v1", happening(incident, request.known)),
        "subject": incident.id.to_string(),
        "time": incident.updated_at.to_rfc3339(),
        "datacontenttype": "application/json",
        "data": clean_json(data, TEXT_CHARS_MAX),
    })
}

/// What happened, seen from the receiver: a change of state since what it was told last, else
/// `updated`. An incident that is active again is `opened` again; `lineage.reopened` counts.
fn happening(incident: &Incident, known: Option<&Delivered>) -> &'static str {
    let before = known.map(|known| known.told.state);
    let active_before = before.is_some_and(|state| !is_over(state));
    match incident.state {
        state if before == Some(state) => "updated",
        IncidentState::Resolved => "resolved",
        IncidentState::Withdrawn => "withdrawn",
        IncidentState::Merged => "merged",
        IncidentState::Open | IncidentState::Suspected if active_before => "updated",
        IncidentState::Open | IncidentState::Suspected => "opened",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn signatures_are_those_of_the_standards_own_example() {
        let key = key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signed = signature(
            key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            b"{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn short_keys_are_refused_and_never_shown() {
        for bad in ["short", "whsec_%%%", "whsec_c2hvcnQ="] {
            let problem = key(&Secret::new(bad)).map(|_| ()).unwrap_err();
            assert!(!problem.contains("short"), "{problem}");
        }
    }
}
