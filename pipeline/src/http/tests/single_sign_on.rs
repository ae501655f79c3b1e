//! Sign-in at an issuer on loopback, as a browser goes through it; and callers whom it knows.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::json;

use super::*;
use crate::auth::oidc::double::{Double, Signer};
use crate::auth::{Keyring, Role};
use crate::clock;
use crate::http::security::Security;
use crate::http::testing::{Server, token_of, with_people};

struct World {
    double: Double,
    signer: Signer,
    server: Server,
}

/// A console with tokens and an issuer.
async fn world() -> World {
    let signer = Signer::p256("one");
    let double = Double::start(&[&signer]);
    let state = with_people();
    let security = (*state.security).clone().with_issuer(double.oidc());
    let server = serve(HttpState { security: security.into(), ..state }).await;
    World { double, signer, server }
}

/// What the issuer's page is asked for, and the browser's cookie.
struct Begun {
    query: BTreeMap<String, String>,
    cookie: String,
}

impl World {
    async fn begin(&self, path: &str) -> Begun {
        let (status, _, _) = self.server.get("/login").await;
        assert_eq!(status, 200);
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let (_, answer) = self.server.raw(request, None).await;
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let line = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let to = line("location: ");
        assert!(to.starts_with(&format!("{}/auth?", self.double.url())), "{to}");
        let set = line("set-cookie: ");
        for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/login", "; Max-Age=600"] {
            assert!(set.contains(part), "{set}");
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let pair = |pair: &str| pair.split_once('=').map(|(n, v)| (n.to_owned(), decoded(v)));
        let query = to.split_once('?').unwrap().1.split('&').filter_map(pair).collect();
        Begun { query, cookie: format!("Cookie: {}\r\n", set.split(';').next().unwrap()) }
    }

    /// The issuer signs somebody in, and gives a code for it.
    fn sign_in(&self, begun: &Begun, group: &str, nonce: &str) {
        let mut claims = self.double.claims(group, clock::now());
        claims["nonce"] = json!(nonce);
        let token = self.signer.sign(&claims);
        self.double.give("the-code", &token, &begun.query["code_challenge"]);
    }

    async fn come_back(&self, begun: &Begun, cookie: &str, more: &str) -> (u16, String, String) {
        let path = format!("/login/callback?code=the-code&state={}{more}", begun.query["state"]);
        // As a browser says of a redirect that another site began.
        let headers = format!("{cookie}Sec-Fetch-Site: cross-site\r\n");
        self.server.ask("GET", &path, "localhost", &headers, "").await
    }
}

#[tokio::test]
async fn somebody_whom_the_issuer_knows_gets_the_consoles_session_and_their_page() {
    let world = world().await;
    let begun = world.begin("/login/oidc?next=%2Fincidents%2F00ff").await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "faultline"),
        ("scope", "openid profile"),
        ("redirect_uri", "http://localhost:7070/login/callback"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(begun.query[name], value);
    }
    world.sign_in(&begun, "responder", &begun.query["nonce"]);
    let path = format!("/login/callback?code=the-code&state={}", begun.query["state"]);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n",
        begun.cookie
    );
    let (_, answer) = world.server.raw(request, None).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("refresh: 0;url=/incidents/00ff\r\n"), "{answer}");
    let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    for part in ["faultline_session=o.", "; HttpOnly", "; SameSite=Strict", "; Max-Age=3600"] {
        assert!(set.contains(part), "{set}");
    }
    let session = format!("Cookie: {}\r\n", set.split(';').next().unwrap());
    let (status, _, body) = world.server.ask("GET", "/api/v1/me", "localhost", &session, "").await;
    let me: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(me, json!({ "name": "ann", "role": "responder", "has_session": true }));
    let cross = format!("{session}Sec-Fetch-Site: cross-site\r\n");
    let (status, ..) =
        world.server.ask("POST", "/api/v1/silences", "localhost", &cross, "{}").await;
    assert_eq!(status, 403, "another site's page writes nothing with it");
}

#[tokio::test]
async fn what_comes_back_twice_or_to_another_browser_is_refused() {
    let world = world().await;
    let begun = world.begin("/login/oidc").await;
    let other = world.begin("/login/oidc").await;
    for cookie in ["", "Cookie: faultline_sign_in=\r\n", &other.cookie] {
        world.sign_in(&begun, "admin", &begun.query["nonce"]);
        let (status, head, _) = world.come_back(&begun, cookie, "").await;
        assert!(status == 401 && !head.contains("faultline_session"), "{cookie}: {head}");
    }
    world.sign_in(&begun, "admin", &begun.query["nonce"]);
    assert_eq!(world.come_back(&begun, &begun.cookie, "").await.0, 200);
    // The issuer itself would give a token again.
    world.sign_in(&begun, "admin", &begun.query["nonce"]);
    let (status, head, body) = world.come_back(&begun, &begun.cookie, "").await;
    assert!(status == 401 && !head.contains("set-cookie"), "replayed: {head}");
    assert!(body.contains("Not signed in"), "{body}");
}

