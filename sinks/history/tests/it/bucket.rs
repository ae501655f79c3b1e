//! A history in a bucket: two writers, answers that are lost, and a bucket that is away for a while.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use history::error::HistoryError;
use history::recorder::{Recorder, RecorderSettings};
use history::snapshot::Shared;
use history::sql::engine::{Engine, Limits};
use history::store::place::{Bucket, Place, Store};
use model::time::Nanos;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::sample::{ask, at, count, incident, incidents};

/// A bucket in memory that can be away, or lose the answer to a write.
#[derive(Debug, Default)]
struct Moody {
    inner: InMemory,
    mood: AtomicU8,
}

const WELL: u8 = 0;
/// It answers nothing.
const AWAY: u8 = 1;
/// It does as told, and the next answer to a write of the manifest is lost.
const FORGETFUL: u8 = 2;
/// It takes no file of the timeline, as if it were full by then.
const FULL: u8 = 3;

fn lost() -> Error {
    Error::Generic { store: "moody", source: "no answer".into() }
}

impl Moody {
    fn feel(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn there(&self) -> Result<()> {
        if self.mood.load(Ordering::SeqCst) == AWAY { Err(lost()) } else { Ok(()) }
    }
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("moody")
    }
}

#[async_trait]
impl ObjectStore for Moody {
    async fn put_opts(&self, to: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.there()?;
        if self.mood.load(Ordering::SeqCst) == FULL && to.as_ref().starts_with("timeline/") {
            return Err(lost());
        }
        let put = self.inner.put_opts(to, what, how).await?;
        let forgets = to.as_ref() == "manifest.json"
            && self
                .mood
                .compare_exchange(FORGETFUL, WELL, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok();
        if forgets { Err(lost()) } else { Ok(put) }
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, how).await
    }

    async fn get_opts(&self, from: &Path, how: GetOptions) -> Result<GetResult> {
        self.there()?;
        self.inner.get_opts(from, how).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, how).await
    }
}

fn place() -> Place {
    Place::S3(Bucket {
        url: "s3://moody".into(),
        endpoint: None,
        region: None,
        allow_http: false,
        access_key_id: None,
        secret_access_key: None,
    })
}

fn try_open(bucket: &Arc<Moody>, shared: &Shared) -> std::result::Result<Recorder, HistoryError> {
    let settings =
        RecorderSettings { place: place(), retention_days: 30, flush_every: Nanos::from_secs(60) };
    Recorder::over(Store::over(place(), bucket.clone()), settings, shared.clone(), at(0))
}

fn open(bucket: &Arc<Moody>) -> Recorder {
    try_open(bucket, &Shared::default()).unwrap()
}

fn revisions(bucket: &Arc<Moody>, recorder: &Recorder) -> i64 {
    let store = Store::over(place(), bucket.clone());
    let engine = Engine::new(&store, recorder.shared(), Limits::default()).unwrap();
    count(&engine, "SELECT count(*) AS n FROM revisions")
}

#[test]
fn who_opens_a_bucket_last_writes_it() {
    let bucket = Arc::new(Moody::default());
    let mut first = open(&bucket);
    first.incident(&incident(1, 1));
    first.flush(at(10)).unwrap();
    let mut second = open(&bucket);
    // Its file is nobody's, and the manifest that would name it is refused.
    first.incident(&incident(2, 1));
    let refused = first.flush(at(20)).unwrap_err();
    assert!(matches!(refused, HistoryError::Locked(_)), "{refused}");
    second.incident(&incident(3, 1));
    second.flush(at(30)).unwrap();
    assert_eq!(revisions(&bucket, &second), 2);
    drop((first, second));
    assert_eq!(revisions(&bucket, &open(&bucket)), 2);
}

#[test]
fn who_lost_a_bucket_touches_no_file_that_counts() {
    let bucket = Arc::new(Moody::default());
    let mut first = open(&bucket);
    let mut second = open(&bucket);
    second.incident(&incident(3, 1));
    second.flush(at(10)).unwrap();
    first.incident(&incident(4, 1));
    // It comes by the version that the other one has used.
    for now in 20..24 {
        let refused = first.flush(at(now)).unwrap_err();
        assert!(matches!(refused, HistoryError::Locked(_)), "{refused}");
    }
    let engine = Engine::new(&second.store(), second.shared(), Limits::default()).unwrap();
    let rows = ask(&engine, "SELECT incident_id FROM incidents").unwrap();
    assert_eq!(rows, [["0000000000000003"]]);
}

