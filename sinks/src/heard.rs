//! What people did at a destination, and up to where we have heard of it.
//!
//! A sink that can be listened to is asked now and then with the cursor of its last answer. What
//! it heard goes to the journal as acts, and then the new cursor to `faultline.deliveries` (key:
//! the sink's name), so a crash in between hears the same again, under the same ids. Our own
//! writes are never acts: a sink tells them apart by the account that made them.

use std::collections::BTreeMap;

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::name::Name;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exchange::Stop;
use crate::render::untrusted::Untrusted;

/// The version of the record's form.
const SCHEMA_VERSION: u32 = 1;
/// Longest reason or comment that is taken over. Unit: characters.
const REASON_CHARS_MAX: usize = 1_000;
/// Longest name of a person or team. Unit: characters.
const NAME_CHARS_MAX: usize = 60;
/// Longest id of an act. Unit: characters.
const ID_CHARS_MAX: usize = 64;

/// The answer of a destination that was listened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What people did, in the order in which they did it.
    pub acts: Vec<Act>,
    /// Up to where it was heard; `None`: as before.
    pub cursor: Option<String>,
    /// Whether there is more to hear at once.
    pub more: More,
    /// What could not be read and was passed over, in words that are safe to log.
    pub notes: Vec<String>,
}

/// Whether a destination has more to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum More {
    /// That was all.
    #[default]
    No,
    /// The answer was cut at its bound.
    Yes,
}

/// Up to where one sink has heard: a record of `faultline.deliveries`, key: the sink's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardRecord {
    /// Version of this form: 1.
    pub schema_version: u32,
    /// The sink's configured name.
    pub heard_by: Name,
    /// In the destination's own terms.
    pub cursor: String,
    /// When: wall clock.
    pub at: Timestamp,
}

impl HeardRecord {
    /// A record.
    #[must_use]
    pub fn new(sink: &Name, cursor: String, at: Timestamp) -> Self {
        Self { schema_version: SCHEMA_VERSION, heard_by: sink.clone(), cursor, at }
    }

    /// The record's key: a sink's name has no slash, so it is no delivery's key.
    #[must_use]
    pub fn key(&self) -> String {
        self.heard_by.as_str().to_owned()
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

/// How often one thing that cannot be read is tried.
const TRIES_MAX: u32 = 3;

/// Whether to try once more what could not be read: bad items must not make us deaf for good.
///
/// Counted for each thing, so that none uses up the tries of another. What was given up stays so
/// until [`Patience::renew`]: another bad thing beside it may have it read again.
#[derive(Debug, Default)]
pub(crate) struct Patience(BTreeMap<String, u32>);

impl Patience {
    /// What was read; `None`: it never will be, and is to be passed over. `what` names the thing.
    pub(crate) fn read<T>(&mut self, what: &str, read: Result<T, Stop>) -> Result<Option<T>, Stop> {
        match read {
            Ok(read) => {
                self.0.remove(what);
                Ok(Some(read))
            }
            Err(stop) if stop.is_too_large() => Ok(None),
            Err(stop) if stop.is_unreadable() => {
                let tries = self.0.entry(what.to_owned()).or_default();
                *tries = tries.saturating_add(1);
                if *tries < TRIES_MAX { Err(stop) } else { Ok(None) }
            }
            Err(stop) => Err(stop),
        }
    }

    /// All that was tried was read or given up, and is not read again: forgets it, so that no more
    /// is remembered than what one answer reads.
    pub(crate) fn renew(&mut self) {
        self.0.clear();
    }
}

/// One thing that a person did at a destination, before it is an act.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed<'a> {
    /// The sink.
    pub(crate) via: &'a Name,
    /// Stable at the destination: a transaction, an entry of a log.
    pub(crate) entry: &'a str,
    /// Who, as the destination names them.
    pub(crate) author: &'a str,
    /// When, by the destination's clock.
    pub(crate) at: Timestamp,
    /// In words; may be empty.
    pub(crate) reason: &'a str,
}

impl Deed<'_> {
    /// The act. Text from outside is cleaned of what cannot be seen, and cut.
    pub(crate) fn act(&self, decision: Decision) -> Act {
        Act {
            id: act_id(self.via, self.entry, verb(&decision)).into(),
            author: name(self.author),
            via: self.via.clone(),
            at: self.at,
            reason: Untrusted(self.reason).data(REASON_CHARS_MAX).trim().to_owned(),
            decision,
        }
    }
}

/// The incident's id, as our look-up keys have it: 16 hexadecimal digits.
pub(crate) fn incident_id(text: &str) -> Option<IncidentId> {
    let whole = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| u64::from_str_radix(text, 16).ok().map(IncidentId)).flatten()
}

/// A person's or team's name from outside.
pub(crate) fn name(text: &str) -> Name {
    let text = Untrusted(text).line(NAME_CHARS_MAX);
    if text.is_empty() { "unknown".into() } else { text.into() }
}

/// `itsm:4711:resolve`; where that is too long or holds what an id may not, its middle is a hash: two entries
/// never have one id.
fn act_id(via: &str, entry: &str, verb: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
    let id = format!("{via}:{entry}:{verb}");
    if id.len() <= ID_CHARS_MAX && id.chars().all(fits) {
        return id;
    }
    let hash = model::id::stable_hash(&[via.as_bytes(), entry.as_bytes(), verb.as_bytes()]);
    let head = via.chars().map(|c| if fits(c) { c } else { '-' });
    let head: String = head.take(ID_CHARS_MAX - 31).collect();
    format!("{head}:{hash:016x}:{verb}")
}

