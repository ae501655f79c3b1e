//! `faultline demo`: the 2:07 a.m. incident, from the simulator through the real stages.
//!
//! Told live, it runs the service itself over an embedded log in a throw-away directory; headless,
//! it plays the same records through the same stages in one thread.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use model::recording::TopicRecord;
use model::time::{Nanos, Timestamp};
use simulator::Scenario;

use crate::cli::{DemoArgs, Role};
use crate::clock::StopWatch;
use crate::config::Config;
use crate::http::view::Filter;
use crate::log::embedded::{Durability, EmbeddedLog};
use crate::log::{Log, NewRecord, TopicPartition};
use crate::player::final_incidents;
use crate::progress::Progress;
use crate::recording::Writer;
use crate::run::stop::Stop;
use crate::run::{Running, start};
use crate::stages::settings::Settings;
use crate::tell;

/// Healthy history up to here is told as fast as it can be read.
const STORY_BEGINS: &str = "2026-03-17T02:05:00Z";
/// Records appended at once while history is told.
const HISTORY_BATCH: usize = 500;

/// Incidents that are spoken of in the terminal.
const TOLD_MAX: usize = 100;

/// Tells the story.
///
/// # Errors
/// When the console's address is taken, or the temporary directory cannot be used.
pub fn demo(args: &DemoArgs) -> Result<()> {
    let story = simulator::the_two_oh_seven();
    match &args.write_recording {
        Some(path) => write_recording(&story, path),
        None if args.headless => headless(&story, args.json),
        None => live(&story, args),
    }
}

fn write_recording(story: &Scenario, path: &std::path::Path) -> Result<()> {
    let mut writer = Writer::create(path)?;
    for record in story.records() {
        writer.write(&record)?;
    }
    writer.finish()
}

fn headless(story: &Scenario, json: bool) -> Result<()> {
    let progress = bar(story);
    let first = story.start.millis();
    let records = story.records().map(Ok);
    let incidents = final_incidents(Settings::default(), 1, records, |record| {
        progress.at(seconds_since(first, record));
    })?;
    progress.clear();
    let mut out = io::stdout().lock();
    for (incident, bytes) in &incidents {
        if json {
            out.write_all(bytes)?;
            out.write_all(b"\n")?;
        } else {
            writeln!(out, "{}\n", tell::page(incident))?;
        }
    }
    out.flush().context("cannot write to standard output")
}

fn live(story: &Scenario, args: &DemoArgs) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let log: Arc<dyn Log> =
        Arc::new(EmbeddedLog::open(&directory.path().join("log"), Durability::Throwaway)?);
    let config = Config::for_demo(&args.listen, directory.path())?;
    let roles = [Role::Observe, Role::Detect, Role::Correlate, Role::Console];
    let running = start(&config, log.clone(), &roles)?;
    eprintln!(
        "The 2:07 a.m. incident: a shop of {} services, told from 01:47.",
        story.world.services.len()
    );
    eprintln!("Console: http://{}\n", args.listen);

    let stop = running.stop.clone();
    let teller = Teller::new(story, args.speed, stop.clone());
    teller.tell(story, &*log, &running)?;
    if args.once || stop.is_set() {
        return running.end();
    }
    eprintln!(
        "\nThe story is told. The console stays at http://{0} until Ctrl-C. In another terminal:\n  \
         faultline incidents --url http://{0}\n  faultline explain ID --url http://{0}",
        args.listen
    );
    running.wait()
}

/// Feeds the story into the log at its pace and says in the terminal what becomes of it.
struct Teller {
    progress: Progress,
    speed: f64,
    stop: Stop,
    first_ms: i64,
    begins_ms: i64,
}

impl Teller {
    fn new(story: &Scenario, speed: f64, stop: Stop) -> Self {
        let begins = Timestamp::parse_rfc3339(STORY_BEGINS).unwrap_or(story.start);
        Self {
            progress: bar(story),
            speed: speed.max(0.1),
            stop,
            first_ms: story.start.millis(),
            begins_ms: begins.millis(),
        }
    }

