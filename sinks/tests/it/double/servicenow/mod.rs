//! A double of ServiceNow's incident table, by the Table API's documentation.
//!
//! Enforced: authentication (401), fields that the table does not have are ignored, texts longer
//! than their column are cut, encoded queries (the first order counts most; an unknown field in a
//! query is ignored, so that the answer has more rows), `sysparm_fields`, `sysparm_offset`,
//! `sysparm_limit`, 201 with a `sys_id`, 404 for an unknown one, `work_notes` are appended and read as empty, priority from impact and urgency, resolving
//! needs close code and notes (403, data policy), closed and cancelled tickets are read-only. Updates
//! are audited (`sys_audit`), references are `sys_id`s of tables that can be read. Event Management is in `events`.

mod events;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{Asked, Fault, Schedule, Server, after, answer, before};
pub(crate) use events::Events;

/// Columns that a client may write, and their lengths.
const COLUMNS: [(&str, usize); 18] = [
    ("short_description", 160),
    ("description", 4000),
    ("impact", 40),
    ("urgency", 40),
    ("state", 40),
    ("category", 40),
    ("subcategory", 40),
    ("contact_type", 40),
    ("cmdb_ci", 32),
    ("business_service", 32),
    ("assignment_group", 32),
    ("assigned_to", 32),
    ("correlation_id", 100),
    ("correlation_display", 100),
    ("close_code", 40),
    ("close_notes", 4000),
    ("parent_incident", 32),
    ("caused_by", 32),
];

/// Columns that only the instance writes.
const SYSTEM_COLUMNS: [&str; 5] =
    ["sys_id", "number", "sys_created_on", "sys_updated_on", "priority"];
/// Columns whose changes are audited.
const AUDITED: [&str; 5] =
    ["state", "assigned_to", "assignment_group", "work_notes", "parent_incident"];

/// The only change request.
pub(crate) const CHANGE: (&str, &str) = ("CHG0030001", "dddddddddddddddddddddddddddddddd");
/// The configuration items: names and `sys_id`s. Two have one name.
pub(crate) const ITEMS: [(&str, &str); 3] = [
    ("checkout", "11111111111111111111111111111111"),
    ("cart", "22222222222222222222222222222222"),
    ("cart", "33333333333333333333333333333333"),
];
/// The groups, as the items.
pub(crate) const GROUPS: [(&str, &str); 3] = [
    ("team-cart", "44444444444444444444444444444444"),
    ("team-twice", "55555555555555555555555555555555"),
    ("team-twice", "66666666666666666666666666666666"),
];
/// The only person.
pub(crate) const PERSON: (&str, &str) = ("operator", "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");

pub(crate) const USER: &str = "faultline";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A ticket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) work_notes: Vec<String>,
}

impl Row {
    pub(crate) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    fn set(&mut self, field: &str, value: &str) {
        if let Some((_, length)) = COLUMNS.iter().find(|(name, _)| *name == field) {
            self.fields.insert(field.to_owned(), value.chars().take(*length).collect());
        }
    }

    fn weigh(&mut self) {
        let weight = |text: &str| text.parse::<u8>().unwrap_or(3);
        // The table as it is delivered: 1/1 is 1, sum 3 is 2, sum 4 is 3, sum 5 is 4, 3/3 is 5.
        let sum = weight(self.get("impact")) + weight(self.get("urgency"));
        self.fields.insert(String::from("priority"), (sum - 1).to_string());
    }
}

/// What the instance holds, and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    pub(crate) faults: Schedule,
    /// `METHOD path?query` of every request, in order.
    pub(crate) requests: Vec<String>,
    /// Whether queries are not understood, so that they are ignored.
    pub(crate) ignores_queries: bool,
    /// Alerts of Event Management by their key.
    pub(crate) alerts: BTreeMap<String, Events>,
    /// Rules that an event broke.
    pub(crate) broken: Vec<String>,
    /// Rows of `sys_audit`.
    audit: Vec<Row>,
    created: u32,
    /// Seconds since the instance began: its own clock.
    clock: u32,
}

impl Table {
    fn insert(&mut self, body: &Map<String, Value>) -> Row {
        self.created += 1;
        let mut row = Row::default();
        let count = self.created;
        for (field, value) in [("impact", "3"), ("urgency", "3"), ("state", "1")] {
            row.set(field, value);
        }
        row.fields.insert(String::from("sys_id"), format!("{count:032x}"));
        row.fields.insert(String::from("number"), format!("INC{count:07}"));
        row.fields.insert(String::from("sys_created_on"), format!("2026-03-17 02:{count:02}:00"));
        let at = self.tick();
        // A new record is not audited.
        write(&mut row, body, USER, &at);
        self.rows.push(row.clone());
        row
    }

