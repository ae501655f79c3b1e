//! HMAC-SHA256 signatures of webhooks, compared in constant time.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Whether `signed` (`sha256=<hex>`) is the signature of the body under the secret.
pub(super) fn is_valid(secret: &[u8], body: &[u8], signed: &str) -> bool {
    let Some(bytes) = signed.strip_prefix("sha256=").and_then(from_hex) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    mac.update(body);
    mac.verify_slice(&bytes).is_ok()
}

/// Whether two secrets are the same, in a time that depends on neither.
pub(super) fn same(expected: &[u8], sent: &[u8]) -> bool {
    let digest = |text: &[u8]| {
        Hmac::<Sha256>::new_from_slice(expected).map(|mut mac| {
            mac.update(text);
            mac
        })
    };
    match (digest(expected), digest(sent)) {
        (Ok(a), Ok(b)) => b.verify_slice(&a.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 {
        return None;
    }
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_own_example_verifies_and_nothing_else_does() {
        // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
        let signed = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let secret = b"It's a Secret to Everybody";
        assert!(is_valid(secret, b"Hello, World!", signed));
        assert!(!is_valid(secret, b"Hello, World?", signed));
        assert!(!is_valid(b"other", b"Hello, World!", signed));
        assert!(!is_valid(secret, b"Hello, World!", "sha256=00"));
        assert!(same(b"token", b"token") && !same(b"token", b"tokem"));
    }
}
