//! The plan: which streams each list holds. Frozen: a stream that is added goes to the end.

use super::Seeds;
use super::chatter::Chatter;
use super::places::{Kind, Strength};
use super::systems::System;

/// What a stream holds.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) family: &'static str,
    pub(super) seed: u64,
    pub(super) system: System,
    pub(super) faults: Vec<Kind>,
    /// For two faults: whether some service is reached by both.
    pub(super) touching: bool,
    /// How many services a fault reaches at least.
    pub(super) reach: usize,
    /// Whether a change that caused a fault is always recorded.
    pub(super) recorded: bool,
    pub(super) strength: Strength,
    /// Decoys a fault; in a healthy stream, changes in all.
    pub(super) decoys: usize,
    pub(super) chatter: Chatter,
    pub(super) flapping: bool,
    pub(super) watch: Watch,
    /// Spans that are made, about; observation may lose most of them.
    pub(super) spans: u64,
}

/// How a stream is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// All is seen; a little of it late or twice.
    Full,
    /// 5 % of the spans are lost.
    MissingSpans,
    /// Host clocks are wrong by up to 50 ms.
    SkewedClocks,
    /// 1 % of the traces are kept.
    HeadSampled,
    /// Lost spans and wrong clocks.
    Poor,
}

/// Spans of an ordinary stream.
const SPANS: u64 = 36_000;
/// Spans of a sampled stream before sampling.
const SPANS_BEFORE_SAMPLING: u64 = 400_000;

/// The streams of a list.
pub(super) fn plan(seeds: Seeds) -> Vec<Plan> {
    let (systems, kinds, strength, first): (&[System], &[Kind], Strength, u64) = match seeds {
        Seeds::Test => (&TEST_SYSTEMS, &TEST_KINDS, TEST_STRENGTH, 0x7e57_0000),
        Seeds::Development => {
            (&DEVELOPMENT_SYSTEMS, &DEVELOPMENT_KINDS, DEVELOPMENT_STRENGTH, 0xde70_0000)
        }
    };
    let mut list = List { systems, kinds, strength, first, plans: Vec::new(), drawn: 0 };
    let many = seeds == Seeds::Test;
    for kind in kinds {
        list.add("single", vec![*kind], |plan| plan.decoys = 2);
    }
    for _ in 0..if many { 4 } else { 3 } {
        let faults = vec![list.next(), list.next()];
        list.add("overlap-disjoint", faults, |plan| plan.decoys = 1);
    }
    for _ in 0..if many { 4 } else { 3 } {
        let faults = vec![list.next(), list.next()];
        list.add("overlap-touching", faults, |plan| {
            plan.touching = true;
            plan.decoys = 1;
        });
    }
    for kind in [Kind::DatabaseSlow, Kind::ErrorBurst, Kind::ServiceDown] {
        let wide = systems.last().copied();
        list.add("storm", vec![kind], |plan| {
            plan.system = wide.unwrap_or(plan.system);
            plan.spans = 4 * SPANS;
            plan.reach = 7;
        });
    }
    for _ in 0..3 {
        list.add("flapping", Vec::new(), |plan| plan.flapping = true);
    }
    for _ in 0..3 {
        let faults = vec![list.next()];
        list.add("noise", faults, |plan| plan.chatter = Chatter::Heavy);
    }
    for kind in [Kind::BadDeploy, Kind::SlowCode, Kind::PoolStarved, Kind::ErrorBurst] {
        list.add("decoys", vec![kind], |plan| {
            plan.decoys = 5;
            plan.recorded = true;
        });
    }
    list.observed(if many { 3 } else { 2 });
    for _ in 0..4 {
        list.add("healthy", Vec::new(), |plan| plan.decoys = 5);
    }
    for _ in 0..2 {
        let faults = vec![list.next()];
        list.add("all-of-it", faults, |plan| {
            plan.decoys = 5;
            plan.chatter = Chatter::Heavy;
            plan.watch = Watch::Poor;
        });
    }
    list.plans
}

