//! What was said to whom: the record of the compacted topic `faultline.deliveries`.
//!
//! Key: `sink/incident`. Value: JSON, `schema_version` 1; fields may be added. It is written after
//! the destination answered, so a crash in between says the same again, under the same
//! idempotency key.

use model::id::{Fingerprint, IncidentId, stable_hash};
use model::incident::{Incident, Ticket};
use model::name::Name;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::render::told::Told;

/// The version of the record's form.
pub const SCHEMA_VERSION: u32 = 1;

/// The newest thing that one sink said of one incident, and the newest that it tried to say.
///
/// It is written twice: before the first attempt of a revision (the intent, with a higher
/// `attempted`), and after the answer. So nobody has to guess after a crash whether the
/// destination may have heard of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Version of this form: 1.
    pub schema_version: u32,
    /// The sink's configured name.
    pub sink: Name,
    /// The incident.
    pub incident: IncidentId,
    /// The newest revision that the destination has, or that has nothing new for it; 0: none yet.
    pub revision: u32,
    /// The newest revision that was tried. Higher than `revision`: the destination may have it.
    pub attempted: u32,
    /// When something was last said: wall clock.
    pub at: Timestamp,
    /// Hash of everything in that revision that could be worth saying.
    pub content_hash: Fingerprint,
    /// The key under which it was last said.
    pub idempotency_key: String,
    /// The record that the destination keeps.
    pub ticket: Option<Ticket>,
    /// The title under which the destination keeps its record, as we wrote it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was said, for the news of the next revision.
    pub told: Told,
}

impl Delivered {
    /// The record that is written before the first attempt of a revision.
    #[must_use]
    pub fn intent(incident: &Incident, sink: &Name, known: Option<&Self>, now: Timestamp) -> Self {
        if let Some(known) = known {
            return Self { attempted: incident.revision, ..known.clone() };
        }
        Self {
            schema_version: SCHEMA_VERSION,
            sink: sink.clone(),
            incident: incident.id,
            revision: 0,
            attempted: incident.revision,
            at: now,
            content_hash: Fingerprint(0),
            idempotency_key: idempotency_key(incident, sink),
            ticket: None,
            title: None,
            told: Told::of(incident),
        }
    }

    /// Whether the destination may have heard more than we know.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        self.attempted > self.revision
    }

    /// Whether nothing was said yet, as far as we know.
    #[must_use]
    pub fn is_intent(&self) -> bool {
        self.revision == 0
    }

    /// The record's key: `sink/incident`.
    #[must_use]
    pub fn key(&self) -> String {
        record_key(&self.sink, self.incident)
    }

    /// The record's value.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Serializing derived types with text keys does not fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record's value. `None` for anything else, and for forms newer than ours.
    #[must_use]
    pub fn from_json(value: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(value).ok()?;
        (record.schema_version <= SCHEMA_VERSION).then_some(record)
    }
}

/// The key of a delivery in `faultline.deliveries`.
#[must_use]
pub fn record_key(sink: &Name, incident: IncidentId) -> String {
    format!("{sink}/{incident}")
}

/// Stable per (incident, revision, sink): `<incident>-<revision>-<sink>`. It has no full stop and
/// no character that a header would not take, because sink names are checked.
#[must_use]
pub fn idempotency_key(incident: &Incident, sink: &Name) -> String {
    format!("{}-{}-{sink}", incident.id, incident.revision)
}

/// Hash of the incident without what changes by itself: revision, time of the decision, and its
/// tickets (which our own deliveries add).
#[must_use]
pub fn content_hash(incident: &Incident) -> Fingerprint {
    let mut content = incident.clone();
    content.revision = 0;
    content.updated_at = Timestamp::EPOCH;
    content.tickets.clear();
    let bytes = serde_json::to_vec(&content).unwrap_or_default();
    Fingerprint(stable_hash(&[&bytes]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::testing::{at, incident, with_service};

    #[test]
    fn the_content_hash_ignores_what_our_own_deliveries_change() {
        let first = incident(1);
        let mut linked = incident(2);
        linked.tickets.push(Ticket {
            sink: "itsm".into(),
            id: "1".into(),
            number: None,
            url: None,
        });
        assert_eq!(content_hash(&first), content_hash(&linked));
        assert_ne!(content_hash(&first), content_hash(&with_service(2, "cart")));
    }

    #[test]
    fn a_record_survives_its_json_and_newer_forms_are_not_misread() {
        let incident = incident(3);
        let record = Delivered {
            schema_version: SCHEMA_VERSION,
            sink: "ops".into(),
            incident: incident.id,
            revision: 3,
            attempted: 3,
            at: at(31),
            content_hash: content_hash(&incident),
            idempotency_key: idempotency_key(&incident, &"ops".into()),
            ticket: None,
            title: None,
            told: Told::of(&incident),
        };
        assert_eq!(record.key(), "ops/00000000000000ab");
        assert_eq!(record.idempotency_key, "00000000000000ab-3-ops");
        assert_eq!(Delivered::from_json(&record.to_json()), Some(record.clone()));
        let newer = Delivered { schema_version: 2, ..record };
        assert_eq!(Delivered::from_json(&newer.to_json()), None);
        assert_eq!(Delivered::from_json(b"{}"), None);
    }
}
