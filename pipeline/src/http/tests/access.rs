//! Every route by every method with every credential, enumerated from the router's own table and held
//! against the table below, which is written down a second time on purpose: a route that is added
//! without a thought of who may use it fails here.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use model::time::Timestamp;
use tower::ServiceExt as _;

use super::*;
use crate::auth::keyring::SESSION_SECS;
use crate::auth::{Access, Role};
use crate::clock;
use crate::http::router;
use crate::http::security::{COOKIE, Security};
use crate::http::testing::{token_of, with_people};

/// Who may use what.
const TABLE: &str = "
open       GET    /livez
open       GET    /readyz
open       GET    /login
open       POST   /login
open       POST   /logout
open       POST   /hooks/{sink}
open       GET    /assets/{name}
viewer     GET    /metrics
viewer     GET    /
viewer     GET    /incidents/{id}
viewer     GET    /silences
viewer     GET    /drift
viewer     GET    /api/openapi.json
viewer     GET    /api/v1/me
viewer     GET    /api/v1/status
viewer     GET    /api/v1/events
viewer     GET    /api/v1/incidents
viewer     GET    /api/v1/incidents/{id}
viewer     GET    /api/v1/incidents/{id}/revisions
viewer     GET    /api/v1/schema/incident
viewer     GET    /api/v1/topology/drift
viewer     POST   /api/v1/sql
viewer     GET    /api/v1/silences
viewer     GET    /api/v1/maintenance
viewer     GET    /api/v1/inhibitions
viewer     GET    /api/v2/silences
viewer     GET    /api/v2/silence/{id}
responder  POST   /api/v1/incidents/{id}/acknowledge
responder  POST   /api/v1/incidents/{id}/unacknowledge
responder  POST   /api/v1/incidents/{id}/snooze
responder  POST   /api/v1/incidents/{id}/unsnooze
responder  POST   /api/v1/incidents/{id}/assign
responder  POST   /api/v1/incidents/{id}/comment
responder  POST   /api/v1/incidents/{id}/resolve
responder  POST   /api/v1/incidents/{id}/reopen
responder  POST   /api/v1/incidents/{id}/merge
responder  POST   /api/v1/incidents/{id}/split
responder  POST   /api/v1/incidents/{id}/confirm-cause
responder  POST   /api/v1/incidents/{id}/reject-cause
responder  POST   /api/v1/silences
responder  DELETE /api/v1/silences/{id}
responder  POST   /api/v2/silences
responder  DELETE /api/v2/silence/{id}
admin      POST   /api/v1/maintenance
admin      DELETE /api/v1/maintenance/{id}
admin      POST   /api/v1/inhibitions
admin      DELETE /api/v1/inhibitions/{id}
";

const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

fn word(access: Access) -> &'static str {
    match access {
        Access::Open => "open",
        Access::Needs(role) => role.word(),
    }
}

fn line(access: &str, method: &str, path: &str) -> String {
    format!("{access:<10} {method:<6} {path}")
}

/// What the table says of a method of a path. A method that is none of it needs somebody known, as
/// does what is no path.
fn needed(method: &Method, path: &str) -> Access {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let all = Role::ALL.map(Access::Needs).into_iter().chain([Access::Open]);
    let mut said =
        all.filter(|access| TABLE.contains(&format!("{}\n", line(word(*access), method, path))));
    said.next().unwrap_or(Access::Needs(Role::Viewer))
}

#[test]
fn the_router_has_the_routes_of_the_table_and_no_other() {
    let table: BTreeSet<String> =
        TABLE.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let router: BTreeSet<String> = Endpoint::all()
        .map(Endpoint::row)
        .map(|row| line(word(row.access), &row.method.to_ascii_uppercase(), row.path))
        .collect();
    assert_eq!(router, table, "who may use a route is decided in both");
    // Nothing comes into the router but by its table.
    let source = include_str!("../router.rs");
    assert_eq!(source.matches(".route(").count(), 1);
    for way in [".nest(", ".merge(", ".route_service(", ".fallback_service("] {
        assert!(!source.contains(way), "{way}");
    }
}

