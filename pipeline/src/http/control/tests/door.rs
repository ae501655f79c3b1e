//! Who may write at all, and what the document says of it.

use axum::http::HeaderMap;

use super::*;
use crate::auth::Role;
use crate::clock;
use crate::http::testing::{token_of, with_people};

#[tokio::test]
async fn writes_of_other_sites_pages_are_refused() {
    let body = json!({ "author": "ann" });
    let path = of(Verb::Acknowledge, "0000000000000001");
    let book = Book::new(&["default"]);
    let open = start(&book, HttpState::default()).await;
    for (headers, status) in [
        ("", 202),
        ("Sec-Fetch-Site: same-origin\r\n", 202),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\n", 403),
        ("Sec-Fetch-Site: none\r\n", 403),
        ("Origin: http://localhost\r\n", 202),
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: http://localhost:9999\r\n", 403),
    ] {
        let (got, answer) = open.write("POST", &path, headers, &body).await;
        assert_eq!(got, status, "{headers}: {answer}");
    }
    let guarded = start(&book, with_token()).await;
    let security = &guarded.state.security;
    let session = security.sign_in(TOKEN.as_bytes(), &HeaderMap::new(), clock::now()).unwrap();
    let cookie = format!("Cookie: {}\r\n", session.to_str().unwrap().split(';').next().unwrap());
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for (headers, status) in [
        (String::new(), 401),
        ("Sec-Fetch-Site: same-origin\r\n".to_owned(), 401),
        (bearer.clone(), 202),
        (format!("{bearer}Sec-Fetch-Site: cross-site\r\n"), 202),
        (cookie.clone(), 403),
        (format!("{cookie}Sec-Fetch-Site: same-origin\r\n"), 202),
        (format!("{cookie}Sec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{cookie}Origin: http://localhost\r\n"), 202),
    ] {
        let (got, answer) = guarded.write("POST", &path, &headers, &body).await;
        assert_eq!(got, status, "{headers}: {answer}");
    }
}

#[tokio::test]
async fn whoever_is_known_by_a_name_decides_under_it() {
    let book = Book::new(&["default"]);
    let server = start(&book, with_people()).await;
    let bearer = format!("Authorization: Bearer {}\r\n", token_of(Role::Responder));
    let path = of(Verb::Comment, "0000000000000001");
    for (body, reason) in [
        (json!({"reason": "seen"}), "seen"),
        (json!({"reason": "seen", "author": "responder"}), "seen"),
        (json!({"reason": "seen", "author": " mallory "}), "for mallory: seen"),
        (json!({"reason": "seen", "author": "", "via": "cli"}), "seen"),
    ] {
        let (status, answer) = server.write("POST", &path, &bearer, &body).await;
        assert_eq!(status, 202, "{body}: {answer}");
        let (_, act) = book.acts().pop().unwrap();
        assert_eq!((act.author.as_str(), act.reason.as_str()), ("responder", reason));
    }
    let silence = json!({"matchers": ["a=b"], "duration": "1h", "author": "mallory"});
    let (status, answer) = server.write("POST", "/api/v1/silences", &bearer, &silence).await;
    assert_eq!(status, 202, "{answer}");
    let id = answer["act"]["id"].as_str().unwrap();
    assert_eq!(answer["act"]["author"], "responder");
    assert_eq!(answer["act"]["reason"], "for mallory");
    let path = format!("/api/v1/silences/{id}?author=mallory");
    let (status, answer) = server.write("DELETE", &path, &bearer, &Value::Null).await;
    assert_eq!((status, &answer["act"]["author"]), (202, &json!("responder")));

    let silence = json!({
        "matchers": [{"name": "a", "value": "b", "isRegex": false}], "comment": "disk swap",
        "startsAt": NOW, "endsAt": "2026-03-17T04:00:00Z", "createdBy": "mallory",
    });
    let (status, answer) = server.write("POST", "/api/v2/silences", &bearer, &silence).await;
    assert_eq!(status, 200, "{answer}");
    let path = format!("/api/v2/silence/{}", answer["silenceID"].as_str().unwrap());
    server.write("DELETE", &path, &bearer, &Value::Null).await;
    let acts = book.acts();
    assert!(acts.iter().all(|(_, act)| act.author.as_str() == "responder"), "{acts:?}");
    assert_eq!(acts[acts.len() - 2].1.reason, "for mallory: disk swap");
}

#[tokio::test]
async fn a_shared_token_names_nobody_so_the_client_has_to() {
    let book = Book::new(&["default"]);
    let server = start(&book, with_token()).await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let path = of(Verb::Acknowledge, "0000000000000001");
    let (status, answer) = server.write("POST", &path, &bearer, &json!({})).await;
    assert_eq!(status, 422, "{answer}");
    let (status, _) = server.write("POST", &path, &bearer, &json!({"author": "ann"})).await;
    assert_eq!(status, 202);
    assert_eq!(book.acts().pop().unwrap().1.author.as_str(), "ann");
}

#[test]
fn every_write_is_documented_with_its_body_and_its_success() {
    let document = crate::http::openapi::build();
    for endpoint in Endpoint::all() {
        let row = endpoint.row();
        let operation = &document["paths"][row.path][row.method];
        let success = &operation["responses"][row.success.to_string()];
        assert!(success.is_object(), "{} {}", row.method, row.path);
        assert_eq!(operation.get("requestBody").is_some(), endpoint.body().is_some());
    }
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not there");
    }
}
