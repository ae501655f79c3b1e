//! Sends our own telemetry, in a thread of its own: metrics every so often, lines and batches when some wait.
//!
//! An endpoint that does not answer is said once and counted, and asked again after a while that doubles; what waits
//! meanwhile is bounded. At the end what waits is sent once, if the endpoint answered the last time; nobody waits for it
//! longer than for one exchange.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use uuid::Uuid;

use super::lines;
use super::messages::{self, Teller};
use super::settings::Settings;
use super::spans::Batches;
use crate::clock::{self, StopWatch};
use crate::http::metrics::{Metric, Metrics, Stage};
use crate::outbound::{Outbound, OutboundError, Reach};
use crate::run::stop::Stop;

/// How often it is looked whether anything waits.
const TURN: Duration = Duration::from_secs(1);
/// The longest exchange: also the longest that a stop waits for.
const EXCHANGE_MAX: Duration = Duration::from_secs(2);
/// The first and the longest pause after an endpoint did not answer.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Who sends, and what.
struct Export {
    settings: Settings,
    client: Outbound,
    teller: Teller,
    metrics: Arc<Metrics>,
    batches: Batches,
    /// What `messaging.system` is.
    system: &'static str,
    /// Since when it does not answer, and for how long it is left alone.
    away: Option<(StopWatch, Duration)>,
    has_failed: bool,
}

/// Starts to send.
///
/// # Errors
/// When there can be no thread.
pub(crate) fn start(
    settings: Settings,
    metrics: Arc<Metrics>,
    system: &'static str,
    stop: Stop,
) -> Result<(Batches, JoinHandle<Result<()>>)> {
    let batches = if settings.has_traces { Batches::kept() } else { Batches::default() };
    lines::keep(settings.logs_from);
    let mut export = Export::new(settings, metrics, batches.clone(), system);
    let body = move || {
        export.run(&stop);
        Ok(())
    };
    let thread = std::thread::Builder::new().name("telemetry".into()).spawn(body);
    Ok((batches, thread.context("cannot start a thread")?))
}

impl Export {
    fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        batches: Batches,
        system: &'static str,
    ) -> Self {
        let private = settings.is_private.then(|| settings.host.clone());
        let reach = Reach::new([settings.host.clone()], private);
        let teller = Teller { instance: Uuid::new_v4().to_string(), since: clock::now() };
        let client = Outbound::within(reach, EXCHANGE_MAX);
        Self { settings, client, teller, metrics, batches, system, away: None, has_failed: false }
    }

    fn run(&mut self, stop: &Stop) {
        let mut since_metrics: Option<StopWatch> = None;
        while !stop.wait(TURN) {
            if self.away.is_some_and(|(since, pause)| since.elapsed() < pause) {
                continue;
            }
            let every = self.settings.metrics_every;
            let is_due = every
                .is_some_and(|every| since_metrics.is_none_or(|since| since.elapsed() >= every));
            if is_due {
                since_metrics = Some(StopWatch::start());
            }
            self.send_all(is_due);
        }
        lines::keep(None);
        if self.away.is_none() {
            self.send_all(self.settings.metrics_every.is_some());
        }
    }

    /// Sends what waits; what could not be sent is gone, so that nothing piles up.
    fn send_all(&mut self, with_metrics: bool) {
        let (lines, dropped) = lines::take();
        self.failed(dropped);
        let batches = self.batches.take();
        let mut bodies: Vec<(&str, Vec<u8>, u64)> = Vec::new();
        if with_metrics {
            let now = clock::now();
            let body = messages::metrics(&self.teller, &self.metrics.sample(now), now);
            bodies.push(("/v1/metrics", body, 1));
        }
        if !lines.is_empty() {
            let count = lines.len() as u64;
            bodies.push(("/v1/logs", messages::logs(&self.teller, &lines), count));
        }
        if !batches.is_empty() {
            let body = messages::traces(&self.teller, &batches, self.system);
            bodies.push(("/v1/traces", body, batches.len() as u64));
        }
        let mut sent = Ok(());
        for (path, body, count) in bodies {
            // One that does not answer is asked once.
            if sent.is_ok() {
                sent = self.send(path, &body);
            }
            if sent.is_err() {
                self.failed(count);
            }
        }
        self.note(sent);
    }

    fn send(&self, path: &str, body: &[u8]) -> Result<(), OutboundError> {
        let url = format!("{}{path}", self.settings.endpoint);
        let headers = self.settings.headers.iter();
        let headers: Vec<_> =
            headers.map(|(name, value)| (name.as_str(), value.expose())).collect();
        self.client.post(&url, &headers, "application/x-protobuf", body).map(drop)
    }

    fn failed(&self, items: u64) {
        self.metrics.add(Metric::TelemetryUnsent, Stage::Console, items);
    }

    fn note(&mut self, sent: Result<(), OutboundError>) {
        match sent {
            Ok(()) => {
                self.away = None;
                if std::mem::take(&mut self.has_failed) {
                    tracing::info!("the endpoint of our own telemetry answers again");
                }
            }
            Err(error) => {
                let pause = self.away.map_or(PAUSE, |(_, pause)| (pause * 2).min(PAUSE_MAX));
                self.away = Some((StopWatch::start(), pause));
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(%error, "our own telemetry could not be sent, trying again now and then");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
