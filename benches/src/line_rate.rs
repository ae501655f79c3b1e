//! The headline: spans per second from a pre-filled topic of a real broker to incidents on
//! another topic, over reading the same topic and doing nothing with it.
//!
//! A is the product; it has ended when OBSERVE is through with the input and the others with what
//! it caused. B is a consumer of librdkafka that looks at nothing. Processor time is that of this
//! process: the broker's is left out on both sides. The headline is the worst of all forms.

use std::fmt;

use anyhow::{Context, Result, ensure};

use crate::broker::Broker;
use crate::fleet::{Fleet, Made, Shape, Spread};
use crate::line::{Inputs, KafkaLine};
use crate::pairs::{Pairs, Plan, Turn, in_turn};
use crate::report::{Quality, Report};
use crate::traffic::quality;

/// What the topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) span_bytes: usize,
    pub(crate) codec: &'static str,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.span_bytes, self.codec)
    }
}

/// All forms that the headline is taken over.
pub(crate) const FORMS: [Form; 4] = [
    Form { span_bytes: 331, codec: "none" },
    Form { span_bytes: 331, codec: "zstd" },
    Form { span_bytes: 966, codec: "none" },
    Form { span_bytes: 966, codec: "zstd" },
];

pub(crate) fn run(plan: Plan, traces: u64, forms: &[Form]) -> Result<Report> {
    let broker = Broker::start()?;
    let (mut worst, mut extras): (Option<Pairs>, Vec<(String, f64)>) = (None, Vec::new());
    let mut quality = Quality { found: 0, faults: 0 };
    for form in forms {
        let bench = Bench::fill(&broker, plan.seed, traces, *form)?;
        let (pairs, found) = bench.measure(plan)?;
        quality.found += found.found;
        quality.faults += found.faults;
        extras.extend(bench.figures(&pairs));
        if worst.is_none_or(|worst| pairs.ratio.median < worst.ratio.median) {
            worst = Some(pairs);
        }
    }
    let pairs = worst.context("no form was asked for")?;
    let cpu = extras.iter().filter(|(name, _)| name.starts_with("cpu_ratio"));
    let worst_cpu = cpu.map(|(_, ratio)| *ratio).fold(f64::MAX, f64::min);
    extras.insert(0, ("cpu_ratio".to_owned(), worst_cpu));
    extras.insert(1, ("open_traces".to_owned(), traces as f64));
    Ok(Report {
        bench: "line-rate",
        a_is: "spans to incidents, out of Kafka",
        b_is: "reading the same topic, no-op",
        unit: "spans/s",
        plan,
        pairs,
        quality: Some(quality),
        extras,
    })
}

/// A filled set of topics.
struct Bench<'b> {
    broker: &'b Broker,
    form: Form,
    inputs: Inputs,
    made: Made,
    fleet: Fleet,
}

impl<'b> Bench<'b> {
    fn fill(broker: &'b Broker, seed: u64, traces: u64, form: Form) -> Result<Self> {
        let span_bytes = form.span_bytes;
        let fleet = Fleet::new(Shape { seed, traces, span_bytes, spread: Spread::Even })?;
        let mut inputs = Inputs::make(broker, &form.to_string())?;
        let filler = broker.filler(form.codec)?;
        let made = fleet.play(|record| filler.send(&inputs.place(&record), &record))?;
        filler.finish()?;
        Ok(Self { broker, form, inputs, made, fleet })
    }

    fn measure(&self, plan: Plan) -> Result<(Pairs, Quality)> {
        let (spans, partitions) = (self.made.spans as f64, self.inputs.spans());
        let (mut turn, mut incidents) = (0, Vec::new());
        let pairs = in_turn(
            plan,
            Turn::rate,
            || {
                turn += 1;
                let line = KafkaLine::prepare(self.broker, &self.inputs, turn)?;
                let (measured, told) = line.run(spans, self.inputs.records)?;
                incidents = told;
                Ok(measured)
            },
            || {
                Turn::measure(|| {
                    let bytes = self.broker.read_only(&partitions)?;
                    ensure!(bytes == self.made.bytes, "the topic lost something");
                    Ok(spans)
                })
            },
        )?;
        Ok((pairs, quality(&self.fleet.truth(), &incidents)))
    }

    fn figures(&self, pairs: &Pairs) -> impl Iterator<Item = (String, f64)> {
        let (made, form) = (self.made, self.form);
        let figures = [
            ("ratio", pairs.ratio.median),
            ("cpu_ratio", pairs.cpu_ratio.median),
            ("a_spans_per_s", pairs.a.median),
            ("b_spans_per_s", pairs.b.median),
            ("a_cpu_ns_per_span", pairs.a_cpu_ns.median),
            ("b_cpu_ns_per_span", pairs.b_cpu_ns.median),
            ("bytes_per_span", made.bytes as f64 / made.spans.max(1) as f64),
            ("spans", made.spans as f64),
        ];
        figures.into_iter().map(move |(name, figure)| (format!("{name}_{form}"), figure))
    }
}
