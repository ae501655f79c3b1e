//! The tables: their names and columns. The one place that says what the files hold; what the
//! columns mean stands in `docs/history.md`.
//!
//! Every table about an incident begins with `incident_id` and `revision`: that is how rows of
//! older revisions are told from those of the newest.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// What a column holds. Nothing else is used, so that every client understands every column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`.
    Text,
    /// `int8`.
    Int,
    /// `float8`.
    Float,
    /// `bool`.
    Bool,
    /// `timestamptz`. Unit: microseconds, UTC.
    Time,
}

impl Kind {
    /// The Arrow type.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be NULL.
    pub nullable: bool,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, nullable: false }
}

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

const fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}

const fn float(name: &'static str) -> Column {
    column(name, Kind::Float)
}

const fn truth(name: &'static str) -> Column {
    column(name, Kind::Bool)
}

const fn time(name: &'static str) -> Column {
    column(name, Kind::Time)
}

const fn maybe(column: Column) -> Column {
    Column { nullable: true, ..column }
}

/// A table that is kept in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Every revision of every incident.
    Revisions,
    /// Alerts of incidents.
    Alerts,
    /// Symptoms of incidents.
    Symptoms,
    /// Candidate causes.
    Hypotheses,
    /// The terms of the candidate causes.
    Evidence,
    /// Services that an incident reaches.
    Services,
    /// Where users suffer.
    EntryPoints,
    /// The story.
    Timeline,
    /// The picture: nodes.
    Nodes,
    /// The picture: edges.
    Edges,
    /// Changes that arrived.
    Changes,
    /// Alerts that arrived.
    AlertEvents,
    /// What was said to whom.
    Deliveries,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Revisions,
        Self::Alerts,
        Self::Symptoms,
        Self::Hypotheses,
        Self::Evidence,
        Self::Services,
        Self::EntryPoints,
        Self::Timeline,
        Self::Nodes,
        Self::Edges,
        Self::Changes,
        Self::AlertEvents,
        Self::Deliveries,
    ];

    /// Its name, in SQL and as a directory.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revisions => "revisions",
            Self::Alerts => "alerts",
            Self::Symptoms => "symptoms",
            Self::Hypotheses => "hypotheses",
            Self::Evidence => "evidence",
            Self::Services => "services",
            Self::EntryPoints => "entry_points",
            Self::Timeline => "timeline",
            Self::Nodes => "nodes",
            Self::Edges => "edges",
            Self::Changes => "changes",
            Self::AlertEvents => "alert_events",
            Self::Deliveries => "deliveries",
        }
    }

    /// The table of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Whether only the rows of an incident's newest revision count.
    #[must_use]
    pub const fn newest_only(self) -> bool {
        !matches!(self, Self::Revisions | Self::Changes | Self::AlertEvents | Self::Deliveries)
    }

    /// The column whose day says in which file a row is.
    #[must_use]
    pub const fn day_column(self) -> &'static str {
        match self {
            Self::Changes => "occurred_at",
            Self::AlertEvents => "arrived_at",
            Self::Deliveries => "delivered_at",
            _ => "opened_at",
        }
    }

    /// Its columns in order.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Revisions => REVISIONS,
            Self::Alerts => ALERTS,
            Self::Symptoms => SYMPTOMS,
            Self::Hypotheses => HYPOTHESES,
            Self::Evidence => EVIDENCE,
            Self::Services => SERVICES,
            Self::EntryPoints => ENTRY_POINTS,
            Self::Timeline => TIMELINE,
            Self::Nodes => NODES,
            Self::Edges => EDGES,
            Self::Changes => CHANGES,
            Self::AlertEvents => ALERT_EVENTS,
            Self::Deliveries => DELIVERIES,
        }
    }

    /// Its Arrow schema.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<Vec<SchemaRef>> =
            LazyLock::new(|| Table::ALL.into_iter().map(build).collect());
        let place = Self::ALL.iter().position(|table| *table == self);
        place.and_then(|place| SCHEMAS.get(place)).map_or_else(|| build(self), Arc::clone)
    }
}

fn build(table: Table) -> SchemaRef {
    let field = |column: &Column| Field::new(column.name, column.kind.data_type(), column.nullable);
    Arc::new(Schema::new(table.columns().iter().map(field).collect::<Vec<_>>()))
}

const REVISIONS: &[Column] = &[
    text("incident_id"),
    int("revision"),
    text("cell"),
    text("state"),
    text("severity"),
    text("priority"),
    text("title"),
    time("onset_at"),
    time("opened_at"),
    time("updated_at"),
    maybe(time("resolved_at")),
    maybe(text("owner")),
    maybe(text("assignee")),
    maybe(time("acknowledged_at")),
    maybe(text("acknowledged_by")),
    maybe(time("snoozed_until")),
    truth("muted"),
    text("services"),
    int("service_count"),
    int("alert_count"),
    int("firing_alert_count"),
    int("symptom_count"),
    float("impact"),
    int("lost_requests"),
    maybe(text("cause_entity")),
    maybe(text("cause_service")),
    maybe(text("cause_kind")),
    maybe(float("cause_probability")),
    maybe(text("cause_summary")),
    maybe(text("cause_change_id")),
    maybe(text("cause_change_title")),
    maybe(text("cause_items")),
    int("confidence_set_size"),
    maybe(text("trace_id")),
    maybe(text("merged_into")),
    maybe(text("split_from")),
    int("reopened"),
    maybe(text("ticket_number")),
    maybe(text("ticket_url")),
    text("narrative"),
    text("document"),
];