    fn tell(&self, story: &Scenario, log: &dyn Log, running: &Running) -> Result<()> {
        let mut said = Said::default();
        let mut batch = Vec::new();
        let mut watch: Option<StopWatch> = None;
        for record in story.records() {
            let at_ms = record.timestamp_ms;
            batch.push(record);
            let telling = at_ms >= self.begins_ms;
            if telling {
                let watch = *watch.get_or_insert_with(StopWatch::start);
                let due = (at_ms - self.begins_ms) as f64 / 1000.0 / self.speed;
                let ahead = due - watch.elapsed().as_secs_f64();
                if ahead < 0.05 && batch.len() < HISTORY_BATCH {
                    continue;
                }
                if ahead > 0.0 && self.stop.wait(Duration::from_secs_f64(ahead)) {
                    break;
                }
            } else if batch.len() < HISTORY_BATCH {
                continue;
            }
            append(log, batch.drain(..))?;
            self.progress.at((at_ms - self.first_ms).max(0).unsigned_abs() / 1000);
            self.progress.say(format!("{} UTC", Timestamp::from_millis(at_ms).to_hms()));
            said.say(running, &self.progress);
            if self.stop.is_set() {
                break;
            }
        }
        append(log, batch.drain(..))?;
        self.settle(running, &mut said);
        self.progress.clear();
        Ok(())
    }

    /// The stages are a little behind: wait until the last panes are judged.
    fn settle(&self, running: &Running, said: &mut Said) {
        let watch = StopWatch::start();
        while watch.elapsed() < Duration::from_secs(20)
            && !self.stop.wait(Duration::from_millis(250))
        {
            said.say(running, &self.progress);
            let open = said
                .states
                .values()
                .any(|(state, _)| matches!(state, IncidentState::Open | IncidentState::Suspected));
            if !open && !said.states.is_empty() {
                return;
            }
        }
    }
}

/// What has been said of each incident.
#[derive(Default)]
struct Said {
    states: BTreeMap<IncidentId, (IncidentState, String)>,
}

impl Said {
    fn say(&mut self, running: &Running, progress: &Progress) {
        for revision in running.view.list(&Filter::default(), TOLD_MAX).1 {
            let Ok(incident) = serde_json::from_str::<Incident>(&revision.json) else { continue };
            // Not the summary: its numbers grow every few seconds.
            let blamed = incident.hypotheses.first().map(|first| {
                let change = first.change.as_ref().map(|change| change.id.clone());
                format!("{} {change:?}", first.entity)
            });
            let now = (incident.state, blamed.unwrap_or_default());
            if self.states.get(&incident.id) == Some(&now) {
                continue;
            }
            progress.line(&spoken(&incident));
            self.states.insert(incident.id, now);
        }
    }
}

fn spoken(incident: &Incident) -> String {
    format!(
        "{}\n         {} and {} in {}",
        tell::line(incident),
        tell::counted(incident.alerts.len(), "alert"),
        tell::counted(incident.symptoms.len(), "symptom"),
        tell::counted(incident.services.len(), "service"),
    )
}

fn append(log: &dyn Log, records: impl Iterator<Item = TopicRecord>) -> Result<()> {
    let mut by_topic: BTreeMap<String, Vec<NewRecord>> = BTreeMap::new();
    for record in records {
        by_topic.entry(record.topic.clone()).or_default().push(NewRecord {
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(String::into_bytes),
            headers: record.headers.into_iter().map(|(k, v)| (k, v.into_bytes())).collect(),
            value: Some(record.value),
        });
    }
    for (topic, records) in by_topic {
        log.append(&TopicPartition::new(&topic, 0), records)?;
    }
    Ok(())
}

fn bar(story: &Scenario) -> Progress {
    let length = Nanos(story.length.0).secs().max(1).unsigned_abs();
    Progress::bar("01:47 - 02:29", length)
}

fn seconds_since(first_ms: i64, record: &TopicRecord) -> u64 {
    (record.timestamp_ms - first_ms).max(0).unsigned_abs() / 1000
}
