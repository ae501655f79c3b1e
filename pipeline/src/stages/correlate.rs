//! CORRELATE: folds each cell's journal into revisions of incidents.

use std::sync::Arc;

use correlator::Losses;
use correlator::correlate::{Correlator, Output};
use model::id::IncidentId;
use model::name::Name;

use crate::dead_letter::dead_letter;
use crate::log::{Record, TopicPartition};
use crate::stages::entry::EntryReader;
use crate::stages::settings::Settings;
use crate::stages::{Emit, Stage, Tally, wire};

/// Who is told of a new drift report.
pub type DriftTold = Box<dyn Fn(serde_json::Value) + Send>;

/// What became of people's decisions, in all cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActCounts {
    /// Acts that were carried out.
    pub taken: u64,
    /// Acts that were not.
    pub refused: u64,
    /// Alerts that fire and are muted now.
    pub alerts_muted: u64,
}

/// Who is told of the counts, after each record of the journal.
pub type ActsTold = Box<dyn Fn(ActCounts) + Send>;

/// Journal records between two drift reports.
const DRIFT_EVERY: u64 = 64;

/// The stage: one correlator per cell.
pub struct CorrelateStage {
    settings: Arc<Settings>,
    correlators: Vec<Correlator>,
    entries: EntryReader,
    drift_told: Option<DriftTold>,
    acts_told: Option<ActsTold>,
    records: u64,
    unreadable: u64,
}

impl CorrelateStage {
    /// A stage without history.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        let fresh = |cell: &model::id::CellId| {
            Correlator::new(cell.clone(), settings.detect_tasks, settings.correlate.clone())
        };
        let correlators = settings.cells.iter().map(fresh).collect();
        Self {
            settings,
            correlators,
            entries: EntryReader::default(),
            drift_told: None,
            acts_told: None,
            records: 0,
            unreadable: 0,
        }
    }

    /// Tells somebody of the drift report now and then.
    #[must_use]
    pub fn with_drift_told(mut self, told: DriftTold) -> Self {
        self.drift_told = Some(told);
        self
    }

    /// Tells somebody what became of people's decisions.
    #[must_use]
    pub fn with_acts_told(mut self, told: ActsTold) -> Self {
        self.acts_told = Some(told);
        self
    }

    /// What became of people's decisions, in all cells.
    #[must_use]
    pub fn act_counts(&self) -> ActCounts {
        let mut all = ActCounts::default();
        for stats in self.correlators.iter().map(Correlator::counted) {
            all.taken += stats.acts;
            all.refused += stats.acts_unknown;
            all.alerts_muted += stats.alerts_muted;
        }
        all
    }

    /// Entries of the journal that were none.
    #[must_use]
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The incidents that rest on settled facts: what exists in every order of arrival.
    #[must_use]
    pub fn settled_ids(&self) -> Vec<IncidentId> {
        self.correlators.iter().flat_map(Correlator::settled_ids).collect()
    }

    /// Items of the maps of all cells.
    #[must_use]
    pub fn items(&self) -> usize {
        self.correlators.iter().map(Correlator::items).sum()
    }

    /// What is declared and what is seen of the system's structure, and where they differ, by cell.
    #[must_use]
    pub fn drift(&self) -> serde_json::Value {
        let reports =
            self.settings.cells.iter().zip(&self.correlators).map(|(cell, correlator)| {
                let report = serde_json::to_value(correlator.drift()).unwrap_or_default();
                (cell.0.to_string(), report)
            });
        reports.collect::<serde_json::Map<_, _>>().into()
    }

    /// Folds one entry of a record.
    fn entry(&mut self, record: &Record, entry: &[u8], out: &mut Vec<Emit>) {
        let cell = record.partition.partition as usize;
        let entry = self.entries.read(entry);
        let (Ok(entry), Some(correlator)) = (entry, self.correlators.get_mut(cell)) else {
            self.unreadable += 1;
            return;
        };
        correlator.fold(entry);
        // A person was answered 202: why nothing came of it is kept, and told by the API.
        for (act, why) in self.publish(cell, out) {
            tracing::warn!(%act, why, "not carried out");
            out.push(dead_letter(&self.settings.own.dead_letters, record, &why));
        }
    }

    /// Emits the revisions of a cell; returns the acts that were not carried out, and why.
    fn publish(&mut self, cell: usize, out: &mut Vec<Emit>) -> Vec<(Name, String)> {
        let mut refused = Vec::new();
        let Some(correlator) = self.correlators.get_mut(cell) else { return refused };
        while let Some(output) = correlator.poll_output() {
            match output {
                Output::Incident { incident, .. } => {
                    let to = TopicPartition::new(&self.settings.own.incidents, 0);
                    match wire::incident(to, &incident) {
                        Ok(emit) => out.push(emit),
                        Err(_) => self.unreadable += 1,
                    }
                }
                Output::Refused { act, why } => refused.push((act, why)),
                // Counted.
                Output::Shed { .. } => {}
            }
        }
        refused
    }
}

