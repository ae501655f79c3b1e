//! A scenario: a world, what is asked of it, what goes wrong in it, and how badly it is watched.

use model::recording::TopicRecord;
use model::time::{Nanos, Timestamp};

use crate::changes::PlannedChange;
use crate::fault::Fault;
use crate::noise::NoiseRule;
use crate::play::Play;
use crate::traffic::Traffic;
use crate::truth::{self, Truth};
use crate::world::World;

/// Everything that happens, as data. The same scenario gives the same records, byte for byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name: the stream and segment of a suite.
    pub name: String,
    /// All chance comes from it.
    pub seed: u64,
    /// The world.
    pub world: World,
    /// What is asked of it.
    pub traffic: Traffic,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What people change, guilty or not; those before [`Scenario::start`] arrive first.
    pub changes: Vec<PlannedChange>,
    /// How badly it is watched.
    pub imperfections: Imperfections,
    /// First instant of telemetry; a whole second.
    pub start: Timestamp,
    /// How long telemetry goes on.
    pub length: Nanos,
    /// How telemetry is encoded.
    pub encoding: Encoding,
    /// Which alerts of no meaning there are.
    pub noise: AlertNoise,
    /// The spans of time that a scorer looks at, one per fault slot. Empty: all telemetry, as often
    /// as there are faults.
    pub windows: Vec<(Timestamp, Timestamp)>,
}

/// How telemetry is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// OTLP export requests in protobuf.
    #[default]
    OtlpProto,
    /// OTLP export requests in JSON.
    OtlpJson,
}

impl Encoding {
    /// The value of the record header `encoding`.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::OtlpProto => "otlp_proto",
            Self::OtlpJson => "otlp_json",
        }
    }
}

/// Whether alerts fire that have nothing to do with any fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AlertNoise {
    /// None.
    #[default]
    Quiet,
    /// A disk warning on a host, and a flapping notice about a certificate.
    Usual,
    /// These rules.
    Rules(Vec<NoiseRule>),
}

/// What observation gets wrong. The default is perfect observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Imperfections {
    /// Share of spans that are lost on the way.
    pub missing_span_share: f64,
    /// Every host's clock is wrong by up to that, either way. Unit: milliseconds.
    pub clock_skew_ms: i64,
    /// Share of traces that are kept; the decision is made at the root.
    pub head_sampling: f64,
    /// Share of telemetry records that arrive twice.
    pub duplicate_share: f64,
    /// Share of telemetry records that arrive late.
    pub late_share: f64,
    /// How late at most. Unit: milliseconds.
    pub late_ms_max: i64,
}

impl Default for Imperfections {
    fn default() -> Self {
        Self {
            missing_span_share: 0.0,
            clock_skew_ms: 0,
            head_sampling: 1.0,
            duplicate_share: 0.0,
            late_share: 0.0,
            late_ms_max: 0,
        }
    }
}

impl Scenario {
    /// The records in order of arrival: timestamps never decrease.
    ///
    /// Bounds: memory is that of a few seconds of traffic, however long the scenario is.
    pub fn records(&self) -> impl Iterator<Item = TopicRecord> + '_ {
        Play::new(self)
    }

    /// What really happened. Only a scorer may ask.
    #[must_use]
    pub fn truth(&self) -> Truth {
        truth::of(self)
    }

    /// The first instant after telemetry.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.start + self.length
    }
}
