//! One look at a running system.

use std::collections::BTreeMap;

use anyhow::Result;
use model::time::Timestamp;
use serde::Deserialize;

use super::exposition::Exposition;
use crate::clock;
use crate::http::summary::IncidentSummary;
use crate::remote::Remote;

/// Incidents that are asked for.
const ROWS: u32 = 200;

/// What `/api/v1/status` says, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The version that runs.
    pub version: String,
    /// The newest event time.
    pub now: Option<Timestamp>,
    /// How many incidents are in each state.
    pub incidents: BTreeMap<String, u64>,
    /// Whether it is ready.
    pub ready: bool,
    /// What readiness rests on.
    pub checks: Vec<Check>,
}

/// One condition of readiness.
#[derive(Clone, Debug, Deserialize)]
pub struct Check {
    /// The stage.
    pub stage: String,
    /// What must hold.
    pub condition: String,
    /// Whether it does.
    pub holds: bool,
}

/// One look.
#[derive(Clone, Debug)]
pub struct Look {
    /// By the clock of whoever looks.
    pub at: Timestamp,
    /// What the system says of itself.
    pub status: Status,
    /// Its metrics.
    pub metrics: Exposition,
    /// Active incidents, newest first.
    pub incidents: Vec<IncidentSummary>,
    /// How many active incidents there are.
    pub matching: usize,
}

impl Look {
    /// Looks.
    ///
    /// # Errors
    /// When no running system answers.
    pub fn take(remote: &Remote) -> Result<Self> {
        let status = remote.json("/api/v1/status")?;
        let metrics = Exposition::read(&remote.text("/metrics")?);
        let list = remote.list(&format!("state=open,suspected&limit={ROWS}"))?;
        Ok(Self {
            at: clock::now(),
            status,
            metrics,
            incidents: list.incidents,
            matching: list.matching,
        })
    }
}
