//! The router, built from one table: the same table makes the OpenAPI document and the list of
//! public paths, so no route can exist without a row.

use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};

use super::error::ApiError;
use super::{HttpState, api, console, events, openapi, security};

/// Every route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's row has its words")]
pub enum Endpoint {
    Livez,
    Readyz,
    Metrics,
    Status,
    Incidents,
    Incident,
    Revisions,
    Drift,
    Events,
    IncidentSchema,
    OpenApi,
    HomePage,
    IncidentPage,
    DriftPage,
    LoginPage,
    Login,
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
    /// `get` or `post`.
    pub method: &'static str,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Whether it can be asked without the token.
    pub is_public: bool,
    /// The media type of its success.
    pub media: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
}

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const ID: Param = Param { name: "id", place: "path", help: "Incident id: 16 hexadecimal digits." };

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

const fn row(path: &'static str, media: &'static str, help: &'static str) -> Row {
    Row { method: "get", path, is_public: false, media, help, params: &[] }
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Livez,
        Self::Readyz,
        Self::Metrics,
        Self::Status,
        Self::Incidents,
        Self::Incident,
        Self::Revisions,
        Self::Drift,
        Self::Events,
        Self::IncidentSchema,
        Self::OpenApi,
        Self::HomePage,
        Self::IncidentPage,
        Self::DriftPage,
        Self::LoginPage,
        Self::Login,
        Self::Asset,
    ];

    /// Its row.
    #[must_use]
    pub const fn row(self) -> Row {
        match self {
            Self::Livez => {
                Row { is_public: true, ..row("/livez", JSON, "Whether the program lives.") }
            }
            Self::Readyz => Row {
                is_public: true,
                params: VERBOSE,
                ..row("/readyz", JSON, "Whether partitions are known and state is restored.")
            },
            Self::Metrics => row("/metrics", "text/plain", "Metrics in Prometheus' text form."),
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
            Self::Events => row(
                "/api/v1/events",
                "text/event-stream",
                "One event for every new revision (id: incident/revision), and a heartbeat.",
            ),
            Self::IncidentSchema => {
                row("/api/v1/schema/incident", "application/schema+json", "The record's schema.")
            }
            Self::OpenApi => row("/api/openapi.json", JSON, "This document."),
            Self::HomePage => row("/", HTML, "Console: the list of incidents."),
            Self::IncidentPage => {
                Row { params: &[ID], ..row("/incidents/{id}", HTML, "Console: one incident.") }
            }
            Self::DriftPage => row("/drift", HTML, "Console: the map's drift."),
            Self::LoginPage => Row { is_public: true, ..row("/login", HTML, "Console: sign in.") },
            Self::Login => Row {
                method: "post",
                is_public: true,
                ..row("/login", HTML, "Takes the form field `token`, sets the session's cookie.")
            },
            Self::Asset => Row {
                is_public: true,
                params: &[Param { name: "name", place: "path", help: "File name." }],
                ..row("/assets/{name}", "text/javascript", "Console: scripts, styles, pictures.")
            },
        }
    }

    fn handler(self) -> MethodRouter<HttpState> {
        match self {
            Self::Livez => get(api::livez),
            Self::Readyz => get(api::readyz),
            Self::Metrics => get(api::metrics),
            Self::Status => get(api::status),
            Self::Incidents => get(api::incidents),
            Self::Incident => get(api::incident),
            Self::Revisions => get(api::revisions),
            Self::Drift => get(api::drift),
            Self::Events => get(events::events),
            Self::IncidentSchema => get(api::incident_schema),
            Self::OpenApi => get(openapi::document),
            Self::HomePage | Self::IncidentPage | Self::DriftPage => get(console::page),
            Self::LoginPage => get(console::login_page),
            Self::Login => post(console::login),
            Self::Asset => get(console::asset),
        }
    }

    /// Whether a path can be asked without the token. Assets are our own files and hold no data.
    #[must_use]
    pub fn is_public(path: &str) -> bool {
        Self::ALL.into_iter().map(Self::row).filter(|row| row.is_public).any(|row| {
            match row.path.split_once('{') {
                Some((folder, _)) => path.strip_prefix(folder).is_some_and(|n| !n.contains('/')),
                None => row.path == path,
            }
        })
    }
}

/// Everything under one guard.
pub fn router(state: HttpState) -> Router {
    Endpoint::ALL
        .into_iter()
        .fold(Router::new(), |router, endpoint| {
            router.route(endpoint.row().path, endpoint.handler())
        })
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
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
