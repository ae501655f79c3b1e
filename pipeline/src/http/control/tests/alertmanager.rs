//! Silences as the clients of Alertmanager ask for them.

use super::*;

#[tokio::test]
async fn alertmanagers_clients_can_add_list_replace_and_expire_silences() {
    let book = Book::new(&["default"]);
    let server = start(&book, HttpState::default()).await;
    let matcher = |name: &str, value: &str, regex: bool, equal: bool| json!({"name": name, "value": value, "isRegex": regex, "isEqual": equal});
    let mut silence = json!({
        "matchers": [matcher("service", "payment", false, true), matcher("alertname", "Disk.*", true, false)],
        "startsAt": "2026-03-17T02:00:00Z", "endsAt": "2026-03-17T04:00:00Z",
        "createdBy": "ann", "comment": "disk swap",
    });
    let (status, answer) = server.post("/api/v2/silences", silence.clone()).await;
    assert_eq!(status, 200, "{answer}");
    let id = answer["silenceID"].as_str().unwrap().to_owned();
    let (_, listed) = server.json("/api/v2/silences?filter=service%3Dpayment").await;
    let row = &listed[0];
    assert_eq!(row["status"]["state"], "active");
    assert_eq!((&row["createdBy"], &row["comment"]), (&json!("ann"), &json!("disk swap")));
    assert_eq!(row["matchers"], silence["matchers"]);
    assert_eq!(row["startsAt"], NOW, "not before now");
    let (_, none) = server.json("/api/v2/silences?filter=service%3Dcart").await;
    assert_eq!(none, json!([]));

    silence["id"] = json!(id);
    silence["endsAt"] = json!("2026-03-17T05:00:00Z");
    let (_, answer) = server.post("/api/v2/silences", silence.clone()).await;
    let newer = answer["silenceID"].as_str().unwrap().to_owned();
    let (_, old) = server.json(&format!("/api/v2/silence/{id}")).await;
    assert_eq!(old["status"]["state"], "expired", "a replaced silence is over");
    for _ in 0..2 {
        let (status, _) =
            server.write("DELETE", &format!("/api/v2/silence/{newer}"), "", &Value::Null).await;
        assert_eq!(status, 200, "ending twice is no error there");
    }
    let kinds: Vec<bool> =
        book.decisions().iter().map(|d| matches!(d, Decision::Expire { .. })).collect();
    assert_eq!(kinds, [false, false, true, true]);

    silence["id"] = json!("no-such-silence");
    for (body, status) in [(silence, 404), (json!({}), 400), (json!({"matchers": []}), 400)] {
        let (got, answer) = server.post("/api/v2/silences", body).await;
        assert!(got == status && answer.is_string(), "{got} {answer}");
    }
}
