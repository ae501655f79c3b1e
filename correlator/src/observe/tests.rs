//! Attribution of single traces, and the laws of counts and of the observer.

use model::entity::EntityKind;
use model::id::{SpanId, TraceId};
use model::name::Name;
use model::signal::{Peer, PeerKind, SignalBatch, Span, SpanKind};
use model::time::{Nanos, Timestamp};
use proptest::prelude::*;

use super::testing::{BEGIN, Behaviour, Noise, Shop, name, names, newest, resources, span};
use super::{ObserveConfig, ObserveLimits, Observer, PaneCounts, PaneRecord, split};

fn ms(millis: i64) -> Timestamp {
    BEGIN + Nanos::from_millis(millis)
}

const TRACE: TraceId = TraceId(77);

fn row(id: u64, parent: u64, resource: u32, kind: SpanKind, times: (i64, i64)) -> Span {
    let parent = (parent > 0).then_some(SpanId(parent));
    let operation = format!("op{resource}");
    span(TRACE, SpanId(id), parent, resource, kind, &operation, (ms(times.0), ms(times.1)))
}

fn client(id: u64, parent: u64, resource: u32, peer: (PeerKind, &str), times: (i64, i64)) -> Span {
    let peer = Some(Peer { kind: peer.0, name: name(peer.1) });
    Span { peer, ..row(id, parent, resource, SpanKind::Client, times) }
}

fn failed(span: Span) -> Span {
    Span { failed: true, ..span }
}

fn batch(spans: Vec<Span>) -> SignalBatch {
    SignalBatch { resources: resources(), names: names(), spans, ..SignalBatch::default() }
}

fn records(observer: &mut Observer) -> Vec<PaneRecord> {
    std::iter::from_fn(|| observer.poll_pane()).collect()
}

fn counts(spans: Vec<Span>) -> PaneCounts {
    let mut observer = Observer::new(0, ObserveConfig::default());
    observer.handle_batch(&batch(spans));
    observer.finish();
    records(&mut observer).pop().map(|record| record.counts).unwrap_or_default()
}

fn errors(counts: &PaneCounts, service: &str, operation: &str) -> u64 {
    counts.services[service].operations.get(operation).map_or(0, |op| op.errors)
}

fn self_ms(counts: &PaneCounts, service: &str, operation: &str) -> f64 {
    let histogram = &counts.services[service].operations[operation].self_time;
    super::Histogram::value_ns(histogram.quantile_bucket(0.5).unwrap()) / 1e6
}

use SpanKind::{Client, Server, Unspecified};

#[test]
fn the_deepest_failing_span_is_the_origin_and_time_goes_to_who_spent_it() {
    let counts = counts(vec![
        failed(row(1, 0, 0, Server, (0, 100))),
        failed(client(2, 1, 0, (PeerKind::Service, "checkout"), (10, 90))),
        failed(row(3, 2, 1, Server, (15, 85))),
    ]);
    assert_eq!((errors(&counts, "checkout", "op1"), errors(&counts, "front", "op0")), (1, 0));
    assert!((self_ms(&counts, "front", "op0") / 20.0 - 1.0).abs() < 0.03);
    assert!((self_ms(&counts, "checkout", "op1") / 70.0 - 1.0).abs() < 0.03);
    let edge = &counts.services["checkout"].callers["front"];
    assert_eq!((edge.calls, edge.failed, edge.orphans, edge.errors), (1, 1, 0, 0));
    let entry = &counts.services["front"].entries["op0"];
    assert_eq!((entry.calls, entry.failed, entry.origins["checkout"].failed), (1, 1, 1));
}

#[test]
fn a_failing_call_that_nobody_answers_is_the_callees() {
    let call = failed(client(2, 1, 0, (PeerKind::Address, "payment.shop.svc:8080"), (10, 20)));
    let counts = counts(vec![failed(row(1, 0, 0, Server, (0, 30))), call]);
    let payment = &counts.services["payment"];
    assert_eq!(payment.kind, EntityKind::External);
    let edge = &payment.callers["front"];
    assert_eq!((edge.orphans, edge.errors), (1, 1));
    assert_eq!(errors(&counts, "front", "op0"), 0);
}

