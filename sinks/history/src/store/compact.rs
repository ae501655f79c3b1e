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
        let path = path(table, first.day, manifest.version, "c");
        let bytes = content.len() as u64;
        store.put(&path, content).await?;
        let table = first.table.clone();
        manifest.files.push(FileEntry { table, day: first.day, path, rows, bytes });
    }
    Ok(())
}

/// Where a file goes. `version` is that of the manifest which is to name it, so a path is used for
/// one attempt alone.
pub(crate) fn path(table: Table, day: Day, version: u64, kind: &str) -> String {
    format!("{}/day={day}/{version:012}{kind}.parquet", table.name())
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
    fn the_most_files_come_first_and_a_day_in_the_future_ends_none() {
        let most = manifest(&[(1, 5), (1, 5), (2, 5), (2, 5), (2, 5), (3, 5)]);
        let chosen = plan(&most, Timestamp(3 * DAY)).unwrap();
        assert_eq!(chosen.iter().map(|file| file.day.0).collect::<Vec<_>>(), [2, 2, 2]);
        let today_and_later = manifest(&[(3, 5), (3, 5), (40_000, 5)]);
        assert_eq!(plan(&today_and_later, Timestamp(3 * DAY)), None);
    }
}
