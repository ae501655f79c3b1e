//! The usual way and the slow one, held against each other: the same rows or the same error, whatever
//! the payload.

use model::signal::SignalBatch;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{any_logs, any_spans, decode_logs, decode_spans};
use crate::intake::decode::interner::Interner;
use crate::intake::decode::resources::Resources;
use crate::intake::decode::rows::batch::{BatchBuilder, Known};
use crate::intake::decode::rows::times::Arrival;
use crate::intake::decode::{DecodeError, DecodeLimits};

const NOW_MS: i64 = 1_773_712_800_000;

type Reader = fn(&[u8], &DecodeLimits, &mut BatchBuilder<'_>) -> Result<(), DecodeError>;

fn nothing_known() -> Known {
    Known { interner: Interner::new(1_000), resources: Resources::default() }
}

/// Rows as text: the same rows give the same text.
fn rows(
    read: Reader,
    body: &[u8],
    limits: &DecodeLimits,
    known: &mut Known,
) -> Result<String, DecodeError> {
    let arrival = Arrival::from_millis(NOW_MS);
    let mut out = BatchBuilder::new(arrival, limits.items_max, known, SignalBatch::default());
    read(body, limits, &mut out)?;
    out.finish().map(|rows| format!("{rows:?}"))
}

/// Twice each: the second time the resources are known.
fn agree(
    usual: Reader,
    slow: Reader,
    body: &[u8],
    limits: &DecodeLimits,
) -> Result<(), TestCaseError> {
    let expected = rows(slow, body, limits, &mut nothing_known());
    let mut known = nothing_known();
    for _ in 0..2 {
        let found = rows(usual, body, limits, &mut known);
        prop_assert_eq!(&found, &expected, "{}", String::from_utf8_lossy(body));
    }
    Ok(())
}

fn all_agree(body: &[u8], limits: &DecodeLimits) -> Result<(), TestCaseError> {
    agree(decode_spans, any_spans, body, limits)?;
    agree(decode_logs, any_logs, body, limits)
}

/// JSON text of one of these.
fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(texts).prop_map(str::to_owned)
}

/// What encoders write, and once in a long while what they do not: a payload has some hundred places.
fn mostly(
    usual: impl Strategy<Value = String> + Clone + 'static,
    odd: &'static [&'static str],
) -> BoxedStrategy<String> {
    prop_oneof![300 => usual, 1 => one_of(odd)].boxed()
}

