//! `faultline corpus`: writes a suite of frozen streams in the casebook's format, the same bytes each
//! time.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use simulator::corpus::{self, Seeds, Stream};

use crate::cli::{CorpusArgs, CorpusSeeds};
use crate::progress::Progress;
use crate::recording::Writer;

/// Writes `suite.json`, one segment a stream, and `labels.json`.
///
/// # Errors
/// When the directory cannot be written.
pub fn corpus(args: &CorpusArgs) -> Result<()> {
    let seeds = match args.seeds {
        CorpusSeeds::Test => Seeds::Test,
        CorpusSeeds::Development => Seeds::Development,
    };
    let streams = chosen(corpus::corpus(seeds), &args.stream)?;
    write(&args.directory, seeds, &streams)?;
    if args.json {
        let directory = args.directory.display().to_string();
        let told =
            json!({"suite": seeds.suite(), "streams": streams.len(), "directory": directory});
        writeln!(io::stdout().lock(), "{told}")?;
    } else {
        eprintln!("{} streams of {} in {}", streams.len(), seeds.suite(), args.directory.display());
    }
    Ok(())
}

/// The streams of these names, in the order of the list; all of them where none is named.
fn chosen(streams: Vec<Stream>, names: &[String]) -> Result<Vec<Stream>> {
    let name_of = |stream: &Stream| stream.scenario.name.clone();
    if let Some(unknown) = names.iter().find(|name| !streams.iter().any(|s| name_of(s) == **name)) {
        let ends = [streams.first(), streams.last()].map(|stream| stream.map(name_of));
        let [Some(first), Some(last)] = ends else { bail!("the list has no streams") };
        bail!("there is no stream {unknown}; this list has {first} to {last}");
    }
    let wanted = |stream: &Stream| names.is_empty() || names.contains(&name_of(stream));
    Ok(streams.into_iter().filter(wanted).collect())
}

/// Writes some streams of a list as a suite. Streams are made side by side; what is written does not
/// depend on that.
///
/// # Errors
/// When the directory cannot be written.
pub fn write(directory: &Path, seeds: Seeds, streams: &[Stream]) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make directory {}", directory.display()))?;
    let progress = Progress::bar("writing the corpus", streams.len() as u64);
    let labels = labelled(directory, streams, &progress)?;
    progress.clear();
    write_json(&directory.join("suite.json"), &corpus::suite(seeds, streams))?;
    write_json(&directory.join("labels.json"), &corpus::labels(labels))
}

fn labelled(
    directory: &Path,
    streams: &[Stream],
    progress: &Progress,
) -> Result<Vec<(String, Value)>> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(String, Value)>> {
        let mut labels = Vec::new();
        while let Some(stream) = streams.get(next.fetch_add(1, Ordering::Relaxed)) {
            labels.push(segment(directory, stream)?);
            progress.at(next.load(Ordering::Relaxed).min(streams.len()) as u64);
        }
        Ok(labels)
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<Result<Vec<(String, Value)>>> = thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let ended = |handle: thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|_| Err(anyhow!("a worker of the corpus panicked")))
        };
        running.into_iter().map(ended).collect()
    });
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

/// Writes the segment of a stream; gives its name and labels.
fn segment(directory: &Path, stream: &Stream) -> Result<(String, Value)> {
    let name = stream.scenario.name.clone();
    let mut writer = Writer::create(&directory.join(format!("{name}.jsonl.zst")))?;
    for record in stream.scenario.records() {
        writer.write(&record)?;
    }
    writer.finish()?;
    Ok((name, stream.label()))
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
    }

    #[test]
    fn streams_are_chosen_by_name_and_an_unknown_one_is_told() {
        let all = || corpus::corpus(Seeds::Development);
        let name = |number: u32| format!("faultline-development-{number:03}");
        let some = chosen(all(), &[name(4), name(2)]).unwrap();
        let names: Vec<_> = some.iter().map(|stream| stream.scenario.name.clone()).collect();
        assert_eq!(names, [name(2), name(4)], "in the order of the list");
        assert_eq!(chosen(all(), &[]).unwrap(), all());
        let error = chosen(all(), &[name(999)]).unwrap_err().to_string();
        assert!(error.contains("faultline-development-999"), "{error}");
        assert!(
            error.ends_with("faultline-development-001 to faultline-development-042"),
            "{error}"
        );
    }

    #[test]
    fn two_generations_are_the_same_files_byte_for_byte() {
        let streams = corpus::corpus(Seeds::Development);
        let some = &streams[..3];
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for directory in [&first, &second] {
            write(directory.path(), Seeds::Development, some).unwrap();
        }
        let (first, second) = (files(first.path()), files(second.path()));
        assert_eq!(first.len(), 5, "three segments, suite.json, labels.json");
        assert!(first == second);
    }
}
