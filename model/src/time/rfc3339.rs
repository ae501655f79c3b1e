//! RFC 3339 as machines write it, `2026-03-17T02:07:00.123Z`: every alert carries two of them, and each is read and
//! written on the way to its incident. All other forms, and years that are not four digits from 1970 on, are left to
//! the library, which the tests hold this against.

const NANOS: i64 = 1_000_000_000;
const DAY_SECS: i64 = 86_400;
/// From then on every instant of a year is inside of what 64 bits of nanoseconds hold.
const YEARS: std::ops::Range<i64> = 1970..2262;

/// Nanoseconds since the Unix epoch.
pub(super) fn read(text: &str) -> Option<i64> {
    let (moment, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [y, e, a, r, b'-', m, o, b'-', d, f, b'T', h, g, b':', n, u, b':', s, t] = *moment else {
        return None;
    };
    let fraction = match rest {
        [b'Z'] => 0,
        [b'.', digits @ .., b'Z'] => nanos(digits)?,
        _ => return None,
    };
    let year = pair(y, e)? * 100 + pair(a, r)?;
    let (month, day) = (pair(m, o)?, pair(d, f)?);
    let (hour, minute, second) = (pair(h, g)?, pair(n, u)?, pair(s, t)?);
    if !YEARS.contains(&year)
        || !(1..=12).contains(&month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    if !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let secs = days_before(year, month, day) * DAY_SECS + hour * 3_600 + minute * 60 + second;
    Some(secs * NANOS + fraction)
}

/// The text of an instant in milliseconds since the Unix epoch.
pub(super) fn write(millis: i64) -> Option<[u8; 24]> {
    let (secs, milli) = (millis.div_euclid(1_000), millis.rem_euclid(1_000));
    let (days, second) = (secs.div_euclid(DAY_SECS), secs.rem_euclid(DAY_SECS));
    let (year, month, day) = date(days);
    if !YEARS.contains(&year) {
        return None;
    }
    let digit = |number: i64, over: i64| b'0' + (number / over % 10) as u8;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some([
        digit(year, 1_000),
        digit(year, 100),
        digit(year, 10),
        digit(year, 1),
        b'-',
        digit(month, 10),
        digit(month, 1),
        b'-',
        digit(day, 10),
        digit(day, 1),
        b'T',
        digit(hour, 10),
        digit(hour, 1),
        b':',
        digit(minute, 10),
        digit(minute, 1),
        b':',
        digit(second, 10),
        digit(second, 1),
        b'.',
        digit(milli, 100),
        digit(milli, 10),
        digit(milli, 1),
        b'Z',
    ])
}

fn pair(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// One to nine decimals, as nanoseconds.
fn nanos(digits: &[u8]) -> Option<i64> {
    if !(1..=9).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = std::iter::repeat(&b'0');
    let nine = digits.iter().chain(zeros).take(9);
    Some(nine.fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the Unix epoch to a date. Years are counted from March, so that the odd day is the last of a year
/// (H. Hinnant, `days_from_civil`).
const fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day: the reverse.
const fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = year + era * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The slow twin.
    fn slow_read(text: &str) -> Option<i64> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(instant.as_nanosecond()).ok()
    }

    fn slow_write(millis: i64) -> Option<String> {
        jiff::Timestamp::from_millisecond(millis).ok().map(|instant| format!("{instant:.3}"))
    }

    fn text(millis: i64) -> Option<String> {
        write(millis).map(|bytes| String::from_utf8(bytes.to_vec()).expect("ASCII"))
    }

    #[test]
    fn every_day_is_written_and_read_as_the_library_does() {
        for day in 0..106_000 {
            let millis = day * 86_400_000 + (day * 7_919_993) % 86_400_000;
            let ours = text(millis).expect("until 2260");
            assert_eq!(Some(&ours), slow_write(millis).as_ref());
            assert_eq!(read(&ours), Some(millis * 1_000_000));
        }
        assert_eq!((text(-1), text(i64::MAX), text(i64::MIN)), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_read_the_library_reads_alike(
            text in "(19[67][0-9]|2[0-3][0-9]{2})-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?(Z|z|\\+00:00)",
            odd in "[0-9T:.Z+-]{0,30}",
        ) {
            for text in [text, odd] {
                if let Some(nanos) = read(&text) {
                    prop_assert_eq!(slow_read(&text), Some(nanos), "{}", text);
                }
            }
        }

        #[test]
        fn instants_are_written_as_the_library_writes_them(millis in 0_i64..9_200_000_000_000) {
            prop_assert_eq!(text(millis), slow_write(millis));
        }

        #[test]
        fn what_machines_write_takes_the_short_way(nanos in 0_i64..9_000_000_000_000_000_000, decimals in 0_usize..10) {
            let instant = jiff::Timestamp::from_nanosecond(i128::from(nanos)).expect("an instant");
            let text = format!("{instant:.decimals$}");
            prop_assert!(read(&text).is_some() && read(&text) == slow_read(&text), "{}", text);
        }
    }
}
