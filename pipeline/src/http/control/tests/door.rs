//! Who may write at all, and what the document says of it.

use super::*;

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
    let hex: String = TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let cookie = format!("Cookie: faultline_token={hex}\r\n");
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
