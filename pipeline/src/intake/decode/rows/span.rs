//! What a span means: whether it failed, of what, and whom it called.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use model::id::{SpanId, TraceId};
use model::name::Name;
use model::signal::{Peer, PeerKind, Span, SpanKind};

use super::span_key::{Key, NUMBERS, TEXTS};
use super::times::Arrival;
use super::value::{Scalar, Sink};
use crate::intake::decode::interner::Interner;

/// `Status.StatusCode` of OpenTelemetry.
const STATUS_UNSET: i64 = 0;
const STATUS_ERROR: i64 = 2;

/// Text as the wire had it: looked into only if it is kept.
pub(crate) trait Raw {
    fn raw(&self) -> &[u8];
}

impl Raw for Cow<'_, str> {
    fn raw(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Raw for &[u8] {
    fn raw(&self) -> &[u8] {
        self
    }
}

/// A span as the wire had it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanFields<T> {
    /// `None` if not exactly 16 bytes, or all zero.
    pub(crate) trace_id: Option<TraceId>,
    /// `None` if not exactly 8 bytes, or all zero.
    pub(crate) span_id: Option<SpanId>,
    /// The parent; a wrong length is `Err`.
    pub(crate) parent: ParentId,
    pub(crate) kind: i64,
    pub(crate) name: T,
    pub(crate) start_unix_nanos: u64,
    pub(crate) end_unix_nanos: u64,
    pub(crate) status: i64,
    pub(crate) attributes: SpanAttributes<T>,
}

/// The parent of a span as the wire had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ParentId {
    /// A root.
    #[default]
    None,
    /// A child.
    Of(SpanId),
    /// Not of eight bytes.
    Wrong,
}

/// The attributes of a span that the mind needs, by [`Key`].
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanAttributes<T> {
    texts: [Option<T>; TEXTS],
    numbers: [Option<i64>; NUMBERS],
}

impl<'v: 'a, 'a> Sink<'v> for SpanAttributes<Cow<'a, str>> {
    fn wants(&self, key: &[u8]) -> bool {
        Key::of(key).is_some()
    }

    fn put(&mut self, key: Cow<'v, str>, value: Scalar<'v>) {
        match Key::of(key.as_bytes()) {
            Some(key) if key.is_number() => self.set_number(key, value.as_int()),
            Some(key) => self.set_text(key, value.into_non_empty()),
            None => {}
        }
    }
}

impl<T> SpanAttributes<T> {
    /// Takes a text; a later one replaces an earlier one.
    pub(crate) fn set_text(&mut self, key: Key, text: Option<T>) {
        if let Some(slot) = self.texts.get_mut(key.place()) {
            *slot = text;
        }
    }

    /// Takes a number; a later one replaces an earlier one.
    pub(crate) fn set_number(&mut self, key: Key, number: Option<i64>) {
        if let Some(slot) = self.numbers.get_mut(key.place()) {
            *slot = number;
        }
    }

    fn number(&self, key: Key) -> Option<i64> {
        self.numbers.get(key.place()).copied().flatten()
    }
}

impl<T: Raw> SpanAttributes<T> {
    /// The first of some attributes that is there.
    fn text(&self, keys: &[Key]) -> Option<&[u8]> {
        let at = |key: &Key| self.texts.get(key.place())?.as_ref();
        keys.iter().find_map(at).map(Raw::raw)
    }

    /// Whether the attributes alone say that it failed: HTTP 5xx where a request was served, or a
    /// gRPC status that the conventions call an error (all at a client; at a server only those
    /// that are the server's own fault). A 4xx at a server is the client's.
    fn failed(&self, kind: SpanKind) -> bool {
        let http = matches!(kind, SpanKind::Server | SpanKind::Unspecified)
            && self.number(Key::HttpStatus).is_some_and(|code| (500..600).contains(&code));
        let grpc = self.number(Key::GrpcStatus).is_some_and(|code| match kind {
            SpanKind::Client => (1..=16).contains(&code),
            // Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
            _ => matches!(code, 2 | 4 | 12 | 13 | 14 | 15),
        });
        http || grpc
    }