#[tokio::test]
async fn what_the_issuer_does_not_stand_by_signs_nobody_in() {
    let world = world().await;
    // The nonce of another sign-in.
    let (begun, other) = (world.begin("/login/oidc").await, world.begin("/login/oidc").await);
    world.sign_in(&begun, "admin", &other.query["nonce"]);
    assert_eq!(world.come_back(&begun, &begun.cookie, "").await.0, 401, "nonce");
    // A code that was stolen: the challenge is another's.
    let begun = world.begin("/login/oidc").await;
    world.sign_in(&other, "admin", &begun.query["nonce"]);
    assert_eq!(world.come_back(&begun, &begun.cookie, "").await.0, 401, "verifier");
    for (more, what) in [
        ("&iss=https%3A%2F%2Fevil.example", "another issuer answers"),
        ("&error=access_denied", "the issuer refuses"),
    ] {
        let begun = world.begin("/login/oidc").await;
        world.sign_in(&begun, "admin", &begun.query["nonce"]);
        assert_eq!(world.come_back(&begun, &begun.cookie, more).await.0, 401, "{what}");
    }
    // A token of a stranger's key, and one for somebody else.
    for (signer, party) in [(&Signer::p256("one"), "faultline"), (&world.signer, "another")] {
        let begun = world.begin("/login/oidc").await;
        let mut claims = world.double.claims("admin", clock::now());
        claims["nonce"] = json!(begun.query["nonce"]);
        claims["azp"] = json!(party);
        world.double.give("the-code", &signer.sign(&claims), &begun.query["code_challenge"]);
        assert_eq!(world.come_back(&begun, &begun.cookie, "").await.0, 401, "{party}");
    }
    let begun = world.begin("/login/oidc").await;
    world.sign_in(&begun, "nobodys", &begun.query["nonce"]);
    let (status, head, body) = world.come_back(&begun, &begun.cookie, "").await;
    assert!(status == 403 && !head.contains("set-cookie") && body.contains("no role"), "{body}");
}

#[tokio::test]
async fn nobody_is_led_elsewhere_by_a_sign_in() {
    let world = world().await;
    for next in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2Fa%3Burl%3Dhttp"] {
        let begun = world.begin(&format!("/login/oidc?next={next}")).await;
        world.sign_in(&begun, "viewer", &begun.query["nonce"]);
        let (status, head, _) = world.come_back(&begun, &begun.cookie, "").await;
        assert!(status == 200 && head.contains("refresh: 0;url=/\r\n"), "{head}");
    }
}

#[tokio::test]
async fn while_the_issuer_is_away_our_own_tokens_are_good_and_its_own_are_told_so() {
    let world = world().await;
    world.double.set_down(true);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let me = async |headers: String| {
        world.server.ask("GET", "/api/v1/me", "localhost", &headers, "").await
    };
    let token = world.signer.sign(&world.double.claims("admin", clock::now()));
    let (status, head, body) = me(bearer(&token)).await;
    assert!(status == 503 && body.contains("issuer_away"), "{status} {body}");
    assert!(head.contains("retry-after: 10\r\n"), "{head}");
    assert_eq!(me(bearer(&token_of(Role::Viewer))).await.0, 200);
    assert_eq!(me(bearer("the-token-of-nobody")).await.0, 401);
    assert_eq!(me(String::new()).await.0, 401);
    let (status, head, body) = world.server.get("/login/oidc").await;
    assert!(status == 503 && body.contains("does not answer"), "{body}");
    assert!(!head.contains("set-cookie") && !head.contains("location"), "{head}");
}

#[tokio::test]
async fn the_login_page_offers_what_there_is() {
    let double = Double::start(&[]);
    let tokens = serve(with_people()).await;
    let (_, _, page) = tokens.get("/login").await;
    assert!(page.contains("name=\"token\"") && !page.contains("/login/oidc"));
    let (status, head, _) = tokens.get("/login/oidc").await;
    assert!(status == 303 && head.contains("location: /login\r\n"), "there is no issuer");
    let security = Security::default().with_issuer(double.oidc());
    let issuer = serve(HttpState { security: security.into(), ..HttpState::default() }).await;
    let (_, _, page) = issuer.get("/login").await;
    assert!(!page.contains("name=\"token\"") && page.contains("/login/oidc"));
    let (status, head, _) =
        issuer.ask("GET", "/silences", "localhost", "Accept: text/html\r\n", "").await;
    assert!(status == 303 && head.contains("location: /login?next="), "{head}");
    assert_eq!(issuer.get("/api/v1/me").await.0, 401);
    let both = Security::default().with_tokens(Keyring::default()).with_issuer(double.oidc());
    let both = serve(HttpState { security: both.into(), ..HttpState::default() }).await;
    let (_, _, page) = both.get("/login").await;
    assert!(page.contains("name=\"token\"") && page.contains("/login/oidc"));
}
