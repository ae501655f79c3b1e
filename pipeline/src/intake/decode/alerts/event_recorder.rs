//! Alertmanager's event recorder on Kafka, as protojson: one event a record, labels as a list of
//! pairs. Members of the oneof may stand in either case, directly or under `data`.

use model::alert::AlertStatus;
use model::time::Timestamp;
use serde_json::Value;

use super::{Attempt, alert, read_all};
use crate::intake::decode::fields::time;

const CREATED: [&str; 2] = ["alertCreated", "alert_created"];
const RESOLVED: [&str; 2] = ["alertResolved", "alert_resolved"];
const OTHERS: [&str; 16] = [
    "startup",
    "alertmanagerStartupComplete",
    "shutdown",
    "alertmanagerShutdown",
    "alertGrouped",
    "alert_grouped",
    "notification",
    "silenceCreated",
    "silence_created",
    "silenceUpdated",
    "silence_updated",
    "silenceMutedAlert",
    "silence_muted_alert",
    "inhibitionMutedAlert",
    "inhibition_muted_alert",
    "silenceExpired",
];

pub(super) fn decode(event: &Value, arrival: Timestamp) -> Attempt {
    event.get("@timestamp").or_else(|| event.get("timestamp"))?;
    let data = event.get("data").unwrap_or(event);
    let member = |names: &[&str]| names.iter().find_map(|name| data.get(name));
    let at = time(event, &["@timestamp"]).unwrap_or(arrival);
    let (found, status) = match (member(&CREATED), member(&RESOLVED)) {
        (Some(found), _) => (found, AlertStatus::Firing),
        (None, Some(found)) => (found, AlertStatus::Resolved),
        (None, None) => {
            member(&OTHERS)?;
            return Some(Err("an event of the recorder that is about no alert's state"));
        }
    };
    let item = found.get("alert").unwrap_or(found);
    read_all(std::slice::from_ref(item), |item| {
        let mut read = alert::read(item, status, at)?;
        if status == AlertStatus::Resolved {
            read.ends_at = read.ends_at.or(Some(at));
        }
        Some(read)
    })
}
