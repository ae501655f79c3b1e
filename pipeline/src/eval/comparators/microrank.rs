//! MicroRank (Yu et al., WWW 2021), given the onset: a personalised PageRank over operations and
//! traces, once on normal and once on abnormal traces, weighs a spectrum; rank by Dstar2.
//!
//! As in the public implementation: a trace is abnormal when its root takes 50 ms more than the sum
//! over its operations of `count x (mean + deviation)`; damping 0.85, weight of call edges 0.01, 25
//! rounds. Traces of the abnormal period that are not abnormal are normal, like those before it.
//! Status codes are ignored, so faults that only fail are invisible to it.

use std::collections::{BTreeMap, BTreeSet};

use model::id::{SpanId, TraceId};

use super::traces::{Usual, abnormal, normal, usual};
use super::{Answer, Case};
use crate::eval::raw::RawSpan;

/// Damping of the PageRank.
const DAMPING: f64 = 0.85;
/// Weight of call edges against the edges between traces and operations.
const CALLS: f64 = 0.01;
/// Rounds of the PageRank.
const ROUNDS: usize = 25;
/// How much longer than expected an abnormal trace takes. Unit: milliseconds.
const SLACK_MS: f64 = 50.0;
/// Stands for a count of zero where the formula would divide by it.
const TINY: f64 = 1e-7;

/// The best score of each service's operations; nothing without abnormal or without normal traces.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let usual = usual(case);
    let (mut healthy, mut sick) = (Traces::default(), Traces::default());
    let mut before: BTreeMap<TraceId, Vec<&RawSpan>> = BTreeMap::new();
    let mut after: BTreeMap<TraceId, Vec<&RawSpan>> = BTreeMap::new();
    normal(case).for_each(|span| before.entry(span.trace).or_default().push(span));
    abnormal(case).for_each(|span| after.entry(span.trace).or_default().push(span));
    before.values().for_each(|spans| healthy.push(spans));
    for spans in after.values() {
        if is_abnormal(spans, &usual) { sick.push(spans) } else { healthy.push(spans) }
    }
    if healthy.kinds.is_empty() || sick.kinds.is_empty() {
        return Answer::default();
    }
    let scores = dstar2(&sick.weigh(true), sick.kinds.len(), &healthy.weigh(false));
    Answer::of_services(
        scores.into_iter().filter_map(|(operation, score)| {
            Some((case.raw.service_of(operation)?.clone(), score))
        }),
    )
}

/// Whether a trace's roots take longer than its operations let expect.
fn is_abnormal(spans: &[&RawSpan], usual: &BTreeMap<u32, Usual>) -> bool {
    let inside: BTreeSet<SpanId> = spans.iter().map(|span| span.span).collect();
    let is_root = |span: &&&RawSpan| span.parent.is_none_or(|parent| !inside.contains(&parent));
    let real: f64 = spans.iter().filter(is_root).map(|span| span.duration_ms).sum();
    let expected: f64 = spans
        .iter()
        .filter_map(|span| usual.get(&span.operation))
        .map(|usual| usual.mean + usual.deviation)
        .sum();
    real > expected + SLACK_MS
}

/// Traces of one side, with what the PageRank walks on.
#[derive(Default)]
struct Traces {
    /// Per trace its operations, once each.
    kinds: Vec<Vec<u32>>,
    /// Per trace its number of spans.
    spans: Vec<usize>,
    /// The operations that an operation calls.
    calls: BTreeMap<u32, BTreeSet<u32>>,
    /// How many traces an operation lies on.
    on: BTreeMap<u32, usize>,
}

/// Weight of an operation, and the number of traces it lies on.
type Weights = BTreeMap<u32, (f64, usize)>;

impl Traces {
    fn push(&mut self, spans: &[&RawSpan]) {
        let operations: BTreeSet<u32> = spans.iter().map(|span| span.operation).collect();
        for operation in &operations {
            *self.on.entry(*operation).or_default() += 1;
        }
        let by_id: BTreeMap<SpanId, u32> =
            spans.iter().map(|span| (span.span, span.operation)).collect();
        for span in spans {
            if let Some(caller) = span.parent.and_then(|parent| by_id.get(&parent)) {
                self.calls.entry(*caller).or_default().insert(span.operation);
            }
        }
        self.kinds.push(operations.into_iter().collect());
        self.spans.push(spans.len());
    }

    /// The operations' weights by PageRank.
    fn weigh(&self, sick: bool) -> Weights {
        let preference = self.preference(sick);
        let begin = 1.0 / (self.on.len() + self.kinds.len()) as f64;
        let mut of_operation: BTreeMap<u32, f64> = self.on.keys().map(|o| (*o, begin)).collect();
        let mut of_trace = vec![begin; self.kinds.len()];
        for _ in 0..ROUNDS {
            let next = self.operations_from(&of_operation, &of_trace);
            of_trace = self.traces_from(&of_operation, &preference);
            of_operation = next;
        }
        let sum: f64 = of_operation.values().sum();
        let count = of_operation.len() as f64;
        let on = |operation: &u32| self.on.get(operation).copied().unwrap_or_default();
        of_operation.iter().map(|(o, score)| (*o, (score * sum / count, on(o)))).collect()
    }