#[test]
fn a_call_without_any_known_callee_fails_at_its_caller() {
    let call = failed(row(2, 1, 0, Client, (10, 20)));
    let counts = counts(vec![failed(row(1, 0, 0, Server, (0, 30))), call]);
    assert_eq!(errors(&counts, "front", "op0"), 1);
}

#[test]
fn attempts_of_one_call_are_one_trial_and_the_last_decides() {
    let attempt = |id, times| client(id, 1, 0, (PeerKind::Service, "stock"), times);
    let counts = counts(vec![
        row(1, 0, 0, Server, (0, 100)),
        failed(attempt(2, (10, 20))),
        failed(row(3, 2, 2, Server, (12, 18))),
        attempt(4, (30, 40)),
        row(5, 4, 2, Server, (32, 38)),
    ]);
    let edge = &counts.services["stock"].callers["front"];
    assert_eq!((edge.calls, edge.retried, edge.failed), (1, 1, 0));
    let operation = &counts.services["stock"].operations["op2"];
    assert_eq!((operation.calls, operation.retried, operation.errors), (2, 1, 0));
}

#[test]
fn impatience_with_a_slow_callee_is_nobodys_error() {
    let call = client(2, 1, 0, (PeerKind::Service, "stock"), (10, 60));
    let counts = counts(vec![
        failed(row(1, 0, 0, Server, (0, 70))),
        failed(Span { error_type: Some(name("DEADLINE_EXCEEDED")), ..call }),
        row(3, 2, 2, Server, (12, 300)),
    ]);
    assert_eq!(errors(&counts, "front", "op0") + errors(&counts, "stock", "op2"), 0);
    assert_eq!(counts.services["stock"].callers["front"].errors, 0);
    let entry = &counts.services["front"].entries["op0"];
    assert_eq!(
        entry.origins.keys().map(Name::as_str).collect::<Vec<_>>(),
        ["stock"],
        "who spent the time"
    );
}

#[test]
fn a_source_without_kinds_shows_its_calls_by_the_shape_of_its_traces() {
    let counts = counts(vec![
        row(1, 0, 0, Unspecified, (0, 100)),
        row(2, 1, 0, Unspecified, (10, 90)),
        row(3, 2, 1, Unspecified, (40, 60)),
        row(4, 3, 1, Unspecified, (45, 55)),
    ]);
    let edge = &counts.services["checkout"].callers["front"];
    assert_eq!((edge.calls, edge.declared, edge.gap.count()), (1, 0, 1));
    assert_eq!(counts.activity["checkout"].calls, 1);
    assert!(
        (self_ms(&counts, "front", "op0") / 20.0 - 1.0).abs() < 0.03,
        "the call is not its own"
    );
}

#[test]
fn broken_traces_are_counted_as_far_as_they_go() {
    let missing_parent = counts(vec![row(3, 2, 1, Server, (15, 85))]);
    assert_eq!(missing_parent.services["checkout"].entries["op1"].calls, 1);
    let mut observer = Observer::new(0, ObserveConfig::default());
    observer.handle_batch(&batch(vec![
        row(1, 2, 0, Server, (0, 10)),
        row(2, 1, 0, Server, (0, 10)),
        row(3, 3, 1, Server, (0, 10)),
        row(3, 3, 1, Server, (0, 10)),
    ]));
    observer.finish();
    let stats = observer.stats();
    assert!(stats.cyclic >= 2 && stats.duplicates == 1, "{stats:?}");
}

#[test]
fn a_runaway_trace_is_bounded_and_what_it_loses_is_counted() {
    let limits = ObserveLimits { spans_per_trace: 10, ..ObserveLimits::default() };
    let config = ObserveConfig { limits, ..ObserveConfig::default() };
    let rows: Vec<Span> = (1..=100).map(|id| row(id, id / 2, 0, Server, (0, 10))).collect();
    let mut forward = Observer::new(0, config);
    forward.handle_batch(&batch(rows.clone()));
    let mut backward = Observer::new(0, config);
    backward.handle_batch(&batch(rows.into_iter().rev().collect()));
    assert_eq!((forward.stats().dropped, backward.stats().dropped), (90, 90));
    forward.finish();
    backward.finish();
    assert_eq!(records(&mut forward), records(&mut backward));
}

