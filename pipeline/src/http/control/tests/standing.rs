//! Silences, maintenance windows and inhibitions.

use super::*;

#[tokio::test]
async fn what_stands_is_added_listed_and_ended() {
    let book = Book::new(&["default", "staging"]);
    let server = start(&book, HttpState::default()).await;
    for (name, body, field) in [
        (
            "silences",
            json!({"author": "ann", "reason": "disk swap", "duration": "2h",
                   "matchers": ["service=payment", {"label": "alertname", "op": "=~", "value": "Disk.*"}]}),
            "matchers",
        ),
        (
            "maintenance",
            json!({"author": "ann", "reason": "upgrade", "starts_at": "2026-03-17T03:00:00Z",
                   "ends_at": "2026-03-17T04:00:00Z", "services": ["payment", "cart"]}),
            "services",
        ),
        (
            "inhibitions",
            json!({"author": "ann", "reason": "known", "source": ["alertname=NodeDown"],
                   "target": ["severity=warning"], "equal": ["cluster"], "cell": "staging"}),
            "target",
        ),
    ] {
        let path = format!("/api/v1/{name}");
        let before = book.acts().len();
        let (status, added) = server.post(&path, body.clone()).await;
        assert_eq!(status, 202, "{added}");
        let cells = if name == "inhibitions" { 1 } else { 2 };
        assert_eq!(book.acts().len() - before, cells, "without a cell it holds in all");
        let id = added["act"]["id"].as_str().unwrap().to_owned();
        let (_, listed) = server.json(&path).await;
        let row = &listed[name][0];
        assert_eq!((&row["id"], &row["author"]), (&json!(id), &json!("ann")));
        assert_eq!(row[field].as_array().unwrap().len(), body[field].as_array().unwrap().len());
        let phase = if name == "maintenance" { "pending" } else { "active" };
        assert_eq!(row["state"], phase);
        assert_eq!(row["cells"].as_array().unwrap().len(), cells);

        let short = format!("{path}/{}", &id[..8]);
        let (status, answer) = server.write("DELETE", &short, "", &Value::Null).await;
        assert_eq!(status, 422, "who ends it must be said: {answer}");
        let by = format!("{short}?author=bob&reason=done");
        let (status, answer) = server.write("DELETE", &by, "", &Value::Null).await;
        assert_eq!(status, 202, "{answer}");
        let (_, listed) = server.json(&path).await;
        assert_eq!(listed[name][0]["state"], "expired");
        assert_eq!(listed[name][0]["ended"]["author"], "bob");
        let (status, _) = server.write("DELETE", &short, "", &json!({"author": "bob"})).await;
        assert_eq!(status, 409, "it is over already");
        let (_, active) = server.json(&format!("{path}?state=active,pending")).await;
        assert_eq!(active[name], json!([]));
        let (status, _) = server.write("DELETE", &format!("{path}/nothing"), "", &json!({})).await;
        assert_eq!(status, 404);
        let (status, _) = server.json(&format!("{path}?state=loud")).await;
        assert_eq!(status, 400);
    }
}

#[tokio::test]
async fn wrong_additions_are_told_what_to_do() {
    let book = Book::new(&["default"]);
    let server = start(&book, HttpState::default()).await;
    for (name, body, status, hint) in [
        (
            "silences",
            json!({"author": "a", "duration": "1h"}),
            422,
            "a matcher is missing; give it",
        ),
        ("silences", json!({"author": "a", "matchers": ["service=x"]}), 422, "how long"),
        (
            "silences",
            json!({"author": "a", "matchers": ["service"], "duration": "1h"}),
            422,
            "service=payment",
        ),
        (
            "silences",
            json!({"author": "a", "matchers": [{"label": "a", "op": "~", "value": "b"}], "duration": "1h"}),
            422,
            "=~",
        ),
        (
            "silences",
            json!({"author": "a", "matchers": ["a=b"], "ends_at": "2020-01-01T00:00:00Z"}),
            422,
            "later",
        ),
        (
            "silences",
            json!({"matchers": ["a=b"], "duration": "1h"}),
            422,
            "the author is missing; give it",
        ),
        (
            "silences",
            json!({"author": "a", "matchers": ["a=b"], "duration": "1h", "cell": "mars"}),
            404,
            "cells",
        ),
        (
            "maintenance",
            json!({"author": "a", "services": [], "duration": "1h"}),
            422,
            "a service is missing; give it",
        ),
        (
            "maintenance",
            json!({"author": "a", "services": ["cart"], "starts_at": "now", "duration": "1h"}),
            422,
            "RFC 3339",
        ),
        (
            "inhibitions",
            json!({"author": "a", "source": ["a=b"], "target": []}),
            422,
            "a matcher is missing; give it",
        ),
        (
            "inhibitions",
            json!({"author": "a", "source": ["a=b"], "target": ["c=d"], "equal": ["9 x"]}),
            422,
            "labels",
        ),
    ] {
        let (got, answer) = server.post(&format!("/api/v1/{name}"), body.clone()).await;
        assert_eq!(got, status, "{name} {body}: {answer}");
        assert!(tells(&answer, hint), "{name} {body}: {answer}");
    }
    assert_eq!(book.acts(), []);
}

#[tokio::test]
async fn what_one_of_several_cells_did_not_carry_out_stands_in_the_others() {
    let book = Book::new(&["default", "staging"]);
    let server = start(&book, HttpState::default()).await;
    let body =
        json!({ "author": "ann", "reason": "", "duration": "2h", "matchers": ["service=payment"] });
    let ask =
        async || server.write("POST", "/api/v1/silences", "Idempotency-Key: k\r\n", &body).await;
    let (status, _) = ask().await;
    assert_eq!(status, 202);
    let acts = book.acts();
    for (place, (cell, act)) in acts.iter().enumerate() {
        server.state.desk.refuse(cell, act, "full");
        let (status, answer) = ask().await;
        if place == 0 {
            assert_eq!((status, &answer["repeated"]), (202, &json!(true)), "{answer}");
        } else {
            assert_eq!((status, &answer["error"]["code"]), (409, &json!("not_carried_out")));
        }
    }
    assert_eq!(book.acts().len(), 2);
}
