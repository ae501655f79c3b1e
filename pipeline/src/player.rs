//! Records into a fresh engine, in one thread, dealt over partitions as Kafka would hold them.

use std::collections::BTreeMap;

use anyhow::Result;
use model::incident::Incident;
use model::recording::{TopicRecord, topic};

use crate::log::{Batch, Record, TopicPartition};
use crate::stages::arrival::Arrival;
use crate::stages::line::{Line, LineOutput};
use crate::stages::settings::Settings;

/// Records that a partition is read ahead when a recording is dealt over several.
const READ_AHEAD: usize = 512;

/// The line with its records dealt over partitions, as Kafka would hold them.
pub struct Player {
    line: Line,
    partitions: u32,
    offsets: BTreeMap<TopicPartition, u64>,
    arrival: Option<Arrival>,
    waiting: Vec<Record>,
    outputs: Vec<LineOutput>,
    last_ms: i64,
}

impl Player {
    /// A player into a fresh engine.
    #[must_use]
    pub fn new(settings: Settings, partitions: u32) -> Self {
        let inputs = settings.inputs.all().map(|(topic, _)| topic.to_owned());
        let lanes: Vec<TopicPartition> = inputs
            .iter()
            .map(String::as_str)
            .chain([topic::ACTS])
            .flat_map(|topic| (0..partitions).map(|p| TopicPartition::new(topic, p)))
            .collect();
        let arrival = (partitions > 1).then(|| Arrival::new(&lanes, usize::MAX));
        Self {
            line: Line::new(settings),
            partitions,
            offsets: BTreeMap::new(),
            arrival,
            waiting: Vec::new(),
            outputs: Vec::new(),
            last_ms: 0,
        }
    }

    /// Plays one record.
    ///
    /// # Errors
    /// What the receiver of the outputs returns.
    pub fn play(
        &mut self,
        record: TopicRecord,
        give: &mut impl FnMut(LineOutput) -> Result<()>,
    ) -> Result<()> {
        self.last_ms = self.last_ms.max(record.timestamp_ms);
        let record = self.dealt(record);
        if self.arrival.is_none() {
            self.line.feed(&record, &mut self.outputs);
            return self.give(give);
        }
        self.waiting.push(record);
        if self.waiting.len() >= READ_AHEAD { self.read_ahead(give) } else { Ok(()) }
    }

    /// Ends the input.
    ///
    /// # Errors
    /// What the receiver of the outputs returns.
    pub fn finish(&mut self, give: &mut impl FnMut(LineOutput) -> Result<()>) -> Result<()> {
        self.read_ahead(give)?;
        self.line.finish(&mut self.outputs);
        self.give(give)
    }

    /// The engine.
    #[must_use]
    pub const fn line(&self) -> &Line {
        &self.line
    }

    /// Where in time the recording is.
    #[must_use]
    pub fn place(&self) -> String {
        model::time::Timestamp::from_millis(self.last_ms).to_rfc3339()
    }

    /// Puts a record at the end of the partition that a hash of its payload chooses.
    fn dealt(&mut self, record: TopicRecord) -> Record {
        let hash = model::id::stable_hash(&[record.topic.as_bytes(), &record.value]);
        let partition = (hash % u64::from(self.partitions)) as u32;
        let partition = TopicPartition::new(&record.topic, partition);
        let offset = self.offsets.entry(partition.clone()).or_default();
        let dealt = Record {
            partition,
            offset: *offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(String::into_bytes),
            headers: record.headers.into_iter().map(|(k, v)| (k, v.into_bytes())).collect(),
            value: Some(record.value),
        };
        *offset += 1;
        dealt
    }

    /// Reads what waits partition by partition, as a consumer's fetches do, and merges it again.
    fn read_ahead(&mut self, give: &mut impl FnMut(LineOutput) -> Result<()>) -> Result<()> {
        let Some(arrival) = &mut self.arrival else { return Ok(()) };
        let mut fetched = std::mem::take(&mut self.waiting);
        fetched.sort_by(|a, b| a.partition.cmp(&b.partition));
        let caught_up = self.offsets.keys().cloned().collect();
        let idle = arrival.lanes().filter(|lane| !self.offsets.contains_key(*lane)).cloned();
        let idle: Vec<TopicPartition> = idle.collect();
        arrival.push(Batch { records: fetched, caught_up });
        arrival.push(Batch { records: Vec::new(), caught_up: idle });
        while let Some(record) = arrival.pop() {
            self.line.feed(&record, &mut self.outputs);
        }
        self.give(give)
    }

    fn give(&mut self, give: &mut impl FnMut(LineOutput) -> Result<()>) -> Result<()> {
        self.outputs.drain(..).try_for_each(give)
    }
}

/// Plays records into a fresh engine and returns the last revision of each settled incident, with
/// its bytes, by onset: for the headless demo, tests and benches.
///
/// # Errors
/// What the iterator of records returns.
pub fn final_incidents(
    settings: Settings,
    partitions: u32,
    records: impl Iterator<Item = Result<TopicRecord>>,
    mut each: impl FnMut(&TopicRecord),
) -> Result<Vec<(Incident, Vec<u8>)>> {
    let mut player = Player::new(settings, partitions);
    let mut last = BTreeMap::new();
    let mut keep = |output: LineOutput| {
        if let LineOutput::Revision(incident, bytes) = output {
            last.insert(incident.id, (*incident, bytes));
        }
        Ok(())
    };
    for record in records {
        let record = record?;
        each(&record);
        player.play(record, &mut keep)?;
    }
    player.finish(&mut keep)?;
    let settled = player.line().settled_ids();
    let mut incidents: Vec<(Incident, Vec<u8>)> = last.into_values().collect();
    incidents.retain(|(incident, _)| settled.contains(&incident.id));
    incidents.sort_by_key(|(incident, _)| (incident.onset_at, incident.id));
    Ok(incidents)
}