impl Stage for CorrelateStage {
    fn handle(&mut self, record: &Record, out: &mut Vec<Emit>) {
        for entry in wire::entries(record.value.as_deref().unwrap_or_default()) {
            self.entry(record, entry, out);
        }
        self.records += 1;
        if let Some(told) = &self.acts_told {
            told(self.act_counts());
        }
        if let Some(told) = &self.drift_told
            && self.records.is_multiple_of(DRIFT_EVERY)
        {
            told(self.drift());
        }
    }

    fn finish(&mut self, out: &mut Vec<Emit>) {
        for cell in 0..self.correlators.len() {
            if let Some(correlator) = self.correlators.get_mut(cell) {
                correlator.finish();
            }
            let _no_acts_here = self.publish(cell, out);
        }
    }

    fn tally(&self) -> Tally {
        let (mut tally, mut losses) = (Tally::default(), Losses::default());
        for correlator in &self.correlators {
            let stats = correlator.counted();
            tally.processed += stats.entries;
            tally.repeats += stats.repeats;
            tally.late += stats.late;
            // A late symptom is both, and told once.
            tally.dropped += stats.shed - stats.late;
            losses.absorb(correlator.losses());
        }
        Tally { loudest: losses.loudest().map(|(name, items)| (name.clone(), items)), ..tally }
    }