    /// The other party, in the order of Tempo's service graph: a named service, a database, a
    /// queue, an address. A loopback address is a sidecar or a neighbour on the caller's own host: as a
    /// name it would make one party of all that services reach through it.
    fn peer(&self, names: &mut BatchNames<'_>) -> Result<Option<Peer>, Unfit> {
        let service = self.text(&[Key::PeerService, Key::PeerServiceOld]);
        let stored = self.text(&[Key::DbName, Key::DbNameOld, Key::DbSystem, Key::DbSystemOld]);
        let (kind, name) = if let Some(stored) = stored {
            let known = match service {
                Some(service) => Some(Cow::Borrowed(service)),
                None => self.address()?,
            };
            (PeerKind::Database, known.unwrap_or(Cow::Borrowed(stored)))
        } else if let Some(service) = service {
            (PeerKind::Service, Cow::Borrowed(service))
        } else if let Some(queue) = self.text(&[Key::Destination, Key::DestinationOld]) {
            (PeerKind::Messaging, Cow::Borrowed(queue))
        } else {
            let Some(address) = self.address()? else { return Ok(None) };
            (PeerKind::Address, address)
        };
        Ok(Some(Peer { kind, name: names.index(&name)? }))
    }

    fn address(&self) -> Result<Option<Cow<'_, [u8]>>, Unfit> {
        let Some(named) = self.named_address() else { return Ok(None) };
        let text = std::str::from_utf8(&named).map_err(|_| Unfit::NotText)?;
        Ok(if is_loopback(text) { None } else { Some(named) })
    }

    fn named_address(&self) -> Option<Cow<'_, [u8]>> {
        if let Some(name) = self.text(&[Key::ServerAddress, Key::PeerNameOld]) {
            return Some(Cow::Borrowed(name));
        }
        let address = self.text(&[Key::PeerAddress, Key::PeerAddressOld])?;
        Some(match self.number(Key::PeerPort) {
            Some(port) => {
                let mut with_port = address.to_vec();
                with_port.extend_from_slice(format!(":{port}").as_bytes());
                Cow::Owned(with_port)
            }
            None => Cow::Borrowed(address),
        })
    }
}

/// Whether an address, with a port or without, is one that every host has for itself.
fn is_loopback(address: &str) -> bool {
    let is = |ip: IpAddr| ip.to_canonical().is_loopback() || ip.is_unspecified();
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    // Most addresses are names: no number begins like them, and `localhost` does not either.
    let first = bare.bytes().next().unwrap_or_default();
    if first.is_ascii_alphabetic() && !first.is_ascii_hexdigit() && !matches!(first, b'l' | b'L') {
        return false;
    }
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return is(ip);
    }
    if let Ok(with_port) = address.parse::<SocketAddr>() {
        return is(with_port.ip());
    }
    let host = address.split_once(':').map_or(address, |(host, _)| host);
    host.eq_ignore_ascii_case("localhost")
}

/// The names of the batch that is being made.
pub(crate) struct BatchNames<'b> {
    pub(crate) interner: &'b mut Interner,
    pub(crate) names: &'b mut Vec<Name>,
}

impl BatchNames<'_> {
    fn index(&mut self, text: &[u8]) -> Result<u32, Unfit> {
        self.interner.index(text, self.names).ok_or(Unfit::NotText)
    }
}

/// Why a span gives no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// What makes it unusable.
    Rejected(&'static str),
    /// A text of it that would be kept is no UTF-8.
    NotText,
}

impl<T: Raw> SpanFields<T> {
    /// Whether the span failed: its status says so, or there is none and its attributes do.
    pub(crate) fn failed(&self) -> bool {
        match self.status {
            STATUS_ERROR => true,
            STATUS_UNSET => self.attributes.failed(kind(self.kind)),
            _ => false,
        }
    }

    /// Whether the exception events are worth reading: it failed, and no attribute says of what.
    pub(crate) fn needs_exception(&self) -> bool {
        self.failed() && self.attributes.text(&[Key::ErrorType, Key::ExceptionType]).is_none()
    }

