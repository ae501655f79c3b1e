//! Does it slow down as the map grows? The same walk over a map of a million configuration items
//! and over one of a thousand, both with four dependencies each, drawn evenly.
//!
//! A walk goes four hops down from a random item: some 300 items on either map, so that only the
//! size of the map differs. Also told: what building costs, and memory per item.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use model::id::stable_hash;
use model::map::{
    ConfigurationItem, ItemKind, ObservedDependency, Relation, RelationKind, TopologyDocument,
};
use model::name::Name;
use model::time::{Pane, Timestamp};
use pipeline::clock::StopWatch;
use topology::{Scratch, Snapshot, Topology};

use crate::machine::{kept_bytes, resident_bytes};
use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;

const LARGE: u64 = 1_000_000;
const SMALL: u64 = 1_000;
const DEPENDENCIES_EACH: u64 = 4;
const HOPS: u32 = 4;
const QUERIES_A_TURN: u64 = 2_000;
/// Items per document, as a paged export brings them.
const PAGE: u64 = 1_000;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let small = Side::new(plan.seed, SMALL);
    let mut large = Side::new(plan.seed, LARGE);
    let mut extras = large.costs.clone();
    let mut latency = Histogram::<u64>::new(3)?;
    let (mut round_a, mut round_b) = (0, 0);
    let pairs = in_turn(
        plan,
        Turn::nanos_each,
        || large.turn(plan.seed, &mut round_a, &mut latency),
        || small.turn(plan.seed, &mut round_b, &mut Histogram::new(3)?),
    )?;
    extras.push(("query_p99_us".to_owned(), latency.value_at_quantile(0.99) as f64 / 1e3));
    extras.push(("reached_mean_large".to_owned(), large.reached_mean(plan.seed)));
    extras.push(("reached_mean_small".to_owned(), small.reached_mean(plan.seed)));
    extras.push(("weigh_ms".to_owned(), large.weigh_ms()));
    Ok(Report {
        bench: "growth",
        a_is: "downstream, 4 hops, 1,000,000 items",
        b_is: "downstream, 4 hops, 1,000 items",
        unit: "ns/query",
        plan,
        pairs,
        quality: None,
        extras,
    })
}

/// Bytes of an item with its dependencies, declared and in the snapshot.
pub(crate) fn bytes_per_item(seed: u64, items: u64) -> Result<f64> {
    let mut side = None;
    let kept = kept_bytes(|| {
        side = Some(Side::new(seed, items));
        Ok(())
    })?;
    black_box(&side.map(|side| side.snapshot));
    Ok(kept / items as f64)
}

/// One map and what it cost.
struct Side {
    items: u64,
    topology: Topology,
    snapshot: std::sync::Arc<Snapshot>,
    costs: Vec<(String, f64)>,
}

impl Side {
    fn new(seed: u64, items: u64) -> Self {
        let before = resident_bytes();
        let mut applied = Duration::ZERO;
        let mut topology = Topology::default();
        for (page, doc) in documents(seed, items).enumerate() {
            let watch = StopWatch::start();
            topology.apply(&doc, Timestamp(page as i64));
            applied += watch.elapsed();
        }
        let declared = resident_bytes();
        let watch = StopWatch::start();
        let snapshot = topology.snapshot();
        let (built, after) = (watch.elapsed(), resident_bytes());
        let each = |bytes: u64| bytes as f64 / items as f64;
        let costs = vec![
            ("apply_ms".to_owned(), applied.as_secs_f64() * 1e3),
            ("build_ms".to_owned(), built.as_secs_f64() * 1e3),
            ("declared_bytes_per_item".to_owned(), each(declared.saturating_sub(before))),
            ("snapshot_bytes_per_item".to_owned(), each(after.saturating_sub(declared))),
        ];
        Self { items, topology, snapshot, costs }
    }

    fn start(&self, seed: u64, query: u64) -> Name {
        name(draw(seed, "start", query, 0, self.items))
    }

    /// Other starts in every turn: a map that fits into no cache must not be helped by one.
    fn turn(&self, seed: u64, round: &mut u64, latency: &mut Histogram<u64>) -> Result<Turn> {
        let first = *round * QUERIES_A_TURN;
        *round += 1;
        let starts: Vec<Name> =
            (first..first + QUERIES_A_TURN).map(|query| self.start(seed, query)).collect();
        let mut scratch = Scratch::default();
        Turn::measure(|| {
            for start in &starts {
                let watch = StopWatch::start();
                let reached = self.snapshot.downstream_with(&mut scratch, start, HOPS);
                latency.record(watch.elapsed().as_nanos() as u64)?;
                ensure!(self.snapshot.contains(start), "{start} is on the map");
                black_box(reached);
            }
            Ok(starts.len() as f64)
        })
    }

    fn reached_mean(&self, seed: u64) -> f64 {
        let reached = |query| self.snapshot.downstream(&self.start(seed, query), HOPS).len();
        let sum: usize = (0..200).map(reached).sum();
        sum as f64 / 200.0
    }

    /// What a pane costs once the structure is known: calls are counted and the map is weighed.
    fn weigh_ms(&mut self) -> f64 {
        let dep = |calls| ObservedDependency {
            from: name(0),
            to: name(draw(20_260_317, "to", 0, 0, self.items)),
            to_kind: model::entity::EntityKind::Service,
            calls,
            failed: 0,
            orphans: 0,
        };
        let (first, second) = (dep(10), dep(11));
        self.topology.observe(Pane(1), &[first]);
        black_box(self.topology.snapshot());
        let watch = StopWatch::start();
        self.topology.observe(Pane(2), &[second]);
        black_box(self.topology.snapshot());
        watch.elapsed().as_secs_f64() * 1e3
    }
}

/// A map of so many items, page by page.
pub(crate) fn documents(seed: u64, items: u64) -> impl Iterator<Item = TopologyDocument> {
    (0..items.div_ceil(PAGE)).map(move |page| page_of(seed, items, page))
}

fn page_of(seed: u64, items: u64, page: u64) -> TopologyDocument {
    let numbers = page * PAGE..((page + 1) * PAGE).min(items);
    let relations = numbers.clone().flat_map(|number| {
        (0..DEPENDENCIES_EACH).map(move |nth| Relation {
            from: name(number),
            to: name(draw(seed, "to", number, nth, items)),
            kind: RelationKind::DependsOn,
        })
    });
    TopologyDocument {
        source: "bench".into(),
        relations: relations.collect(),
        items: numbers.map(item).collect(),
        removed: Vec::new(),
    }
}

fn item(number: u64) -> ConfigurationItem {
    ConfigurationItem {
        id: name(number),
        kind: ItemKind::Service,
        name: name(number),
        owner: Some(format!("team-{:03}", number % 500).into()),
        criticality: None,
        aliases: Vec::new(),
    }
}

fn name(number: u64) -> Name {
    format!("service-{number:07}").into()
}

fn draw(seed: u64, what: &str, number: u64, nth: u64, below: u64) -> u64 {
    let parts = [seed.to_le_bytes(), number.to_le_bytes(), nth.to_le_bytes()];
    let [seed, number, nth] = &parts;
    stable_hash(&[what.as_bytes(), seed, number, nth]) % below
}
