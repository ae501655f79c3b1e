//! Two observe tasks over one, in spans per second of processor time: what sharing the traces
//! costs. Both are fed by one thread, so waiting plays no part.

use std::sync::Arc;

use anyhow::{Result, ensure};
use pipeline::log::Record;
use pipeline::stages::Stage;
use pipeline::stages::observe::ObserveStage;
use pipeline::stages::settings::Settings;

use crate::fleet::{Fleet, Shape, Spread};
use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;
use crate::traffic::as_read;

const TRACES: u64 = 60_000;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let seed = plan.seed;
    let fleet = Fleet::new(Shape { seed, traces: TRACES, span_bytes: 331, spread: Spread::Even })?;
    let mut records: Vec<Record> = Vec::new();
    let made = fleet.rush(|record| {
        records.push(as_read(record, records.len()));
        Ok(())
    })?;
    let spans = made.spans as f64;
    let turn = |tasks: u32| {
        let settings = Arc::new(Settings { observe_tasks: tasks, ..Settings::default() });
        let mut stage = ObserveStage::new(settings, 0);
        Turn::measure(|| {
            let mut out = Vec::new();
            for record in &records {
                stage.handle(record, &mut out);
                out.clear();
            }
            ensure!(stage.stats().spans == made.spans, "spans were lost");
            Ok(spans)
        })
    };
    let per_cpu = |turn: Turn| turn.work / turn.cpu.as_secs_f64().max(0.01);
    let pairs = in_turn(plan, per_cpu, || turn(2), || turn(1))?;
    Ok(Report {
        bench: "scaling",
        a_is: "two observe tasks",
        b_is: "one observe task",
        unit: "spans per CPU second",
        plan,
        pairs,
        quality: None,
        extras: vec![("spans".to_owned(), spans)],
    })
}
