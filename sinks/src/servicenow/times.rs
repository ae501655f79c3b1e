//! Times as ServiceNow's tables hold them: `yyyy-MM-dd HH:mm:ss`, UTC.

use model::time::Timestamp;

/// A moment in their form, without its fraction.
pub(super) fn written(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    format!("{} {}", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
}

/// Reads their form.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let (day, time) = text.trim().split_once(' ')?;
    Timestamp::parse_rfc3339(&format!("{day}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_times_are_written_and_read() {
        let at = Timestamp::parse_rfc3339("2026-03-17T02:07:09Z").unwrap();
        assert_eq!(written(at), "2026-03-17 02:07:09");
        assert_eq!(read("2026-03-17 02:07:09"), Some(at));
        assert_eq!(read("yesterday"), None);
        assert_eq!(read(""), None);
    }
}