    fn save(&self) -> Result<Vec<u8>, wire::WireError> {
        wire::pack(&self.correlators)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), wire::WireError> {
        self.correlators = wire::unpack(state)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::command::{Act, Command, Decision};
    use model::journal::{JournalEntry, JournalRecord};
    use model::time::Timestamp;

    use super::*;
    use crate::stages::observe::ObserveStage;

    #[test]
    fn an_act_that_is_not_carried_out_is_a_dead_letter_with_the_reason() {
        let settings = Arc::new(Settings::default());
        let (told, counts) = std::sync::mpsc::sync_channel(4);
        let mut stage = CorrelateStage::new(settings.clone()).with_acts_told(Box::new(move |n| {
            told.send(n).expect("the test listens");
        }));
        let act = Act {
            id: "a-1".into(),
            author: "ann".into(),
            via: "api".into(),
            at: Timestamp::from_millis(5_000),
            reason: String::new(),
            decision: Decision::Acknowledge { incident: IncidentId(7) },
        };
        let record = JournalRecord::Command(Command::Act(act.clone()));
        let entry = JournalEntry { arrival: act.at, position: None, record };
        let at = TopicPartition::new(&settings.own.journal, 0);
        let emit = wire::journal(at.clone(), &entry).expect("encodes");
        let record = Record {
            partition: at,
            offset: 3,
            timestamp_ms: 5_000,
            key: None,
            headers: Vec::new(),
            value: emit.record.value.clone(),
        };
        let mut out = Vec::new();
        stage.handle(&record, &mut out);
        let [letter] = out.as_slice() else { panic!("one dead letter: {out:?}") };
        assert_eq!(*letter.to.topic, *settings.own.dead_letters);
        assert_eq!(letter.record.value, emit.record.value);
        let reason = letter.record.headers.iter().find(|(name, _)| name == "faultline.reason");
        let reason = String::from_utf8(reason.expect("a reason").1.clone()).expect("text");
        assert!(reason.contains("is not known; check the id"), "{reason}");
        let counted = ActCounts { taken: 0, refused: 1, alerts_muted: 0 };
        assert_eq!(counts.recv().expect("told"), counted);
    }

    /// What OBSERVE puts into the journal for a request with alerts of these services.
    fn request(settings: &Arc<Settings>, services: &[&str]) -> Vec<Vec<u8>> {
        let alerts: Vec<_> = services
            .iter()
            .map(|service| {
                serde_json::json!({
                    "labels": {"alertname": "Slow", "service": service, "severity": "critical"},
                    "annotations": {"summary": "two\nlines"},
                    "startsAt": "2026-03-17T02:06:00Z",
                })
            })
            .collect();
        let record = Record {
            partition: TopicPartition::new(&settings.inputs.alerts, 0),
            offset: 0,
            timestamp_ms: 1_773_713_160_000,
            key: None,
            headers: Vec::new(),
            value: Some(serde_json::Value::from(alerts).to_string().into_bytes()),
        };
        let mut out = Vec::new();
        ObserveStage::new(settings.clone(), 0).handle(&record, &mut out);
        // The first alert begins event time, and with it panes, which stand between it and the others.
        out.retain(|emit| *emit.to.topic == *settings.own.journal);
        out.into_iter().filter_map(|emit| emit.record.value).collect()
    }

    /// What a fresh stage emits for records of the journal with these values.
    fn folded(settings: &Arc<Settings>, values: &[&[u8]]) -> Vec<Emit> {
        let (mut stage, mut out) = (CorrelateStage::new(settings.clone()), Vec::new());
        for (offset, value) in (0..).zip(values) {
            let record = Record {
                partition: TopicPartition::new(&settings.own.journal, 0),
                offset,
                timestamp_ms: 0,
                key: None,
                headers: Vec::new(),
                value: Some(value.to_vec()),
            };
            stage.handle(&record, &mut out);
        }
        assert_eq!(stage.unreadable(), 0);
        out
    }

    #[test]
    fn alerts_that_share_a_record_of_the_journal_are_folded_as_if_each_had_its_own() {
        let settings = Arc::new(Settings::default());
        let records = request(&settings, &["cart", "cart", "payment", "shipping"]);
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let lines: Vec<&[u8]> = records.iter().flat_map(|value| wire::entries(value)).collect();
        assert_eq!((records.len(), lines.len()), (2, 4));
        let together = folded(&settings, &records);
        assert!(!together.is_empty());
        assert_eq!(together, folded(&settings, &lines));
    }

    #[test]
    fn a_large_request_is_several_records_of_the_journal() {
        let settings = Arc::new(Settings::default());
        let services: Vec<String> = (0..1_000).map(|number| format!("s{number}")).collect();
        let records = request(&settings, &services.iter().map(String::as_str).collect::<Vec<_>>());
        let sizes: Vec<usize> = records.iter().map(Vec::len).collect();
        assert!(sizes.len() > 2 && sizes.iter().all(|bytes| *bytes < 66 << 10), "{sizes:?}");
        assert_eq!(records.iter().flat_map(|value| wire::entries(value)).count(), 1_000);
    }

    #[test]
    fn an_entry_that_is_none_is_counted_and_its_neighbours_are_folded() {
        let settings = Arc::new(Settings::default());
        let value = request(&settings, &["cart"]).concat();
        let record = Record {
            partition: TopicPartition::new(&settings.own.journal, 0),
            offset: 0,
            timestamp_ms: 0,
            key: None,
            headers: Vec::new(),
            value: Some([b"not json\n".as_slice(), &value].concat()),
        };
        let (mut stage, mut out) = (CorrelateStage::new(settings), Vec::new());
        stage.handle(&record, &mut out);
        assert_eq!(stage.unreadable(), 1);
        assert!(!out.is_empty());
        stage.handle(&Record { value: None, ..record }, &mut out);
        assert_eq!(stage.unreadable(), 2, "no value is no entry");
    }
}
