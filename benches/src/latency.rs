//! From the append of the alert that opens an incident to the incident being readable on its
//! topic, over a bare echo (read a record, append it elsewhere) on the same broker.
//!
//! Open loop: alerts are sent at their intended times, whatever comes back, and latency counts from
//! the intended time. Each alert is of a service that has no incident yet; those that the product
//! takes into an incident of another service all the same decide nothing, and are not counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use hdrhistogram::Histogram;
use model::incident::Incident;
use pipeline::clock::{self, StopWatch};
use pipeline::log::kafka::KafkaLog;
use pipeline::log::{Log, NewRecord, Record, Start, TopicPartition, TopicSpec};
use pipeline::run::stop::Stop;

use crate::alarms;
use crate::broker::Broker;
use crate::figures::Spread;
use crate::line::{Inputs, KafkaLine};
use crate::pairs::{Pairs, Plan};
use crate::report::Report;

/// Alerts of one turn, and how many of them are sent in a second.
const ALERTS: u64 = 150;
const PER_SECOND: u64 = 50;
/// Of each turn the first few are not counted: connections are made then.
const WARM: u64 = 20;
/// When everything was sent: how long nothing must come before the rest is given up.
const QUIET: Duration = Duration::from_secs(3);

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let broker = Broker::start()?;
    let (mut ours, mut echo) = (Vec::new(), Vec::new());
    for turn in 0..=plan.pairs {
        let a = through_the_line(&broker, turn)?;
        let b = through_an_echo(&broker, turn)?;
        // The first pair warms the broker.
        if turn > 0 {
            ours.push(a);
            echo.push(b);
        }
    }
    let at = |all: &[Histogram<u64>], quantile: f64| -> Vec<f64> {
        all.iter().map(|one| one.value_at_quantile(quantile) as f64 / 1e3).collect()
    };
    let ratios = |quantile: f64| {
        let (a, b) = (at(&ours, quantile), at(&echo, quantile));
        Spread::of(a.iter().zip(&b).map(|(a, b)| a / b.max(1e-3)))
    };
    let spread = |all: &[Histogram<u64>], quantile| Spread::of(at(all, quantile));
    let pairs = Pairs {
        ratio: ratios(0.99),
        a: spread(&ours, 0.99),
        b: spread(&echo, 0.99),
        ..Pairs::default()
    };
    Ok(Report {
        bench: "latency",
        a_is: "alert appended to incident readable, p99",
        b_is: "bare echo, p99",
        unit: "ms",
        plan,
        pairs,
        quality: None,
        extras: vec![
            ("ratio_p50".to_owned(), ratios(0.5).median),
            ("ratio_p999".to_owned(), ratios(0.999).median),
            ("a_p50_ms".to_owned(), spread(&ours, 0.5).median),
            ("b_p50_ms".to_owned(), spread(&echo, 0.5).median),
            ("a_p999_ms".to_owned(), spread(&ours, 0.999).median),
            ("b_p999_ms".to_owned(), spread(&echo, 0.999).median),
            ("alerts_per_s".to_owned(), PER_SECOND as f64),
        ],
    })
}

fn through_the_line(broker: &Broker, turn: usize) -> Result<Histogram<u64>> {
    let inputs = Inputs::make(broker, &format!("latency-{turn}"))?;
    let line = KafkaLine::prepare(broker, &inputs, turn)?;
    let running = line.start()?;
    let from = TopicPartition::new(&inputs.topics.alerts, 0);
    let to = TopicPartition::new(&line.own.incidents, 0);
    let services_of = |record: &Record| -> Vec<String> {
        let incident = record.value.as_deref().map(serde_json::from_slice::<Incident>);
        let Some(Ok(incident)) = incident else { return Vec::new() };
        incident.services.iter().map(ToString::to_string).collect()
    };
    let measured = measure(&broker.log()?, &from, &to, services_of);
    running.end()?;
    measured
}