const ALERTS: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    text("fingerprint"),
    text("name"),
    text("status"),
    truth("flapping"),
    text("severity"),
    maybe(text("service")),
    text("summary"),
    time("starts_at"),
    maybe(time("ends_at")),
    text("reason"),
    maybe(text("url")),
];

const SYMPTOMS: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    text("entity"),
    text("entity_kind"),
    text("service"),
    text("kind"),
    text("detail"),
    float("nats"),
    int("hits"),
    int("trials"),
    time("first_at"),
    time("last_at"),
    maybe(text("trace_id")),
    text("reason"),
];

const HYPOTHESES: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    int("rank"),
    text("entity"),
    text("entity_kind"),
    text("service"),
    text("kind"),
    float("probability"),
    float("log_odds"),
    text("summary"),
    text("path"),
    maybe(text("lacks")),
    maybe(text("change_id")),
    maybe(text("change_kind")),
    maybe(time("change_at")),
    maybe(text("change_title")),
    maybe(text("change_author")),
    maybe(text("change_url")),
];

const EVIDENCE: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    int("rank"),
    int("position"),
    text("entity"),
    text("service"),
    text("term"),
    float("nats"),
    text("text"),
    maybe(text("trace_id")),
    text("traces"),
    text("alerts"),
    text("changes"),
];

const SERVICES: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    text("service"),
    text("reach"),
    truth("is_member"),
    maybe(int("traces")),
    maybe(float("probability")),
    maybe(int("hops")),
];

const ENTRY_POINTS: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    text("service"),
    text("operation"),
    maybe(text("criticality")),
    int("requests"),
    int("affected"),
    float("traffic_share"),
    float("degradation"),
    float("impact_term"),
];

const TIMELINE: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    time("occurred_at"),
    int("position"),
    text("kind"),
    maybe(text("service")),
    text("text"),
];

const NODES: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    text("id"),
    text("title"),
    text("subtitle"),
    text("mainstat"),
    text("secondarystat"),
    float("arc__cause"),
    float("arc__observed"),
    float("arc__predicted"),
    float("arc__healthy"),
    text("detail__role"),
    text("detail__entry"),
    text("detail__hops"),
];

const EDGES: &[Column] = &[
    text("incident_id"),
    int("revision"),
    time("opened_at"),
    text("id"),
    text("source"),
    text("target"),
    text("mainstat"),
    text("detail__role"),
];

const CHANGES: &[Column] = &[
    text("change_id"),
    text("kind"),
    time("occurred_at"),
    maybe(time("started_at")),
    time("arrived_at"),
    text("cell"),
    maybe(text("service")),
    maybe(text("environment")),
    text("title"),
    maybe(text("author")),
    maybe(text("version")),
    text("outcome"),
    maybe(text("url")),
];

const ALERT_EVENTS: &[Column] = &[
    text("fingerprint"),
    text("name"),
    text("status"),
    text("severity"),
    text("cell"),
    time("starts_at"),
    maybe(time("ends_at")),
    time("arrived_at"),
    maybe(text("summary")),
    text("labels"),
    maybe(text("url")),
];

const DELIVERIES: &[Column] = &[
    text("sink"),
    text("incident_id"),
    int("revision"),
    int("attempted"),
    truth("in_doubt"),
    time("delivered_at"),
    text("idempotency_key"),
    maybe(text("ticket_id")),
    maybe(text("ticket_number")),
    maybe(text("ticket_url")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_newest_revisions_begin_with_incident_and_revision() {
        for table in Table::ALL.into_iter().filter(|table| table.newest_only()) {
            let names: Vec<_> = table.columns().iter().take(3).map(|c| c.name).collect();
            assert_eq!(names, ["incident_id", "revision", "opened_at"], "{}", table.name());
        }
        assert_eq!(Table::of_name("edges"), Some(Table::Edges));
        assert_eq!(Table::of_name("../etc"), None);
    }

    #[test]
    fn the_document_names_every_table_and_every_column() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/history.md");
        let document = std::fs::read_to_string(path).unwrap();
        for table in Table::ALL {
            assert!(document.contains(&format!("`{}`", table.name())), "{}", table.name());
            for column in table.columns() {
                let named = format!("`{}`", column.name);
                assert!(document.contains(&named), "{}.{}", table.name(), column.name);
            }
        }
    }
}
