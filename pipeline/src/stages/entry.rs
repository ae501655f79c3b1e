//! Entries of the journal as CORRELATE reads them. Nearly all are alerts, and what those say has been
//! said before: the same labels, the same texts. So alerts have a short way, on which text stays where
//! it is until its shared name is known; every other record is read as serde does.

use model::alert::{Alert, AlertStatus, Labels, Severity};
use model::id::{Fingerprint, Position, TraceId};
use model::journal::{JournalEntry, JournalRecord};
use model::name::Name;
use model::time::Timestamp;
use serde::Deserialize;

use crate::intake::decode::interner::Interner;
use crate::intake::decode::limits::NAME_CHARS_MAX;
use crate::intake::decode::text::Text;
use crate::stages::wire::{self, WireError};

/// Names that are shared between entries, at most.
const NAMES_MAX: usize = 65_536;

/// Reads entries. What it remembers only shares memory.
pub(super) struct EntryReader {
    names: Interner,
}

impl Default for EntryReader {
    fn default() -> Self {
        Self { names: Interner::new(NAMES_MAX) }
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

    /// An alert; `None` for everything else.
    fn alert(&mut self, value: &[u8]) -> Option<JournalEntry> {
        let Entry { arrival, position, record: Record::Alert(said) } =
            serde_json::from_slice(value).ok()?;
        let position = position.map(|place| Position {
            topic: self.name(&place.topic),
            partition: place.partition,
            offset: place.offset,
            item: place.item,
        });
        let alert = Alert {
            fingerprint: said.fingerprint,
            name: self.name(&said.name),
            status: said.status,
            labels: self.labels(&said.labels)?,
            annotations: self.labels(&said.annotations)?,
            starts_at: said.starts_at,
            ends_at: said.ends_at,
            severity: said.severity,
            trace_id: said.trace_id,
            generator_url: said.generator_url.map(|url| self.name(&url)),
            group: said.group.map(|group| self.name(&group)),
        };
        Some(JournalEntry { arrival, position, record: JournalRecord::Alert(alert) })
    }

    /// Pairs, if they stand as we write them: sorted, each name once.
    fn labels(&mut self, pairs: &[(Text<'_>, Text<'_>)]) -> Option<Labels> {
        let names = || pairs.iter().map(|(name, _)| &name.0);
        if names().zip(names().skip(1)).any(|(name, next)| name >= next) {
            return None;
        }
        let pairs = pairs.iter().map(|(name, value)| (self.name(name), self.value(value)));
        Some(Labels::new(pairs.collect()))
    }

    /// Some values are said once: an instance, a pod.
    fn value(&mut self, text: &Text<'_>) -> Name {
        let text = &*text.0;
        if text.len() <= NAME_CHARS_MAX { self.names.familiar(text) } else { text.into() }
    }

    /// Long texts are rarely said twice.
    fn name(&mut self, text: &Text<'_>) -> Name {
        let text = &*text.0;
        if text.len() <= NAME_CHARS_MAX { self.names.name(text) } else { text.into() }
    }
}

/// [`JournalEntry`] of an alert, with text where it stands. Fields as `model` has them.
#[derive(Deserialize)]
struct Entry<'a> {
    arrival: Timestamp,
    #[serde(borrow)]
    position: Option<Place<'a>>,
    #[serde(borrow)]
    record: Record<'a>,
}

#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    topic: Text<'a>,
    partition: u32,
    offset: u64,
    item: u32,
}

#[derive(Deserialize)]
enum Record<'a> {
    #[serde(borrow)]
    Alert(Said<'a>),
}

#[derive(Deserialize)]
struct Said<'a> {
    fingerprint: Fingerprint,
    #[serde(borrow)]
    name: Text<'a>,
    status: AlertStatus,
    #[serde(borrow)]
    labels: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow)]
    annotations: Vec<(Text<'a>, Text<'a>)>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    severity: Severity,
    trace_id: Option<TraceId>,
    #[serde(borrow)]
    generator_url: Option<Text<'a>>,
    #[serde(borrow, default)]
    group: Option<Text<'a>>,
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
            offset in any::<u64>(),
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
                prop_assert_eq!(reader.alert(&bytes), Some(entry.clone()));
                prop_assert_eq!(wire::json::<JournalEntry>(Some(&bytes)).expect("reads"), entry);
            }
        }

        #[test]
        fn damage_is_found_on_both_ways(alert in alert(), at in 0_usize..2_000, byte in any::<u8>()) {
            let record = JournalRecord::Alert(alert);
            let entry = JournalEntry { arrival: Timestamp::EPOCH, position: None, record };
            let mut bytes = serde_json::to_vec(&entry).expect("encodes");
            let at = at % bytes.len();
            bytes[at] = byte;
            let short = EntryReader::default().read(&bytes).ok();
            prop_assert_eq!(short, wire::json::<JournalEntry>(Some(&bytes)).ok());
        }
    }
}
