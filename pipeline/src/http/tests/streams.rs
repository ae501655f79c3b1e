//! Event streams end with what they were opened by.

use super::*;
use crate::auth::oidc::double::{Double, Signer};
use crate::auth::{Keyring, Role};
use crate::clock;
use crate::http::testing::{token_of, with_people};

fn opening(credential: &str) -> String {
    format!(
        "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{credential}\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_ends_when_its_token_is_taken_out_also_that_of_its_session() {
    let state = with_people();
    let ring = state.security.keyring().unwrap().clone();
    let token = token_of(Role::Viewer);
    let cookie =
        state.security.sign_in(token.as_bytes(), &Default::default(), clock::now()).unwrap();
    let session = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let server = serve(state).await;
    let by_token = format!("Authorization: Bearer {token}");
    for credential in [by_token.clone(), format!("Cookie: {session}")] {
        let (mut stream, head) = server.raw(opening(&credential), Some("event: heartbeat")).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(ring.replace(&Keyring::default()));
        // Reads until the server closes; a stream that goes on would run into the time of the read.
        let rest = tokio::task::spawn_blocking(move || read_until(&mut stream, None));
        assert!(!rest.await.unwrap().contains("event: revision"));
        assert_eq!(
            server.ask("GET", "/api/v1/me", "localhost", &format!("{credential}\r\n"), "").await.0,
            401
        );
        assert!(ring.replace(with_people().security.keyring().unwrap()));
    }
}

#[tokio::test]
async fn what_a_stream_was_opened_with_is_good_until_its_own_end() {
    let signer = Signer::p256("one");
    let double = Double::start(&[&signer]);
    let (oidc, now) = (double.oidc(), clock::now());
    let token = signer.sign(&double.claims("viewer", now));
    oidc.await_keys(token.as_bytes(), now).await;
    let security = (*with_people().security).clone().with_issuer(oidc.clone());
    let with = |name: &'static str, value: String| {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    };
    let later = |secs: i64| Timestamp::from_millis(now.millis() + secs * 1000);
    let bearer = with("authorization", format!("Bearer {token}"));
    assert!(security.still_reads(&bearer, later(300)));
    assert!(!security.still_reads(&bearer, later(331)), "the token has ended");
    let session = oidc.session_for_tests(&double.claims("viewer", now), now);
    let session = with("cookie", format!("faultline_session={session}"));
    assert!(security.still_reads(&session, later(3_598)));
    assert!(!security.still_reads(&session, later(3_600)), "the session has ended");
}
