//! Entries of the journal as CORRELATE reads them. Nearly all are alerts, and what those say has been
//! said before: the same labels, the same texts. So alerts have a short way, which knows in which order we write
//! their fields and shares what comes again; every other record is read as serde does.

use std::str::from_utf8;

use model::alert::{Alert, AlertStatus, Labels, Severity};
use model::id::{Fingerprint, Position, TraceId};
use model::journal::{JournalEntry, JournalRecord};
use model::name::Name;
use model::time::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use crate::intake::decode::digits::hex;
use crate::intake::decode::interner::Interner;
use crate::intake::decode::json::cursor::Cursor;
use crate::intake::decode::limits::NAME_CHARS_MAX;
use crate::intake::decode::said::Said;
use crate::intake::decode::text::Text;
use crate::stages::wire::{self, WireError};

/// Names that are shared between entries, at most.
const NAMES_MAX: usize = 65_536;

/// Reads entries. What it remembers only shares memory.
pub(super) struct EntryReader {
    names: Interner,
    /// Memory for the labels of one alert.
    pairs: Vec<(Name, Name)>,
    /// Annotations by the name of their rule.
    said: Said,
}

impl Default for EntryReader {
    fn default() -> Self {
        Self { names: Interner::new(NAMES_MAX), pairs: Vec::new(), said: Said::default() }
    }
}

impl EntryReader {
    /// Reads one.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn read(&mut self, entry: &[u8]) -> Result<JournalEntry, WireError> {
        self.alert(entry).map_or_else(|| wire::json(Some(entry)), Ok)
    }

    /// An alert as we write it; `None` for everything else.
    fn alert(&mut self, entry: &[u8]) -> Option<JournalEntry> {
        let mut at = Cursor::new(from_utf8(entry).ok()?);
        at.expect(b'{')?;
        at.key(b"\"arrival\"")?;
        let arrival = time(&mut at)?;
        next(&mut at, b"\"position\"")?;
        let position = if at.null() { None } else { Some(self.position(&mut at)?) };
        next(&mut at, b"\"record\"")?;
        at.expect(b'{')?;
        at.key(b"\"Alert\"")?;
        let alert = self.said(&mut at)?;
        at.expect(b'}')?;
        at.expect(b'}')?;
        let record = JournalRecord::Alert(alert);
        at.is_at_end().then_some(JournalEntry { arrival, position, record })
    }

    fn position(&mut self, at: &mut Cursor<'_>) -> Option<Position> {
        at.expect(b'{')?;
        at.key(b"\"topic\"")?;
        let topic = self.name(at)?;
        next(at, b"\"partition\"")?;
        let partition = number(at)?.try_into().ok()?;
        next(at, b"\"offset\"")?;
        let offset = number(at)?;
        next(at, b"\"item\"")?;
        let item = number(at)?.try_into().ok()?;
        at.expect(b'}')?;
        Some(Position { topic, partition, offset, item })
    }

    fn said(&mut self, at: &mut Cursor<'_>) -> Option<Alert> {
        at.expect(b'{')?;
        at.key(b"\"fingerprint\"")?;
        let fingerprint = Fingerprint(u64::from_be_bytes(hex(at.text()?)?));
        next(at, b"\"name\"")?;
        let name = self.name(at)?;
        next(at, b"\"status\"")?;
        let status = status(at.text()?)?;
        next(at, b"\"labels\"")?;
        let labels = self.labels(at)?;
        next(at, b"\"annotations\"")?;
        let annotations = self.annotations(&name, at)?;
        next(at, b"\"starts_at\"")?;
        let starts_at = time(at)?;
        next(at, b"\"ends_at\"")?;
        let ends_at = if at.null() { None } else { Some(time(at)?) };
        next(at, b"\"severity\"")?;
        let severity = severity(at.text()?)?;
        next(at, b"\"trace_id\"")?;
        let trace_id = if at.null() { None } else { Some(trace(at.text()?)?) };
        next(at, b"\"generator_url\"")?;
        let generator_url = if at.null() { None } else { Some(self.name(at)?) };
        let group = if at.at(b',') {
            at.key(b"\"group\"")?;
            Some(self.name(at)?)
        } else {
            None
        };
        at.expect(b'}')?;
        Some(Alert {
            fingerprint,
            name,
            status,
            labels,
            annotations,
            starts_at,
            ends_at,
            severity,
            trace_id,
            generator_url,
            group,
        })
    }

    /// What a rule says to explain itself: mostly what it said the last time.
    fn annotations(&mut self, rule: &Name, at: &mut Cursor<'_>) -> Option<Labels> {
        let place = xxh3_64(rule.as_bytes());
        if let Some(known) = self.said.again(place, at) {
            return Some(known);
        }
        let mut inside = *at;
        let text = at.extent()?;
        let labels = self.labels(&mut inside)?;
        self.said.keep(place, text, &labels);
        Some(labels)
    }

    /// Pairs of texts, if they stand as we write them: sorted, each name once.
    fn labels(&mut self, at: &mut Cursor<'_>) -> Option<Labels> {
        // The cursor takes `null` for an empty list.
        if at.peek()? != b'[' {
            return None;
        }
        let mut inside = *at;
        if let Some(labels) = self.without_escapes(&mut inside) {
            *at = inside;
            return Some(labels);
        }
        self.with_escapes(at.extent()?)
    }

    fn without_escapes(&mut self, at: &mut Cursor<'_>) -> Option<Labels> {
        self.pairs.clear();
        at.list(|at| {
            at.expect(b'[')?;
            let name = from_utf8(at.text()?).ok()?;
            at.expect(b',')?;
            let value = from_utf8(at.text()?).ok()?;
            at.expect(b']')?;
            self.pairs.push((name_in(&mut self.names, name), value_in(&mut self.names, value)));
            Some(())
        })?;
        Labels::sorted(&mut self.pairs)
    }

    fn with_escapes(&mut self, text: &[u8]) -> Option<Labels> {
        let pairs: Vec<(Text<'_>, Text<'_>)> = serde_json::from_slice(text).ok()?;
        self.pairs.clear();
        let names = &mut self.names;
        let pairs = pairs.iter().map(|(Text(name), Text(value))| {
            let name = name_in(names, name);
            (name, value_in(names, value))
        });
        self.pairs.extend(pairs);
        Labels::sorted(&mut self.pairs)
    }

    fn name(&mut self, at: &mut Cursor<'_>) -> Option<Name> {
        let mut inside = *at;
        if let Some(text) = inside.text() {
            *at = inside;
            return Some(name_in(&mut self.names, from_utf8(text).ok()?));
        }
        let Text(text) = serde_json::from_slice(at.extent()?).ok()?;
        Some(name_in(&mut self.names, &text))
    }
}

