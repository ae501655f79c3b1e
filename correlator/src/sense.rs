//! What a metric speaks of, and which way is bad, read from its name and from where it usually
//! stands. Both machines ask: detection to judge, correlation to weigh.
//!
//! The words are those of the OpenTelemetry conventions and of everyday exporters, never of one
//! system. Deliberately absent: units, which most sources leave out.

/// What a metric speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// What callers get: errors, durations, shares of answered calls, queues that wait.
    Requests,
    /// What running costs: it moves whenever a process starts anew, without anybody suffering.
    Resource,
    /// Not told by the name.
    Other,
}

/// Which way of leaving the usual range is trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// Upwards.
    Up,
    /// Downwards.
    Down,
    /// Both: the name does not tell.
    Either,
}

/// Words of resources (OpenTelemetry `system.*`, `process.*`, `container.*`, `k8s.*`, `jvm.*`).
const RESOURCE: [&str; 20] = [
    "cpu",
    "memory",
    "mem",
    "heap",
    "rss",
    "swap",
    "disk",
    "fs",
    "filesystem",
    "volume",
    "inode",
    "network",
    "io",
    "gc",
    "thread",
    "threads",
    "goroutines",
    "fd",
    "load",
    "uptime",
];
/// Words of memory: too much of it is trouble, and all of it gone is a restart.
const MEMORY: [&str; 4] = ["memory", "mem", "heap", "rss"];
/// Words of waiting: durations and queues.
const WAITING: [&str; 12] = [
    "latency", "duration", "response", "rtt", "delay", "wait", "age", "lag", "backlog", "time",
    "stale", "pending",
];
/// Words of failing.
const FAILING: [&str; 20] = [
    "error",
    "errors",
    "err",
    "fail",
    "failed",
    "failure",
    "failures",
    "timeout",
    "timeouts",
    "rejected",
    "dropped",
    "throttle",
    "throttled",
    "5xx",
    "4xx",
    "killed",
    "restarts",
    "retries",
    "exceptions",
    "miss",
];
/// Words of what is left over: less of it is worse.
const LEFT: [&str; 4] = ["free", "available", "remaining", "headroom"];

fn parts(name: &str) -> impl DoubleEndedIterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty())
}

fn has(name: &str, words: &[&str]) -> bool {
    parts(name).any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

/// What a metric of this name, with these attributes (`key=value`, joined by commas), speaks of.
pub(crate) fn subject(metric: &str, attributes: &str) -> Subject {
    if has(metric, &RESOURCE) {
        Subject::Resource
    } else if has(metric, &WAITING) || has(metric, &FAILING) || callee(metric, attributes).is_some()
    {
        Subject::Requests
    } else {
        Subject::Other
    }
}

/// As [`subject`], of a symptom's detail: `metric{attributes}`.
pub(crate) fn subject_of(detail: &str) -> Subject {
    let (metric, attributes) = detail.split_once('{').unwrap_or((detail, ""));
    subject(metric, attributes.split('}').next().unwrap_or_default())
}

/// As [`callee`], of a symptom's detail.
pub(crate) fn callee_of(detail: &str) -> Option<&str> {
    let (metric, attributes) = detail.split_once('{')?;
    callee(metric, attributes.split('}').next()?)
}

/// Which way is bad. `is_full` says that the series is a share that stands at its upper bound: it
/// can only leave it downwards, and what is full when all is well is missed when it is not.
pub(crate) fn bad(metric: &str, is_full: bool) -> Bad {
    if has(metric, &LEFT) {
        Bad::Down
    } else if has(metric, &MEMORY) {
        Bad::Either
    } else if has(metric, &WAITING) || has(metric, &FAILING) || has(metric, &RESOURCE) {
        Bad::Up
    } else if is_full {
        Bad::Down
    } else {
        Bad::Either
    }
}

/// Whether a metric measures waiting: what has just started is slow for a while.
pub(crate) fn is_waiting(metric: &str) -> bool {
    has(metric, &WAITING)
}

/// The service that a series' calls go to, if its attributes name one. What a server measures of itself
/// (`http.server.request.duration`) has its own address in `server.address`: that is nobody's call.
pub(crate) fn callee<'a>(metric: &str, attributes: &'a str) -> Option<&'a str> {
    let called = ["destination", "peer", "server", "callee", "upstream"];
    let is_of_a_server = has(metric, &["server"]) && !has(metric, &["client"]);
    let names_it = |key: &str| {
        let first = parts(key).next().unwrap_or_default();
        let is_its_own = first == "server" && is_of_a_server;
        called.contains(&first) && !is_its_own && parts(key).next_back() != Some("port")
    };
    let pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(_, value)| !value.is_empty() && !is_this_host(value))
        .find(|(key, _)| names_it(key))
        .map(|(_, value)| value)
}

/// Whether an address is one that every host has for itself: it names nobody.
fn is_this_host(address: &str) -> bool {
    let host = address.trim_start_matches('[');
    host.starts_with("127.") || host.starts_with("::1") || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_metric_speaks_of() {
        assert_eq!(subject("k8s.pod.cpu.usage", ""), Subject::Resource);
        assert_eq!(subject("http_server_duration_p99_ms", ""), Subject::Requests);
        assert_eq!(
            subject("answered", "destination.service=b,source.service=a"),
            Subject::Requests
        );
        assert_eq!(subject_of("hits{zone=a}"), Subject::Other);
        assert_eq!(callee("answered", "destination.service=b,source.service=a"), Some("b"));
    }

    #[test]
    fn the_address_of_a_server_in_its_own_metrics_is_no_callee() {
        let attributes = "http.route=/orders,server.address=shop.example.org,server.port=8080";
        let of = |metric| callee(metric, attributes);
        assert_eq!(of("http.client.request.duration"), Some("shop.example.org"));
        assert_eq!(of("http.server.request.duration"), None);
        assert_eq!(of("http_server_request_body_size_bytes"), None);
        assert_eq!(subject("http.server.request.body.size.count", attributes), Subject::Other);
        for nobody in ["server.address=127.0.0.1", "server.address=localhost", "server.port=8080"] {
            assert_eq!(callee("http.client.request.duration", nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_full_share_can_only_fall_and_waiting_can_only_grow() {
        assert_eq!(bad("answered", true), Bad::Down);
        assert_eq!(bad("answered", false), Bad::Either);
        assert_eq!(bad("rpc.server.duration", true), Bad::Up);
        assert_eq!(bad("memory.available", false), Bad::Down);
        assert_eq!(bad("container.memory.usage", false), Bad::Either, "a restart empties it");
    }
}
