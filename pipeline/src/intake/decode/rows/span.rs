//! What a span means: whether it failed, of what, and whom it called.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use model::id::{SpanId, TraceId};
use model::name::Name;
use model::signal::{Peer, PeerKind, Span, SpanKind};

use super::times::Arrival;
use super::value::{Scalar, Sink};
use crate::intake::decode::interner::Interner;

/// `Status.StatusCode` of OpenTelemetry.
const STATUS_UNSET: i64 = 0;
const STATUS_ERROR: i64 = 2;

/// A span as the wire had it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanFields<'a> {
    /// `None` if not exactly 16 bytes, or all zero.
    pub(crate) trace_id: Option<TraceId>,
    /// `None` if not exactly 8 bytes, or all zero.
    pub(crate) span_id: Option<SpanId>,
    /// The parent; a wrong length is `Err`.
    pub(crate) parent: ParentId,
    pub(crate) kind: i64,
    pub(crate) name: Cow<'a, str>,
    pub(crate) start_unix_nanos: u64,
    pub(crate) end_unix_nanos: u64,
    pub(crate) status: i64,
    pub(crate) attributes: SpanAttributes<'a>,
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

/// The attributes of a span that the mind needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanAttributes<'a> {
    error_type: Option<Cow<'a, str>>,
    exception_type: Option<Cow<'a, str>>,
    http_status: Option<i64>,
    grpc_status: Option<i64>,
    peer_service: Option<Cow<'a, str>>,
    peer_service_old: Option<Cow<'a, str>>,
    db_name: Option<Cow<'a, str>>,
    db_name_old: Option<Cow<'a, str>>,
    db_system: Option<Cow<'a, str>>,
    db_system_old: Option<Cow<'a, str>>,
    destination: Option<Cow<'a, str>>,
    destination_old: Option<Cow<'a, str>>,
    server_address: Option<Cow<'a, str>>,
    peer_name_old: Option<Cow<'a, str>>,
    peer_address: Option<Cow<'a, str>>,
    peer_address_old: Option<Cow<'a, str>>,
    peer_port: Option<i64>,
}

impl<'v: 'a, 'a> Sink<'v> for SpanAttributes<'a> {
    fn wants(&self, key: &[u8]) -> bool {
        // Most keys are decided by their first byte.
        match key.first() {
            Some(b'e') => matches!(key, b"error.type" | b"exception.type"),
            Some(b'h') => matches!(key, b"http.response.status_code" | b"http.status_code"),
            Some(b'r') => matches!(key, b"rpc.grpc.status_code"),
            Some(b's') => matches!(key, b"service.peer.name" | b"server.address"),
            Some(b'p') => matches!(key, b"peer.service"),
            Some(b'd') => {
                matches!(key, b"db.namespace" | b"db.name" | b"db.system" | b"db.system.name")
            }
            Some(b'm') => matches!(key, b"messaging.destination.name" | b"messaging.destination"),
            Some(b'n') => matches!(
                key,
                b"network.peer.address"
                    | b"network.peer.port"
                    | b"net.peer.name"
                    | b"net.peer.ip"
                    | b"net.sock.peer.addr"
            ),
            _ => false,
        }
    }

    fn put(&mut self, key: Cow<'v, str>, value: Scalar<'v>) {
        let slot = match &*key {
            "http.response.status_code" | "http.status_code" => {
                self.http_status = value.as_int();
                return;
            }
            "rpc.grpc.status_code" => {
                self.grpc_status = value.as_int();
                return;
            }
            "network.peer.port" => {
                self.peer_port = value.as_int();
                return;
            }
            "error.type" => &mut self.error_type,
            "exception.type" => &mut self.exception_type,
            "service.peer.name" => &mut self.peer_service,
            "peer.service" => &mut self.peer_service_old,
            "db.namespace" => &mut self.db_name,
            "db.name" => &mut self.db_name_old,
            "db.system.name" => &mut self.db_system,
            "db.system" => &mut self.db_system_old,
            "messaging.destination.name" => &mut self.destination,
            "messaging.destination" => &mut self.destination_old,
            "server.address" => &mut self.server_address,
            "net.peer.name" => &mut self.peer_name_old,
            "network.peer.address" => &mut self.peer_address,
            "net.peer.ip" | "net.sock.peer.addr" => &mut self.peer_address_old,
            _ => return,
        };
        *slot = value.into_non_empty();
    }
}