fn text() -> BoxedStrategy<String> {
    let plain = "[a-zA-Z0-9 /.,:\\[{\u{e9}\u{1F525}-]{0,20}".prop_map(|text| format!("\"{text}\""));
    let escaped =
        one_of(&[r#""a\"b\\c\n""#, r#""\u003cb\u003E""#, r#""\ud83d\ude00""#, r#""""#, "null"]);
    mostly(
        prop_oneof![6 => plain, 1 => escaped],
        &[r#""\ud800""#, r#""\ude00\ud83d""#, r#""\x""#, r#""\u12""#, "\"\u{1}\"", "7", "[]", "\""],
    )
}

#[rustfmt::skip]
const ODD_NUMBERS: &[&str] = &[
    "-1", "\"-2\"", "01", "\"007\"", "\" 3 \"", "\"+3\"", "2.0", "1.5", "1e3", "1E999", "-", "18446744073709551615",
    "18446744073709551616", "\"18446744073709551616\"", "\"\"", "\"SPAN_KIND_CLIENT\"", "\"server\"", "\"STATUS_CODE_ERROR\"",
    "\"SEVERITY_NUMBER_WARN2\"", "null", "true", "{}", "\"\\u0033\"",
];

/// A time that can be believed, bare or as text.
fn time() -> BoxedStrategy<String> {
    let now = NOW_MS as u64 * 1_000_000;
    let times = (now - 5..now + 5, any::<bool>());
    let times =
        times.prop_map(|(at, bare)| if bare { at.to_string() } else { format!("\"{at}\"") });
    mostly(times, ODD_NUMBERS)
}

fn number() -> BoxedStrategy<String> {
    let small = &["0", "1", "2", "2", "3", "3", "5", "17", "503", "\"503\"", "\"14\""];
    mostly(one_of(small), ODD_NUMBERS)
}

/// Members in some order; sometimes one of them comes twice, or there is one that nobody knows.
fn object(members: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<String> {
    let members = members.into_iter().map(|(key, value)| {
        let is_there = prop::option::weighted(0.97, value);
        is_there.prop_map(move |value| value.map(|value| format!("\"{key}\":{value}"))).boxed()
    });
    let odd = prop::option::weighted(0.1, mostly(any_json(), &["01", "tru", "{\"a\"}"]));
    let twice = prop::option::weighted(0.003, any::<Index>());
    let ordered = prop::bool::weighted(0.93);
    (members.collect::<Vec<_>>(), odd, twice, ordered)
        .prop_map(|(members, odd, twice, ordered)| {
            let mut members: Vec<String> = members.into_iter().flatten().collect();
            members.extend(odd.map(|value| format!("\"unknown\":{value}")));
            if let Some(twice) = twice
                && !members.is_empty()
            {
                members.push(twice.get(&members).clone());
            }
            (members, ordered)
        })
        .prop_flat_map(|(members, ordered)| {
            let kept = Just(members.clone());
            if ordered { kept.boxed() } else { kept.prop_shuffle().boxed() }
        })
        .prop_map(|members| format!("{{{}}}", members.join(",")))
        .boxed()
}

fn list(item: BoxedStrategy<String>, most: usize) -> BoxedStrategy<String> {
    let items = prop::collection::vec(item, 0..=most);
    let list = items.prop_map(|items| format!("[{}]", items.join(",")));
    prop_oneof![300 => list, 1 => one_of(&["null", "{}", "[1,]", "[", "\"x\""])].boxed()
}

fn any_json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        20 => text(),
        20 => number(),
        10 => one_of(&["true", "false", "null", "-0.5e-7", "12.25"]),
        1 => one_of(&[
            "{\"$serde_json::private::RawValue\":1}",
            "{\"a\\u0062\":1}",
            "{\"a\":1,\"a\":2}"
        ]),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let lists = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            lists.prop_map(|items| format!("[{}]", items.join(", "))),
            inner.prop_map(|value| format!("{{ \"k\" : {value} }}")),
        ]
    })
    .boxed()
}

fn value() -> BoxedStrategy<String> {
    let wrapped = |key: &'static str, value: BoxedStrategy<String>| {
        value.prop_map(move |value| format!("{{\"{key}\":{value}}}"))
    };
    prop_oneof![
        30 => wrapped("stringValue", text()),
        20 => wrapped("intValue", number()),
        1 => wrapped("doubleValue", number()),
        1 => wrapped("boolValue", mostly(one_of(&["true", "false"]), &["null", "1"])),
        1 => wrapped("arrayValue", any_json()),
        1 => wrapped("kvlistValue", any_json()),
        1 => wrapped("bytesValue", any_json()),
        1 => wrapped("otherValue", any_json()),
        1 => one_of(&["{}", "null", "\"bare\"", "7", "true", "{\"stringValue\":\"a\",\"intValue\":1}"]),
    ]
    .boxed()
}

fn attributes() -> BoxedStrategy<String> {
    let key = one_of(&[
        "\"service.name\"",
        "\"k8s.pod.name\"",
        "\"error.type\"",
        "\"exception.type\"",
        "\"exception.message\"",
        "\"http.response.status_code\"",
        "\"rpc.grpc.status_code\"",
        "\"peer.service\"",
        "\"db.system\"",
        "\"server.address\"",
        "\"network.peer.port\"",
        "\"k8s.event.reason\"",
        "\"other\"",
    ]);
    let key = mostly(key, &["\"esc\\u0061ped\"", "null", "1"]);
    list(object(vec![("key", key), ("value", value())]), 5)
}

