//! One sink, its outbox, and what a shell would keep: the topic of deliveries and the incidents.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use model::command::Command;
use model::id::IncidentId;
use model::incident::Incident;
use model::time::Timestamp;
use sinks::config::{SinkConfig, build, build_over};
use sinks::delivery::decide::Decision;
use sinks::delivery::outbox::{Done, DoneResult, Outbox, OutboxLimits};
use sinks::delivery::record::Delivered;
use sinks::heard::Heard;
use sinks::kafka::Publish;
use sinks::retry::Jitter;
use sinks::sink::{Sink, Trouble, Wait};

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// After the intent is durable, before the request.
    AfterIntent,
    /// After the answer, before the record is durable.
    AfterAnswer,
}

/// A sink with its outbox.
pub(crate) struct World {
    /// How the process makes its sink anew; `None`: the sink outlives it.
    setup: Option<Setup>,
    config: SinkConfig,
    sink: Box<dyn Sink>,
    pub(crate) outbox: Outbox,
    /// `faultline.deliveries`, compacted.
    pub(crate) records: BTreeMap<String, Vec<u8>>,
    /// `faultline.incidents`, compacted.
    incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) commands: Vec<Command>,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self::over(setup, None)
    }

    /// A sink that may write to a log.
    pub(crate) fn over(setup: &Setup, log: Option<Box<dyn Publish>>) -> Self {
        let renewed = log.is_none().then(|| setup.clone());
        let (config, sink) = setup.build(log);
        let outbox = outbox(&config);
        Self {
            setup: renewed,
            config,
            sink,
            outbox,
            records: BTreeMap::new(),
            incidents: BTreeMap::new(),
            commands: Vec::new(),
        }
    }

    pub(crate) fn config(&self) -> &SinkConfig {
        &self.config
    }

    /// A new revision is published.
    pub(crate) fn publish(&mut self, incident: &Incident, now: Timestamp) -> Decision {
        self.incidents.insert(incident.id, incident.clone());
        self.outbox.on_incident(Arc::new(incident.clone()), now)
    }

    /// Everything that is due at `now`.
    pub(crate) fn run(&mut self, now: Timestamp) -> Vec<Done> {
        let mut all = Vec::new();
        while let Some(done) = self.turn(now, None) {
            all.push(done);
        }
        all
    }

    /// Goes from deadline to deadline until nothing is left. Panics if that does not end.
    pub(crate) fn drain(&mut self, mut now: Timestamp) -> Timestamp {
        for _ in 0..1_000 {
            self.run(now);
            match self.outbox.next_deadline(now) {
                Some(next) => now = now.max(next),
                None => return now,
            }
        }
        panic!("still due after a thousand turns: {:?}", self.outbox.last_trouble());
    }

    /// One turn, as a shell makes it.
    fn turn(&mut self, now: Timestamp, crash: Option<Crash>) -> Option<Done> {
        let due = self.outbox.poll_due(now)?;
        if let Some(intent) = &due.intent {
            self.keep(intent);
        }
        if crash == Some(Crash::AfterIntent) {
            return None;
        }
        let outcome = self.sink.deliver(&due.request(now));
        if crash == Some(Crash::AfterAnswer) {
            return None;
        }
        let done = self.outbox.on_outcome(&due, outcome, now, Jitter(u32::MAX / 2));
        if let Some(record) = &done.record {
            self.keep(record);
        }
        self.commands.extend(done.command.clone());
        Some(done)
    }

    /// Asks what people did.
    pub(crate) fn listen(
        &mut self,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Heard, (Wait, Trouble)> {
        self.sink.listen(cursor, now)
    }

    /// The process dies in its next turn and starts again: only topics are left.
    pub(crate) fn crash(&mut self, crash: Crash, now: Timestamp) {
        self.turn(now, Some(crash));
        self.restart(now);
    }

    pub(crate) fn restart(&mut self, now: Timestamp) {
        if let Some(setup) = &self.setup {
            self.sink = setup.build(None).1;
        }
        self.outbox = outbox(&self.config);
        for value in self.records.values() {
            let record = Delivered::from_json(value).expect("what we wrote can be read");
            self.outbox.on_record(record);
        }
        for incident in self.incidents.values() {
            self.outbox.on_incident(Arc::new(incident.clone()), now);
        }
    }

    fn keep(&mut self, record: &Delivered) {
        self.records.insert(record.key(), record.to_json());
    }
}

fn outbox(config: &SinkConfig) -> Outbox {
    let limits = OutboxLimits::default();
    Outbox::new(config.name().into(), config.policy(), config.retry(), limits)
}

/// A configuration in JSON, in which `"SECRET0"` and so on stand for references to secrets.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) json: String,
    pub(crate) secrets: Vec<String>,
}

impl Setup {
    /// Builds the sink; the files with the secrets are gone afterwards.
    fn build(&self, log: Option<Box<dyn Publish>>) -> (SinkConfig, Box<dyn Sink>) {
        let mut json = self.json.clone();
        let mut files = Vec::new();
        for (count, secret) in self.secrets.iter().enumerate() {
            let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
            writeln!(file, "{secret}").expect("it can be written");
            let reference = serde_json::json!({ "file": file.path() }).to_string();
            json = json.replace(&format!("\"SECRET{count}\""), &reference);
            files.push(file);
        }
        let config: SinkConfig = serde_json::from_str(&json).expect("a valid configuration");
        let built = match log {
            Some(log) => build_over(&config, log),
            None => build(&config),
        };
        let sink = built.unwrap_or_else(|errors| panic!("{errors:?}"));
        (config, sink)
    }
}

/// Whether an attempt was to be made again.
pub(crate) fn failed(done: &Done) -> bool {
    matches!(done.result, DoneResult::Later(..))
}
