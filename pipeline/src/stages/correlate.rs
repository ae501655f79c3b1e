//! CORRELATE: folds each cell's journal into revisions of incidents.

use std::sync::Arc;

use correlator::correlate::{Correlator, Output};
use model::id::IncidentId;
use model::journal::JournalEntry;

use crate::log::{Record, TopicPartition};
use crate::stages::settings::Settings;
use crate::stages::{Emit, Stage, wire};

/// Who is told of a new drift report.
pub type DriftTold = Box<dyn Fn(serde_json::Value) + Send>;

/// Journal records between two drift reports.
const DRIFT_EVERY: u64 = 64;

/// The stage: one correlator per cell.
pub struct CorrelateStage {
    settings: Arc<Settings>,
    correlators: Vec<Correlator>,
    drift_told: Option<DriftTold>,
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
        Self { settings, correlators, drift_told: None, records: 0, unreadable: 0 }
    }

    /// Tells somebody of the drift report now and then.
    #[must_use]
    pub fn with_drift_told(mut self, told: DriftTold) -> Self {
        self.drift_told = Some(told);
        self
    }

    /// Records of the journal that were none.
    #[must_use]
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The incidents that rest on settled facts: what exists in every order of arrival.
    #[must_use]
    pub fn settled_ids(&self) -> Vec<IncidentId> {
        self.correlators.iter().flat_map(Correlator::settled_ids).collect()
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

    fn publish(&mut self, cell: usize, out: &mut Vec<Emit>) {
        let Some(correlator) = self.correlators.get_mut(cell) else { return };
        while let Some(output) = correlator.poll_output() {
            let Output::Incident { incident, .. } = output else { continue };
            let to = TopicPartition::new(&self.settings.own.incidents, 0);
            match wire::incident(to, &incident) {
                Ok(emit) => out.push(emit),
                Err(_) => self.unreadable += 1,
            }
        }
    }
}

impl Stage for CorrelateStage {
    fn handle(&mut self, record: &Record, out: &mut Vec<Emit>) {
        let cell = record.partition.partition as usize;
        let entry: Result<JournalEntry, _> = wire::json(record.value.as_deref());
        let (Ok(entry), Some(correlator)) = (entry, self.correlators.get_mut(cell)) else {
            self.unreadable += 1;
            return;
        };
        correlator.step(&entry);
        self.publish(cell, out);
        self.records += 1;
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
            self.publish(cell, out);
        }
    }

    fn save(&self) -> Result<Vec<u8>, wire::WireError> {
        wire::pack(&self.correlators)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), wire::WireError> {
        self.correlators = wire::unpack(state)?;
        Ok(())
    }
}
