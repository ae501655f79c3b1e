//! The whole line in one thread: records of a shop to incidents, against decoding the records.

use std::collections::BTreeMap;
use std::hint::black_box;

use anyhow::Result;
use model::id::IncidentId;
use model::incident::Incident;
use pipeline::player::Player;
use pipeline::stages::line::LineOutput;
use pipeline::stages::settings::Settings;

use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;
use crate::traffic::{Reader, Traffic, quality};

const SPANS: u64 = 60_000;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let traffic = Traffic::new(plan.seed, SPANS);
    let (spans, incidents) = play(&traffic)?;
    let pairs = in_turn(
        plan,
        Turn::rate,
        || Turn::measure(|| play(&traffic).map(|(spans, _)| spans)),
        || {
            Turn::measure(|| {
                let mut reader = Reader::new();
                for record in &traffic.records {
                    black_box(reader.read(record)?);
                }
                Ok(spans)
            })
        },
    )?;
    Ok(Report {
        bench: "replay",
        a_is: "records to incidents, one thread",
        b_is: "decode of the same records",
        unit: "spans/s",
        plan,
        pairs,
        quality: Some(quality(&traffic.truth, &incidents)),
        extras: vec![("spans".to_owned(), spans), ("incidents".to_owned(), incidents.len() as f64)],
    })
}

/// Plays everything into a fresh engine; gives the spans and the last revision of each incident.
fn play(traffic: &Traffic) -> Result<(f64, Vec<Incident>)> {
    let mut player = Player::new(Settings::default(), 1);
    let mut last: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    let mut keep = |output: LineOutput| {
        if let LineOutput::Revision(incident, _) = output {
            last.insert(incident.id, *incident);
        }
        Ok(())
    };
    for record in &traffic.records {
        player.play(record.clone(), &mut keep)?;
    }
    player.finish(&mut keep)?;
    Ok((player.line().stats().spans as f64, last.into_values().collect()))
}