fn files(bucket: &Moody) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(bucket.list(None).count())
}

#[test]
fn attempts_that_fail_do_not_fill_a_bucket() {
    let bucket = Arc::new(Moody::default());
    let mut recorder = open(&bucket);
    recorder.incident(&incident(1, 1));
    bucket.feel(FULL);
    let mut left = Vec::new();
    for now in 100..103 {
        recorder.turn(at(now)).unwrap_err();
        left.push(files(&bucket));
    }
    // The manifest and the files before the timeline's, each once.
    assert!(left[0] > 1 && left.iter().all(|files| *files == left[0]), "{left:?}");
    bucket.feel(WELL);
    recorder.turn(at(103)).unwrap();
    assert_eq!(revisions(&bucket, &recorder), 1);
}

#[test]
fn a_lost_answer_to_the_manifest_loses_no_row_and_no_writer() {
    let bucket = Arc::new(Moody::default());
    let mut recorder = open(&bucket);
    for revision in 1..=4 {
        recorder.incident(&incident(1, revision));
        recorder.passed(&incidents(), u64::from(revision));
        bucket.feel(FORGETFUL);
        // Whether it is told or found out, the next attempt succeeds.
        if recorder.flush(at(10)).is_err() {
            recorder.flush(at(11)).unwrap();
        }
        assert_eq!(revisions(&bucket, &recorder), i64::from(revision));
    }
    drop(recorder);
    let recorder = open(&bucket);
    assert_eq!(recorder.next_offset(&incidents()), Some(5));
    assert_eq!(revisions(&bucket, &recorder), 4);
}

#[test]
fn a_bucket_that_is_away_is_waited_for() {
    let bucket = Arc::new(Moody::default());
    let mut recorder = open(&bucket);
    recorder.incident(&incident(1, 1));
    bucket.feel(AWAY);
    for _ in 0..3 {
        let error = recorder.turn(at(100)).unwrap_err();
        assert!(matches!(error, HistoryError::Storage(_)), "{error}");
    }
    recorder.incident(&incident(2, 1));
    bucket.feel(WELL);
    recorder.turn(at(101)).unwrap();
    assert_eq!(revisions(&bucket, &recorder), 2);
    drop(recorder);

    // At the start too: whoever asks before it is open is told so.
    bucket.feel(AWAY);
    let shared = Shared::default();
    let engine =
        Engine::new(&Store::over(place(), bucket.clone()), shared.clone(), Limits::default());
    let engine = engine.unwrap();
    let error = try_open(&bucket, &shared).err().unwrap();
    assert!(matches!(error, HistoryError::Storage(_)), "{error}");
    let early = ask(&engine, "SELECT count(*) AS n FROM revisions").unwrap_err();
    assert!(early.starts_with("57P03"), "{early}");
    bucket.feel(WELL);
    let _recorder = try_open(&bucket, &shared).unwrap();
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM revisions"), 2);
}

#[test]
fn files_that_no_manifest_names_leave_a_bucket_at_the_start() {
    let bucket = Arc::new(Moody::default());
    let mut recorder = open(&bucket);
    recorder.incident(&incident(1, 1));
    recorder.flush(at(10)).unwrap();
    drop(recorder);
    let stray = Path::from("revisions/day=2026-11-27/000000000099f.parquet");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let others = ["sales.parquet", "upload.tmp", "changes/day=2026-11-27/part-00000.parquet"];
    for path in others.map(Path::from).iter().chain([&stray]) {
        runtime.block_on(bucket.put(path, PutPayload::from_static(b"half"))).unwrap();
    }
    let recorder = open(&bucket);
    assert!(runtime.block_on(bucket.head(&stray)).is_err());
    // What others keep in the same bucket stays.
    for path in others.map(Path::from) {
        runtime.block_on(bucket.head(&path)).unwrap();
    }
    assert_eq!(revisions(&bucket, &recorder), 1);
}
