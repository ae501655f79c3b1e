//! `history:` as people write it, and what it becomes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinks::config::secret::SecretRef;

use super::check::Checker;
#[cfg(feature = "history")]
use super::usable::address;

/// How incidents are kept and asked for in SQL.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHistory {
    /// A directory of this machine. Either this or `s3`.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// A bucket that speaks S3.
    #[serde(default)]
    pub s3: Option<RawBucket>,
    /// Days that are kept, counted back from the newest. Default 90.
    #[serde(default = "ninety")]
    pub retention_days: u32,
    /// How long rows wait for a file; they are seen at once all the same. Default 60.
    #[serde(default = "minute")]
    pub flush_s: i64,
    /// What one statement may take.
    #[serde(default)]
    pub query: RawQuery,
    /// The PostgreSQL protocol. Without it, SQL is asked for by HTTP and `faultline sql`.
    #[serde(default)]
    pub pg: Option<RawPg>,
}

/// A bucket that speaks S3. What is left out comes from the usual `AWS_*` variables.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBucket {
    /// `s3://bucket/prefix`.
    pub url: String,
    /// Address of a store that is not Amazon's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Its region.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether it may be spoken to without TLS. Default false.
    #[serde(default)]
    pub allow_http: bool,
    /// Who we are there.
    #[serde(default)]
    pub access_key_id: Option<SecretRef>,
    /// How we prove it.
    #[serde(default)]
    pub secret_access_key: Option<SecretRef>,
}

/// What one statement may take.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawQuery {
    /// Rows of an answer. Default 100000.
    pub max_rows: i64,
    /// Memory. Unit: MiB. Default 256.
    pub max_memory_mb: i64,
    /// From the statement to its last row. Default 30.
    pub timeout_s: i64,
    /// Statements at the same time; others wait. Default 8.
    pub max_statements: i64,
}

impl Default for RawQuery {
    fn default() -> Self {
        Self { max_rows: 100_000, max_memory_mb: 256, timeout_s: 30, max_statements: 8 }
    }
}

/// The PostgreSQL protocol.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawPg {
    /// `host:port`. An address beyond this machine needs `password` and `tls`.
    pub listen: String,
    /// The one user. Default `faultline`.
    pub user: String,
    /// The user's password. Without one, everybody on this machine may read.
    pub password: Option<SecretRef>,
    /// Certificate and key. With them, nothing is spoken in clear text.
    pub tls: Option<RawTls>,
    /// Connections at the same time. Default 32.
    pub max_connections: i64,
}

impl Default for RawPg {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:5433".into(),
            user: "faultline".into(),
            password: None,
            tls: None,
            max_connections: 32,
        }
    }
}

/// Certificate and key, both PEM files.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// The certificate, and those between it and its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

const fn ninety() -> u32 {
    90
}

const fn minute() -> i64 {
    60
}

/// A history that can be kept. There is none in a build without it.
#[cfg(not(feature = "history"))]
pub type HistoryConfig = std::convert::Infallible;

/// A history that can be kept.
#[cfg(feature = "history")]
#[derive(Clone, Debug)]
pub struct HistoryConfig {
    /// How it is written.
    pub recorder: history::recorder::RecorderSettings,
    /// What one statement may take.
    pub limits: history::sql::engine::Limits,
    /// The PostgreSQL protocol, if it is served.
    pub pg: Option<history::pg::settings::PgSettings>,
}

#[cfg(not(feature = "history"))]
pub(super) fn check(_raw: &RawHistory, checker: &mut Checker) -> Option<HistoryConfig> {
    checker.error("history", "this build has none: build without `--no-default-features`");
    None
}

/// From what people write to what the program uses.
#[cfg(feature = "history")]
pub(super) fn check(raw: &RawHistory, checker: &mut Checker) -> Option<HistoryConfig> {
    use std::time::Duration;

    use history::recorder::RecorderSettings;
    use history::sql::engine::Limits;
    use model::time::Nanos;

    let query = &raw.query;
    let days = checker.within("history.retention_days", raw.retention_days.into(), 1, 36_500);
    let flush = checker.within("history.flush_s", raw.flush_s, 1, 3_600);
    let rows = checker.within("history.query.max_rows", query.max_rows, 1, 100_000_000);
    let memory = checker.within("history.query.max_memory_mb", query.max_memory_mb, 16, 65_536);
    let time = checker.within("history.query.timeout_s", query.timeout_s, 1, 3_600);
    let statements = checker.within("history.query.max_statements", query.max_statements, 1, 256);
    let connections = raw.pg.as_ref().map_or(32, |pg| pg.max_connections);
    let connections = checker.within("history.pg.max_connections", connections, 1, 10_000);
    let place = place(raw, checker);
    let pg = raw.pg.as_ref().and_then(|raw| pg(raw, connections as usize, checker));
    Some(HistoryConfig {
        recorder: RecorderSettings {
            place: place?,
            retention_days: days as u32,
            flush_every: Nanos::from_secs(flush),
        },
        limits: Limits {
            rows: rows as usize,
            memory_bytes: (memory as usize) << 20,
            time: Duration::from_secs(time as u64),
            statements: statements as usize,
        },
        pg,
    })
}

#[cfg(feature = "history")]
fn place(raw: &RawHistory, checker: &mut Checker) -> Option<history::store::place::Place> {
    use history::store::place::{Bucket, Place};
    match (&raw.directory, &raw.s3) {
        (Some(directory), None) => Some(Place::Directory(directory.clone())),
        (None, Some(bucket)) => {
            if !bucket.url.starts_with("s3://") {
                let wrong = "is no address of a bucket; write `s3://BUCKET/PREFIX`";
                checker.error("history.s3.url", wrong);
            }
            let mut secret = |key: &str, secret: &Option<SecretRef>| {
                let read = checker.secret(key, secret.as_ref()?)?;
                Some(read.expose().to_owned())
            };
            let key_id = secret("history.s3.access_key_id", &bucket.access_key_id);
            let key = secret("history.s3.secret_access_key", &bucket.secret_access_key);
            Some(Place::S3(Bucket {
                url: bucket.url.clone(),
                endpoint: bucket.endpoint.clone(),
                region: bucket.region.clone(),
                allow_http: bucket.allow_http,
                access_key_id: key_id,
                secret_access_key: key,
            }))
        }
        _ => {
            checker.error("history", "needs either `directory` or `s3`");
            None
        }
    }
}

#[cfg(feature = "history")]
fn pg(
    raw: &RawPg,
    connections: usize,
    checker: &mut Checker,
) -> Option<history::pg::settings::PgSettings> {
    use history::pg::settings::{PgSettings, TlsFiles};
    let Some(listen) = address(&raw.listen) else {
        checker.error("history.pg.listen", &format!("`{}` is no `host:port`", raw.listen));
        return None;
    };
    let password =
        raw.password.as_ref().and_then(|password| checker.secret("history.pg.password", password));
    let tls = raw
        .tls
        .as_ref()
        .map(|tls| TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone() });
    let settings = PgSettings {
        listen,
        user: raw.user.clone(),
        // One that was not read was told; the address is not judged by it a second time.
        password: password
            .map(|password| password.expose().to_owned())
            .or_else(|| raw.password.as_ref().map(|_| "unreadable".to_owned())),
        tls,
        connections,
    };
    for wrong in settings.errors() {
        checker.error("history.pg", &wrong);
    }
    if let Some(files) = settings.tls.as_ref().filter(|_| checker.reads_secrets())
        && let Err(wrong) = history::pg::tls::acceptor(files)
    {
        checker.error("history.pg.tls", &wrong.to_string());
    }
    Some(settings)
}