/// One deed can be two decisions: the verb keeps their ids apart.
fn verb(decision: &Decision) -> &'static str {
    match decision {
        Decision::Acknowledge { .. } => "acknowledge",
        Decision::Unacknowledge { .. } => "unacknowledge",
        Decision::Snooze { .. } => "snooze",
        Decision::Unsnooze { .. } => "unsnooze",
        Decision::Assign { .. } => "assign",
        Decision::Comment { .. } => "comment",
        Decision::Resolve { .. } => "resolve",
        Decision::Reopen { .. } => "reopen",
        Decision::Merge { .. } => "merge",
        _ => "act",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::TOO_LARGE;

    #[test]
    fn ids_are_stable_short_and_of_allowed_characters() {
        assert_eq!(act_id("itsm", "4711", "resolve"), "itsm:4711:resolve");
        let other = act_id("it sm", "a b/ü", "resolve");
        assert!(other.starts_with("it-sm:") && other.ends_with(":resolve"), "{other}");
        assert_ne!(act_id("itsm", "a b", "resolve"), act_id("itsm", "a/b", "resolve"));
        assert_ne!(act_id("itsm", "a b", "resolve"), act_id("itsm", "a-b", "resolve"));
        assert!(act_id(&"s".repeat(40), "a b", "unacknowledge").len() <= 64);
        let long = act_id(&"s".repeat(40), &"9".repeat(60), "acknowledge");
        assert!(long.len() <= 64, "{long}");
        assert_eq!(long, act_id(&"s".repeat(40), &"9".repeat(60), "acknowledge"));
        assert_ne!(long, act_id(&"s".repeat(40), &"8".repeat(60), "acknowledge"));
    }

    #[test]
    fn keys_of_look_ups_are_read_and_other_text_is_not() {
        assert_eq!(incident_id("00000000000000ab"), Some(IncidentId(0xab)));
        for other in ["ab", "+0000000000000ab", "00000000000000ax", ""] {
            assert_eq!(incident_id(other), None, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_tried_a_few_times_and_what_is_too_large_once() {
        let mut patience = Patience::default();
        let bad = || Err::<(), _>(Stop::again("not the promised json"));
        assert!(patience.read("a", bad()).is_err());
        assert!(patience.read("a", bad()).is_err());
        assert!(matches!(patience.read("a", bad()), Ok(None)));
        assert!(patience.read("b", bad()).is_err(), "the next one has its own tries");
        assert!(matches!(patience.read("c", Err::<(), _>(Stop::again(TOO_LARGE))), Ok(None)));
        assert!(matches!(patience.read("c", Ok(1)), Ok(Some(1))));
        patience.renew();
        assert!(patience.read("a", bad()).is_err(), "the next look tries it anew");
    }

    #[test]
    fn two_bad_things_of_one_batch_are_both_passed_over_and_a_good_one_never_is() {
        let mut patience = Patience::default();
        let bad = || Err::<u32, _>(Stop::again("not the promised json"));
        // What one answer reads, from the start each time that something fails.
        let mut look = |good: &dyn Fn() -> Result<u32, Stop>| {
            let first = patience.read("1", bad())?;
            let good = patience.read("2", good())?;
            let last = patience.read("3", bad())?;
            Ok::<_, Stop>((first, good, last))
        };
        let answers: Vec<_> = (0..5).map(|_| look(&|| Ok(7)).ok()).collect();
        assert_eq!(answers, [None, None, None, None, Some((None, Some(7), None))]);
        // A thing that fails now and then is not given up for what it failed before.
        for _ in 0..9 {
            assert!(look(&bad).is_err());
            assert!(matches!(look(&|| Ok(7)), Ok((None, Some(7), None))));
        }
    }

    #[test]
    fn words_of_people_are_cleaned_and_cut_and_one_deed_can_be_two_acts() {
        let via: Name = "itsm".into();
        let deed = Deed {
            via: &via,
            entry: "7",
            author: "op\u{202e}erator\n",
            at: Timestamp::EPOCH,
            reason: &format!(" fixed\u{0}\n{}", "x".repeat(5_000)),
        };
        let incident = IncidentId(0xab);
        let (first, second) = (
            deed.act(Decision::Acknowledge { incident }),
            deed.act(Decision::Assign { incident, to: Some(name("operator")) }),
        );
        assert_ne!(first.id, second.id);
        assert_eq!(first.author.as_str(), "operator");
        assert!(first.reason.starts_with("fixed\nxxx") && first.reason.chars().count() <= 1_000);
    }

    #[test]
    fn a_record_survives_its_json_and_is_no_delivery() {
        let record = HeardRecord::new(&"itsm".into(), String::from("42"), Timestamp::EPOCH);
        assert_eq!(HeardRecord::from_json(&record.to_json()), Some(record.clone()));
        assert_eq!(crate::delivery::record::Delivered::from_json(&record.to_json()), None);
        assert_eq!(record.key(), "itsm");
    }
}