struct List<'a> {
    systems: &'a [System],
    kinds: &'a [Kind],
    strength: Strength,
    first: u64,
    plans: Vec<Plan>,
    drawn: usize,
}

impl List<'_> {
    /// The kinds in turn, in steps that visit all of them.
    fn next(&mut self) -> Kind {
        self.drawn += 1;
        let place = (self.drawn * 7) % self.kinds.len().max(1);
        self.kinds.get(place).copied().unwrap_or(Kind::ErrorBurst)
    }

    fn observed(&mut self, count: usize) {
        let watches = [
            ("missing-spans", Watch::MissingSpans),
            ("clock-skew", Watch::SkewedClocks),
            ("head-sampling", Watch::HeadSampled),
        ];
        for (family, watch) in watches {
            for _ in 0..count {
                let faults = vec![self.next()];
                self.add(family, faults, |plan| {
                    plan.watch = watch;
                    plan.decoys = 2;
                    if watch == Watch::HeadSampled {
                        plan.spans = SPANS_BEFORE_SAMPLING;
                    }
                });
            }
        }
    }

    fn add(&mut self, family: &'static str, faults: Vec<Kind>, set: impl FnOnce(&mut Plan)) {
        let at = self.plans.len();
        // The last system is the wide one, for storms alone.
        let ordinary = self.systems.len().saturating_sub(1).max(1);
        let Some(system) = self.systems.get(at % ordinary).copied() else { return };
        let mut plan = Plan {
            family,
            seed: self.first + at as u64,
            system,
            faults,
            touching: false,
            reach: 1,
            recorded: false,
            strength: self.strength,
            decoys: 0,
            chatter: Chatter::Usual,
            flapping: false,
            watch: Watch::Full,
            spans: SPANS,
        };
        set(&mut plan);
        self.plans.push(plan);
    }
}

const TEST_STRENGTH: Strength = Strength { factor: (7.0, 16.0), share: (0.25, 0.7) };
const DEVELOPMENT_STRENGTH: Strength = Strength { factor: (8.0, 20.0), share: (0.3, 0.8) };

const TEST_KINDS: [Kind; 15] = [
    Kind::SlowCode,
    Kind::ErrorBurst,
    Kind::ServiceDown,
    Kind::BadDeploy,
    Kind::PoolStarved,
    Kind::DatabaseSlow,
    Kind::NetworkDelay,
    Kind::ExternalDown,
    Kind::TrafficSurge,
    Kind::MemoryLeak,
    Kind::HostSaturated,
    Kind::Certificate,
    Kind::NetworkLoss,
    Kind::PatienceCut,
    Kind::ExternalSlow,
];

/// Without the kinds that only the test list has: certificate, loss, patience, a slow provider.
const DEVELOPMENT_KINDS: [Kind; 11] = [
    Kind::SlowCode,
    Kind::ErrorBurst,
    Kind::ServiceDown,
    Kind::BadDeploy,
    Kind::PoolStarved,
    Kind::DatabaseSlow,
    Kind::NetworkDelay,
    Kind::ExternalDown,
    Kind::TrafficSurge,
    Kind::MemoryLeak,
    Kind::HostSaturated,
];

