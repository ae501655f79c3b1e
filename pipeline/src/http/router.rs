//! The router, built from one table: the same table makes the OpenAPI document and says which role
//! a route needs, so no route can exist without a row.

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Router, middleware};
use serde_json::Value;

use super::control::verb::Verb;
use super::control::{self, BODY_BYTES_MAX, alertmanager, schema};
use super::error::ApiError;
use super::{HttpState, api, console, events, hooks, openapi, security, single_sign_on, sql};
use crate::auth::{Access, Role};
use crate::control::standing::Kind;

/// Every route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's row has its words")]
pub enum Endpoint {
    Livez,
    Readyz,
    Metrics,
    Me,
    Status,
    Incidents,
    Incident,
    Revisions,
    Drift,
    Sql,
    Events,
    IncidentSchema,
    OpenApi,
    Decide(Verb),
    Standing(Kind),
    Add(Kind),
    End(Kind),
    AlertmanagerSilences,
    AlertmanagerSilence,
    AlertmanagerAdd,
    AlertmanagerExpire,
    Hook,
    HomePage,
    IncidentPage,
    SilencesPage,
    DriftPage,
    LoginPage,
    Login,
    SignIn,
    SignedIn,
    Logout,
    Asset,
}

/// A parameter of a route.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// `path` or `query`.
    pub place: &'static str,
    /// What it says.
    pub help: &'static str,
}

/// The row of a route.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// `get`, `post` or `delete`.
    pub method: &'static str,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Who may ask.
    pub access: Access,
    /// Its success: 202 for what becomes an act, else 200.
    pub success: u16,
    /// The media type of its success.
    pub media: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
}

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const ID: Param = Param {
    name: "id",
    place: "path",
    help: "Incident id: 16 hexadecimal digits, or as many of the first as are unique.",
};
const KEY: Param = Param {
    name: "Idempotency-Key",
    place: "header",
    help: "The id of the act, so that asking twice does once: 1 to 64 of A-Z a-z 0-9 - _ : .",
};
const ACT_ID: Param =
    Param { name: "id", place: "path", help: "Id of the act that made it, or its beginning." };

const fn query(name: &'static str, help: &'static str) -> Param {
    Param { name, place: "query", help }
}

const VERBOSE: &[Param] = &[query("verbose", "Show every check, and the lag of each stage.")];
const ID_AND_REVISION: &[Param] =
    &[ID, query("revision", "An older revision instead of the newest.")];
const FILTERS: &[Param] = &[
    query("state", "States, separated by commas."),
    query("service", "A service that is among the incident's."),
    query("since", "Updated at or after this time (RFC 3339)."),
    query("limit", "How many at most: 1 to 1000, 100 if not given."),
];

const NEXT: &[Param] = &[query("next", "The page to go to.")];
const CALLBACK: &[Param] = &[
    query("code", "What the issuer gives the token for."),
    query("state", "Which sign-in it belongs to."),
    query("error", "Why there is no code."),
    query("iss", "Who answers."),
];
const PHASES: &[Param] = &[query("state", "Of pending, active, expired, separated by commas.")];
const FILTER: &[Param] = &[query("filter", "A matcher with = or !=; may be repeated.")];
const SINK: &[Param] = &[Param { name: "sink", place: "path", help: "The sink's name." }];
const DECIDES: &[Param] = &[ID, KEY];
const ADDS: &[Param] = &[KEY];
const ENDS: &[Param] = &[
    ACT_ID,
    KEY,
    query("author", "Who ends it; needed here or in a body."),
    query("reason", "Why."),
    query("via", "Where: api, cli or console."),
];

const fn row(path: &'static str, media: &'static str, help: &'static str) -> Row {
    let access = Access::Needs(Role::Viewer);
    Row { method: "get", path, access, success: 200, media, help, params: &[] }
}

/// What needs nobody's name: it holds no data.
const fn open(path: &'static str, media: &'static str, help: &'static str) -> Row {
    Row { access: Access::Open, ..row(path, media, help) }
}

/// What becomes an act.
const fn write(method: &'static str, path: &'static str, help: &'static str) -> Row {
    Row { method, access: Access::Needs(Role::Responder), success: 202, ..row(path, JSON, help) }
}

/// Silences are part of answering an alert. What stands for services or for good changes what the
/// system judges and whom it tells: that is the administrators'.
const fn who_adds(kind: Kind) -> Access {
    match kind {
        Kind::Silence => Access::Needs(Role::Responder),
        Kind::Maintenance | Kind::Inhibition => Access::Needs(Role::Admin),
    }
}

const fn standing(kind: Kind) -> Row {
    let row = match kind {
        Kind::Silence => row("/api/v1/silences", JSON, "Silences."),
        Kind::Maintenance => row("/api/v1/maintenance", JSON, "Maintenance windows."),
        Kind::Inhibition => row("/api/v1/inhibitions", JSON, "Inhibitions."),
    };
    Row { params: PHASES, ..row }
}