fn request(
    signal: &'static str,
    scopes: &'static str,
    items: &'static str,
    item: BoxedStrategy<String>,
) -> BoxedStrategy<String> {
    let scope = object(vec![("scope", any_json()), (items, list(item, 3))]);
    let resource = object(vec![("attributes", attributes())]);
    let group = object(vec![("resource", resource), (scopes, list(scope, 2))]);
    object(vec![(signal, list(group, 2))])
}

fn spans() -> BoxedStrategy<String> {
    let id = |usual: &'static str| {
        mostly(
            Just(usual.to_owned()),
            &["\"\"", "\"0a\"", "null", "\"0000000000000000\"", "\"0g0000000000000A\""],
        )
    };
    let event = object(vec![("timeUnixNano", time()), ("attributes", attributes())]);
    let span = object(vec![
        ("traceId", id("\"0a1b2c3d4e5f60718293a4B5C6D7E8F9\"")),
        ("spanId", id("\"0a1b2c3d4e5f6071\"")),
        ("parentSpanId", id("\"1a1b2c3d4e5f6071\"")),
        ("traceState", text()),
        ("name", text()),
        ("kind", number()),
        ("startTimeUnixNano", time()),
        ("endTimeUnixNano", time()),
        ("attributes", attributes()),
        ("events", list(event, 2)),
        ("status", object(vec![("message", text()), ("code", number())])),
    ]);
    request("resourceSpans", "scopeSpans", "spans", span)
}

fn logs() -> BoxedStrategy<String> {
    let log = object(vec![
        ("timeUnixNano", time()),
        ("observedTimeUnixNano", time()),
        ("severityNumber", number()),
        ("severityText", text()),
        ("eventName", text()),
        ("body", value()),
        ("traceId", one_of(&["\"0a1b2c3d4e5f60718293a4B5C6D7E8F9\"", "\"\""]).boxed()),
        ("spanId", one_of(&["\"0a1b2c3d4e5f6071\"", "null"]).boxed()),
        ("attributes", attributes()),
    ]);
    request("resourceLogs", "scopeLogs", "logRecords", log)
}

/// Changes bytes to others that mean something in JSON, and cuts the rest off.
fn damaged(body: &str, changes: &[(Index, u8)], cut: Option<Index>) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for (place, byte) in changes.iter().filter(|_| !body.is_empty()) {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len() + 1));
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]
    #[test]
    fn both_ways_lead_to_the_same_rows_or_to_the_same_error(
        body in prop_oneof![spans(), logs()],
        changes in prop::collection::vec(
            (any::<Index>(), prop_oneof![
                prop::sample::select(&b"\"\\{}[]:,0e-. \nun\x01\xc3"[..]), any::<u8>()
            ]), 0..3,
        ),
        cut in prop::option::weighted(0.3, any::<Index>()),
    ) {
        let limits = DecodeLimits::default();
        all_agree(body.as_bytes(), &limits)?;
        all_agree(format!("\u{feff} {body}\n").as_bytes(), &limits)?;
        all_agree(&damaged(&body, &changes, cut), &limits)?;
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&body) {
            let pretty = serde_json::to_vec_pretty(&value).unwrap();
            all_agree(&pretty, &limits)?;
        }
        let tight = DecodeLimits { items_max: 3, json_values_max: 60, depth_max: 12, ..limits };
        all_agree(body.as_bytes(), &tight)?;
    }
}

#[test]
fn both_ways_refuse_what_nests_too_deep() {
    for levels in [10, 15, 16, 17, 50, 60, 64, 200, 100_000] {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for place in [
            format!(r#"{{"x":{deep},"resourceSpans":[]}}"#),
            format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"x":{deep}}}]}}]}}]}}"#),
        ] {
            all_agree(place.as_bytes(), &DecodeLimits::default()).unwrap();
        }
    }
}
