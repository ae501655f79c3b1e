//! What the stages have to agree on.

use correlator::correlate::CorrelateConfig;
use correlator::detect::DetectConfig;
use correlator::observe::ObserveConfig;
use model::id::CellId;

use crate::grouping::Grouping;
use crate::topics::{InputTopics, OwnTopics};

/// The settings of one installation, as far as the stages need them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cells, by `deployment.environment.name`; telemetry of an environment that is not listed
    /// goes to the first. Invariant: not empty.
    pub cells: Vec<CellId>,
    /// Observe tasks per cell: shares of the traces. At least 1.
    pub observe_tasks: u32,
    /// Detect tasks per cell: shares of the services. At least 1.
    pub detect_tasks: u32,
    /// Names of the input topics.
    pub inputs: InputTopics,
    /// Names of our own topics.
    pub own: OwnTopics,
    /// Parameters of OBSERVE.
    pub observe: ObserveConfig,
    /// Parameters of DETECT.
    pub detect: DetectConfig,
    /// Parameters of CORRELATE.
    pub correlate: CorrelateConfig,
    /// Rules that give alerts their keys.
    pub grouping: Grouping,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cells: vec![CellId("default".into())],
            observe_tasks: 1,
            detect_tasks: 1,
            inputs: InputTopics::default(),
            own: OwnTopics::default(),
            observe: ObserveConfig::default(),
            detect: DetectConfig::default(),
            correlate: CorrelateConfig::default(),
            grouping: Grouping::default(),
        }
    }
}

impl Settings {
    /// Which cell an environment belongs to.
    #[must_use]
    pub fn cell_of(&self, environment: Option<&str>) -> usize {
        let Some(environment) = environment else { return 0 };
        self.cells.iter().position(|cell| cell.0.as_str() == environment).unwrap_or(0)
    }

    /// How many cells.
    #[must_use]
    pub fn cell_count(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }
}
