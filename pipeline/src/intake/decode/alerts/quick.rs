//! The short way for what nearly all alerts come as: a list of Alertmanager's API v2, or the webhook of
//! Alertmanager or Grafana, with labels that are text. Strings stay where they are, and names that
//! came before are shared.
//!
//! Whatever is unusual (other spellings, labels that are numbers, a CloudEvent) is left to the long
//! way, which says what alerts are; the tests hold the two against each other.

use std::fmt;

use model::alert::{Alert, AlertStatus, Labels};
use model::name::Name;
use model::time::Timestamp;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::alert::{self, Parts};
use super::alertmanager;
use crate::intake::decode::interner::Interner;
use crate::intake::decode::limits::{
    ATTRIBUTES_PER_ITEM_MAX, LABEL_CHARS_MAX, NAME_CHARS_MAX, cut,
};
use crate::intake::decode::text::Text;

/// Reads a payload, if it is of the usual form and holds at most `items_max` alerts.
pub(super) fn decode(
    text: &str,
    arrival: Timestamp,
    items_max: usize,
    names: &mut Interner,
) -> Option<Vec<Alert>> {
    let payload = Payload { arrival, names };
    let mut json = serde_json::Deserializer::from_str(text);
    let alerts = payload.deserialize(&mut json).ok()?;
    json.end().ok()?;
    (!alerts.is_empty() && alerts.len() <= items_max).then_some(alerts)
}

/// The payload: a list, or an object with one.
struct Payload<'n> {
    arrival: Timestamp,
    names: &'n mut Interner,
}

impl<'de> DeserializeSeed<'de> for Payload<'_> {
    type Value = Vec<Alert>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Payload<'_> {
    type Value = Vec<Alert>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("alerts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut alerts = Vec::new();
        while let Some(item) = items.next_element_seed(Item { names: &mut *self.names })? {
            let over = item.ends_at.is_some_and(|ends| ends <= self.arrival);
            let status = if over { AlertStatus::Resolved } else { AlertStatus::Firing };
            alerts.extend(alert::build(item.parts(), status, self.arrival));
        }
        Ok(alerts)
    }

    /// The status of the whole may come behind the alerts, which need it.
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut items, mut group) = (None, None);
        while let Some(key) = fields.next_key::<Text<'de>>()? {
            match &*key.0 {
                "alerts" => once(&mut items, fields.next_value_seed(Items(&mut *self.names))?)?,
                "status" => once(&mut group, fields.next_value::<Text<'de>>()?)?,
                "specversion" => return Err(Error::custom("a CloudEvent")),
                _ => _ = fields.next_value::<Skipped>()?,
            }
        }
        let group = group.as_ref().and_then(Text::word);
        let items: Vec<Usual<'de>> = items.ok_or_else(|| Error::missing_field("alerts"))?;
        let alerts = items.into_iter().filter_map(|item| {
            let word = item.status.as_ref().and_then(Text::word).or(group);
            let status = word.map_or(AlertStatus::Firing, alertmanager::status);
            alert::build(item.parts(), status, self.arrival)
        });
        Ok(alerts.collect())
    }
}

/// The alerts of a webhook.
struct Items<'n>(&'n mut Interner);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Vec<Usual<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<Usual<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of alerts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Item { names: &mut *self.0 })? {
            items.push(item);
        }
        Ok(items)
    }
}

/// One alert as it stands in a payload.
#[derive(Default)]
struct Usual<'de> {
    labels: Labels,
    annotations: Labels,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    status: Option<Text<'de>>,
    url: Option<Name>,
}

impl Usual<'_> {
    fn parts(self) -> Parts {
        let Self { labels, annotations, starts_at, ends_at, url, .. } = self;
        Parts { labels, annotations, starts_at, ends_at, url }
    }
}