    /// The instance's time, a second later each time it is asked.
    fn tick(&mut self) -> String {
        self.clock += 1;
        format!("2026-03-17 02:{:02}:{:02}", self.clock / 60, self.clock % 60)
    }

    /// Time goes by.
    pub(crate) fn pass(&mut self, secs: u32) {
        self.clock += secs;
    }

    /// A person, or we, change a ticket by hand: audited like a change by the API.
    pub(crate) fn change(&mut self, user: &str, fields: &[(&str, &str)]) {
        self.change_at(0, user, fields);
    }

    pub(crate) fn change_at(&mut self, place: usize, user: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(field, value)| ((*field).to_owned(), Value::from(*value)));
        let at = self.tick();
        let mut row = self.rows.get(place).cloned().expect("there is a ticket");
        let rows = write(&mut row, &fields.collect(), user, &at);
        self.audit.extend(rows);
        if let Some(kept) = self.rows.get_mut(place) {
            *kept = row;
        }
    }

    fn select(&self, rows: &[Row], query: &str) -> Vec<Row> {
        let mut rows = rows.to_vec();
        // The first order counts most: sorting is stable, so it comes last.
        let orders = query.split('^').filter_map(|part| part.strip_prefix("ORDERBY"));
        let orders: Vec<&str> = orders.filter(|_| !self.ignores_queries).collect();
        for order in orders.into_iter().rev() {
            match order.strip_prefix("DESC") {
                Some(field) => rows.sort_by(|a, b| b.get(field).cmp(a.get(field))),
                None => rows.sort_by(|a, b| a.get(order).cmp(b.get(order))),
            }
        }
        let parts = query.split('^').filter(|part| !part.starts_with("ORDERBY"));
        for part in parts.filter(|_| !self.ignores_queries) {
            if let Some((field, value)) = part.split_once(">=") {
                rows.retain(|row| row.get(field) >= value);
            } else if let Some((field, value)) = part.split_once("!=") {
                rows.retain(|row| row.get(field) != value);
            } else if let Some((field, value)) = part.split_once("STARTSWITH") {
                rows.retain(|row| row.get(field).starts_with(value));
            } else if let Some((field, values)) = part.split_once("IN") {
                rows.retain(|row| values.split(',').any(|value| row.get(field) == value));
            } else if let Some((field, value)) = part.split_once('=')
                && is_column(field)
            {
                rows.retain(|row| row.get(field) == value);
            }
        }
        rows
    }

    fn row(&mut self, sys_id: &str) -> Result<&mut Row, Failure> {
        self.rows.iter_mut().find(|row| row.get("sys_id") == sys_id).ok_or_else(no_record)
    }
}

/// A running instance.
pub(crate) struct ServiceNow {
    table: Arc<Mutex<Table>>,
    pub(crate) server: Server,
}

impl ServiceNow {
    pub(crate) fn start() -> Self {
        let table = Arc::new(Mutex::new(Table::default()));
        let many = get(list).post(create);
        let one = get(read).patch(update);
        let router = Router::new()
            .route("/api/now/table/incident", many)
            .route("/api/now/table/incident/{sys_id}", one)
            .route("/api/now/table/sys_audit", get(list_audit))
            .route("/api/now/table/em_alert", get(list_alerts))
            .route("/api/now/table/change_request", get(list_changes))
            .route("/api/now/table/cmdb_ci", get(list_items))
            .route("/api/now/table/sys_user_group", get(list_groups))
            .route("/api/now/table/sys_user/{sys_id}", get(read_person))
            .route("/api/global/em/jsonv2", post(events::take))
            .with_state(Arc::clone(&table));
        Self { table, server: Server::start(router) }
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.table().faults.plan(faults);
    }

    /// The only ticket.
    pub(crate) fn ticket(&self) -> Row {
        let table = self.table();
        assert_eq!(table.rows.len(), 1, "{:#?}", table.rows);
        table.rows.first().cloned().expect("one row")
    }
}

type Shared = State<Arc<Mutex<Table>>>;
type Params = Query<BTreeMap<String, String>>;
type Done = Result<Response<Body>, Failure>;

/// What the instance refuses: status, message, detail.
struct Failure(u16, &'static str, &'static str);

impl Failure {
    fn answer(&self) -> Response<Body> {
        let Self(status, message, detail) = self;
        let body = json!({"error": {"message": message, "detail": detail}, "status": "failure"});
        answer(*status, &body.to_string())
    }
}

