//! Plays one stream and holds it against its labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use model::id::IncidentId;
use model::incident::Incident;
use serde_json::Value;

use super::Options;
use super::comparators::{Case, Compared, compare};
use super::detection::{self, Health};
use super::explain::Miss;
use super::history::cut;
use super::labels::Fault;
use super::measure::StreamEnd;
use super::play::{Played, play};
use super::raw::Raw;
use super::series::{self, Series};
use super::suite::{Stream, Suite};
use super::verdict::{self, Verdict};
use super::whose::{Counting, claims};

/// What came out for one fault.
#[derive(Clone, Debug)]
pub struct FaultResult {
    /// The fault.
    pub fault: Fault,
    /// Its verdict, by the incidents that were ever open.
    pub open: Verdict,
    /// What it would be if suspected ones counted.
    pub suspected: Verdict,
    /// The incidents behind [`Self::open`], in the product's order.
    pub incidents: Vec<Arc<Incident>>,
    /// Services that the records had spoken of by then.
    pub services: usize,
    /// How the comparators did, in the order of [`super::comparators::ALL`].
    pub compared: Vec<Compared>,
    /// Why it was missed, if it was and that is asked for.
    pub explanation: Option<String>,
}

/// What came out for one stream.
#[derive(Clone, Debug)]
pub struct StreamResult {
    /// Its id.
    pub stream: String,
    /// Its faults, in the labels' order.
    pub faults: Vec<FaultResult>,
    /// Its healthy time.
    pub health: Health,
    /// What further measures said, in their order.
    pub measured: Vec<Option<Value>>,
}

/// Plays and judges one stream.
///
/// # Errors
/// When a recording cannot be read.
pub fn judge(suite: &Suite, stream: &Stream, options: &Options<'_>) -> Result<StreamResult> {
    let labels = suite.labels.of(&stream.id).with_context(|| {
        format!("labels.json of suite {} holds no labels for stream {}", suite.name, stream.id)
    })?;
    let mut raw = Raw::default();
    let played = play(stream, &options.settings, &mut |record| raw.take(record))?;
    let series = series::all(&raw);
    let scene = Scene { stream, played: &played, raw: &raw, series: &series };
    let faults = labels.faults.iter();
    let faults = faults.filter_map(|fault| scene.judge(fault, options.explain)).collect();
    let courses = played.history.courses.iter();
    let ever: BTreeSet<IncidentId> =
        courses.filter(|(_, course)| course.was_open()).map(|(id, _)| *id).collect();
    let end = StreamEnd {
        stream: &stream.id,
        incidents: &played.finals,
        opened: &ever,
        firing_alerts: raw.alerts.iter().filter(|alert| alert.firing).count() as u64,
        stats: played.stats,
        labels: &labels.raw,
    };
    Ok(StreamResult {
        stream: stream.id.clone(),
        faults,
        health: detection::health(stream, labels, &played),
        measured: options.measures.iter().map(|measure| measure.judge(&end)).collect(),
    })
}

/// A stream after it was played.
struct Scene<'a> {
    stream: &'a Stream,
    played: &'a Played,
    raw: &'a Raw,
    series: &'a [Series],
}

impl Scene<'_> {
    fn judge(&self, fault: &Fault, explain: bool) -> Option<FaultResult> {
        let windows = &self.stream.windows;
        let place = windows.iter().position(|window| window.id == fault.window)?;
        let window = windows.get(place)?;
        let history = &self.played.history;
        let claimed = |counting| claims(history, place, window, fault, counting);
        let open = claimed(Counting::Open);
        let incidents: Vec<Arc<Incident>> =
            open.iter().map(|claim| claim.incident.clone()).collect();
        let verdict = verdict::judge(&open, fault);
        let miss = Miss {
            stream: &self.stream.id,
            fault,
            window,
            verdict: &verdict,
            incidents: &incidents,
            history,
        };
        let case = Case::new(self.raw, self.series, &incidents, window, fault);
        Some(FaultResult {
            explanation: if explain { miss.explain() } else { None },
            compared: compare(&case, fault),
            fault: fault.clone(),
            suspected: verdict::judge(&claimed(Counting::Suspected), fault),
            services: self.raw.services_by(cut(window.end)),
            open: verdict,
            incidents,
        })
    }
}