    /// The row of this span.
    ///
    /// # Errors
    /// What makes it unusable: ids of a wrong length, no usable times; or text that is none.
    pub(crate) fn row(
        &self,
        resource: u32,
        arrival: Arrival,
        names: &mut BatchNames<'_>,
    ) -> Result<Span, Unfit> {
        const TIMES: Unfit = Unfit::Rejected("a span without usable start and end times");
        const TRACE: Unfit = Unfit::Rejected("a trace id that is not 16 bytes, or all zero");
        const SPAN: Unfit = Unfit::Rejected("a span id that is not 8 bytes, or all zero");
        const PARENT: Unfit = Unfit::Rejected("a parent span id that is not 8 bytes");
        let trace_id = self.trace_id.ok_or(TRACE)?;
        let span_id = self.span_id.ok_or(SPAN)?;
        let parent = match self.parent {
            ParentId::None => None,
            ParentId::Of(id) => Some(id),
            ParentId::Wrong => return Err(PARENT),
        };
        let start = arrival.credible(self.start_unix_nanos).ok_or(TIMES)?;
        let end = arrival.credible(self.end_unix_nanos).filter(|end| *end >= start).ok_or(TIMES)?;
        let kind = kind(self.kind);
        let failed = self.failed();
        let error_type = if failed { self.error_type(names)? } else { None };
        let peer = if kind.calls_others() { self.attributes.peer(names)? } else { None };
        let name = names.index(self.name.raw())?;
        Ok(Span {
            resource,
            trace_id,
            span_id,
            parent,
            kind,
            name,
            start,
            end,
            failed,
            error_type,
            peer,
        })
    }

    fn error_type(&self, names: &mut BatchNames<'_>) -> Result<Option<u32>, Unfit> {
        if let Some(text) = self.attributes.text(&[Key::ErrorType, Key::ExceptionType]) {
            return names.index(text).map(Some);
        }
        let http = self.attributes.number(Key::HttpStatus).filter(|code| *code >= 400);
        let grpc = self.attributes.number(Key::GrpcStatus).filter(|code| *code > 0);
        let code = http.or(grpc).map(|code| names.index(code.to_string().as_bytes()));
        code.transpose()
    }
}