    /// Where the walk begins anew: rare kinds of traces, and on the abnormal side long ones.
    fn preference(&self, sick: bool) -> Vec<f64> {
        let mut alike: BTreeMap<&[u32], usize> = BTreeMap::new();
        for kind in &self.kinds {
            *alike.entry(kind.as_slice()).or_default() += 1;
        }
        let of = |kind: &Vec<u32>| alike.get(kind.as_slice()).copied().unwrap_or(1) as f64;
        let rarity: f64 = self.kinds.iter().map(|kind| 1.0 / of(kind)).sum();
        let lengths: f64 = self.spans.iter().map(|spans| 1.0 / *spans as f64).sum();
        let traces = self.kinds.iter().zip(&self.spans);
        traces
            .map(|(kind, spans)| {
                if sick {
                    0.5 / (of(kind) / rarity * 0.5 + 1.0 / *spans as f64) / lengths
                } else {
                    1.0 / of(kind) / rarity
                }
            })
            .collect()
    }

    fn operations_from(&self, scores: &BTreeMap<u32, f64>, traces: &[f64]) -> BTreeMap<u32, f64> {
        let mut next: BTreeMap<u32, f64> = self.on.keys().map(|o| (*o, 0.0)).collect();
        let mut add = |operation: &u32, value: f64| {
            if let Some(sum) = next.get_mut(operation) {
                *sum += DAMPING * value;
            }
        };
        for (kind, score) in self.kinds.iter().zip(traces) {
            kind.iter().for_each(|operation| add(operation, score / kind.len() as f64));
        }
        for (caller, called) in &self.calls {
            let score = scores.get(caller).copied().unwrap_or_default() / called.len() as f64;
            called.iter().for_each(|operation| add(operation, CALLS * score));
        }
        let most = next.values().copied().max_by(f64::total_cmp).unwrap_or(1.0);
        next.values_mut().for_each(|score| *score /= most);
        next
    }

    fn traces_from(&self, scores: &BTreeMap<u32, f64>, preference: &[f64]) -> Vec<f64> {
        let share = |operation: &u32| {
            let on = self.on.get(operation).copied().unwrap_or(1) as f64;
            scores.get(operation).copied().unwrap_or_default() / on
        };
        let walked = self.kinds.iter().map(|kind| DAMPING * kind.iter().map(share).sum::<f64>());
        let mut next: Vec<f64> = walked
            .zip(preference)
            .map(|(walked, again)| walked + (1.0 - DAMPING) * again)
            .collect();
        let most = next.iter().copied().max_by(f64::total_cmp).unwrap_or(1.0);
        next.iter_mut().for_each(|score| *score /= most);
        next
    }
}

/// `ef^2 / (ep + nf)`, with weights times counts for counts.
fn dstar2(sick: &Weights, sick_traces: usize, healthy: &Weights) -> BTreeMap<u32, f64> {
    let score = |operation: &u32, (weight, on): &(f64, usize)| {
        let failing = weight * *on as f64;
        let not_on = weight * (sick_traces - on) as f64;
        let passing = healthy.get(operation).map_or(TINY, |(weight, on)| weight * *on as f64);
        failing * failing / (passing + not_on)
    };
    sick.iter().map(|(operation, weights)| (*operation, score(operation, weights))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::at;

    fn span(number: u64, operation: u32, parent: Option<u64>, duration_ms: f64) -> RawSpan {
        RawSpan {
            operation,
            trace: TraceId(1),
            span: SpanId(number),
            parent: parent.map(SpanId),
            start: at(0),
            duration_ms,
        }
    }

    fn traces(all: &[&[RawSpan]]) -> Traces {
        let mut traces = Traces::default();
        all.iter().for_each(|spans| traces.push(&spans.iter().collect::<Vec<_>>()));
        traces
    }

    #[test]
    fn only_the_roots_time_is_held_against_the_sum() {
        let usual = BTreeMap::from([
            (0, Usual { mean: 10.0, deviation: 1.0 }),
            (1, Usual { mean: 5.0, deviation: 1.0 }),
        ]);
        // Expected 11 + 6 + 50 = 67.
        let trace = |root: f64| [span(1, 0, None, root), span(2, 1, Some(1), 500.0)];
        let judged = |root| is_abnormal(&trace(root).iter().collect::<Vec<_>>(), &usual);
        assert!(!judged(67.0) && judged(67.1));
    }

    #[test]
    fn the_operation_of_the_abnormal_traces_alone_leads() {
        let with = |operation| [span(1, 0, None, 1.0), span(2, operation, Some(1), 1.0)];
        let (good, bad) = (with(1), with(2));
        let sick = traces(&[&bad, &bad]);
        let healthy = traces(&[&good, &good, &good]);
        let scores = dstar2(&sick.weigh(true), 2, &healthy.weigh(false));
        assert!(scores[&2] > scores[&0], "{scores:?}");
        assert!(!scores.contains_key(&1), "it lies on no abnormal trace");
    }

    #[test]
    fn dstar2_by_hand() {
        let sick = BTreeMap::from([(0, (0.5, 3))]);
        let healthy = BTreeMap::from([(0, (0.25, 8))]);
        // ef 1.5, nf 0.5 x 1, ep 2: 2.25 / 2.5.
        assert!((dstar2(&sick, 4, &healthy)[&0] - 0.9).abs() < 1e-12);
    }
}
