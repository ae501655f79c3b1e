//! Changes and alerts as they entered the journal. They are taken from there and not from the
//! incidents, because what no incident blames belongs to the history too: deploys over which
//! nothing broke, alerts that no incident took.

use model::alert::Alert;
use model::change::ChangeEvent;
use model::id::CellId;
use model::name::Name;
use model::time::Timestamp;

use super::{Cell, Day, Row};
use crate::schema::Table;

/// One row for each service or item that a change touched; one without, if it names none.
#[must_use]
pub fn change(change: &ChangeEvent, cell: &CellId, arrived_at: Timestamp) -> Vec<Row> {
    let row = |service: Option<&Name>| Row {
        table: Table::Changes,
        day: Day::of(change.at),
        cells: vec![
            Cell::text(&change.id),
            Cell::word(&change.kind),
            Cell::Time(change.at),
            Cell::maybe_time(change.started_at),
            Cell::Time(arrived_at),
            Cell::text(&cell.0),
            Cell::maybe(service),
            Cell::maybe(change.environment.as_ref()),
            Cell::text(&change.title),
            Cell::maybe(change.author.as_ref()),
            Cell::maybe(change.version.as_ref()),
            Cell::word(&change.outcome),
            Cell::maybe(change.url.as_ref()),
        ],
    };
    if change.targets.is_empty() {
        return vec![row(None)];
    }
    change.targets.iter().map(|target| row(Some(target))).collect()
}

/// One row for an alert.
#[must_use]
pub fn alert(alert: &Alert, cell: &CellId, arrived_at: Timestamp) -> Row {
    let summary = ["summary", "description"];
    let summary = summary.into_iter().find_map(|name| alert.annotations.get(name));
    let labels: serde_json::Map<String, serde_json::Value> = alert
        .labels
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_str().into()))
        .collect();
    Row {
        table: Table::AlertEvents,
        day: Day::of(arrived_at),
        cells: vec![
            Cell::Text(alert.fingerprint.to_string()),
            Cell::text(&alert.name),
            Cell::word(&alert.status),
            Cell::word(&alert.severity),
            Cell::text(&cell.0),
            Cell::Time(alert.starts_at),
            Cell::maybe_time(alert.ends_at),
            Cell::Time(arrived_at),
            Cell::maybe(summary),
            Cell::Text(serde_json::Value::Object(labels).to_string()),
            Cell::maybe(alert.generator_url.as_ref()),
        ],
    }
}