struct Item<'n> {
    names: &'n mut Interner,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = Usual<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = Usual<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut alert = Usual::default();
        let (mut labels, mut annotations) = (None, None);
        let (mut starts_at, mut ends_at, mut url) = (None, None, None);
        while let Some(key) = fields.next_key::<Text<'de>>()? {
            match &*key.0 {
                "labels" => once(&mut labels, fields.next_value_seed(Pairs(&mut *self.names))?)?,
                "annotations" => {
                    once(&mut annotations, fields.next_value_seed(Pairs(&mut *self.names))?)?;
                }
                "startsAt" => once(&mut starts_at, fields.next_value::<Text<'de>>()?)?,
                "endsAt" => once(&mut ends_at, fields.next_value::<Text<'de>>()?)?,
                "status" => once(&mut alert.status, fields.next_value::<Text<'de>>()?)?,
                "generatorURL" => once(&mut url, fields.next_value::<Text<'de>>()?)?,
                "starts_at" | "ends_at" | "generatorUrl" | "generator_url" => {
                    return Err(Error::custom("another spelling"));
                }
                _ => _ = fields.next_value::<Skipped>()?,
            }
        }
        let time = |text: Option<Text<'de>>| Timestamp::parse_rfc3339(text.as_ref()?.word()?);
        alert.labels = labels.unwrap_or_default();
        alert.annotations = annotations.unwrap_or_default();
        alert.starts_at = time(starts_at);
        alert.ends_at = time(ends_at);
        let url = url.as_ref().and_then(Text::word);
        alert.url = url.map(|url| self.names.name(url));
        Ok(alert)
    }
}

/// A key that comes twice is unusual.
fn once<T, E: Error>(slot: &mut Option<T>, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a field that is there twice")),
    }
}

/// Labels or annotations: an object of text.
pub(super) struct Pairs<'n>(pub(super) &'n mut Interner);

impl<'de> DeserializeSeed<'de> for Pairs<'_> {
    type Value = Labels;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of text")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some(key) = fields.next_key::<Text<'de>>()? {
            let value: Text<'de> = fields.next_value()?;
            if key.0.trim().len() != key.0.len() || key.0.len() > NAME_CHARS_MAX {
                return Err(Error::custom("a name that has to be cut"));
            }
            if pairs.len() == ATTRIBUTES_PER_ITEM_MAX {
                return Err(Error::custom("more than are kept"));
            }
            pairs.push((self.0.name(&key.0), shared(&value.0, self.0)));
        }
        Ok(Labels::new(pairs))
    }
}

/// Values may be longer than names; long ones are not shared.
pub(super) fn shared(text: &str, names: &mut Interner) -> Name {
    if text.len() <= NAME_CHARS_MAX {
        names.familiar(text)
    } else {
        cut(text, LABEL_CHARS_MAX).into()
    }
}

