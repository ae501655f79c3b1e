//! Event time: instants, spans of time and panes, all integers.

use std::fmt;
use std::ops::{Add, Sub};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text;

mod rfc3339;

/// A length of time. Unit: nanoseconds, signed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Nanos(pub i64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A length given in milliseconds. Saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A length given in seconds. Saturates.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Whole milliseconds, towards negative infinity.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole seconds, towards negative infinity.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Seconds as a float, for formulas.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// An instant. Unit: nanoseconds since the Unix epoch. Text form: RFC 3339, UTC, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The Unix epoch; stands for "never" where a watermark has not begun.
    pub const EPOCH: Self = Self(0);

    /// An instant given in Unix milliseconds. Saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Unix milliseconds, towards negative infinity.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Reads RFC 3339. `None` for anything else, and for years a Unix nanosecond cannot hold.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        if let Some(nanos) = rfc3339::read(text) {
            return Some(Self(nanos));
        }
        let instant: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(instant.as_nanosecond()).ok().map(Self)
    }

    /// RFC 3339, UTC, with exactly three decimals.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        self.with_rfc3339(str::to_owned)
    }

    /// What is made of the text form, which is only lent.
    pub fn with_rfc3339<T>(self, of: impl FnOnce(&str) -> T) -> T {
        let usual = rfc3339::write(self.millis());
        if let Some(text) = usual.as_ref().and_then(|text| std::str::from_utf8(text).ok()) {
            return of(text);
        }
        match jiff::Timestamp::from_millisecond(self.millis()) {
            Ok(instant) => of(&format!("{instant:.3}")),
            Err(_) => of("1970-01-01T00:00:00.000Z"),
        }
    }

    /// The wall-clock part in UTC, `HH:MM:SS`: for narratives and terminals.
    #[must_use]
    pub fn to_hms(self) -> String {
        self.with_rfc3339(|text| text.get(11..19).unwrap_or("00:00:00").to_owned())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_rfc3339(|text| f.write_str(text))
    }
}

impl Add<Nanos> for Timestamp {
    type Output = Self;
    fn add(self, length: Nanos) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub<Nanos> for Timestamp {
    type Output = Self;
    fn sub(self, length: Nanos) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

impl Sub for Timestamp {
    type Output = Nanos;
    fn sub(self, other: Self) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

/// Human-readable formats get RFC 3339 with milliseconds, binary ones the exact nanoseconds.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.with_rfc3339(|text| serializer.serialize_str(text))
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            text::read(deserializer, "a time in RFC 3339", Self::parse_rfc3339)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// The index of a pane: event time cut into equal pieces, counted from the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Pane(pub i64);

impl Pane {
    /// The pane `count` panes later (earlier if negative).
    #[must_use]
    pub const fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many panes lie between `earlier` and this one; negative if this one is the earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The width of all panes of one installation. Invariant: at least one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneWidth(Nanos);

impl Default for PaneWidth {
    fn default() -> Self {
        Self(Nanos::from_secs(10))
    }
}

impl PaneWidth {
    /// A width in whole seconds; values below one second become one second.
    #[must_use]
    pub fn from_secs(secs: i64) -> Self {
        Self(Nanos::from_secs(secs.max(1)))
    }

    /// The width as a length of time.
    #[must_use]
    pub const fn nanos(self) -> Nanos {
        self.0
    }

    /// The pane that holds an instant; negative times round down as positive ones do.
    #[must_use]
    pub const fn pane_of(self, at: Timestamp) -> Pane {
        Pane(at.0.div_euclid(self.0.0))
    }

    /// The first instant of a pane.
    #[must_use]
    pub const fn start(self, pane: Pane) -> Timestamp {
        Timestamp(pane.0.saturating_mul(self.0.0))
    }

    /// The first instant after a pane.
    #[must_use]
    pub const fn end(self, pane: Pane) -> Timestamp {
        Timestamp(pane.0.saturating_add(1).saturating_mul(self.0.0))
    }

    /// How many panes a length of time covers, rounded up.
    #[must_use]
    pub const fn panes_in(self, length: Nanos) -> i64 {
        length.0.saturating_add(self.0.0 - 1).div_euclid(self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_rfc3339_with_milliseconds() {
        let at = Timestamp::parse_rfc3339("2026-03-17T02:07:00.1239Z").unwrap();
        assert_eq!(at.to_rfc3339(), "2026-03-17T02:07:00.123Z");
        assert_eq!(at.to_hms(), "02:07:00");
        assert_eq!(Timestamp::parse_rfc3339("0001-01-01T00:00:00Z"), None, "outside of i64 ns");
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn panes_cover_time_without_gap_before_and_after_the_epoch() {
        let width = PaneWidth::default();
        for ns in [-1, 0, 1, 9_999_999_999, 10_000_000_000, -10_000_000_001] {
            let at = Timestamp(ns);
            let pane = width.pane_of(at);
            assert!(width.start(pane) <= at && at < width.end(pane), "{ns}");
            assert_eq!(width.end(pane), width.start(pane.plus(1)));
        }
        assert_eq!(width.panes_in(Nanos::from_secs(60)), 6);
        assert_eq!(width.panes_in(Nanos::from_secs(61)), 7);
    }
}
