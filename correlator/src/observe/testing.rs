//! A small shop for tests: front -> checkout -> (stock, payment -> orders-db), with seeded noise.

use model::id::{SpanId, TraceId};
use model::name::Name;
use model::signal::{
    LogRecord, LogSeverity, Peer, PeerKind, Resource, SignalBatch, Span, SpanKind,
};
use model::template::template_id;
use model::time::{Nanos, Timestamp};

/// How one service behaves for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Behaviour {
    pub(crate) extra_ms: i64,
    pub(crate) fails: bool,
    /// Its spans never arrive, and callers fail.
    pub(crate) is_dead: bool,
}

/// The names of all batches of the tests.
const NAMES: [&str; 12] = [
    "handle",
    "call",
    "SELECT",
    "checkout",
    "stock",
    "payment",
    "orders-db",
    "op0",
    "op1",
    "op2",
    "DEADLINE_EXCEEDED",
    "payment.shop.svc:8080",
];

/// The place of a name in the names of all batches.
pub(crate) fn name(text: &str) -> u32 {
    NAMES.iter().position(|name| *name == text).expect("a name of the tests") as u32
}

/// The names of all batches.
pub(crate) fn names() -> Vec<Name> {
    NAMES.map(Name::from).into()
}

/// Services of the shop; the index is the resource.
pub(crate) const SERVICES: [&str; 4] = ["front", "checkout", "stock", "payment"];
/// Two in the afternoon, some day.
pub(crate) const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// A small deterministic generator (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A duration around `ms` milliseconds with a long tail. Unit: nanoseconds.
    fn around(&mut self, ms: i64) -> i64 {
        let base = ms * 1_000_000;
        let jitter = (self.below(1000) as i64 - 500) * base / 1000;
        let tail = if self.below(50) == 0 { base * (self.below(4) as i64) } else { 0 };
        base + jitter + tail
    }
}

/// Writes requests and, if asked, what goes wrong in them.
pub(crate) struct Shop<'b> {
    pub(crate) noise: Noise,
    pub(crate) behave: &'b dyn Fn(&str, Timestamp, &mut Noise) -> Behaviour,
}

/// The resources of all batches of the shop.
pub(crate) fn resources() -> Vec<Resource> {
    SERVICES
        .iter()
        .map(|&service| Resource {
            service: service.into(),
            version: Some("1".into()),
            ..Resource::default()
        })
        .collect()
}

