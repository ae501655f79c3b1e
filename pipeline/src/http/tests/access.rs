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
use crate::auth::oidc::double::signer::{by_secret, unsigned};
use crate::auth::oidc::double::{Double, Signer};
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
open       GET    /login/oidc
open       GET    /login/callback
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

/// What a credential is worth.
#[derive(Clone, Copy)]
enum Worth {
    Nothing,
    /// Whoever shows it is known, but has no role.
    NoRole,
    Role(Role),
}

/// A header, and what it is worth.
type Credential = (&'static str, String, Worth);

/// Tokens and sessions of an issuer: good ones of each role, and all that look like some.
fn of_issuer(double: &Double, signer: &Signer) -> Vec<Credential> {
    let now = clock::now();
    let secs = now.millis() / 1000;
    let bearer = |token: String, worth| ("authorization", format!("Bearer {token}"), worth);
    let with = |name: &str, value: Value| {
        let mut claims = double.claims("admin", now);
        claims[name] = value;
        claims
    };
    let admin = double.claims("admin", now);
    let good = signer.sign(&admin);
    let session = |group: &str| {
        let claims = double.claims(group, now);
        double.oidc().session_for_tests(&claims, now)
    };
    let mut all: Vec<Credential> = [
        signer.sign(&with("exp", (secs - 3_600).into())),
        signer.sign(&with("nbf", (secs + 3_600).into())),
        signer.sign(&with("aud", "another".into())),
        signer.sign(&with("iss", "https://idp.example.org".into())),
        Signer::p256("one").sign(&admin),
        Signer::p256("unknown").sign(&admin),
        unsigned("none", &admin),
        by_secret(signer.jwk().to_string().as_bytes(), &admin),
        good[..good.len() - 8].to_owned(),
    ]
    .map(|token| bearer(token, Worth::Nothing))
    .into();
    all.push(bearer(signer.sign(&with("groups", Value::Null)), Worth::NoRole));
    all.push(("cookie", format!("{COOKIE}={good}"), Worth::Nothing));
    let raised = session("viewer").replace(".viewer.", ".admin.");
    all.push(("cookie", format!("{COOKIE}={raised}"), Worth::Nothing));
    for role in Role::ALL {
        let token = signer.sign(&double.claims(role.word(), now));
        all.push(bearer(token, Worth::Role(role)));
        let cookie = format!("{COOKIE}={}", session(role.word()));
        all.push(("cookie", cookie, Worth::Role(role)));
    }
    all
}

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
    let mut all: Vec<Credential> = [
        ("x-nothing", String::new()),
        ("authorization", "Bearer the-token-of-nobody".to_owned()),
        ("authorization", "Bearer ".to_owned()),
        ("authorization", admin.clone()),
        ("authorization", format!("Basic {admin}")),
        ("authorization", format!("Bearer {}", &admin[..admin.len() - 1])),
        ("authorization", format!("Bearer {admin}x")),
        ("x-forwarded-user", "admin".to_owned()),
        ("cookie", format!("{COOKIE}={admin}")),
        ("cookie", format!("{COOKIE}=")),
        ("cookie", session(Role::Admin, long_ago)),
        ("cookie", drawn_out),
        ("cookie", session(Role::Admin, now).replacen(COOKIE, "other", 1)),
    ]
    .map(|(header, value)| (header, value, Worth::Nothing))
    .into();
    for role in Role::ALL {
        all.push(("authorization", format!("Bearer {}", token_of(role)), Worth::Role(role)));
        all.push(("cookie", session(role, now), Worth::Role(role)));
    }
    all
}

#[tokio::test]
async fn every_route_refuses_every_credential_that_is_not_enough() {
    let signer = Signer::p256("one");
    let double = Double::start(&[&signer]);
    let state = with_people();
    let security = (*state.security).clone().with_issuer(double.oidc());
    let mut credentials = credentials(&security);
    credentials.extend(of_issuer(&double, &signer));
    let app = router(HttpState { security: security.into(), ..state });
    let mut paths: BTreeSet<&str> = Endpoint::all().map(|endpoint| endpoint.row().path).collect();
    paths.extend(["/no/such/path", "/api/v1", "/api/v1/incidents/1/no-such-verb", "/assets/a/b"]);
    let (mut asked, mut refused) = (0, 0);
    for path in paths {
        for method in METHODS {
            let access = needed(&method, path);
            for (header, value, worth) in &credentials {
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
                let expected = match (access, worth) {
                    (Access::Open, _) => None,
                    (Access::Needs(_), Worth::Nothing) => Some(StatusCode::UNAUTHORIZED),
                    (Access::Needs(_), Worth::NoRole) => Some(StatusCode::FORBIDDEN),
                    (Access::Needs(least), Worth::Role(role)) => {
                        (*role < least).then_some(StatusCode::FORBIDDEN)
                    }
                };
                asked += 1;
                match expected {
                    Some(expected) => {
                        assert_eq!(status, expected, "{what}");
                        refused += 1;
                    }
                    // Their own answers to a form without a token, to what no secret signed, and to
                    // a sign-in that nobody began.
                    None if (method == Method::POST
                        && ["/login", "/hooks/{sink}"].contains(&path))
                        || (["GET", "HEAD"].contains(&method.as_str())
                            && path == "/login/callback") =>
                    {
                        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}");
                    }
                    None => assert!(!matches!(status.as_u16(), 401 | 403 | 421), "{what}"),
                }
            }
        }
    }
    assert!(refused > 9_000 && asked > refused + 2_000, "{asked} asked, {refused} refused");
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
