//! Every record of every recording of the casebook decodes. Prints what share of the items was
//! rejected in each suite. Says so when there is no casebook.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use model::recording::{TopicRecord, topic};
use pipeline::intake::decode::{DecodeLimits, Decoded, Decoder, Payload, TopicKind};

#[derive(Default)]
struct Tally {
    records: u64,
    rows: u64,
    rejected: u64,
    nothing: u64,
}

fn casebook() -> PathBuf {
    match std::env::var_os("FAULTLINE_CASEBOOK") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/casebook"),
    }
}

fn segments() -> Vec<(String, PathBuf)> {
    let mut out = Vec::new();
    let suites = std::fs::read_dir(casebook()).into_iter().flatten().flatten();
    for suite in suites {
        let name = suite.file_name().to_string_lossy().into_owned();
        let files = std::fs::read_dir(suite.path()).into_iter().flatten().flatten();
        let segments = files.map(|file| file.path());
        let segments = segments.filter(|path| path.extension().is_some_and(|e| e == "zst"));
        out.extend(segments.map(|path| (name.clone(), path)));
    }
    out.sort();
    out
}

fn kind(name: &str) -> TopicKind {
    match name {
        topic::SPANS => TopicKind::Spans,
        topic::LOGS => TopicKind::Logs,
        topic::METRICS => TopicKind::Metrics,
        topic::ALERTS => TopicKind::Alerts,
        topic::CHANGES => TopicKind::Changes,
        topic::TOPOLOGY => TopicKind::Topology,
        other => panic!("unknown topic {other}"),
    }
}

fn decode(decoder: &mut Decoder, line: &str, tally: &mut Tally) -> anyhow::Result<()> {
    let record = TopicRecord::from_line(line)?;
    let headers: Vec<(String, Vec<u8>)> =
        record.headers.iter().map(|(k, v)| (k.clone(), v.as_bytes().to_vec())).collect();
    let decoded = decoder.decode(&Payload {
        kind: kind(&record.topic),
        timestamp_ms: record.timestamp_ms,
        key: None,
        headers: &headers,
        value: &record.value,
    })?;
    tally.records += 1;
    match decoded {
        Decoded::Telemetry { batch, .. } => {
            tally.rows += (batch.spans.len() + batch.logs.len() + batch.metrics.len()) as u64;
            tally.rejected += u64::from(batch.rejected);
        }
        Decoded::Alerts(alerts) => tally.rows += alerts.len() as u64,
        Decoded::Changes(changes) => tally.rows += changes.len() as u64,
        Decoded::Topology(document) => tally.rows += document.items.len() as u64,
        Decoded::Nothing(_) => tally.nothing += 1,
    }
    Ok(())
}

#[test]
fn every_record_of_the_casebook_decodes() -> anyhow::Result<()> {
    let segments = segments();
    if segments.is_empty() {
        eprintln!("no casebook at {}: nothing was tested", casebook().display());
        return Ok(());
    }
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut decoder = Decoder::new(DecodeLimits::default());
    for (suite, path) in &segments {
        let tally = tallies.entry(suite.clone()).or_default();
        let lines = BufReader::new(zstd::Decoder::new(File::open(path)?)?).lines();
        for (number, line) in lines.enumerate() {
            if let Err(error) = decode(&mut decoder, &line?, tally) {
                anyhow::bail!("{}:{}: {error}", path.display(), number + 1);
            }
        }
    }
    for (suite, t) in &tallies {
        let all = (t.rows + t.rejected).max(1);
        let share = t.rejected as f64 / all as f64;
        eprintln!(
            "{suite}: {} records, {} rows, {:.4} rejected, {} nothing",
            t.records, t.rows, share, t.nothing
        );
        assert!(share < 0.01, "{suite}: {} of {all} items rejected", t.rejected);
    }
    Ok(())
}
