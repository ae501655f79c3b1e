//! A generic webhook: CloudEvents 1.0 (structured JSON) over HTTP, signed as Standard Webhooks say.
//!
//! `webhook-signature: v1,<base64 of hmac-sha256 over "id.timestamp.body">`, one per key, so keys
//! can be rotated; `webhook-id`, `idempotency-key` and the CloudEvents `id` are one and the same
//! stable key. 2xx is success, the body of the answer does not matter. With `format: cdevents` the
//! same exchange carries CDEvents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use model::name::Name;
use model::time::Timestamp;
use serde_json::Value;
use sha2::Sha256;

use crate::cdevents;
use crate::config::secret::Secret;
use crate::config::{Check, WebhookConfig, WebhookFormat, sink_name, timeout};
use crate::event::{structured, whole};
use crate::exchange::{Exchange, Stop};
use crate::render::told::Told;
use crate::render::untrusted::json_bytes;
use crate::sink::{Delivery, Outcome, Sink};

/// Shortest key. Unit: bytes.
const KEY_BYTES_MIN: usize = 16;

/// A webhook.
pub struct Webhook {
    name: Name,
    url: String,
    source: String,
    format: WebhookFormat,
    keys: Vec<Hmac<Sha256>>,
    client: Exchange,
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
            format: config.format,
            keys,
            client: Exchange::new(timeout(config.timeout_ms), secrets.to_vec()),
        })
    }

    fn say(&self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let event = structured(request, &self.source, whole(request.incident));
        self.send(request.idempotency_key, &event, request.now)?;
        Ok(Outcome::Delivered { ticket: None, title: None, note: None })
    }

    /// One request an event; what is repeated after a failure has the same ids.
    fn say_cdevents(&self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
        let events = cdevents::plan(request, &told);
        if events.is_empty() {
            return Ok(Outcome::Unchanged { ticket: None });
        }
        for predicate in events {
            let id = cdevents::event_id(request, predicate);
            let event = cdevents::event(request, predicate, &told, &self.source);
            self.send(&id, &event, request.now)?;
        }
        Ok(Outcome::Delivered { ticket: None, title: None, note: None })
    }

    fn send(&self, id: &str, event: &Value, now: Timestamp) -> Result<(), Stop> {
        let body = json_bytes(event);
        let timestamp = now.millis().div_euclid(1_000);
        let signatures = self.signatures(id, timestamp, &body);
        let timestamp = timestamp.to_string();
        let headers = [
            ("content-type", "application/cloudevents+json; charset=utf-8"),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp.as_str()),
            ("webhook-signature", signatures.as_str()),
            ("idempotency-key", id),
        ];
        self.client.bytes(&self.url, &headers, body, now).map(drop)
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
        let said = match self.format {
            WebhookFormat::CloudEvents => self.say(request),
            WebhookFormat::CdEvents => self.say_cdevents(request),
        };
        said.unwrap_or_else(Outcome::from)
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
