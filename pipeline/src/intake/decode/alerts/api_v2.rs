//! Alertmanager's API v2: a list of alerts (or one), as Prometheus posts them and as `GET
//! /api/v2/alerts` answers. Whether one fires is a matter of time: Prometheus sends an `endsAt` in
//! the future with each firing alert, and one in the past when it is over.

use model::alert::AlertStatus;
use model::time::Timestamp;
use serde_json::Value;

use super::{Attempt, alert, read_all};
use crate::intake::decode::fields::time;

pub(super) fn decode(data: &Value, arrival: Timestamp) -> Attempt {
    let list = match data {
        Value::Array(list) => list.as_slice(),
        Value::Object(map) if map.get("labels").is_some_and(Value::is_object) => {
            std::slice::from_ref(data)
        }
        _ => return None,
    };
    read_all(list, |item| {
        let over = time(item, &["endsAt"]).is_some_and(|ends| ends <= arrival);
        let status = if over { AlertStatus::Resolved } else { AlertStatus::Firing };
        alert::read(item, status, arrival)
    })
}
