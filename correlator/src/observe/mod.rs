//! Observe: joins spans and their logs into traces, says who erred and who spent the time, and
//! counts it per pane. It judges nothing: counts are integers that add up over tasks, so any
//! number of observers and any order of arrival inside the lateness give the same sums.
//!
//! What is deliberately absent: baselines and thresholds (they belong to `detect`), the clock.

mod limits;
mod vouch;
mod clock;
mod split;
mod histogram;
mod exemplar;
mod counts;
mod index;
mod words;
mod rows;
mod trace;
mod tally;
mod table;
mod saved;
mod meaning;
mod tree;
mod retry;
mod critical_path;
mod log_path;
mod attribute;
mod loose;
mod record;
mod observer;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use clock::{ClockConfig, ClockStats, EventClock};
pub use counts::{
    Activity, BigramCounts, EdgeCounts, EntryCounts, Merge, OperationCounts, OriginCounts,
    PaneCounts, ReachedCounts, SeriesCounts, SeriesKey, ServiceCounts, TemplateCounts, TemplateKey,
    VersionCounts,
};
pub use exemplar::Exemplars;
pub use histogram::Histogram;
pub use limits::ObserveLimits;
pub use log_path::{LOG_END, LOG_START};
pub use observer::{ObserveConfig, Observer, ObserverStats};
pub use record::PaneRecord;
pub use split::{share_of_service, split};