impl Shop<'_> {
    /// The traffic of `secs` seconds at `per_sec` requests a second, one batch a second.
    pub(crate) fn traffic(&mut self, from: i64, secs: i64, per_sec: u64) -> Vec<SignalBatch> {
        (from..from + secs)
            .map(|second| {
                let mut batch = SignalBatch {
                    resources: resources(),
                    names: names(),
                    ..SignalBatch::default()
                };
                for _ in 0..per_sec {
                    let offset = Nanos::from_millis(self.noise.below(1000) as i64);
                    let at = BEGIN + Nanos::from_secs(second) + offset;
                    self.request(at, &mut batch);
                }
                batch
            })
            .collect()
    }

    pub(crate) fn request(&mut self, at: Timestamp, batch: &mut SignalBatch) {
        let trace =
            TraceId(u128::from(self.noise.next()) << 64 | u128::from(self.noise.next() | 1));
        self.serve(trace, None, 0, at, batch);
    }

    /// Writes the server span of a service and all below it; returns its end and whether it fails.
    fn serve(
        &mut self,
        trace: TraceId,
        parent: Option<SpanId>,
        service: u32,
        start: Timestamp,
        batch: &mut SignalBatch,
    ) -> (Timestamp, bool) {
        let name = SERVICES[service as usize];
        let behaviour = (self.behave)(name, start, &mut self.noise);
        let id = SpanId(self.noise.next());
        let own = Nanos(self.noise.around(4) + behaviour.extra_ms * 1_000_000);
        let mut cursor = start + Nanos(own.0 / 2);
        let mut failed = behaviour.fails;
        if !failed {
            let below: &[u32] = match name {
                "front" => &[1],
                "checkout" => &[2, 3],
                _ => &[],
            };
            for &callee in below {
                let (end, bad) = self.call(trace, id, service, callee, cursor, batch);
                (cursor, failed) = (end, failed || bad);
                if bad {
                    break;
                }
            }
            if name == "payment" {
                let (end, bad) = self.query(trace, id, cursor, batch);
                (cursor, failed) = (end, failed || bad);
            }
        }
        let end = cursor + Nanos(own.0 / 2);
        let span = span(trace, id, parent, service, SpanKind::Server, "handle", (start, end));
        batch.spans.push(Span { failed, ..span });
        batch.logs.push(log(trace, id, service, start, "request accepted"));
        if failed {
            batch.logs.push(log(trace, id, service, end, "request failed"));
        }
        (end, failed)
    }

    fn call(
        &mut self,
        trace: TraceId,
        parent: SpanId,
        from: u32,
        to: u32,
        start: Timestamp,
        batch: &mut SignalBatch,
    ) -> (Timestamp, bool) {
        let id = SpanId(self.noise.next());
        let wire = Nanos(self.noise.around(1));
        let callee = SERVICES[to as usize];
        let dead = (self.behave)(callee, start, &mut self.noise.clone()).is_dead;
        let (end, failed) = if dead {
            (start + Nanos::from_millis(3), true)
        } else {
            let (end, failed) = self.serve(trace, Some(id), to, start + Nanos(wire.0 / 2), batch);
            (end + Nanos(wire.0 / 2), failed)
        };
        let peer = Peer { kind: PeerKind::Service, name: name(callee) };
        let call = span(trace, id, Some(parent), from, SpanKind::Client, "call", (start, end));
        batch.spans.push(Span { failed, peer: Some(peer), ..call });
        (end, failed)
    }

    fn query(
        &mut self,
        trace: TraceId,
        parent: SpanId,
        start: Timestamp,
        batch: &mut SignalBatch,
    ) -> (Timestamp, bool) {
        let id = SpanId(self.noise.next());
        let behaviour = (self.behave)("orders-db", start, &mut self.noise);
        let own = Nanos(self.noise.around(2) + behaviour.extra_ms * 1_000_000);
        let end = start + own;
        let peer = Peer { kind: PeerKind::Database, name: name("orders-db") };
        let call = span(trace, id, Some(parent), 3, SpanKind::Client, "SELECT", (start, end));
        batch.spans.push(Span { failed: behaviour.fails, peer: Some(peer), ..call });
        (end, behaviour.fails)
    }
}

pub(crate) fn span(
    trace_id: TraceId,
    span_id: SpanId,
    parent: Option<SpanId>,
    resource: u32,
    kind: SpanKind,
    operation: &str,
    (start, end): (Timestamp, Timestamp),
) -> Span {
    Span {
        resource,
        trace_id,
        span_id,
        parent,
        kind,
        name: name(operation),
        start,
        end,
        failed: false,
        error_type: None,
        peer: None,
    }
}

fn log(trace: TraceId, span: SpanId, resource: u32, time: Timestamp, text: &str) -> LogRecord {
    LogRecord {
        resource,
        time,
        trace_id: Some(trace),
        span_id: Some(span),
        severity: LogSeverity::Info,
        template: template_id(text),
        skeleton: Name::from(text),
        of_platform: false,
    }
}

/// The newest event time of a batch.
pub(crate) fn newest(batch: &SignalBatch) -> Option<Timestamp> {
    let spans = batch.spans.iter().map(|span| span.end);
    let logs = batch.logs.iter().map(|log| log.time);
    spans.chain(logs).chain(batch.metrics.iter().map(|point| point.time)).max()
}
