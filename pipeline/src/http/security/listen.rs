//! Which addresses may be served.

use std::net::SocketAddr;

/// An address that may not be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} can be reached from other machines, and nobody who comes is asked who they are; \
     {advice}, or listen on 127.0.0.1"
)]
pub struct Unguarded {
    address: SocketAddr,
    advice: &'static str,
}

/// Refuses to serve an address that others can reach without authentication; `advice` says how to
/// ask for some.
///
/// # Errors
/// If the address is not loopback and nobody is asked who they are.
pub fn check_listen(
    address: SocketAddr,
    is_guarded: bool,
    advice: &'static str,
) -> Result<(), Unguarded> {
    if is_guarded || address.ip().to_canonical().is_loopback() {
        Ok(())
    } else {
        Err(Unguarded { address, advice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_served_without_authentication() {
        for address in ["127.0.0.1:7070", "127.9.9.9:1", "[::1]:7070", "[::ffff:127.0.0.1]:7070"] {
            assert_eq!(check_listen(address.parse().unwrap(), false, ""), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:7070", "[::]:7070", "10.0.0.1:7070", "192.168.1.2:1"] {
            let address = address.parse().unwrap();
            let refused = check_listen(address, false, "set `http.auth.tokens`").unwrap_err();
            assert!(refused.to_string().contains("http.auth.tokens"), "{refused}");
            assert_eq!(check_listen(address, true, ""), Ok(()));
        }
    }
}
