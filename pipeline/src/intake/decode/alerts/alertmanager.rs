//! The webhook of Alertmanager (`version` 4) and of Grafana (`version` 1), which have one outer
//! form: an object with `alerts`. A custom template may leave the rest out.

use model::alert::AlertStatus;
use model::time::Timestamp;
use serde_json::Value;

use super::{Attempt, alert, read_all};
use crate::intake::decode::fields::text;

pub(super) fn decode(data: &Value, arrival: Timestamp) -> Attempt {
    let list = data.get("alerts")?.as_array()?;
    let group = text(data, &["status"]);
    read_all(list, |item| {
        let status = text(item, &["status"]).or(group).map_or(AlertStatus::Firing, status);
        alert::read(item, status, arrival)
    })
}

/// What a word says of an alert's status.
pub(super) fn status(word: &str) -> AlertStatus {
    match word.to_ascii_lowercase().as_str() {
        "resolved" | "ok" | "normal" => AlertStatus::Resolved,
        _ => AlertStatus::Firing,
    }
}
