//! Signatures of hooks, HMAC-SHA256 in hexadecimal, and bearer tokens: all compared in constant time.

use hmac::{Hmac, Mac};
use model::time::{Nanos, Timestamp};
use sha2::Sha256;

/// How far away the moment of a signature may be: a request that somebody kept is worth nothing later.
const FRESH: Nanos = Nanos::from_secs(300);
/// Signatures of one header that are looked at.
const SIGNATURES_MAX: usize = 8;

/// Whether one of the signatures (`v1=<hex>,v1=<hex>`) is that of the body.
pub(super) fn is_one_of(key: &[u8], body: &[u8], signed: &str, version: &str) -> bool {
    let signatures = signed.split(',').take(SIGNATURES_MAX);
    signatures
        .filter_map(|text| text.trim().strip_prefix(version))
        .any(|hex| fits(key, &[body], hex))
}

/// Whether `v0=<hex>` is Slack's signature of a body that was sent at a moment.
pub(super) fn is_slacks(key: &[u8], sent: &str, body: &[u8], signed: &str) -> bool {
    let hex = signed.trim().strip_prefix("v0=");
    hex.is_some_and(|hex| fits(key, &[b"v0:", sent.as_bytes(), b":", body], hex))
}

/// Whether a moment (seconds since the epoch) is near to ours.
pub(super) fn is_fresh(sent: &str, now: Timestamp) -> bool {
    let sent = sent.parse::<i64>().ok().and_then(|secs| secs.checked_mul(1_000));
    sent.is_some_and(|millis| {
        let apart = Timestamp::from_millis(millis).0.abs_diff(now.0);
        apart <= FRESH.0.unsigned_abs()
    })
}

/// The token of an `Authorization` header; empty if there is none.
pub(super) fn bearer(header: &str) -> &str {
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

/// Whether two secrets are the same, in a time that depends on neither.
pub(super) fn is_same(expected: &[u8], shown: &[u8]) -> bool {
    let mac = |text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(expected).ok()?;
        mac.update(text);
        Some(mac)
    };
    match (mac(expected), mac(shown)) {
        (Some(expected), Some(shown)) => {
            shown.verify_slice(&expected.finalize().into_bytes()).is_ok()
        }
        _ => false,
    }
}

fn fits(key: &[u8], parts: &[&[u8]], hex: &str) -> bool {
    let Some(signature) = from_hex(hex) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(&signature).is_ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
    const KEY: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";
    const SENT: &str = "1531420618";
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
        %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    #[test]
    fn slacks_own_example_verifies_and_nothing_else_does() {
        assert!(is_slacks(KEY, SENT, BODY, SIGNED));
        assert!(!is_slacks(KEY, "1531420619", BODY, SIGNED));
        assert!(!is_slacks(KEY, SENT, b"token=", SIGNED));
        assert!(!is_slacks(b"8f742231b10e8888abcd99yyyzzz85a6", SENT, BODY, SIGNED));
        for other in ["", "v0=", "v0=a2114d57", SIGNED.trim_start_matches("v0=")] {
            assert!(!is_slacks(KEY, SENT, BODY, other), "{other}");
        }
    }

    #[test]
    fn any_of_several_signatures_is_enough_while_a_secret_is_rotated() {
        // `printf %s '{"event":{}}' | openssl dgst -sha256 -hmac sixteen-bytes-ok`
        let good = "v1=cc937e8789964293f8268f53a4f379ba8150218cbedc88ef3922801208201fcf";
        let body = br#"{"event":{}}"#;
        assert!(is_one_of(b"sixteen-bytes-ok", body, good, "v1="));
        let two = format!("v1={},{good}", "0".repeat(64));
        assert!(is_one_of(b"sixteen-bytes-ok", body, &two, "v1="));
        assert!(!is_one_of(b"sixteen-bytes-ok", b"{}", &two, "v1="));
        assert!(!is_one_of(b"sixteen-bytes-ok", body, &two.replace("v1=", "v2="), "v1="));
    }

    #[test]
    fn a_request_that_was_kept_is_stale() {
        let now = Timestamp::from_millis(1_531_420_618_000);
        assert!(is_fresh(SENT, now) && is_fresh("1531420318", now) && is_fresh("1531420918", now));
        for other in ["1531420317", "1531420919", "", "now", "9223372036854775807"] {
            assert!(!is_fresh(other, now), "{other}");
        }
    }

    #[test]
    fn only_the_whole_token_is_the_same() {
        assert_eq!(bearer("Bearer abc "), "abc");
        assert_eq!(bearer("Basic abc"), "");
        assert!(is_same(b"sixteen-bytes-ok", b"sixteen-bytes-ok"));
        for other in ["", "sixteen-bytes-o", "sixteen-bytes-okk"] {
            assert!(!is_same(b"sixteen-bytes-ok", other.as_bytes()), "{other}");
        }
    }
}