/// Some values are said once: an instance, a pod.
fn value_in(names: &mut Interner, text: &str) -> Name {
    if text.len() <= NAME_CHARS_MAX { names.familiar(text) } else { text.into() }
}

/// Long texts are rarely said twice.
fn name_in(names: &mut Interner, text: &str) -> Name {
    if text.len() <= NAME_CHARS_MAX { names.name(text) } else { text.into() }
}

/// The next field, given with its quotes.
fn next(at: &mut Cursor<'_>, field: &[u8]) -> Option<()> {
    at.expect(b',')?;
    at.key(field)
}

fn time(at: &mut Cursor<'_>) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(from_utf8(at.text()?).ok()?)
}

fn number(at: &mut Cursor<'_>) -> Option<u64> {
    // As text it is none of ours.
    if at.peek()? == b'"' { None } else { at.number() }
}

fn trace(text: &[u8]) -> Option<TraceId> {
    hex(text).map(|bytes| TraceId(u128::from_be_bytes(bytes)))
}

fn status(word: &[u8]) -> Option<AlertStatus> {
    match word {
        b"firing" => Some(AlertStatus::Firing),
        b"resolved" => Some(AlertStatus::Resolved),
        _ => None,
    }
}

fn severity(word: &[u8]) -> Option<Severity> {
    use Severity::{Critical, Error, Info, Unknown, Warning};
    let all = [Critical, Error, Warning, Info, Unknown];
    all.into_iter().find(|severity| severity.label().as_bytes() == word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = Name> {
        let texts =
            prop_oneof!["[a-c]{0,3}", "[ -~\u{e9}\u{1F525}\n\t\\\\\"]{0,40}", "[a-z]{250,270}",];
        texts.prop_map(|text| Name::from(text.as_str()))
    }

    fn labels() -> impl Strategy<Value = Labels> {
        prop::collection::vec((text(), text()), 0..6).prop_map(Labels::new)
    }

    prop_compose! {
        fn alert()(
            (name, labels, annotations) in (text(), labels(), labels()),
            (start_ms, lasts_ms) in (0_i64..4_000_000_000_000, prop::option::of(0_i64..9_000_000)),
            resolved in any::<bool>(),
            (trace_id, url, group) in (any::<Option<u128>>(), prop::option::of(text()),
                prop::option::of(text())),
        ) -> Alert {
            let starts_at = Timestamp::from_millis(start_ms);
            Alert {
                fingerprint: labels.fingerprint(),
                name,
                status: if resolved { AlertStatus::Resolved } else { AlertStatus::Firing },
                labels,
                annotations,
                starts_at,
                ends_at: lasts_ms.map(|lasts| Timestamp::from_millis(start_ms + lasts)),
                severity: Severity::Critical,
                trace_id: trace_id.map(TraceId),
                generator_url: url,
                group,
            }
        }
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_serde_reads(
            alerts in prop::collection::vec(alert(), 1..6),
            offset in 0..=u64::MAX / 2,
            has_position in any::<bool>(),
        ) {
            let mut reader = EntryReader::default();
            for alert in alerts {
                let topic = "alerts".into();
                let position = Position { topic, partition: 3, offset, item: 1 };
                let entry = JournalEntry {
                    arrival: alert.starts_at,
                    position: has_position.then_some(position),
                    record: JournalRecord::Alert(alert),
                };
                let bytes = serde_json::to_vec(&entry).expect("encodes");
                // With escapes or without: what we write is read here.
                prop_assert_eq!(reader.alert(&bytes), Some(entry.clone()));
                prop_assert_eq!(reader.read(&bytes).ok(), Some(entry.clone()));
                prop_assert_eq!(wire::json::<JournalEntry>(Some(&bytes)).expect("reads"), entry);
            }
        }

        #[test]
        fn damage_is_found_on_both_ways(alert in alert(), at in 0_usize..2_000, byte in any::<u8>()) {
            let record = JournalRecord::Alert(alert);
            let entry = JournalEntry { arrival: Timestamp::EPOCH, position: None, record };
            let mut bytes = serde_json::to_vec(&entry).expect("encodes");
            let (whole, at) = (bytes.clone(), at % bytes.len());
            bytes[at] = byte;
            let long = wire::json::<JournalEntry>(Some(&bytes)).ok();
            prop_assert_eq!(EntryReader::default().read(&bytes).ok(), long.clone());
            // The same by a reader that knows what the rule says.
            let mut reader = EntryReader::default();
            let _whole = reader.read(&whole);
            prop_assert_eq!(reader.read(&bytes).ok(), long);
        }
    }

    fn said(summary: &str, offset: u64) -> JournalEntry {
        let pairs = |pairs: &[(&str, &str)]| {
            Labels::new(
                pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            )
        };
        let labels = pairs(&[("alertname", "Slow"), ("instance", &format!("cart-{offset}"))]);
        let alert = Alert {
            fingerprint: labels.fingerprint(),
            name: "Slow".into(),
            status: AlertStatus::Firing,
            labels,
            annotations: pairs(&[("summary", summary)]),
            starts_at: Timestamp::EPOCH,
            ends_at: None,
            severity: Severity::Warning,
            trace_id: None,
            generator_url: None,
            group: None,
        };
        let position = Position { topic: "alerts".into(), partition: 0, offset, item: 0 };
        let record = JournalRecord::Alert(alert);
        JournalEntry { arrival: Timestamp::EPOCH, position: Some(position), record }
    }

    #[test]
    fn no_labels_are_an_empty_list_and_nothing_else() {
        let bytes = serde_json::to_string(&said("slow", 1)).expect("encodes");
        for field in ["labels", "annotations"] {
            let from = bytes.find(&format!("\"{field}\":[")).expect("is there") + field.len() + 3;
            let to = from + bytes[from..].find("]]").expect("ends") + 2;
            let with = |value: &str| format!("{}{value}{}", &bytes[..from], &bytes[to..]);
            let mut reader = EntryReader::default();
            for refused in ["null", "{}", "\"\"", "0"] {
                assert!(wire::json::<JournalEntry>(Some(with(refused).as_bytes())).is_err());
                assert!(reader.read(with(refused).as_bytes()).is_err(), "{}", with(refused));
            }
            assert!(reader.alert(with("[]").as_bytes()).is_some());
        }
    }

    #[test]
    fn an_escape_keeps_nothing_from_being_shared() {
        let labels = |offset: u64| {
            let path = (Name::from("path"), Name::from("C:\\data"));
            let instance = (Name::from("instance"), Name::from(format!("cart-{offset}").as_str()));
            Labels::new(vec![path, instance])
        };
        let mut reader = EntryReader::default();
        // A value is shared from the second time on.
        let read: Vec<Alert> = (0..3)
            .map(|offset| {
                let mut entry = said("slow", offset);
                let JournalRecord::Alert(alert) = &mut entry.record else { panic!("an alert") };
                alert.labels = labels(offset);
                alert.name = "Slow \"disk\"".into();
                alert.group = Some("a\tb".into());
                let bytes = serde_json::to_vec(&entry).expect("encodes");
                match reader.alert(&bytes).expect("the short way").record {
                    JournalRecord::Alert(alert) => alert,
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        let same = |a: Option<&Name>, b: Option<&Name>| {
            let place = |name: Option<&Name>| name.expect("is there").as_ptr();
            place(a) == place(b)
        };
        assert!(same(Some(&read[1].name), Some(&read[2].name)));
        assert!(same(read[1].group.as_ref(), read[2].group.as_ref()));
        assert!(same(read[1].labels.get("path"), read[2].labels.get("path")));
    }

    #[test]
    fn what_a_rule_says_each_time_is_in_memory_once() {
        let mut reader = EntryReader::default();
        let texts =
            ["it is \"slow\"\n", "it is \"slow\"\n", "another", "another", "it is \"slow\"\n"];
        let read: Vec<Alert> = (0..)
            .zip(texts)
            .map(|(offset, text)| {
                let entry = said(text, offset);
                let bytes = serde_json::to_vec(&entry).expect("encodes");
                assert_eq!(reader.alert(&bytes), Some(entry), "the short way");
                match reader.alert(&bytes).expect("read before").record {
                    JournalRecord::Alert(alert) => alert,
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        let at =
            |alert: &Alert| alert.annotations.iter().next().map(|(name, _)| name as *const Name);
        assert_eq!(at(&read[0]), at(&read[1]));
        assert_eq!(at(&read[2]), at(&read[3]));
        assert_ne!(at(&read[1]), at(&read[2]));
    }
}
