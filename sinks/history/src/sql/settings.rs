//! Settings of a session: what clients set on their way and read back. None of them reaches the
//! query engine; `statement_timeout` alone has an effect, and only to shorten.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{SqlError, UNSUPPORTED};
use super::path::SCHEMA;

/// The version of PostgreSQL that we behave like.
pub const SERVER_VERSION: &str = "15.0";
/// The same as a number.
pub const SERVER_VERSION_NUM: &str = "150000";

/// Names that may be set, with what they are before anybody set them.
const SETTABLE: [(&str, &str); 20] = [
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("intervalstyle", "postgres"),
    ("jit", "off"),
    ("lock_timeout", "0"),
    ("row_security", "off"),
    ("search_path", SCHEMA),
    ("session_characteristics", ""),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("synchronize_seqscans", "off"),
    ("timezone", "UTC"),
    ("transaction_read_only", "on"),
];

/// Names that can only be read.
const FIXED: [(&str, &str); 12] = [
    ("integer_datetimes", "on"),
    ("is_superuser", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", SERVER_VERSION_NUM),
    ("transaction_isolation", "read committed"),
    ("transaction_isolation_level", "read committed"),
    ("ssl", "on"),
];

/// The largest text that a setting takes. Unit: bytes.
const VALUE_BYTES_MAX: usize = 256;

/// What a session set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Sets a value.
    ///
    /// # Errors
    /// When the name is not one that may be set, or the value would change what answers mean.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let name = canonical(name);
        if !SETTABLE.iter().any(|(known, _)| *known == name) {
            return Err(SqlError::new(
                UNSUPPORTED,
                format!("setting {name:?} cannot be changed here"),
            ));
        }
        let refuse = |what: &str| SqlError::new("22023", format!("{name}: {what}"));
        let plain: String =
            value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        match &*name {
            _ if value.len() > VALUE_BYTES_MAX => return Err(refuse("the value is too long")),
            "timezone"
                if !["utc", "etcutc", "gmt", "0", "default", "local", "zulu"]
                    .contains(&plain.as_str()) =>
            {
                return Err(refuse("times are told in UTC; convert them where they are shown"));
            }
            "client_encoding" if !["utf8", "unicode", "default"].contains(&plain.as_str()) => {
                return Err(refuse("only UTF8 is spoken"));
            }
            "standard_conforming_strings" if plain != "on" => {
                return Err(refuse("cannot be turned off"));
            }
            "statement_timeout" if millis(value).is_none() => {
                return Err(refuse("expected a time like `5000`, `5s` or `1min`"));
            }
            _ => {}
        }
        self.0.insert(name, value.to_owned());
        Ok(())
    }

    /// Puts one setting back, or all.
    pub fn reset(&mut self, name: Option<&str>) {
        match name {
            Some(name) => {
                self.0.remove(&canonical(name));
            }
            None => self.0.clear(),
        }
    }

    /// A setting's value.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn get(&self, name: &str) -> Result<String, SqlError> {
        let name = canonical(name);
        let known = |list: &[(&str, &str)]| {
            list.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        self.0
            .get(&name)
            .cloned()
            .or_else(|| known(&SETTABLE))
            .or_else(|| known(&FIXED))
            .ok_or_else(|| SqlError::new("42704", format!("unrecognized setting {name:?}")))
    }

    /// The shorter of the session's own timeout and the one that holds for all.
    #[must_use]
    pub fn timeout(&self, for_all: Duration) -> Duration {
        let own = self.0.get("statement_timeout").and_then(|value| millis(value));
        own.filter(|own| *own > 0).map_or(for_all, |own| for_all.min(Duration::from_millis(own)))
    }
}

fn canonical(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('"', "");
    match &*name {
        "time_zone" | "time zone" => "timezone".into(),
        "names" => "client_encoding".into(),
        _ => name,
    }
}

fn millis(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_shorten_its_time_and_never_lengthen_it() {
        let mut settings = Settings::default();
        let all = Duration::from_secs(30);
        assert_eq!(settings.timeout(all), all);
        settings.set("statement_timeout", "5s").unwrap();
        assert_eq!(settings.timeout(all), Duration::from_secs(5));
        settings.set("statement_timeout", "1h").unwrap();
        assert_eq!(settings.timeout(all), all);
        settings.set("statement_timeout", "0").unwrap();
        assert_eq!(settings.timeout(all), all);
        assert!(settings.set("statement_timeout", "soon").is_err());
    }

    #[test]
    fn nothing_that_the_engine_listens_to_can_be_set() {
        let mut settings = Settings::default();
        assert!(settings.set("datafusion.execution.target_partitions", "1000").is_err());
        assert!(settings.set("timezone", "Europe/Berlin").is_err());
        settings.set("TimeZone", "Etc/UTC").unwrap();
        assert_eq!(settings.get("timezone").unwrap(), "Etc/UTC");
        settings.reset(None);
        assert_eq!(settings.get("timezone").unwrap(), "UTC");
        assert_eq!(settings.get("server_version_num").unwrap(), "150000");
        assert_eq!(settings.get("nonsense").unwrap_err().code, "42704");
    }
}
