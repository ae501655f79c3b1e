//! Signing in and out, as a browser does; and callers whom a proxy knows.

use axum::http::HeaderName;

use super::*;
use crate::auth::Role;
use crate::http::security::{Proxy, Security};
use crate::http::testing::{Server, TOKEN, token_of, with_people, with_token};

async fn me(server: &Server, headers: &str) -> (u16, Value) {
    let (status, _, body) = server.ask("GET", "/api/v1/me", "localhost", headers, "").await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

async fn login(server: &Server, headers: &str, query: &str, token: &str) -> (u16, String) {
    let path = format!("/login{query}");
    let form = format!("token={token}");
    let (status, head, _) = server.ask("POST", &path, "localhost", headers, &form).await;
    (status, head)
}

fn cookie(head: &str) -> &str {
    head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap()
}

#[tokio::test]
async fn a_token_opens_by_header_and_by_the_login_pages_cookie() {
    let server = serve(with_people()).await;
    let bearer = format!("Authorization: bearer  {}\r\n", token_of(Role::Viewer));
    let (status, body) = me(&server, &bearer).await;
    assert_eq!(status, 200);
    assert_eq!(body, serde_json::json!({"name": "viewer", "role": "viewer", "has_session": false}));
    let token = token_of(Role::Responder);
    let (status, head) = login(&server, "Sec-Fetch-Site: same-origin\r\n", "", &token).await;
    assert!(status == 303 && head.contains("location: /\r\n"), "{head}");
    let set = cookie(&head);
    for part in ["; httponly", "; samesite=strict", "; path=/", "; max-age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("; secure") && !set.contains(&token), "{set}");
    let (_, head) = login(&server, "X-Forwarded-Proto: https\r\n", "", &token).await;
    assert!(cookie(&head).ends_with("; secure"), "{head}");
}

#[tokio::test]
async fn a_session_says_who_asks_and_its_end_leaves_the_browser() {
    let server = serve(with_people()).await;
    let form = format!("token={}", token_of(Role::Responder));
    let request = format!(
        "POST /login?next=%2Fincidents%2F00ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let (_, answer) = server.raw(request, None).await;
    assert!(answer.contains("location: /incidents/00ff\r\n"), "{answer}");
    let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let session = format!("Cookie: other=1; {}\r\n", set.split(';').next().unwrap());
    let (status, body) = me(&server, &session).await;
    assert_eq!(status, 200);
    assert_eq!((&body["name"], &body["has_session"]), (&"responder".into(), &true.into()));

    let (status, head, _) = server.ask("POST", "/logout", "localhost", &session, "").await;
    assert!(status == 303 && head.contains("location: /login"), "{head}");
    assert!(cookie(&head).starts_with("faultline_session=; ") && head.contains("max-age=0"));
    let cross = format!("{session}Sec-Fetch-Site: cross-site\r\n");
    let (status, head, _) = server.ask("POST", "/logout", "localhost", &cross, "").await;
    assert!(status == 403 && !head.contains("set-cookie"), "another site signs nobody out");
}

#[tokio::test]
async fn wrong_tokens_and_other_sites_do_not_sign_in() {
    let server = serve(with_token()).await;
    assert_eq!(login(&server, "", "", TOKEN).await.0, 303);
    for (headers, token) in [
        ("", "wrong"),
        ("", ""),
        ("Sec-Fetch-Site: cross-site\r\n", TOKEN),
        ("Sec-Fetch-Site: same-site\r\n", TOKEN),
        ("Origin: http://evil.example\r\n", TOKEN),
    ] {
        let (status, head) = login(&server, headers, "", token).await;
        assert!(status == 401 && !head.contains("set-cookie"), "{headers}{token}: {head}");
    }
    assert_eq!(server.state.metrics.get(Metric::RequestsRefused, Stage::Console), 5);
}

#[tokio::test]
async fn a_reader_without_a_session_is_led_to_the_login_and_back() {
    let server = serve(with_token()).await;
    let page = "Accept: text/html,*/*\r\n";
    for (path, to) in [
        ("/", "/login"),
        ("/incidents/00ff", "/login?next=%2fincidents%2f00ff"),
        ("/nothing", "/login?next=%2fnothing"),
    ] {
        let (status, head, _) = server.ask("GET", path, "localhost", page, "").await;
        assert!(status == 303 && head.contains(&format!("location: {to}\r\n")), "{head}");
    }
    let (status, ..) = server.ask("POST", "/api/v1/silences", "localhost", page, "").await;
    assert_eq!(status, 401, "a write is led nowhere");
    let open = serve(HttpState::default()).await;
    let (status, head, _) = open.get("/login").await;
    assert!(status == 303 && head.contains("location: /\r\n"), "there is nothing to sign in to");
}

#[tokio::test]
async fn a_proxy_in_front_says_who_asks() {
    let behind = |user_header: Option<&'static str>| {
        let user_header = user_header.map(HeaderName::from_static);
        let security = Security::default().behind(Proxy { user_header, role: Role::Responder });
        serve(HttpState { security: security.into(), ..HttpState::default() })
    };
    let named = behind(Some("x-forwarded-user")).await;
    let (status, body) = me(&named, "X-Forwarded-User: ann@example.org\r\n").await;
    assert_eq!(status, 200);
    assert_eq!((&body["name"], &body["role"]), (&"ann@example.org".into(), &"responder".into()));
    for without in [
        String::new(),
        "X-Forwarded-User: \r\n".to_owned(),
        format!("X-Forwarded-User: {}\r\n", "a".repeat(201)),
        "X-Forwarded-User: ann\r\nX-Forwarded-User: bob\r\n".to_owned(),
        "Accept: text/html\r\n".to_owned(),
    ] {
        assert_eq!(me(&named, &without).await.0, 401, "{without}");
    }
    let user = "X-Forwarded-User: ann\r\n";
    let (status, ..) = named.ask("POST", "/api/v1/inhibitions", "localhost", user, "").await;
    assert_eq!(status, 403, "the proxy's people have the role that it is given");

    let unnamed = behind(None).await;
    let (status, body) = me(&unnamed, user).await;
    assert_eq!((status, &body["name"]), (200, &Value::Null), "that header is nobody's");
}