const fn added(kind: Kind) -> Row {
    let row = match kind {
        Kind::Silence => write("post", "/api/v1/silences", "Adds a silence."),
        Kind::Maintenance => write("post", "/api/v1/maintenance", "Adds a maintenance window."),
        Kind::Inhibition => write("post", "/api/v1/inhibitions", "Adds an inhibition."),
    };
    Row { params: ADDS, access: who_adds(kind), ..row }
}

const fn ended(kind: Kind) -> Row {
    let row = match kind {
        Kind::Silence => write("delete", "/api/v1/silences/{id}", "Ends a silence now."),
        Kind::Maintenance => {
            write("delete", "/api/v1/maintenance/{id}", "Ends a maintenance window now.")
        }
        Kind::Inhibition => write("delete", "/api/v1/inhibitions/{id}", "Removes an inhibition."),
    };
    Row { params: ENDS, access: who_adds(kind), ..row }
}

impl Endpoint {
    /// Those that are one each.
    const SINGLE: [Self; 28] = [
        Self::Livez,
        Self::Readyz,
        Self::Metrics,
        Self::Me,
        Self::Status,
        Self::Incidents,
        Self::Incident,
        Self::Revisions,
        Self::Drift,
        Self::Sql,
        Self::Events,
        Self::IncidentSchema,
        Self::OpenApi,
        Self::AlertmanagerSilences,
        Self::AlertmanagerSilence,
        Self::AlertmanagerAdd,
        Self::AlertmanagerExpire,
        Self::Hook,
        Self::HomePage,
        Self::IncidentPage,
        Self::SilencesPage,
        Self::DriftPage,
        Self::LoginPage,
        Self::Login,
        Self::SignIn,
        Self::SignedIn,
        Self::Logout,
        Self::Asset,
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let kinds = [Kind::Silence, Kind::Maintenance, Kind::Inhibition];
        Self::SINGLE
            .into_iter()
            .chain(Verb::ALL.map(Self::Decide))
            .chain(kinds.into_iter().flat_map(|k| [Self::Standing(k), Self::Add(k), Self::End(k)]))
    }

    /// Its row.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: one row a route")]
    pub const fn row(self) -> Row {
        match self {
            Self::Livez => open("/livez", JSON, "Whether the program lives."),
            Self::Readyz => Row {
                params: VERBOSE,
                ..open("/readyz", JSON, "Whether partitions are known and state is restored.")
            },
            Self::Metrics => row("/metrics", "text/plain", "Metrics in Prometheus' text form."),
            Self::Me => row("/api/v1/me", JSON, "Who asks, by which role."),
            Self::Status => {
                row("/api/v1/status", JSON, "Version, newest event time, counts, health.")
            }
            Self::Incidents => Row {
                params: FILTERS,
                ..row("/api/v1/incidents", JSON, "Incidents in one line each, newest first.")
            },
            Self::Incident => Row {
                params: ID_AND_REVISION,
                ..row("/api/v1/incidents/{id}", JSON, "One whole incident.")
            },
            Self::Revisions => Row {
                params: &[ID],
                ..row("/api/v1/incidents/{id}/revisions", JSON, "Its revisions, oldest first.")
            },
            Self::Drift => row(
                "/api/v1/topology/drift",
                JSON,
                "Dependencies that were declared but never seen, and the other way round.",
            ),
            Self::Sql => Row {
                method: "post",
                ..row(
                    "/api/v1/sql",
                    JSON,
                    "One SQL query over the history: `{\"query\": \"SELECT ...\"}`; CSV by Accept: text/csv.",
                )
            },
            Self::Events => row(
                "/api/v1/events",
                "text/event-stream",
                "One event for every new revision (id: incident/revision), and a heartbeat.",
            ),
            Self::IncidentSchema => {
                row("/api/v1/schema/incident", "application/schema+json", "The record's schema.")
            }
            Self::OpenApi => row("/api/openapi.json", JSON, "This document."),
            Self::Decide(verb) => {
                Row { params: DECIDES, ..write("post", verb.path(), verb.help()) }
            }
            Self::Standing(kind) => standing(kind),
            Self::Add(kind) => added(kind),
            Self::End(kind) => ended(kind),
            Self::AlertmanagerSilences => Row {
                params: FILTER,
                ..row("/api/v2/silences", JSON, "Silences in Alertmanager's form.")
            },
            Self::AlertmanagerSilence => Row {
                params: &[ACT_ID],
                ..row("/api/v2/silence/{id}", JSON, "One silence in Alertmanager's form.")
            },
            Self::AlertmanagerAdd => Row {
                success: 200,
                ..write("post", "/api/v2/silences", "Adds or replaces a silence, as Alertmanager.")
            },
            Self::AlertmanagerExpire => Row {
                success: 200,
                params: &[ACT_ID],
                ..write("delete", "/api/v2/silence/{id}", "Ends a silence, as Alertmanager.")
            },
            Self::Hook => Row {
                method: "post",
                params: SINK,
                ..open(
                    "/hooks/{sink}",
                    JSON,
                    "What people did at a sink's destination, signed with the secret of its `hook`.",
                )
            },
            Self::HomePage => row("/", HTML, "Console: the list of incidents."),
            Self::IncidentPage => {
                Row { params: &[ID], ..row("/incidents/{id}", HTML, "Console: one incident.") }
            }
            Self::SilencesPage => {
                row("/silences", HTML, "Console: silences, maintenance windows, inhibitions.")
            }
            Self::DriftPage => row("/drift", HTML, "Console: the map's drift."),
            Self::LoginPage => open("/login", HTML, "Console: sign in."),
            Self::Login => Row {
                method: "post",
                params: NEXT,
                ..open("/login", HTML, "Takes the form field `token`, sets the session's cookie.")
            },
            Self::SignIn => Row {
                params: NEXT,
                ..open("/login/oidc", HTML, "Leads to the issuer's own page to sign in.")
            },
            Self::SignedIn => Row {
                params: CALLBACK,
                ..open("/login/callback", HTML, "Where the issuer sends people back to.")
            },
            Self::Logout => {
                Row { method: "post", ..open("/logout", HTML, "Ends the session in this browser.") }
            }
            Self::Asset => Row {
                params: &[Param { name: "name", place: "path", help: "File name." }],
                ..open("/assets/{name}", "text/javascript", "Console: scripts, styles, pictures.")
            },
        }
    }

