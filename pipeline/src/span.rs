//! Lengths of time as people type them: `30m`, `2h`, `1d12h`, as Prometheus has them.

use model::time::Nanos;

/// The longest length that is taken: a year.
pub const SPAN_MAX: Nanos = Nanos(366 * DAY_S * SECOND);

const SECOND: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// Reads one or more whole numbers with a unit each: `w d h m s`, the larger units first.
///
/// # Errors
/// A sentence that says what to write instead.
pub fn parse(text: &str) -> Result<Nanos, String> {
    read(text.trim()).filter(|span| span.0 > 0 && *span <= SPAN_MAX).ok_or_else(|| {
        "no length of time; write numbers with units, e.g. 30m, 2h or 1d12h, a year at most"
            .to_owned()
    })
}

fn read(text: &str) -> Option<Nanos> {
    let (mut rest, mut total_s, mut last_unit_s) = (text, 0_i64, i64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let unit_s = match rest.get(digits..=digits)? {
            "w" => 7 * DAY_S,
            "d" => DAY_S,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        if unit_s >= last_unit_s {
            return None;
        }
        total_s = total_s.checked_add(number.checked_mul(unit_s)?)?;
        last_unit_s = unit_s;
        rest = rest.get(digits + 1..)?;
    }
    total_s.checked_mul(SECOND).map(Nanos)
}

/// A length in at most two units: `1d 12h`, `45m`, `0s`.
#[must_use]
pub fn show(span: Nanos) -> String {
    let total_s = (span.0 / SECOND).max(0);
    let units = [(DAY_S, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = total_s;
    let mut parts = Vec::new();
    for (unit_s, name) in units {
        if left >= unit_s {
            parts.push(format!("{}{name}", left / unit_s));
            left %= unit_s;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_prometheus_reads_them() {
        for (text, seconds) in
            [("30m", 1_800), ("2h", 7_200), ("1d12h", 129_600), ("90s", 90), (" 1w ", 604_800)]
        {
            assert_eq!(parse(text), Ok(Nanos::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_is_refused_with_an_example() {
        for text in [
            "",
            "30",
            "m",
            "1m1h",
            "1h1h",
            "-1h",
            "1.5h",
            "0s",
            "2 h",
            "99999w",
            "9999999999999999d",
        ] {
            assert!(parse(text).unwrap_err().contains("1d12h"), "{text}");
        }
    }

    #[test]
    fn lengths_are_shown_in_two_units_at_most() {
        for (seconds, shown) in
            [(0, "0s"), (59, "59s"), (3_661, "1h 1m"), (129_600, "1d 12h"), (-5, "0s")]
        {
            assert_eq!(show(Nanos::from_secs(seconds)), shown);
        }
    }
}
