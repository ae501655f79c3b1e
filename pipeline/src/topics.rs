//! The topics of an installation: their names, their partitions and what each is for.

use model::recording::topic;

use crate::intake::decode::TopicKind;
use crate::log::TopicSpec;

/// Names of the input topics. Defaults are those of the Collector's Kafka exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputTopics {
    /// Spans.
    pub spans: String,
    /// Logs.
    pub logs: String,
    /// Metrics.
    pub metrics: String,
    /// Alerts.
    pub alerts: String,
    /// Changes.
    pub changes: String,
    /// Declared structure.
    pub topology: String,
}

impl Default for InputTopics {
    fn default() -> Self {
        Self {
            spans: topic::SPANS.into(),
            logs: topic::LOGS.into(),
            metrics: topic::METRICS.into(),
            alerts: topic::ALERTS.into(),
            changes: topic::CHANGES.into(),
            topology: topic::TOPOLOGY.into(),
        }
    }
}

impl InputTopics {
    /// All of them with what they carry; declared structure first, so that among records of the
    /// same instant the map is known before what is judged by it.
    #[must_use]
    pub fn all(&self) -> [(&str, TopicKind); 6] {
        [
            (&self.topology, TopicKind::Topology),
            (&self.changes, TopicKind::Changes),
            (&self.spans, TopicKind::Spans),
            (&self.logs, TopicKind::Logs),
            (&self.metrics, TopicKind::Metrics),
            (&self.alerts, TopicKind::Alerts),
        ]
    }

    /// The topic of a kind.
    #[must_use]
    pub fn name(&self, kind: TopicKind) -> &str {
        match kind {
            TopicKind::Spans => &self.spans,
            TopicKind::Logs => &self.logs,
            TopicKind::Metrics => &self.metrics,
            TopicKind::Alerts => &self.alerts,
            TopicKind::Changes => &self.changes,
            TopicKind::Topology => &self.topology,
        }
    }

    /// What a topic carries; `None` if it is no input topic.
    #[must_use]
    pub fn kind_of(&self, name: &str) -> Option<TopicKind> {
        self.all().into_iter().find(|(topic, _)| *topic == name).map(|(_, kind)| kind)
    }
}

/// Names of faultline's own topics: `PREFIX.panes` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTopics {
    /// Counts per pane, from OBSERVE to DETECT. Partition: cell x shares + share.
    pub panes: String,
    /// What enters the fold, in one order per cell. Partition: cell.
    pub journal: String,
    /// The incidents, compacted by id.
    pub incidents: String,
    /// What was said to which sink, compacted.
    pub deliveries: String,
    /// What could not be decoded, with position and reason.
    pub dead_letters: String,
    /// Empty: whoever is given its partition by the group of a role is at work (ADR 19).
    pub lease: String,
}

impl OwnTopics {
    /// The own topics under a prefix.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        let name = |suffix: &str| format!("{prefix}.{suffix}");
        Self {
            panes: name("panes"),
            journal: name("journal"),
            incidents: name("incidents"),
            deliveries: name("deliveries"),
            dead_letters: name("dead-letters"),
            lease: name("lease"),
        }
    }

    /// How the own topics are to be created for a number of cells and detect shares.
    #[must_use]
    pub fn specs(&self, cells: u32, shares: u32) -> Vec<TopicSpec> {
        let spec = |name: &str, partitions, compacted| TopicSpec {
            name: name.to_owned(),
            partitions,
            compacted,
        };
        vec![
            spec(&self.panes, cells * shares, false),
            spec(&self.journal, cells, false),
            spec(&self.incidents, 1, true),
            spec(&self.deliveries, 1, true),
            spec(&self.dead_letters, 1, false),
            spec(&self.lease, 1, false),
        ]
    }
}

impl Default for OwnTopics {
    fn default() -> Self {
        Self::with_prefix("faultline")
    }
}