fn through_an_echo(broker: &Broker, turn: usize) -> Result<Histogram<u64>> {
    let log = Arc::new(broker.log()?);
    let spec = |name: &str| TopicSpec {
        name: format!("bench.echo-{turn}.{name}"),
        partitions: 1,
        compacted: false,
    };
    let (spec_in, spec_out) = (spec("in"), spec("out"));
    log.ensure_topics(&[spec_in.clone(), spec_out.clone()])?;
    let from = TopicPartition::new(&spec_in.name, 0);
    let to = TopicPartition::new(&spec_out.name, 0);
    let stop = Stop::default();
    let echo = {
        let (log, from, to, stop) = (log.clone(), from.clone(), to.clone(), stop.clone());
        let mut reader = log.reader(&[(from, Start::Oldest)])?;
        thread::Builder::new().name("echo".to_owned()).spawn(move || -> Result<()> {
            while !stop.is_set() {
                for record in reader.poll(2_000, Duration::from_millis(50))?.records {
                    let Record { timestamp_ms, key, headers, value, .. } = record;
                    log.append(&to, vec![NewRecord { timestamp_ms, key, headers, value }])?;
                }
            }
            Ok(())
        })?
    };
    let service_of = |record: &Record| -> Vec<String> {
        let text =
            String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        let name = text.split("\"service\":\"").nth(1).and_then(|rest| rest.split('"').next());
        name.map(str::to_owned).into_iter().collect()
    };
    let measured = measure(&broker.log()?, &from, &to, service_of);
    stop.set();
    echo.join().map_err(|_| anyhow!("the echo panicked"))??;
    measured
}

/// Sends alerts at their times and waits for each to show on the other side. Unit: microseconds.
fn measure(
    log: &KafkaLog,
    from: &TopicPartition,
    to: &TopicPartition,
    services_of: impl Fn(&Record) -> Vec<String>,
) -> Result<Histogram<u64>> {
    let mut reader = log.reader(&[(to.clone(), Start::Oldest)])?;
    let gap = Duration::from_secs(1) / u32::try_from(PER_SECOND)?;
    let (watch, pause) = (StopWatch::start(), Stop::default());
    let mut seen: BTreeMap<String, Duration> = BTreeMap::new();
    thread::scope(|scope| -> Result<()> {
        let sender = scope.spawn(|| -> Result<()> {
            for number in 0..ALERTS {
                let due = intended(gap, number);
                let _never = pause.wait(due.saturating_sub(watch.elapsed()));
                let at_ms = clock::now().millis();
                let value = Some(alarms::request(|number| number, number..number + 1, at_ms));
                log.append(
                    from,
                    vec![NewRecord { timestamp_ms: at_ms, value, ..NewRecord::default() }],
                )?;
            }
            Ok(())
        });
        let mut quiet = StopWatch::start();
        while seen.len() < usize::try_from(ALERTS)? {
            if sender.is_finished() && quiet.elapsed() >= QUIET {
                break;
            }
            for record in reader.poll(2_000, Duration::from_millis(5))?.records {
                let now = watch.elapsed();
                quiet = StopWatch::start();
                for service in services_of(&record) {
                    seen.entry(service).or_insert(now);
                }
            }
        }
        sender.join().map_err(|_| anyhow!("the sender panicked"))?
    })?;
    let mut latency = Histogram::<u64>::new(3)?;
    for number in WARM..ALERTS {
        // What only joins an open incident is told with the next pane: it decided nothing.
        let Some(shown) = seen.get(&format!("service-{number:04}")) else { continue };
        let took = shown.saturating_sub(intended(gap, number));
        latency.record(u64::try_from(took.as_micros())?)?;
    }
    ensure!(latency.len() * 10 > (ALERTS - WARM) * 8, "{} alerts came through", latency.len());
    Ok(latency)
}

fn intended(gap: Duration, number: u64) -> Duration {
    // Connections first.
    Duration::from_millis(300) + gap * u32::try_from(number).unwrap_or(u32::MAX)
}