/// A bank, a booking site, a hospital's portal, and a wide one.
const TEST_SYSTEMS: [System; 4] = [
    System {
        name: "bank",
        names: &[
            "web-banking",
            "mobile-banking",
            "accounts",
            "transfers",
            "cards",
            "loans",
            "ledger",
            "limits",
            "customers",
            "documents",
            "rates",
            "identity",
        ],
        layers: &[2, 4, 4, 2],
        columns: 2,
        crossing: 0.25,
        calls: (1, 3),
        stores: &[("ledger-db", "postgresql"), ("customer-db", "oracle.db")],
        providers: &[("swift-gateway", "api.swift.example"), ("credit-bureau", "credit.example")],
        instances: 2,
        nodes: 5,
        self_ms: (2.0, 12.0),
    },
    System {
        name: "booking",
        names: &[
            "site",
            "partner-api",
            "admin-site",
            "searcher",
            "offers",
            "basket",
            "guests",
            "availability",
            "pricing-engine",
            "reviews",
            "geo",
            "media",
            "calendar",
            "currency",
        ],
        layers: &[3, 4, 5, 2],
        columns: 3,
        crossing: 0.15,
        calls: (1, 2),
        stores: &[("rooms-db", "mysql"), ("guest-db", "mysql"), ("offer-cache", "redis")],
        providers: &[("channel-manager", "channels.example")],
        instances: 3,
        nodes: 6,
        self_ms: (4.0, 20.0),
    },
    System {
        name: "clinic",
        names: &[
            "portal",
            "staff-desk",
            "appointments",
            "records",
            "billing",
            "lab-orders",
            "patients",
            "consent",
            "audit",
            "terminology",
        ],
        layers: &[2, 4, 4],
        columns: 2,
        crossing: 0.1,
        calls: (2, 3),
        stores: &[("record-db", "mssql"), ("billing-db", "postgresql")],
        providers: &[("insurance-clearing", "clearing.example")],
        instances: 2,
        nodes: 4,
        self_ms: (3.0, 15.0),
    },
    System {
        name: "marketplace",
        names: &[
            "storefront",
            "app-api",
            "seller-api",
            "home",
            "browse",
            "basket-svc",
            "purchase",
            "seller-desk",
            "listing",
            "quotes",
            "stock-svc",
            "promo",
            "shipment",
            "invoice",
            "wallet",
            "profile",
            "session",
            "recommender",
            "ratings",
            "image-svc",
            "tax",
            "address",
            "fraud-check",
            "notify",
        ],
        layers: &[3, 5, 8, 8],
        columns: 1,
        crossing: 0.0,
        calls: (2, 3),
        stores: &[("main-db", "postgresql"), ("side-db", "mongodb")],
        providers: &[("card-acquirer", "acquirer.example")],
        instances: 3,
        nodes: 8,
        self_ms: (2.0, 10.0),
    },
];

/// A chain-like system, a star-like one, and a wide one.
const DEVELOPMENT_SYSTEMS: [System; 3] = [
    System {
        name: "telemetry-lake",
        names: &[
            "gate",
            "console-ui",
            "router",
            "planner",
            "parser",
            "tenant",
            "store-api",
            "index",
            "compactor",
        ],
        layers: &[2, 2, 2, 2, 1],
        columns: 2,
        crossing: 0.2,
        calls: (1, 2),
        stores: &[("meta-db", "postgresql"), ("block-db", "cassandra")],
        providers: &[("object-store", "objects.example"), ("mail-relay", "mail.example")],
        instances: 2,
        nodes: 4,
        self_ms: (3.0, 18.0),
    },
    System {
        name: "news",
        names: &[
            "frontpage",
            "reader-app",
            "articles",
            "comments",
            "newsletter",
            "topics",
            "subscriptions",
            "authors",
            "ads",
            "tracking",
            "paywall",
        ],
        layers: &[2, 6, 3],
        columns: 2,
        crossing: 0.3,
        calls: (1, 3),
        stores: &[("content-db", "mongodb"), ("reader-db", "mysql")],
        providers: &[("ad-exchange", "ads.example")],
        instances: 2,
        nodes: 5,
        self_ms: (2.0, 14.0),
    },
    System {
        name: "logistics",
        names: &[
            "driver-app",
            "depot-ui",
            "customer-track",
            "routing",
            "dispatch",
            "parcels",
            "labels",
            "vehicles",
            "drivers",
            "zones",
            "scans",
            "events",
            "customs",
            "claims",
            "tariffs",
            "weather-svc",
            "maps",
            "geocode",
            "shifts",
            "fuel",
        ],
        layers: &[3, 5, 6, 6],
        columns: 1,
        crossing: 0.0,
        calls: (2, 3),
        stores: &[("fleet-db", "postgresql"), ("scan-db", "cassandra")],
        providers: &[("toll-service", "toll.example")],
        instances: 3,
        nodes: 7,
        self_ms: (2.0, 12.0),
    },
];
