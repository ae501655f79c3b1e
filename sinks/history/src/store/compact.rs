//! Compaction: small files of one table and day become one. What it leaves out are rows of
//! revisions that were superseded; all others it keeps.

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;

use crate::error::HistoryError;
use crate::rows::Day;
use crate::schema::Table;
use crate::store::files::{FileWriter, Newest, read, without_superseded};
use crate::store::manifest::{FileEntry, Manifest};
use crate::store::place::Store;

/// Files of about the same size that make one of the next size.
const TIER_FILES: usize = 8;
/// Bytes read for one compaction at most; also the size above which a file is left alone.
const BYTES_MAX: u64 = 256 << 20;

/// The next compaction that is worth it: of a day that is over everything, of the newest day
/// eight files of about the same size; of several, the one of the most files. A day after today,
/// by a wrong clock, is no newest day.
#[must_use]
pub fn plan(manifest: &Manifest, now: Timestamp) -> Option<Vec<FileEntry>> {
    let newest_day = manifest.newest_day()?.min(Day::of(now));
    let mut groups: BTreeMap<(&str, Day, u32), Vec<&FileEntry>> = BTreeMap::new();
    for file in &manifest.files {
        if file.bytes < BYTES_MAX / 2 {
            let tier = if file.day < newest_day { 0 } else { tier(file.rows) };
            groups.entry((&file.table, file.day, tier)).or_default().push(file);
        }
    }
    let worth = |day: Day, count: usize| {
        if day < newest_day { count > 1 } else { count >= TIER_FILES }
    };
    let (_, group) = groups
        .into_iter()
        .map(|(key, files)| (key, without_giants(files)))
        .filter(|((_, day, _), files)| worth(*day, files.len()))
        .max_by_key(|(_, files)| files.len())?;
    let mut bytes = 0;
    let within = |file: &&FileEntry| {
        bytes += file.bytes;
        bytes <= BYTES_MAX
    };
    let chosen: Vec<FileEntry> = group.into_iter().take_while(within).cloned().collect();
    (chosen.len() > 1).then_some(chosen)
}

/// Leaves out files beside which the others together are next to nothing: a late revision would
/// have all of its day written again, time after time.
fn without_giants(mut files: Vec<&FileEntry>) -> Vec<&FileEntry> {
    let mut all: u64 = files.iter().map(|file| file.bytes).sum();
    let largest = |files: &[&FileEntry]| {
        let largest = files.iter().enumerate().max_by_key(|(_, file)| file.bytes);
        largest.map(|(place, file)| (place, file.bytes))
    };
    while let Some((place, bytes)) = largest(&files) {
        if bytes <= (all - bytes).saturating_mul(TIER_FILES as u64) {
            break;
        }
        files.remove(place);
        all -= bytes;
    }
    files
}

/// Logarithm to base eight.
const fn tier(rows: u64) -> u32 {
    match rows.checked_ilog2() {
        Some(log) => log / 3,
        None => 0,
    }
}

/// Does what was planned on a manifest that is not saved yet: writes the new file, takes out the
/// old ones.
pub(crate) async fn compact(
    store: &Store,
    manifest: &mut Manifest,
    files: &[FileEntry],
    newest: &Newest,
    now: Timestamp,
) -> Result<(), HistoryError> {
    let Some(first) = files.first() else { return Ok(()) };
    let Some(table) = Table::of_name(&first.table) else { return Ok(()) };
    let mut writer = FileWriter::new(table)?;
    for file in files {
        let Some((content, _)) = store.get(&file.path).await? else {
            return Err(HistoryError::Damaged {
                path: file.path.clone(),
                reason: "the file is gone".into(),
            });
        };
        for batch in read(table, &file.path, content)? {
            writer.write(&without_superseded(table, &batch?, newest)?)?;
        }
    }
    let (content, rows) = writer.finish()?;
    let old: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    manifest.discard(&old, now);
    if rows > 0 {
        let path = path(table, first.day, manifest, "c");
        let bytes = content.len() as u64;
        store.put(&path, content).await?;
        let table = first.table.clone();
        manifest.files.push(FileEntry { table, day: first.day, path, rows, bytes });
    }
    Ok(())
}

/// Where a file goes: under the version of the manifest which is to name it, and its writer, so no
/// two attempts to replace the manifest, and no two writers of one bucket, use the same path.
pub(crate) fn path(table: Table, day: Day, manifest: &Manifest, kind: &str) -> String {
    let Manifest { version, writer, .. } = manifest;
    format!("{}/day={day}/{version:012}-{writer}{kind}.parquet", table.name())
}

