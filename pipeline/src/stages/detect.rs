//! DETECT: sums the counts of all observe tasks, judges them, writes symptoms into the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use correlator::Losses;
use correlator::detect::Detector;
use correlator::observe::PaneRecord;
use model::journal::{JournalEntry, JournalRecord};

use crate::log::{Record, TopicPartition};
use crate::stages::settings::Settings;
use crate::stages::{Emit, Stage, Tally, wire};

/// The stage: one detector per partition of the panes topic.
pub struct DetectStage {
    settings: Arc<Settings>,
    detectors: BTreeMap<u32, Detector>,
    unreadable: u64,
}

impl DetectStage {
    /// A stage without history.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        let detector = |partition: u32| {
            let share = partition % settings.detect_tasks;
            let detector = Detector::new(share, settings.observe_tasks, settings.detect);
            (partition, detector)
        };
        let partitions = settings.cell_count() * settings.detect_tasks;
        let detectors = (0..partitions).map(detector).collect();
        Self { settings, detectors, unreadable: 0 }
    }

    /// Records of the panes topic that were none.
    #[must_use]
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

impl Stage for DetectStage {
    fn handle(&mut self, record: &Record, out: &mut Vec<Emit>) {
        let pane: Result<PaneRecord, _> = wire::unpack(record.value.as_deref().unwrap_or_default());
        let (Ok(pane), Some(detector)) =
            (pane, self.detectors.get_mut(&record.partition.partition))
        else {
            self.unreadable += 1;
            return;
        };
        detector.handle_counts(pane);
        let cell = record.partition.partition / self.settings.detect_tasks;
        while let Some(batch) = detector.poll_batch() {
            let entry = JournalEntry {
                arrival: self.settings.observe.width.end(batch.pane),
                position: None,
                record: JournalRecord::Symptoms(batch),
            };
            match wire::journal(TopicPartition::new(&self.settings.own.journal, cell), &entry) {
                Ok(emit) => out.push(emit),
                Err(_) => self.unreadable += 1,
            }
        }
    }

    fn tally(&self) -> Tally {
        let (mut tally, mut losses) = (Tally::default(), Losses::default());
        for detector in self.detectors.values() {
            tally.processed += detector.stats().records;
            losses.absorb(detector.losses());
        }
        let loudest = losses.loudest().map(|(name, items)| (name.clone(), items));
        Tally { dropped: losses.count(), loudest, ..tally }
    }

    fn save(&self) -> Result<Vec<u8>, wire::WireError> {
        wire::pack(&self.detectors)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), wire::WireError> {
        self.detectors = wire::unpack(state)?;
        Ok(())
    }
}