impl SpanAttributes<'_> {
    /// Whether the attributes alone say that it failed: HTTP 5xx where a request was served, or a
    /// gRPC status that the conventions call an error (all at a client; at a server only those
    /// that are the server's own fault). A 4xx at a server is the client's.
    fn failed(&self, kind: SpanKind) -> bool {
        let http = matches!(kind, SpanKind::Server | SpanKind::Unspecified)
            && self.http_status.is_some_and(|code| (500..600).contains(&code));
        let grpc = self.grpc_status.is_some_and(|code| match kind {
            SpanKind::Client => (1..=16).contains(&code),
            // Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
            _ => matches!(code, 2 | 4 | 12 | 13 | 14 | 15),
        });
        http || grpc
    }

    /// The other party, in the order of Tempo's service graph: a named service, a database, a
    /// queue, an address. A loopback address is a sidecar or a neighbour on the caller's own host: as a
    /// name it would make one party of all that services reach through it.
    fn peer(&self, interner: &mut Interner) -> Option<Peer> {
        let service = self.peer_service.as_deref().or(self.peer_service_old.as_deref());
        let database = self.db_name.as_deref().or(self.db_name_old.as_deref());
        let system = self.db_system.as_deref().or(self.db_system_old.as_deref());
        let address = || self.address();
        let (kind, name) = if let Some(stored) = database.or(system) {
            let known = service.map(Cow::Borrowed).or_else(address);
            (PeerKind::Database, known.unwrap_or(Cow::Borrowed(stored)))
        } else if let Some(service) = service {
            (PeerKind::Service, Cow::Borrowed(service))
        } else if let Some(queue) = self.destination.as_deref().or(self.destination_old.as_deref())
        {
            (PeerKind::Messaging, Cow::Borrowed(queue))
        } else {
            (PeerKind::Address, address()?)
        };
        Some(Peer { kind, name: interner.name(&name) })
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        self.named_address().filter(|address| !is_loopback(address))
    }

    fn named_address(&self) -> Option<Cow<'_, str>> {
        if let Some(name) = self.server_address.as_deref().or(self.peer_name_old.as_deref()) {
            return Some(Cow::Borrowed(name));
        }
        let address = self.peer_address.as_deref().or(self.peer_address_old.as_deref())?;
        Some(match self.peer_port {
            Some(port) => Cow::Owned(format!("{address}:{port}")),
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

impl SpanFields<'_> {
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
        self.failed()
            && self.attributes.error_type.is_none()
            && self.attributes.exception_type.is_none()
    }

    /// The row of this span.
    ///
    /// # Errors
    /// What makes it unusable: ids of a wrong length, no usable times.
    pub(crate) fn row(
        &self,
        resource: u32,
        arrival: Arrival,
        interner: &mut Interner,
    ) -> Result<Span, &'static str> {
        const TIMES: &str = "a span without usable start and end times";
        let trace_id = self.trace_id.ok_or("a trace id that is not 16 bytes, or all zero")?;
        let span_id = self.span_id.ok_or("a span id that is not 8 bytes, or all zero")?;
        let parent = match self.parent {
            ParentId::None => None,
            ParentId::Of(id) => Some(id),
            ParentId::Wrong => return Err("a parent span id that is not 8 bytes"),
        };
        let start = arrival.credible(self.start_unix_nanos).ok_or(TIMES)?;
        let end = arrival.credible(self.end_unix_nanos).filter(|end| *end >= start).ok_or(TIMES)?;
        let kind = kind(self.kind);
        let failed = self.failed();
        let error_type = if failed { self.error_type(interner) } else { None };
        let calls = matches!(kind, SpanKind::Client | SpanKind::Producer);
        let peer = if calls { self.attributes.peer(interner) } else { None };
        let name = interner.name(&self.name);
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

    fn error_type(&self, interner: &mut Interner) -> Option<Name> {
        let said = self.attributes.error_type.as_deref();
        if let Some(text) = said.or(self.attributes.exception_type.as_deref()) {
            return Some(interner.name(text));
        }
        let http = self.attributes.http_status.filter(|code| *code >= 400);
        let grpc = self.attributes.grpc_status.filter(|code| *code > 0);
        http.or(grpc).map(|code| interner.name(&code.to_string()))
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
    ) -> SpanFields<'static> {
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

    fn row(fields: SpanFields<'_>) -> Result<Span, &'static str> {
        fields.row(0, Arrival::from_millis(1_700_000_005_000), &mut Interner::new(64))
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
        let of = |pairs: Vec<_>| row(fields(2, 2, &pairs)).unwrap().error_type.unwrap().to_string();
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
        let of = |pairs: Vec<_>| {
            let peer = row(fields(3, 0, &pairs)).unwrap().peer.unwrap();
            (peer.kind, peer.name.to_string())
        };
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
        let named = |pairs| of(pairs).map(|peer| peer.name.to_string());
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