#[test]
fn late_spans_revise_their_pane_and_too_late_ones_are_counted() {
    let mut observer = Observer::new(0, ObserveConfig::default());
    observer.handle_batch(&batch(vec![row(1, 0, 0, Server, (0, 100))]));
    observer.advance(ms(20_000));
    let first = records(&mut observer);
    assert_eq!(first.len(), 1);
    observer.handle_batch(&batch(vec![row(2, 1, 0, Server, (10, 90))]));
    observer.advance(ms(30_000));
    let second = records(&mut observer);
    assert_eq!((second[0].pane, second[0].revision), (first[0].pane, 1));
    assert_eq!(second[0].counts.services["front"].operations["op0"].calls, 2);
    observer.advance(ms(200_000));
    observer.handle_batch(&batch(vec![row(3, 1, 0, Server, (10, 90))]));
    assert_eq!(observer.stats().late, 1);
}

fn noise_counts(seed: u64) -> PaneCounts {
    let behave = |_: &str, _: Timestamp, noise: &mut Noise| Behaviour {
        fails: noise.below(5) == 0,
        ..Behaviour::default()
    };
    let mut shop = Shop { noise: Noise(seed), behave: &behave };
    let mut observer = Observer::new(0, ObserveConfig::default());
    for batch in shop.traffic(0, 1, 6) {
        observer.handle_batch(&batch);
    }
    observer.finish();
    records(&mut observer).pop().map(|record| record.counts).unwrap_or_default()
}

fn sum(parts: &[&PaneCounts]) -> PaneCounts {
    let mut sum = PaneCounts::default();
    for part in parts {
        sum.merge(part);
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn counts_add_up_in_any_order_and_grouping(a in any::<u64>(), b in any::<u64>(), c in any::<u64>()) {
        let (a, b, c) = (noise_counts(a), noise_counts(b), noise_counts(c));
        prop_assert_eq!(sum(&[&a, &b, &c]), sum(&[&c, &a, &b]));
        prop_assert_eq!(sum(&[&sum(&[&a, &b]), &c]), sum(&[&a, &sum(&[&b, &c])]));
        prop_assert_eq!(sum(&[&a]), a);
    }

    #[test]
    fn any_number_of_tasks_and_shares_counts_the_same(seed in any::<u64>(), tasks in 1_u32..5, shares in 1_u32..4) {
        let behave = |_: &str, _: Timestamp, _: &mut Noise| Behaviour::default();
        let mut shop = Shop { noise: Noise(seed), behave: &behave };
        let whole = shop.traffic(0, 5, 5);
        let expected = total(&whole, 1, 1);
        let split = total(&whole, tasks, shares);
        prop_assert_eq!(expected.services, split.services);
        prop_assert_eq!(expected.activity.keys().collect::<Vec<&Name>>(), split.activity.keys().collect::<Vec<_>>());
    }
}

fn total(batches: &[SignalBatch], tasks: u32, shares: u32) -> PaneCounts {
    let config = ObserveConfig { shares, ..ObserveConfig::default() };
    let mut observers: Vec<Observer> = (0..tasks).map(|task| Observer::new(task, config)).collect();
    let mut now = None;
    for batch in batches {
        now = now.max(newest(batch));
        for (observer, part) in observers.iter_mut().zip(split(batch.clone(), tasks)) {
            observer.handle_batch(&part);
        }
    }
    let mut last = std::collections::BTreeMap::new();
    for observer in &mut observers {
        observer.advance(now.unwrap_or_default());
        observer.finish();
        for record in records(observer) {
            last.insert((record.task, record.share, record.pane), record.counts);
        }
    }
    sum(&last.values().collect::<Vec<_>>())
}
