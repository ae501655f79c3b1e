//! What is read of Jira Service Management's Operations REST API: alerts, their notes, their activity.
//!
//! The API's links lead to further pages; of such a link only its key is used, never its address. What
//! is deliberately absent: what any of it means ([`super::listen`]).

use model::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::config::secret::Secret;
use crate::config::{JsmOpsConfig, JsmOpsRest, timeout};
use crate::exchange::{Stop, encoded, parse};
use crate::rest::Rest;

/// Notes of one page: each may have 25,000 characters.
const NOTES: usize = 10;
/// Entries of the activity of one page.
const ENTRIES: usize = 100;

/// The site, as far as it is listened to.
pub(super) struct Desk {
    rest: Rest,
    cloud: String,
    source: String,
}

/// An alert, as far as we look at it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Alert {
    #[serde(deserialize_with = "text")]
    pub(super) id: String,
    #[serde(deserialize_with = "text")]
    pub(super) alias: String,
    /// Of what it says that it comes: ours of us.
    #[serde(deserialize_with = "text")]
    pub(super) source: String,
    #[serde(deserialize_with = "text")]
    pub(super) status: String,
    pub(super) acknowledged: bool,
    #[serde(deserialize_with = "words")]
    pub(super) ack_time: Option<String>,
    #[serde(deserialize_with = "words")]
    pub(super) close_time: Option<String>,
    /// Changes whenever anybody does anything to it.
    #[serde(deserialize_with = "text")]
    pub(super) updated_at: String,
    /// Who works on it: a display name.
    #[serde(deserialize_with = "words")]
    pub(super) owner: Option<String>,
    pub(super) snoozed: bool,
    #[serde(deserialize_with = "words")]
    pub(super) snoozed_until: Option<String>,
    /// The integration that made it: ours.
    #[serde(deserialize_with = "words")]
    pub(super) integration_name: Option<String>,
}

impl Alert {
    pub(super) fn is_closed(&self) -> bool {
        self.status == "closed"
    }

    /// When it last changed.
    pub(super) fn changed(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(&self.updated_at)
    }
}

/// What somebody wrote.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Note {
    #[serde(deserialize_with = "text")]
    pub(super) id: String,
    #[serde(deserialize_with = "text")]
    pub(super) note: String,
    #[serde(deserialize_with = "text")]
    pub(super) owner: String,
    #[serde(deserialize_with = "text")]
    pub(super) created_at: String,
}

/// What somebody did, in the site's words, which we do not read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Entry {
    #[serde(deserialize_with = "text")]
    pub(super) log_time: String,
    #[serde(deserialize_with = "text")]
    pub(super) owner: String,
}

#[derive(Deserialize)]
struct Page<T> {
    values: Vec<T>,
    #[serde(default)]
    links: Option<Links>,
}

#[derive(Default, Deserialize)]
struct Links {
    #[serde(default, deserialize_with = "words")]
    next: Option<String>,
}

/// A text; what is null, or of another kind, says nothing: one odd field of one alert makes nobody deaf for all.
fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(words(from)?.unwrap_or_default())
}

/// One page, and the key of the next.
pub(super) type Part<T> = (Vec<T>, Option<String>);

impl Desk {
    pub(super) fn new(config: &JsmOpsConfig, api: &JsmOpsRest, token: &Secret) -> Self {
        let timeout = timeout(config.timeout_ms);
        let rest = Rest::new(&api.url, api.header(token), timeout, super::detail);
        Self { rest, cloud: api.cloud_id.clone(), source: config.source.clone() }
    }

    /// Our alerts, those that changed last first.
    pub(super) fn alerts(
        &self,
        offset: usize,
        size: usize,
        now: Timestamp,
    ) -> Result<Vec<Alert>, Stop> {
        let query = encoded(&format!("source:\"{}\"", self.source));
        let path = format!(
            "/{}/v1/alerts?query={query}&sort=updatedAt&order=desc&offset={offset}&size={size}",
            self.cloud
        );
        Ok(parse::<Page<Alert>>(&self.rest.get(&path, now)?)?.values)
    }

    /// Notes of an alert, in the site's order.
    pub(super) fn notes(
        &self,
        alert: &str,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<Part<Note>, Stop> {
        self.part(alert, "notes", NOTES, after, now)
    }

    /// What was done to an alert, in the site's order.
    pub(super) fn activity(
        &self,
        alert: &str,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<Part<Entry>, Stop> {
        self.part(alert, "logs", ENTRIES, after, now)
    }

    fn part<T: DeserializeOwned>(
        &self,
        alert: &str,
        what: &str,
        size: usize,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<Part<T>, Stop> {
        let after = after.map(|key| format!("&after={key}")).unwrap_or_default();
        let alert = encoded(alert);
        let path = format!("/{}/v1/alerts/{alert}/{what}?size={size}{after}", self.cloud);
        let Some(answer) = self.rest.get_if_there(&path, now)? else {
            // It was deleted meanwhile.
            return Ok((Vec::new(), None));
        };
        let page: Page<T> = parse(&answer)?;
        Ok((page.values, page.links.unwrap_or_default().next.as_deref().and_then(key)))
    }
}

/// The key of the next page in a link: `.../notes?after=1492000072838`.
fn key(link: &str) -> Option<String> {
    let (_, rest) = link.split_once("after=")?;
    let key = rest.split('&').next().unwrap_or_default();
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'%');
    (!key.is_empty() && key.len() <= 200 && key.bytes().all(fits)).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_link_only_the_key_is_used() {
        let link = "/v1/alerts/4513b7ea/logs?after=1492000072838_1492000072838234593&size=5";
        assert_eq!(key(link).as_deref(), Some("1492000072838_1492000072838234593"));
        for other in ["https://evil.example/x", "/x?after=", "/x?after=a/../b", "/x?after=a b"] {
            assert_eq!(key(other), None, "{other}");
        }
    }

    #[test]
    fn an_odd_field_of_one_alert_hides_no_other() {
        let body = r#"{"values": [
            {"id": "1", "alias": null, "ackTime": 1780000200000, "owner": {"name": "ann"}},
            {"id": "2", "alias": "b", "status": "closed", "acknowledged": true}
        ], "links": null}"#;
        let page: Page<Alert> = serde_json::from_str(body).unwrap();
        let [odd, other] = page.values.as_slice() else { panic!("two alerts") };
        assert_eq!((odd.alias.as_str(), &odd.ack_time, &odd.owner), ("", &None, &None));
        assert_eq!((other.alias.as_str(), other.acknowledged), ("b", true));
        assert!(page.links.is_none());
    }
}
