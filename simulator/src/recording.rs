//! A scenario as files of a suite (`casebook/FORMAT.md`): the recording, `suite.json`,
//! `labels.json`. The caller brings the writers, and the compression if there is to be one.

use std::io::{self, Write};

use model::time::Timestamp;
use serde_json::{Value, json};

use crate::scenario::Scenario;

impl Scenario {
    /// Writes the records as JSON Lines and gives their number.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_recording(&self, mut out: impl Write) -> io::Result<u64> {
        let mut lines = 0;
        for record in self.records() {
            let line = record.to_line().map_err(io::Error::other)?;
            out.write_all(line.as_bytes())?;
            out.write_all(b"\n")?;
            lines += 1;
        }
        out.flush()?;
        Ok(lines)
    }
}

/// `suite.json` of scenarios that were written as segments named after them. It holds no truth:
/// every stream has one window per fault slot: those of the scenario, else all of its telemetry.
#[must_use]
pub fn suite(name: &str, scenarios: &[Scenario]) -> Value {
    let stream = |scenario: &Scenario| {
        let whole = vec![(scenario.start, scenario.end()); scenario.faults.len().max(1)];
        let spans = if scenario.windows.is_empty() { &whole } else { &scenario.windows };
        let window = |(index, (start, end)): (usize, &(Timestamp, Timestamp))| {
            json!({
                "id": format!("w{}", index + 1),
                "start": start.to_rfc3339(),
                "end": end.to_rfc3339(),
            })
        };
        let windows: Vec<Value> = spans.iter().enumerate().map(window).collect();
        json!({ "id": scenario.name, "segments": [scenario.name], "windows": windows })
    };
    json!({
        "suite": name,
        "source": "faultline's simulator",
        "licence": "Apache-2.0",
        "system": scenarios.first().map_or("", |scenario| scenario.world.name.as_str()),
        "streams": scenarios.iter().map(stream).collect::<Vec<_>>(),
    })
}

/// `labels.json` of the same scenarios.
#[must_use]
pub fn labels(scenarios: &[Scenario]) -> Value {
    let entry = |scenario: &Scenario| (scenario.name.clone(), json!(scenario.truth()));
    Value::Object(scenarios.iter().map(entry).collect())
}