/// A value of no concern that is valid all the same: what the long way would refuse is refused.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        while fields.next_entry::<Text<'de>, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::intake::decode::alerts::{Memory, in_any_form, plain};
    use crate::intake::decode::{DecodeLimits, Decoded};

    const ARRIVAL: Timestamp = Timestamp::from_millis(1_773_712_800_000);

    fn short(value: &Value, names: &mut Interner) -> Option<Vec<Alert>> {
        decode(&value.to_string(), ARRIVAL, 100, names)
    }

    fn long(value: &Value) -> Option<Vec<Alert>> {
        let limits = DecodeLimits { items_max: 100, ..DecodeLimits::default() };
        match in_any_form(value.to_string().as_bytes(), &limits, ARRIVAL) {
            Ok(Decoded::Alerts(alerts)) => Some(alerts),
            _ => None,
        }
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-c]{0,2}",
            "[ -~\u{e9}]{0,20}",
            "[a-z]{250,262}",
            Just("severity".to_owned()),
            Just("alertname".to_owned()),
            Just("critical".to_owned()),
            Just("0a1b2c3d4e5f60718293a4b5c6d7e8f9".to_owned()),
            Just("trace_id".to_owned()),
        ]
    }

    fn pairs() -> impl Strategy<Value = Value> {
        let odd = prop_oneof![Just(json!(null)), Just(json!(7)), Just(json!([1, {"a": 2}]))];
        let value = prop_oneof![9 => word().prop_map(Value::from), 1 => odd];
        let object = prop::collection::vec((word(), value), 0..5)
            .prop_map(|pairs| Value::Object(pairs.into_iter().collect()));
        prop_oneof![9 => object, 1 => Just(json!([{"name": "a", "value": "b"}]))]
    }

    fn time() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!("2026-03-17T02:06:00.5Z")),
            Just(json!("2026-03-17T02:06:00+02:00")),
            Just(json!("2099-01-01T00:00:00Z")),
            Just(json!("0001-01-01T00:00:00Z")),
            Just(json!(" ")),
            Just(json!(12)),
        ]
    }

    fn field() -> impl Strategy<Value = (String, Value)> {
        prop_oneof![
            6 => pairs().prop_map(|pairs| ("labels".to_owned(), pairs)),
            3 => pairs().prop_map(|pairs| ("annotations".to_owned(), pairs)),
            2 => time().prop_map(|at| ("startsAt".to_owned(), at)),
            2 => time().prop_map(|at| ("endsAt".to_owned(), at)),
            1 => time().prop_map(|at| ("ends_at".to_owned(), at)),
            1 => word().prop_map(|url| ("generatorURL".to_owned(), url.into())),
            1 => word().prop_map(|url| ("generator_url".to_owned(), url.into())),
            1 => prop_oneof![Just("resolved"), Just("Firing"), Just("")]
                .prop_map(|word| ("status".to_owned(), word.into())),
            1 => Just(("values".to_owned(), json!({"B": [1.5, null, {"c": true}]}))),
        ]
    }

    fn payload() -> impl Strategy<Value = Value> {
        let fields = prop::collection::vec(field(), 0..7);
        let alert = fields.prop_map(|fields| Value::Object(fields.into_iter().collect()));
        let alert = prop_oneof![19 => alert, 1 => Just(json!("none"))];
        let list = prop::collection::vec(alert, 0..5);
        (list, 0..4_u8, prop_oneof![Just("resolved"), Just("firing"), Just("")]).prop_map(
            |(list, form, status)| match form {
                0 => Value::from(list),
                1 => json!({"alerts": list, "status": status, "version": "4"}),
                2 => json!({"alerts": list, "receiver": "r"}),
                _ => json!({"alerts": list, "specversion": "1.0"}),
            },
        )
    }

    /// Alerts as Prometheus posts them: escapes only in what explains them.
    fn usual() -> impl Strategy<Value = Value> {
        let (plain, any) =
            ("[ !#-\\[\\]-~\u{e9}\u{1F525}]{0,20}", "[ -~\u{e9}\u{1F525}\n\t]{0,40}");
        let alert = (
            prop::collection::btree_map("[a-c_]{1,4}", plain, 1..6),
            prop::option::of(prop::collection::btree_map("[a-c_]{1,4}", any, 0..4)),
            (0_i64..4_000_000_000_000, prop::option::of(0_i64..9_000_000)),
            prop::option::of("http://[a-z]{1,8}/g\\?a=b&c=[0-9]{1,3}"),
            prop::option::of(prop_oneof![Just("firing"), Just("resolved")]),
        );
        let alert = alert.prop_map(|(labels, annotations, (at, lasts), url, status)| {
            let time = |at: i64| Timestamp::from_millis(at).to_rfc3339();
            let mut alert = json!({"labels": labels, "startsAt": time(at)});
            let ends = lasts.map(|lasts| json!(time(at + lasts)));
            for (field, value) in [
                ("annotations", annotations.map(|pairs| json!(pairs))),
                ("endsAt", ends),
                ("generatorURL", url.map(Value::from)),
                ("status", status.map(Value::from)),
            ] {
                if let Some(value) = value {
                    alert[field] = value;
                }
            }
            alert
        });
        prop::collection::vec(alert, 1..5).prop_map(Value::from)
    }

    proptest! {
        #[test]
        fn what_is_not_unusual_takes_the_short_ways(lists in prop::collection::vec(usual(), 1..4)) {
            let (mut names, mut memory) = (Interner::new(64), Memory::new(64));
            // What comes again takes another way than what comes first.
            for list in lists.iter().chain(&lists) {
                let text = list.to_string();
                let limits = DecodeLimits { items_max: 100, ..DecodeLimits::default() };
                let walked = plain::decode(&text, ARRIVAL, &limits, &mut memory);
                prop_assert!(walked.is_some(), "{}", text);
                prop_assert_eq!(&walked, &short(list, &mut names), "{}", text);
                prop_assert_eq!(walked, long(list), "{}", text);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_it_reads_the_long_way_reads_alike(payloads in prop::collection::vec(payload(), 1..3)) {
            let mut names = Interner::new(64);
            for payload in payloads {
                if let Some(alerts) = short(&payload, &mut names) {
                    prop_assert_eq!(Some(alerts), long(&payload));
                }
            }
        }

        #[test]
        fn what_is_read_in_one_walk_is_read_here_alike(
            payloads in prop::collection::vec(payload(), 1..4),
            (at, byte) in (any::<prop::sample::Index>(), any::<u8>()),
        ) {
            let (mut names, mut memory) = (Interner::new(64), Memory::new(64));
            let mut damaged = payloads.last().map(Value::to_string).unwrap_or_default().into_bytes();
            let at = at.index(damaged.len());
            damaged[at] = byte;
            let damaged = String::from_utf8(damaged).ok();
            // What comes again takes another way than what comes first.
            let texts = payloads.iter().chain(&payloads).map(Value::to_string).chain(damaged);
            for text in texts {
                let limits = DecodeLimits { items_max: 100, ..DecodeLimits::default() };
                if let Some(alerts) = plain::decode(&text, ARRIVAL, &limits, &mut memory) {
                    prop_assert_eq!(Some(alerts), decode(&text, ARRIVAL, 100, &mut names), "{}", text);
                }
            }
        }
    }

    #[test]
    fn what_prometheus_posts_is_read_in_one_walk() {
        let post = |instance: &str| {
            json!([{"annotations": {"summary": "a \"quoted\" word\n"}, "endsAt": "2026-03-17T02:10:00.5Z",
                "startsAt": "2026-03-17T02:06:00Z", "generatorURL": "http://p/g?a=b",
                "labels": {"alertname": "Slow", "instance": instance}}])
            .to_string()
        };
        let (mut names, mut memory) = (Interner::new(64), Memory::new(64));
        for text in ["a:1", "b:1", "b:1"].map(post) {
            let alerts = plain::decode(&text, ARRIVAL, &DecodeLimits::default(), &mut memory);
            assert!(alerts.is_some());
            assert_eq!(alerts, decode(&text, ARRIVAL, 9, &mut names));
        }
        for few in [
            DecodeLimits { items_max: 0, ..DecodeLimits::default() },
            DecodeLimits { json_values_max: 20, ..DecodeLimits::default() },
            DecodeLimits { depth_max: 3, ..DecodeLimits::default() },
        ] {
            assert_eq!(plain::decode(&post("a:1"), ARRIVAL, &few, &mut memory), None);
        }
    }

    #[test]
    fn what_the_usual_senders_send_is_read_here() {
        let alert = json!({"labels": {"alertname": "Slow", "service": "cart"}, "status": "firing",
            "annotations": {"summary": "a \u{1F525} & more"}, "startsAt": "2026-03-17T02:06:00Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/g?a=b&c=d",
            "fingerprint": "00ff", "values": null});
        let webhook = json!({"version": "4", "status": "firing", "alerts": [alert, alert]});
        for payload in [json!([alert]), webhook] {
            let alerts = short(&payload, &mut Interner::new(64));
            assert!(alerts.is_some());
            assert_eq!(alerts, long(&payload));
        }
    }

    #[test]
    fn text_that_no_form_may_hold_is_left_to_the_long_way() {
        let labels = r#""labels":{"alertname":"A"}"#;
        for odd in [r#""x":"\ud800""#, r#""x":1e999"#, r#""x":{"y":[01]}"#, r#""labels":{"b":"c"}"#]
        {
            let body = format!("[{{{labels},{odd}}}]");
            assert!(decode(&body, ARRIVAL, 9, &mut Interner::new(64)).is_none(), "{body}");
        }
        let trailing = format!("[{{{labels}}}] x");
        assert!(decode(&trailing, ARRIVAL, 9, &mut Interner::new(64)).is_none());
    }
}
