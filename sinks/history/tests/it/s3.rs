//! A history in a bucket of a real server that speaks S3: `FAULTLINE_TEST_S3` is its address, as `tests/s3.sh` starts
//! one. Without it these tests say that they were skipped.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::TryStreamExt;
use history::error::HistoryError;
use history::recorder::{Recorder, RecorderSettings};
use history::sql::engine::Limits;
use history::store::place::{Bucket, Place, Store};
use model::incident::IncidentState;
use model::time::Nanos;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};

use crate::sample::{at, count, engine, incident, incidents};

const DAY_S: i64 = 86_400;

/// A place of its own in the bucket `faultline`; `None`: there is no server.
fn place() -> Option<Place> {
    static PLACES: AtomicU32 = AtomicU32::new(0);
    let Ok(endpoint) = std::env::var("FAULTLINE_TEST_S3") else {
        println!("FAULTLINE_TEST_S3 is not set: skipped");
        return None;
    };
    let (process, place) = (std::process::id(), PLACES.fetch_add(1, Ordering::SeqCst));
    Some(Place::S3(Bucket {
        url: format!("s3://faultline/history-{process}-{place}"),
        endpoint: Some(endpoint),
        region: Some("us-east-1".into()),
        allow_http: true,
        access_key_id: Some("faultline".into()),
        secret_access_key: Some("correct horse battery".into()),
    }))
}

fn open(place: &Place) -> Recorder {
    let settings = RecorderSettings {
        place: place.clone(),
        retention_days: 30,
        flush_every: Nanos::from_secs(60),
    };
    Recorder::open(settings, at(0)).unwrap()
}

fn revisions(recorder: &Recorder) -> i64 {
    let engine = engine(recorder, Limits::default());
    count(&engine, "SELECT count(*) AS n FROM revisions")
}

/// The objects of a place.
fn objects(recorder: &Recorder) -> Vec<String> {
    let objects = recorder.store().objects();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all: Vec<_> = runtime.block_on(objects.list(None).try_collect()).unwrap();
    all.into_iter().map(|meta| meta.location.to_string()).collect()
}

#[test]
fn what_is_recorded_in_a_bucket_outlives_compaction_and_restarts() {
    let Some(place) = place() else { return };
    let mut recorder = open(&place);
    for revision in 1..=20_u32 {
        recorder.incident(&incident(1, revision));
        recorder.passed(&incidents(), u64::from(revision));
        recorder.turn(at(100 * i64::from(revision))).unwrap();
    }
    assert_eq!(revisions(&recorder), 20);
    let of_revisions = |recorder: &Recorder| {
        objects(recorder).iter().filter(|path| path.starts_with("revisions/")).count()
    };
    // Old files are kept for queries that read them, and then go.
    for turn in 0..40 {
        recorder.incident(&incident(2, turn + 1));
        recorder.turn(at(10_000 + 2_000 * i64::from(turn))).unwrap();
    }
    assert!(of_revisions(&recorder) < 30, "60 flushes, {} files", of_revisions(&recorder));
    drop(recorder);
    let recorder = open(&place);
    assert_eq!(recorder.next_offset(&incidents()), Some(21));
    assert_eq!(revisions(&recorder), 60);
    let engine = engine(&recorder, Limits::default());
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM incidents"), 2);
    assert!(objects(&recorder).contains(&String::from("manifest.json")));
}

#[test]
fn days_beyond_the_retention_leave_a_bucket() {
    let Some(place) = place() else { return };
    let mut recorder = open(&place);
    for (id, days) in [(1, 0), (2, -29), (3, -31)] {
        let mut incident = incident(id, 1);
        incident.opened_at = at(days * DAY_S);
        incident.state = IncidentState::Resolved;
        recorder.incident(&incident);
    }
    recorder.turn(at(100)).unwrap();
    let old = |path: &String| path.contains("day=2026-10-27");
    assert!(objects(&recorder).iter().any(old), "kept for queries that read it");
    recorder.turn(at(2_000)).unwrap();
    assert!(!objects(&recorder).iter().any(old), "{:?}", objects(&recorder));
    assert_eq!(revisions(&recorder), 2);
    drop(recorder);
    assert_eq!(revisions(&open(&place)), 2);
}

#[test]
fn of_two_writers_of_a_bucket_the_later_wins_and_the_other_is_told() {
    let Some(place) = place() else { return };
    let mut first = open(&place);
    first.incident(&incident(1, 1));
    first.flush(at(10)).unwrap();
    let mut second = open(&place);
    first.incident(&incident(2, 1));
    let refused = first.flush(at(20)).unwrap_err();
    assert!(matches!(refused, HistoryError::Locked(_)), "{refused}");
    second.incident(&incident(3, 1));
    second.flush(at(30)).unwrap();
    drop((first, second));
    assert_eq!(revisions(&open(&place)), 2);
}

#[test]
fn the_server_holds_to_the_conditions_on_which_writers_are_kept_apart() {
    let Some(place) = place() else { return };
    let objects = Store::open(&place).unwrap().objects();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path = Path::from("condition");
    let put = |content: &'static str, mode: PutMode| {
        let options = PutOptions { mode, ..PutOptions::default() };
        runtime.block_on(objects.put_opts(
            &path,
            PutPayload::from_static(content.as_bytes()),
            options,
        ))
    };
    let first = put("one", PutMode::Create).unwrap();
    let again = put("two", PutMode::Create).unwrap_err();
    assert!(matches!(again, object_store::Error::AlreadyExists { .. }), "{again}");
    let known = UpdateVersion { e_tag: first.e_tag, version: first.version };
    put("three", PutMode::Update(known.clone())).unwrap();
    let stale = put("four", PutMode::Update(known)).unwrap_err();
    assert!(matches!(stale, object_store::Error::Precondition { .. }), "{stale}");
    let kept = runtime.block_on(async { objects.get(&path).await.unwrap().bytes().await.unwrap() });
    assert_eq!(kept.as_ref(), b"three");
}