/// Whether a path is one that [`path`] makes, or the half-written file beside it. Earlier versions
/// of this program left out the writer.
pub(crate) fn is_ours(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let [table, day, file] = parts.as_slice() else { return false };
    let of_a_day = day.strip_prefix("day=").is_some_and(|day| day.len() == 10);
    let stem = file.strip_suffix(".parquet").or_else(|| file.strip_suffix(".tmp"));
    Table::of_name(table).is_some() && of_a_day && stem.is_some_and(is_stem)
}

fn is_stem(stem: &str) -> bool {
    let Some(name) = stem.strip_suffix(['f', 'c']) else { return false };
    let (version, writer) = name.split_once('-').map_or((name, None), |(v, w)| (v, Some(w)));
    let is_writer = |writer: &str| {
        writer.len() == 16 && writer.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    version.len() >= 12
        && version.bytes().all(|byte| byte.is_ascii_digit())
        && writer.is_none_or(is_writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400 * 1_000_000_000;

    fn manifest(files: &[(i64, u64)]) -> Manifest {
        let files = files
            .iter()
            .enumerate()
            .map(|(place, &(day, rows))| FileEntry {
                table: "changes".into(),
                day: Day(day),
                path: place.to_string(),
                rows,
                bytes: 1_000,
            })
            .collect();
        Manifest { files, ..Manifest::default() }
    }

    #[test]
    fn a_day_that_is_over_becomes_one_file_and_the_newest_waits_for_eight_of_a_size() {
        let plan = |manifest: &Manifest| plan(manifest, Timestamp(3 * DAY));
        assert_eq!(plan(&manifest(&[(1, 5), (2, 5)])), None);
        assert_eq!(plan(&manifest(&[(1, 5), (1, 9_000), (2, 5)])).map(|f| f.len()), Some(2));
        let seven: Vec<_> = (0..7).map(|_| (1, 10)).collect();
        assert_eq!(plan(&manifest(&seven)), None);
        let with_a_large_one: Vec<_> = seven.iter().copied().chain([(1, 90_000)]).collect();
        assert_eq!(plan(&manifest(&with_a_large_one)), None);
        let eight: Vec<_> = seven.iter().copied().chain([(1, 11)]).collect();
        assert_eq!(plan(&manifest(&eight)).map(|f| f.len()), Some(8));
    }

    #[test]
    fn only_paths_of_a_history_are_ours() {
        let version = 12_345_678_901_234;
        let writer = "00ff00ff00ff00fc".to_owned();
        let manifest = Manifest { version, writer, ..Manifest::default() };
        let made = path(Table::Changes, Day(20_000), &manifest, "c");
        assert!(is_ours(&made), "{made}");
        assert!(is_ours(&made.replace(".parquet", ".tmp")));
        assert!(is_ours("edges/day=2026-11-27/000000000099f.parquet"));
        for foreign in [
            "manifest.json",
            "sales.parquet",
            "changes/day=2026-11-27/part-00000.snappy.parquet",
            "changes/day=2026-11-27/000000000099.parquet",
            "changes/day=2026-11-27/000000000099f.csv",
            "changes/day=2026-11-27/000000000099-part-00000000000c.parquet",
            "changes/day=2026-11-27/x/000000000099f.parquet",
            "changes/000000000099f.parquet",
            "changes/day=x/000000000099f.parquet",
            "sales/day=2026-11-27/000000000099f.parquet",
            "lake/changes/day=2026-11-27/000000000099f.parquet",
        ] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_large_file_is_not_written_again_for_a_few_late_rows() {
        let plan = |manifest: &Manifest| plan(manifest, Timestamp(3 * DAY));
        let mut late = manifest(&[(1, 90_000), (1, 5), (1, 5), (2, 5)]);
        late.files[0].bytes = 100 << 20;
        let chosen = plan(&late).unwrap();
        assert_eq!(chosen.iter().map(|file| file.rows).collect::<Vec<_>>(), [5, 5]);
        late.files.remove(1);
        assert_eq!(plan(&late), None);
        // As soon as it is worth it, it is.
        late.files[1].bytes = 20 << 20;
        assert_eq!(plan(&late).map(|files| files.len()), Some(2));
    }

    #[test]
    fn the_most_files_come_first_and_a_day_in_the_future_ends_none() {
        let most = manifest(&[(1, 5), (1, 5), (2, 5), (2, 5), (2, 5), (3, 5)]);
        let chosen = plan(&most, Timestamp(3 * DAY)).unwrap();
        assert_eq!(chosen.iter().map(|file| file.day.0).collect::<Vec<_>>(), [2, 2, 2]);
        let today_and_later = manifest(&[(3, 5), (3, 5), (40_000, 5)]);
        assert_eq!(plan(&today_and_later, Timestamp(3 * DAY)), None);
    }
}