/// A header, and whose it is; `None`: nobody's.
type Credential = (&'static str, String, Option<Role>);

fn credentials(security: &Security) -> Vec<Credential> {
    let now = clock::now();
    let session = |role: Role, at: Timestamp| {
        let cookie = security.sign_in(token_of(role).as_bytes(), &Default::default(), at).unwrap();
        cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let long_ago = Timestamp::from_millis(now.millis() - SESSION_SECS * 1000 - 1000);
    let admin = token_of(Role::Admin);
    let sessions_end = session(Role::Admin, now);
    let drawn_out = sessions_end.replacen(&format!("{COOKIE}=1"), &format!("{COOKIE}=2"), 1);
    assert_ne!(drawn_out, sessions_end);
    let mut all = vec![
        ("x-nothing", String::new(), None),
        ("authorization", "Bearer the-token-of-nobody".to_owned(), None),
        ("authorization", "Bearer ".to_owned(), None),
        ("authorization", admin.clone(), None),
        ("authorization", format!("Basic {admin}"), None),
        ("authorization", format!("Bearer {}", &admin[..admin.len() - 1]), None),
        ("authorization", format!("Bearer {admin}x"), None),
        ("x-forwarded-user", "admin".to_owned(), None),
        ("cookie", format!("{COOKIE}={admin}"), None),
        ("cookie", format!("{COOKIE}="), None),
        ("cookie", session(Role::Admin, long_ago), None),
        ("cookie", drawn_out, None),
        ("cookie", session(Role::Admin, now).replacen(COOKIE, "other", 1), None),
    ];
    for role in Role::ALL {
        all.push(("authorization", format!("Bearer {}", token_of(role)), Some(role)));
        all.push(("cookie", session(role, now), Some(role)));
    }
    all
}

#[tokio::test]
async fn every_route_refuses_every_credential_that_is_not_enough() {
    let state = with_people();
    let credentials = credentials(&state.security);
    let app = router(state);
    let mut paths: BTreeSet<&str> = Endpoint::all().map(|endpoint| endpoint.row().path).collect();
    paths.extend(["/no/such/path", "/api/v1", "/api/v1/incidents/1/no-such-verb", "/assets/a/b"]);
    let (mut asked, mut refused) = (0, 0);
    for path in paths {
        for method in METHODS {
            let access = needed(&method, path);
            for (header, value, role) in &credentials {
                let request = Request::builder()
                    .method(method.clone())
                    .uri(concrete(path))
                    .header("host", "localhost")
                    .header("sec-fetch-site", "same-origin")
                    .header(*header, value)
                    .body(Body::empty())
                    .unwrap();
                let answer = app.clone().oneshot(request).await.unwrap();
                let status = answer.status();
                let what = format!("{method} {path} with {header}: {value} is {status}");
                let expected = match (access, role) {
                    (Access::Open, _) => None,
                    (Access::Needs(_), None) => Some(StatusCode::UNAUTHORIZED),
                    (Access::Needs(least), Some(role)) => {
                        (*role < least).then_some(StatusCode::FORBIDDEN)
                    }
                };
                asked += 1;
                match expected {
                    Some(expected) => {
                        assert_eq!(status, expected, "{what}");
                        refused += 1;
                    }
                    // Their own answers to a form without a token, and to what no secret signed.
                    None if method == Method::POST
                        && ["/login", "/hooks/{sink}"].contains(&path) =>
                    {
                        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}");
                    }
                    None => assert!(!matches!(status.as_u16(), 401 | 403 | 421), "{what}"),
                }
            }
        }
    }
    assert!(refused > 3_000 && asked > refused + 1_000, "{asked} asked, {refused} refused");
}

#[tokio::test]
async fn metrics_are_open_only_where_that_is_said() {
    let with = |open: bool| {
        let state = with_people();
        let security = (*state.security).clone();
        let security = if open { security.with_open_metrics() } else { security };
        HttpState { security: security.into(), ..state }
    };
    assert_eq!(serve(with(false)).await.get("/metrics").await.0, 401);
    let open = serve(with(true)).await;
    assert_eq!(open.get("/metrics").await.0, 200);
    assert_eq!(open.get("/api/v1/status").await.0, 401);
    let (_, _, text) = open.get("/metrics").await;
    assert!(text.contains("faultline_requests_refused_total{stage=\"console\"} 1\n"), "{text}");
}
