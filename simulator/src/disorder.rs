//! What brokers and networks do to the order of records. Payloads and timestamps stay as they
//! are: only the order of reading changes.

use model::recording::TopicRecord;

use crate::dice::Dice;

/// The records as if each had been delayed by up to `bound_ms`, by chance from a seed: no record
/// is overtaken by one that arrived more than `bound_ms` after it. Timestamps are kept, so they no
/// longer rise steadily.
#[must_use]
pub fn shuffle(records: Vec<TopicRecord>, seed: u64, bound_ms: i64) -> Vec<TopicRecord> {
    let mut dice = Dice::new(seed, 9);
    let mut delayed: Vec<(i64, TopicRecord)> = records
        .into_iter()
        .map(|record| {
            let delay_ms = dice.between(0.0, bound_ms.max(0) as f64) as i64;
            (record.timestamp_ms.saturating_add(delay_ms), record)
        })
        .collect();
    delayed.sort_by_key(|(at_ms, _)| *at_ms);
    delayed.into_iter().map(|(_, record)| record).collect()
}

/// The records dealt to `partitions` partitions in turn, topic by topic, as a producer without
/// keys does. The order inside a partition is that of the input; fewer than one becomes one.
#[must_use]
pub fn deal(records: Vec<TopicRecord>, partitions: usize) -> Vec<Vec<TopicRecord>> {
    let mut out = vec![Vec::new(); partitions.max(1)];
    let mut turns = std::collections::BTreeMap::<String, usize>::new();
    for record in records {
        let turn = turns.entry(record.topic.clone()).or_default();
        let partition = *turn % partitions.max(1);
        *turn += 1;
        if let Some(partition) = out.get_mut(partition) {
            partition.push(record);
        }
    }
    out
}