    /// The JSON Schema of the body that it takes, if it takes JSON.
    #[must_use]
    pub fn body(self) -> Option<Value> {
        match self {
            Self::Decide(verb) => Some(schema::decision(verb)),
            Self::Add(kind) => Some(schema::addition(kind)),
            Self::End(_) => Some(schema::ending()),
            Self::AlertmanagerAdd => Some(schema::postable_silence()),
            Self::Sql => Some(schema::query()),
            _ => None,
        }
    }

    fn handler(self) -> MethodRouter<HttpState> {
        match self {
            Self::Livez => get(api::livez),
            Self::Readyz => get(api::readyz),
            Self::Metrics => get(api::metrics),
            Self::Me => get(api::me),
            Self::Status => get(api::status),
            Self::Incidents => get(api::incidents),
            Self::Incident => get(api::incident),
            Self::Revisions => get(api::revisions),
            Self::Drift => get(api::drift),
            Self::Sql => post(sql::sql),
            Self::Events => get(events::events),
            Self::IncidentSchema => get(api::incident_schema),
            Self::OpenApi => get(openapi::document),
            Self::Decide(verb) => post(move |state, caller, id, headers, body| {
                control::decide(verb, state, caller, id, headers, body)
            }),
            Self::Standing(kind) => get(move |state, query| control::list(kind, state, query)),
            Self::Add(kind) => post(move |state, caller, headers, body| {
                control::add(kind, state, caller, headers, body)
            }),
            Self::End(kind) => delete(move |state, caller, id, query, headers, body| {
                control::end(kind, state, caller, id, query, headers, body)
            }),
            Self::AlertmanagerSilences => get(alertmanager::list),
            Self::AlertmanagerSilence => get(alertmanager::get),
            Self::AlertmanagerAdd => post(alertmanager::post),
            Self::AlertmanagerExpire => delete(alertmanager::delete),
            Self::Hook => post(hooks::hear),
            Self::HomePage | Self::IncidentPage | Self::SilencesPage | Self::DriftPage => {
                get(console::page)
            }
            Self::LoginPage => get(console::login_page),
            Self::Login => post(console::login),
            Self::SignIn => get(single_sign_on::begin),
            Self::SignedIn => get(single_sign_on::finish),
            Self::Logout => post(console::logout),
            Self::Asset => get(console::asset),
        }
    }

    /// The route of a path, as it stands in its row, and a method. `HEAD` is answered as `GET`.
    #[must_use]
    pub fn find(path: &str, method: &Method) -> Option<Self> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        Self::all().find(|endpoint| {
            let row = endpoint.row();
            row.path == path && row.method.eq_ignore_ascii_case(method.as_str())
        })
    }
}

/// Everything under one guard.
pub fn router(state: HttpState) -> Router {
    Endpoint::all()
        .fold(Router::new(), |router, endpoint| {
            router.route(endpoint.row().path, endpoint.handler())
        })
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), security::guard))
        .with_state(state)
}

async fn no_route() -> ApiError {
    ApiError::not_found("there is nothing at this path", "GET /api/openapi.json lists all paths")
}

async fn no_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method",
        "GET /api/openapi.json lists all paths with their methods",
    )
}