/// Every request: fault, authentication, work, fault.
async fn handle(
    table: &Mutex<Table>,
    request: String,
    headers: &HeaderMap,
    work: impl FnOnce(&mut Table) -> Done,
) -> Response<Body> {
    let lock = || table.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = {
        let mut table = lock();
        let reads = request.starts_with("GET ");
        table.requests.push(request);
        table.faults.next(if reads { Asked::Read } else { Asked::Write })
    };
    if let Some(early) = before(fault).await {
        return early;
    }
    if !authenticated(headers) {
        return Failure(401, "User Not Authenticated", "Required to provide Auth information")
            .answer();
    }
    let done = work(&mut lock()).unwrap_or_else(|failed| failed.answer());
    after(fault, done).await
}

/// The page that is asked for.
fn page(rows: Vec<Row>, params: &BTreeMap<String, String>) -> Vec<Row> {
    let number = |name: &str| params.get(name).and_then(|n| n.parse().ok());
    let (after, limit) = (number("sysparm_offset"), number("sysparm_limit"));
    rows.into_iter().skip(after.unwrap_or(0)).take(limit.unwrap_or(10_000)).collect()
}

async fn list(State(table): Shared, Query(params): Params, headers: HeaderMap) -> Response<Body> {
    let query = params.get("sysparm_query").cloned().unwrap_or_default();
    handle(&table, format!("GET ?{query}"), &headers, |table| {
        let rows = page(table.select(&table.rows, &query), &params);
        let shown: Vec<Value> = rows.iter().map(|row| show(row, &params)).collect();
        Ok(answer(200, &json!({ "result": shown }).to_string()))
    })
    .await
}

async fn list_audit(
    State(table): Shared,
    Query(params): Params,
    headers: HeaderMap,
) -> Response<Body> {
    let query = params.get("sysparm_query").cloned().unwrap_or_default();
    handle(&table, String::from("GET sys_audit"), &headers, |table| {
        let rows = page(table.select(&table.audit, &query), &params);
        let shown: Vec<&BTreeMap<String, String>> = rows.iter().map(|row| &row.fields).collect();
        Ok(answer(200, &json!({ "result": shown }).to_string()))
    })
    .await
}

async fn list_alerts(
    State(table): Shared,
    Query(params): Params,
    headers: HeaderMap,
) -> Response<Body> {
    let query = params.get("sysparm_query").cloned().unwrap_or_default();
    handle(&table, String::from("GET em_alert"), &headers, |table| {
        let all: Vec<Row> = table.alerts.values().map(|alert| alert.row.clone()).collect();
        let rows = page(table.select(&all, &query), &params);
        let shown: Vec<&BTreeMap<String, String>> = rows.iter().map(|row| &row.fields).collect();
        Ok(answer(200, &json!({ "result": shown }).to_string()))
    })
    .await
}

async fn list_changes(
    State(table): Shared,
    Query(params): Params,
    headers: HeaderMap,
) -> Response<Body> {
    let query = params.get("sysparm_query").cloned().unwrap_or_default();
    handle(&table, String::from("GET change_request"), &headers, |_| {
        let (number, sys_id) = CHANGE;
        let asked = query == format!("number={number}") || query == format!("sys_id={sys_id}");
        let all = [json!({"number": number, "sys_id": sys_id})];
        let shown = if asked { all.as_slice() } else { &[] };
        Ok(answer(200, &json!({ "result": shown }).to_string()))
    })
    .await
}

async fn list_items(table: Shared, params: Params, headers: HeaderMap) -> Response<Body> {
    list_named("cmdb_ci", &ITEMS, table, params, headers).await
}

async fn list_groups(table: Shared, params: Params, headers: HeaderMap) -> Response<Body> {
    list_named("sys_user_group", &GROUPS, table, params, headers).await
}

/// Records of another table that are asked for by their name or `sys_id`.
async fn list_named(
    name: &str,
    all: &[(&str, &str)],
    State(table): Shared,
    Query(params): Params,
    headers: HeaderMap,
) -> Response<Body> {
    let query = params.get("sysparm_query").cloned().unwrap_or_default();
    handle(&table, format!("GET {name}"), &headers, |table| {
        let asked = |(name, sys_id): &&(&str, &str)| {
            table.ignores_queries
                || query == format!("name={name}")
                || query == format!("sys_id={sys_id}")
        };
        let rows = all.iter().filter(asked).take(2);
        let shown: Vec<Value> =
            rows.map(|(name, sys_id)| json!({"name": name, "sys_id": sys_id})).collect();
        Ok(answer(200, &json!({ "result": shown }).to_string()))
    })
    .await
}

