//! HTTP: health, metrics, the API and the console.
//!
//! It reads a bounded view of `faultline.incidents` that the program keeps up to date, counters that
//! the stages fill, and the history in SQL; it writes only what people decide, through the desk (`crate::control`),
//! here or at a destination (`hooks`).
//! What is deliberately absent: any judgement, any knowledge of a log. The intake has its own
//! router.
//!
//! Modules stand in the order in which a request meets them.

pub mod security;
pub mod router;
pub mod error;
pub mod health;
pub mod metrics;
pub mod view;
mod known;
pub mod summary;
pub mod api;
pub mod control;
pub mod hooks;
pub mod sql;
pub mod events;
pub mod openapi;
pub mod console;
mod single_sign_on;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

pub use router::router;
pub use security::check_listen;

use crate::control::desk::Desk;

/// The report on the map's drift, as JSON; `None` until there was a map to compare.
#[derive(Debug, Default)]
pub struct DriftSlot(RwLock<Option<Arc<serde_json::Value>>>);

impl DriftSlot {
    /// Replaces the report.
    pub fn set(&self, report: serde_json::Value) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(report));
    }

    /// The newest report.
    #[must_use]
    pub fn get(&self) -> Option<Arc<serde_json::Value>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the handlers see. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct HttpState {
    /// The newest revision of every incident.
    pub incidents: Arc<view::IncidentView>,
    /// Whether the program lives and is ready.
    pub health: Arc<health::Health>,
    /// What the stages count.
    pub metrics: Arc<metrics::Metrics>,
    /// The drift report.
    pub drift: Arc<DriftSlot>,
    /// Where people's decisions become durable.
    pub desk: Arc<Desk>,
    /// Where destinations of sinks send what people did there.
    pub hooks: Arc<hooks::Hooks>,
    /// The engine behind `POST /api/v1/sql`.
    pub sql: Arc<sql::SqlSlot>,
    /// Batches of the stages that are told as spans.
    pub batches: crate::telemetry::Batches,
    /// Who may ask, and by which host names.
    pub security: Arc<security::Security>,
}