/// The kind by its number; numbers of later versions are unspecified.
pub(crate) fn kind(number: i64) -> SpanKind {
    match number {
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

/// A trace id from its bytes; `None` if not 16, or all zero.
pub(crate) fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(TraceId(u128::from_be_bytes(bytes))).filter(|id| id.0 != 0)
}

/// A span id from its bytes; `None` if not 8, or all zero.
pub(crate) fn span_id(bytes: &[u8]) -> Option<SpanId> {
    let bytes: [u8; 8] = bytes.try_into().ok()?;
    Some(SpanId(u64::from_be_bytes(bytes))).filter(|id| id.0 != 0)
}

/// A parent from its bytes; nothing and zeros are roots.
pub(crate) fn parent_id(bytes: &[u8]) -> ParentId {
    match (bytes.len(), span_id(bytes)) {
        (0, _) | (8, None) => ParentId::None,
        (8, Some(id)) => ParentId::Of(id),
        _ => ParentId::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(
        kind: i64,
        status: i64,
        pairs: &[(&'static str, Scalar<'static>)],
    ) -> SpanFields<Cow<'static, str>> {
        let mut fields = SpanFields {
            trace_id: Some(TraceId(1)),
            span_id: Some(SpanId(2)),
            kind,
            name: "GET /".into(),
            start_unix_nanos: 1_700_000_000_000_000_000,
            end_unix_nanos: 1_700_000_001_000_000_000,
            status,
            ..SpanFields::default()
        };
        for (key, value) in pairs {
            assert!(fields.attributes.wants(key.as_bytes()), "{key}");
            fields.attributes.put((*key).into(), value.clone());
        }
        fields
    }

    /// A row with what its numbers of names mean: those of its error type and its peer.
    struct Told {
        failed: bool,
        error_type: Option<String>,
        peer: Option<(PeerKind, String)>,
    }

    fn row(fields: SpanFields<Cow<'_, str>>) -> Result<Told, Unfit> {
        let (mut interner, mut names) = (Interner::new(64), Vec::new());
        let mut batch = BatchNames { interner: &mut interner, names: &mut names };
        let row = fields.row(0, Arrival::from_millis(1_700_000_005_000), &mut batch)?;
        let name = |index: u32| names[index as usize].to_string();
        Ok(Told {
            failed: row.failed,
            error_type: row.error_type.map(name),
            peer: row.peer.map(|peer| (peer.kind, name(peer.name))),
        })
    }

    fn text(value: &'static str) -> Scalar<'static> {
        Scalar::Text(value.into())
    }

    type Case<'p> = (i64, i64, &'p [(&'static str, Scalar<'static>)], bool);

    #[test]
    fn failure_is_the_status_or_without_one_the_response() {
        let http = |code| [("http.response.status_code", Scalar::Int(code))];
        let grpc = |code| [("rpc.grpc.status_code", Scalar::Int(code))];
        let cases: [Case<'_>; 9] = [
            (2, 2, &[], true),
            (2, 1, &http(503), false),
            (2, 0, &http(503), true),
            (2, 0, &http(404), false),
            (1, 0, &http(503), false),
            (3, 0, &grpc(5), true),
            (2, 0, &grpc(5), false),
            (2, 0, &grpc(14), true),
            (2, 0, &[], false),
        ];
        for (kind, status, pairs, failed) in cases {
            assert_eq!(
                row(fields(kind, status, pairs)).unwrap().failed,
                failed,
                "{kind} {pairs:?}"
            );
        }
    }

    #[test]
    fn error_type_goes_from_the_specific_to_the_status_code() {
        let code = ("http.status_code", Scalar::Int(503));
        let exception = ("exception.type", text("IOError"));
        let named = ("error.type", text("timeout"));
        let of = |pairs: Vec<_>| row(fields(2, 2, &pairs)).unwrap().error_type.unwrap();
        assert_eq!(of(vec![code.clone()]), "503");
        assert_eq!(of(vec![code.clone(), exception.clone()]), "IOError");
        assert_eq!(of(vec![code, exception, named]), "timeout");
    }

    #[test]
    fn the_peer_of_a_call_is_named_in_tempos_order() {
        let address = ("server.address", text("10.0.0.1"));
        let queue = ("messaging.destination.name", text("orders"));
        let system = ("db.system", text("mysql"));
        let service = ("peer.service", text("stock"));
        let of = |pairs: Vec<_>| row(fields(3, 0, &pairs)).unwrap().peer.unwrap();
        assert_eq!(of(vec![address.clone()]), (PeerKind::Address, "10.0.0.1".into()));
        assert_eq!(
            of(vec![queue.clone(), address.clone()]),
            (PeerKind::Messaging, "orders".into())
        );
        assert_eq!(of(vec![service.clone(), queue]), (PeerKind::Service, "stock".into()));
        assert_eq!(of(vec![system.clone()]), (PeerKind::Database, "mysql".into()));
        assert_eq!(of(vec![system.clone(), address]), (PeerKind::Database, "10.0.0.1".into()));
        assert_eq!(of(vec![system, service.clone()]), (PeerKind::Database, "stock".into()));
        assert_eq!(row(fields(2, 0, &[service])).unwrap().peer, None, "a server called nobody");
    }

    #[test]
    fn a_loopback_address_names_no_party() {
        let at = |address| ("server.address", text(address));
        let of = |pairs: Vec<_>| row(fields(3, 0, &pairs)).unwrap().peer;
        for address in ["127.0.0.1", "::1", "[::1]", "localhost", "LocalHost:80", "127.0.0.9:15001"]
        {
            assert_eq!(of(vec![at(address)]), None, "{address}");
        }
        let named = |pairs| of(pairs).map(|(_, name)| name);
        assert_eq!(named(vec![at("10.0.0.1")]).as_deref(), Some("10.0.0.1"));
        assert_eq!(named(vec![at("localhost.example")]).as_deref(), Some("localhost.example"));
        let system = ("db.system", text("redis"));
        assert_eq!(named(vec![system, at("127.0.0.1")]).as_deref(), Some("redis"));
    }

    #[test]
    fn spans_without_usable_ids_or_times_are_rejected() {
        let good = || fields(2, 0, &[]);
        assert!(row(SpanFields { trace_id: None, ..good() }).is_err());
        assert!(row(SpanFields { parent: ParentId::Wrong, ..good() }).is_err());
        assert!(row(SpanFields { start_unix_nanos: 0, ..good() }).is_err());
        assert!(row(SpanFields { end_unix_nanos: 1_600_000_000_000_000_000, ..good() }).is_err());
        assert!(row(SpanFields { end_unix_nanos: u64::MAX, ..good() }).is_err());
        assert_eq!(parent_id(&[0; 8]), ParentId::None);
        assert_eq!(parent_id(&[1; 7]), ParentId::Wrong);
    }
}
