//! The attributes of a span that the mind needs, by number: a key is known by its length and its bytes.

/// A wanted attribute. Texts come first, numbers after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    ErrorType,
    ExceptionType,
    PeerService,
    PeerServiceOld,
    DbName,
    DbNameOld,
    DbSystem,
    DbSystemOld,
    Destination,
    DestinationOld,
    ServerAddress,
    PeerNameOld,
    PeerAddress,
    PeerAddressOld,
    HttpStatus,
    GrpcStatus,
    PeerPort,
}

/// Attributes that are texts.
pub(crate) const TEXTS: usize = 14;
/// Attributes that are numbers.
pub(crate) const NUMBERS: usize = 3;

impl Key {
    /// The attribute of that name, if it is wanted. Most keys are of nobody's concern and are told by
    /// their length and their first byte.
    #[inline]
    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        let (known, name): (Self, &[u8]) = match (key.len(), key.first()?) {
            (7, b'd') => (Self::DbNameOld, b"db.name"),
            (9, b'd') => (Self::DbSystemOld, b"db.system"),
            (10, b'e') => (Self::ErrorType, b"error.type"),
            (11, b'n') => (Self::PeerAddressOld, b"net.peer.ip"),
            (12, b'd') => (Self::DbName, b"db.namespace"),
            (12, b'p') => (Self::PeerServiceOld, b"peer.service"),
            (13, b'n') => (Self::PeerNameOld, b"net.peer.name"),
            (14, b'd') => (Self::DbSystem, b"db.system.name"),
            (14, b'e') => (Self::ExceptionType, b"exception.type"),
            (14, b's') => (Self::ServerAddress, b"server.address"),
            (16, b'h') => (Self::HttpStatus, b"http.status_code"),
            (17, b'n') => (Self::PeerPort, b"network.peer.port"),
            (17, b's') => (Self::PeerService, b"service.peer.name"),
            (18, b'n') => (Self::PeerAddressOld, b"net.sock.peer.addr"),
            (20, b'n') => (Self::PeerAddress, b"network.peer.address"),
            (20, b'r') => (Self::GrpcStatus, b"rpc.grpc.status_code"),
            (21, b'm') => (Self::DestinationOld, b"messaging.destination"),
            (25, b'h') => (Self::HttpStatus, b"http.response.status_code"),
            (26, b'm') => (Self::Destination, b"messaging.destination.name"),
            _ => return None,
        };
        (key == name).then_some(known)
    }

    /// Whether its value is a whole number.
    pub(crate) const fn is_number(self) -> bool {
        self as usize >= TEXTS
    }

    /// Whether only the caller of others is asked for it.
    pub(crate) const fn is_of_callers(self) -> bool {
        !matches!(self, Self::ErrorType | Self::ExceptionType | Self::HttpStatus | Self::GrpcStatus)
    }

    /// Its place among the texts, or among the numbers.
    pub(crate) const fn place(self) -> usize {
        if self.is_number() { self as usize - TEXTS } else { self as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_whole_and_have_places_of_their_own() {
        assert_eq!(Key::of(b"db.name"), Some(Key::DbNameOld));
        assert_eq!(Key::of(b"net.sock.peer.addr"), Some(Key::PeerAddressOld));
        for other in [&b""[..], b"db.nama", b"error.typ", b"error.types", b"network.peer.addresz"] {
            assert_eq!(Key::of(other), None, "{other:?}");
        }
        assert_eq!((Key::PeerAddressOld.place(), Key::HttpStatus.place()), (TEXTS - 1, 0));
        assert_eq!(Key::PeerPort.place(), NUMBERS - 1);
    }
}