async fn read_person(
    State(table): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    handle(&table, format!("GET sys_user/{id}"), &headers, |_| {
        if id != PERSON.1 {
            return Err(no_record());
        }
        Ok(answer(
            200,
            &json!({"result": {"user_name": PERSON.0, "name": "An operator"}}).to_string(),
        ))
    })
    .await
}

async fn read(
    State(table): Shared,
    Path(id): Path<String>,
    Query(params): Params,
    headers: HeaderMap,
) -> Response<Body> {
    handle(&table, format!("GET /{id}"), &headers, |table| {
        let row = table.row(&id)?;
        Ok(answer(200, &json!({ "result": show(row, &params) }).to_string()))
    })
    .await
}

async fn create(
    State(table): Shared,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    handle(&table, String::from("POST"), &headers, |table| {
        let row = table.insert(&object(&body)?);
        Ok(answer(201, &json!({ "result": show(&row, &params) }).to_string()))
    })
    .await
}

async fn update(
    State(table): Shared,
    Path(id): Path<String>,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    handle(&table, format!("PATCH /{id}"), &headers, |table| {
        let body = object(&body)?;
        let clock = table.clock;
        let kept = table.row(&id)?;
        let mut row = kept.clone();
        if matches!(row.get("state"), "7" | "8") {
            return Err(Failure(403, "Operation Failed", "ACL Exception Update Failed"));
        }
        let at = format!("2026-03-17 02:{:02}:{:02}", (clock + 1) / 60, (clock + 1) % 60);
        let audited = write(&mut row, &body, USER, &at);
        let resolved = matches!(row.get("state"), "6" | "7");
        if resolved && (row.get("close_code").is_empty() || row.get("close_notes").is_empty()) {
            let detail = "Data Policy Exception: mandatory: Resolution code, Resolution notes";
            return Err(Failure(403, "Operation Failed", detail));
        }
        kept.clone_from(&row);
        table.clock += 1;
        table.audit.extend(audited);
        Ok(answer(200, &json!({ "result": show(&row, &params) }).to_string()))
    })
    .await
}

/// Writes fields; the rows of the audit that this makes.
fn write(row: &mut Row, body: &Map<String, Value>, user: &str, at: &str) -> Vec<Row> {
    let mut audit = Vec::new();
    for (field, value) in body {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let old = row.get(field).to_owned();
        if field == "work_notes" {
            if !text.is_empty() {
                row.work_notes.push(text.clone());
            }
        } else {
            row.set(field, &text);
        }
        if AUDITED.contains(&field.as_str()) && old != text {
            audit.push(audited("incident", row, (field, &old, &text), user, at));
        }
    }
    row.fields.insert(String::from("sys_updated_on"), at.to_owned());
    row.weigh();
    audit
}

/// A row of the audit: a user changed a field of a record.
fn audited(
    table: &str,
    row: &Row,
    (field, old, new): (&str, &str, &str),
    user: &str,
    at: &str,
) -> Row {
    let mut entry = Row::default();
    let id = format!("{}{field}{at}", row.get("sys_id"));
    for (name, value) in [
        ("sys_id", id.as_str()),
        ("tablename", table),
        ("documentkey", row.get("sys_id")),
        ("fieldname", field),
        ("oldvalue", old),
        ("newvalue", new),
        ("user", user),
        ("sys_created_on", at),
    ] {
        entry.fields.insert(name.to_owned(), value.to_owned());
    }
    entry
}

fn is_column(field: &str) -> bool {
    ["tablename", "source", "event_class", "message_key"].contains(&field)
        || SYSTEM_COLUMNS.contains(&field)
        || COLUMNS.iter().any(|(name, _)| *name == field)
}

fn show(row: &Row, params: &BTreeMap<String, String>) -> Value {
    let wanted = params.get("sysparm_fields");
    let names = COLUMNS.iter().map(|(name, _)| *name).chain(SYSTEM_COLUMNS).chain(["work_notes"]);
    names
        .filter(|name| wanted.is_none_or(|wanted| wanted.split(',').any(|field| field == *name)))
        .map(|name| (name.to_owned(), Value::from(row.get(name))))
        .collect::<Map<_, _>>()
        .into()
}

fn authenticated(headers: &HeaderMap) -> bool {
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let bearer = format!("Bearer {PASSWORD}");
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    given.is_some_and(|given| given == basic || given == bearer)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    serde_json::from_slice(body)
        .map_err(|_| Failure(400, "Exception while reading request", "not a JSON object"))
}

fn no_record() -> Failure {
    let detail = "Record doesn't exist or ACL restricts the record retrieval";
    Failure(404, "No Record found", detail)
}
