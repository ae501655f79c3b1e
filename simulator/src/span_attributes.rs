//! What a span says about itself, by OpenTelemetry's semantic conventions (1.44: HTTP, RPC,
//! database, messaging, error, peer).

use std::borrow::Cow;

use crate::trail::{Failure, Role, Span};
use crate::wire::{Attributes, Kind, Value};
use crate::world::{Callee, Protocol, World};

pub(crate) const fn kind(role: Role) -> Kind {
    match role {
        Role::Server(_) => Kind::Server,
        Role::Consumer(_) => Kind::Consumer,
        Role::Client(_) => Kind::Client,
        Role::Producer(_) => Kind::Producer,
    }
}

pub(crate) fn span_name(world: &World, role: Role) -> Cow<'_, str> {
    match role {
        Role::Server(operation) | Role::Consumer(operation) => {
            Cow::Borrowed(&world.operations[operation].name)
        }
        Role::Client(call) | Role::Producer(call) => match &world.calls[call].to {
            Callee::Operation(operation) => Cow::Borrowed(&world.operations[*operation].name),
            Callee::Queue { topic, .. } => Cow::Owned(format!("send {topic}")),
            Callee::Store { statement, .. } => Cow::Borrowed(statement),
            Callee::Provider { endpoint, .. } => Cow::Borrowed(endpoint),
        },
    }
}

pub(crate) const fn status_message(failure: Failure) -> &'static str {
    match failure {
        Failure::Internal => "unhandled exception",
        Failure::PoolExhausted => "connection pool exhausted",
        Failure::BadGateway => "upstream error",
        Failure::GatewayTimeout => "upstream timeout",
        Failure::Timeout => "deadline exceeded",
        Failure::Refused => "connection refused",
        Failure::Handshake => "TLS handshake failed",
        Failure::Answered(_) => "server error",
    }
}

pub(crate) fn span_attributes<'a>(world: &'a World, span: &Span) -> Attributes<'a> {
    let mut out = Vec::with_capacity(8);
    match span.role {
        Role::Server(operation) | Role::Consumer(operation) => {
            server(world, operation, span.failure, &mut out);
        }
        Role::Client(call) | Role::Producer(call) => client(world, call, span, &mut out),
    }
    if let Some(failure) = span.failure {
        out.push(("error.type", error_type(failure)));
    }
    out
}

fn error_type(failure: Failure) -> Value<'static> {
    match failure {
        Failure::Internal => "IllegalStateException".into(),
        Failure::PoolExhausted => "SQLTransientConnectionException".into(),
        Failure::Timeout => "timeout".into(),
        Failure::Refused => "connection_refused".into(),
        Failure::Handshake => "tls_handshake_failed".into(),
        Failure::BadGateway => "502".into(),
        Failure::GatewayTimeout => "504".into(),
        Failure::Answered(status) => status.to_string().into(),
    }
}

fn server<'a>(
    world: &'a World,
    operation: usize,
    failure: Option<Failure>,
    out: &mut Attributes<'a>,
) {
    let entry = &world.operations[operation];
    match entry.protocol {
        Protocol::Http => {
            http(&entry.name, out);
            out.push(("http.response.status_code", status(failure)));
            out.push(("network.protocol.version", "1.1".into()));
        }
        Protocol::Grpc => rpc(&entry.name, failure, out),
        Protocol::Message => {
            out.push(("messaging.system", "kafka".into()));
            out.push(("messaging.operation.type", "process".into()));
            out.push(("messaging.destination.name", topic_of(&entry.name).into()));
        }
    }
}

/// A consuming operation is named `process TOPIC`.
fn topic_of(name: &str) -> &str {
    name.strip_prefix("process ").unwrap_or(name)
}

fn http<'a>(name: &'a str, out: &mut Attributes<'a>) {
    let (method, route) = name.split_once(' ').unwrap_or(("GET", name));
    out.push(("http.request.method", method.into()));
    out.push(("http.route", route.into()));
    out.push(("url.scheme", "http".into()));
}

fn rpc<'a>(name: &'a str, failure: Option<Failure>, out: &mut Attributes<'a>) {
    let (service, method) = name.split_once('/').unwrap_or((name, ""));
    out.push(("rpc.system", "grpc".into()));
    out.push(("rpc.service", service.into()));
    out.push(("rpc.method", method.into()));
    // gRPC: 0 ok, 4 deadline exceeded, 13 internal, 14 unavailable.
    let code = match failure {
        None => 0,
        Some(Failure::Timeout | Failure::GatewayTimeout) => 4,
        Some(Failure::Internal) => 13,
        Some(_) => 14,
    };
    out.push(("rpc.grpc.status_code", Value::Int(code)));
}

fn status(failure: Option<Failure>) -> Value<'static> {
    Value::Int(i64::from(failure.and_then(Failure::status).unwrap_or(200)))
}

fn client<'a>(world: &'a World, call: usize, span: &Span, out: &mut Attributes<'a>) {
    match &world.calls[call].to {
        Callee::Operation(operation) => service_client(world, *operation, span, out),
        Callee::Queue { topic, .. } => {
            out.push(("messaging.system", "kafka".into()));
            out.push(("messaging.operation.type", "send".into()));
            out.push(("messaging.destination.name", topic.as_str().into()));
        }
        Callee::Store { store, statement } => {
            let entry = &world.stores[*store];
            let (verb, table) = statement.split_once(' ').unwrap_or((statement, ""));
            out.push(("db.system.name", entry.system.as_str().into()));
            out.push(("db.namespace", entry.name.as_str().into()));
            out.push(("db.operation.name", verb.into()));
            out.push(("db.collection.name", table.into()));
            out.push(("db.query.summary", statement.as_str().into()));
            out.push(("server.address", entry.name.as_str().into()));
            out.push(("server.port", Value::Int(5432)));
        }
        Callee::Provider { provider, endpoint } => {
            let entry = &world.providers[*provider];
            let (method, _) = endpoint.split_once(' ').unwrap_or(("GET", ""));
            out.push(("http.request.method", method.into()));
            out.push(("service.peer.name", entry.name.as_str().into()));
            out.push(("server.address", entry.address.as_str().into()));
            out.push(("server.port", Value::Int(443)));
            answered(span.failure, out);
        }
    }
    if span.resend > 0 {
        out.push(("http.request.resend_count", Value::Int(i64::from(span.resend))));
    }
}

fn service_client<'a>(world: &'a World, operation: usize, span: &Span, out: &mut Attributes<'a>) {
    let entry = &world.operations[operation];
    match entry.protocol {
        Protocol::Grpc => rpc(&entry.name, span.failure, out),
        Protocol::Http | Protocol::Message => {
            let (method, _) = entry.name.split_once(' ').unwrap_or(("GET", ""));
            out.push(("http.request.method", method.into()));
            answered(span.failure, out);
        }
    }
    let callee = &world.services[entry.service].name;
    out.push(("server.address", callee.as_str().into()));
    out.push(("server.port", Value::Int(8080)));
}

/// Without an answer there is no status.
fn answered(failure: Option<Failure>, out: &mut Attributes<'_>) {
    match failure {
        Some(failure) if failure.status().is_none() => {}
        other => out.push(("http.response.status_code", status(other))),
    }
}
