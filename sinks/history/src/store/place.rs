//! Where the files are: a directory of this machine, or a bucket that speaks S3. A file appears
//! whole or not at all, and is durable when `put` returns.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig, UpdateVersion,
};

use crate::error::HistoryError;
use crate::schema::Table;
use crate::store::compact::is_ours;

/// Name of the file that keeps two writers apart.
const LOCK: &str = "writer.lock";
/// How often a request to a bucket is repeated, and how long: whoever asked tries again anyway.
const TRIES: usize = 3;
/// See [`TRIES`].
const RETRIED_WITHIN: Duration = Duration::from_secs(20);
/// Name of the manifest.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Where the history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A bucket.
    S3(Bucket),
}

/// A bucket that speaks S3. What is not set comes from the usual `AWS_*` variables.
#[derive(Clone, PartialEq, Eq)]
pub struct Bucket {
    /// `s3://bucket/prefix`.
    pub url: String,
    /// Address of a store that is not Amazon's: `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Whether it may be spoken to without TLS.
    pub allow_http: bool,
    /// Who we are there.
    pub access_key_id: Option<String>,
    /// How we prove it.
    pub secret_access_key: Option<String>,
}

/// The secret stays out of logs.
impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.url)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(directory) => write!(f, "{}", directory.display()),
            Self::S3(bucket) => f.write_str(&bucket.url),
        }
    }
}

/// An open place.
#[derive(Clone, Debug)]
pub struct Store {
    place: Place,
    objects: Arc<dyn ObjectStore>,
}

/// The version of an object that a later write replaces.
pub(crate) type Version = Option<UpdateVersion>;

impl Store {
    /// Opens a place. A missing directory is created.
    ///
    /// # Errors
    /// When the directory cannot be used or the bucket's address is none.
    pub fn open(place: &Place) -> Result<Self, HistoryError> {
        let objects: Arc<dyn ObjectStore> = match place {
            Place::Directory(directory) => {
                fs::create_dir_all(directory).map_err(|error| {
                    HistoryError::Storage(format!("{}: {error}", directory.display()))
                })?;
                Arc::new(LocalFileSystem::new_with_prefix(directory)?)
            }
            Place::S3(bucket) => bucket_store(bucket)?,
        };
        Ok(Self { place: place.clone(), objects })
    }

    /// A place whose objects are reached in a way of one's own.
    #[must_use]
    pub fn over(place: Place, objects: Arc<dyn ObjectStore>) -> Self {
        Self { place, objects }
    }

    /// The files, for reading.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    /// Where it is, for people.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Keeps other writers out for as long as the file lives. A bucket has no lock: there the
    /// manifest's version keeps writers apart.
    pub(crate) fn lock(&self) -> Result<Option<File>, HistoryError> {
        let Place::Directory(directory) = &self.place else { return Ok(None) };
        let file =
            File::options().create(true).truncate(false).write(true).open(directory.join(LOCK))?;
        file.try_lock().map_err(|_| HistoryError::Locked(self.place.to_string()))?;
        Ok(Some(file))
    }

    /// Writes a new object, or replaces one whose content is the same.
    pub(crate) async fn put(&self, path: &str, content: Vec<u8>) -> Result<(), HistoryError> {
        match &self.place {
            Place::Directory(directory) => put_durably(directory, path, &content),
            Place::S3(_) => {
                self.objects.put(&Path::from(path), PutPayload::from(content)).await?;
                Ok(())
            }
        }
    }

    /// Replaces the manifest, if nobody else did since `known`.
    pub(crate) async fn put_manifest(
        &self,
        content: Vec<u8>,
        known: Version,
    ) -> Result<Version, HistoryError> {
        match &self.place {
            Place::Directory(directory) => {
                put_durably(directory, MANIFEST, &content)?;
                Ok(None)
            }
            Place::S3(_) => {
                let mode = known.map_or(PutMode::Create, PutMode::Update);
                let options = PutOptions { mode, ..PutOptions::default() };
                let path = Path::from(MANIFEST);
                match self.objects.put_opts(&path, PutPayload::from(content), options).await {
                    Ok(put) => Ok(Some(UpdateVersion { e_tag: put.e_tag, version: put.version })),
                    Err(
                        object_store::Error::Precondition { .. }
                        | object_store::Error::AlreadyExists { .. },
                    ) => Err(HistoryError::Locked(self.place.to_string())),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// Reads an object; `None` if there is none.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<(Bytes, Version)>, HistoryError> {
        match self.objects.get(&Path::from(path)).await {
            Ok(found) => {
                let meta = &found.meta;
                let version = Some(UpdateVersion {
                    e_tag: meta.e_tag.clone(),
                    version: meta.version.clone(),
                });
                Ok(Some((found.bytes().await?, version)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// All files of rows that a writer of a history made, whether they count or not, also
    /// half-written ones. What others keep in the same place is none of it.
    pub(crate) async fn list(&self) -> Result<Vec<String>, HistoryError> {
        let mut paths = Vec::new();
        for table in Table::ALL {
            let found: Vec<_> =
                self.objects.list(Some(&Path::from(table.name()))).try_collect().await?;
            paths.extend(found.into_iter().map(|meta| meta.location.to_string()));
        }
        paths.retain(|path| is_ours(path));
        Ok(paths)
    }

    /// Removes an object; one that is gone is fine.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), HistoryError> {
        match self.objects.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn bucket_store(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>, HistoryError> {
    let refused = |reason: String| HistoryError::Settings(format!("{}: {reason}", bucket.url));
    let rest = bucket
        .url
        .strip_prefix("s3://")
        .ok_or_else(|| refused("is no address of a bucket; write `s3://BUCKET/PREFIX`".into()))?;
    let prefix = rest.split_once('/').map_or("", |(_, prefix)| prefix);
    let mut builder =
        AmazonS3Builder::from_env().with_url(&bucket.url).with_allow_http(bucket.allow_http);
    builder = builder.with_retry(RetryConfig {
        max_retries: TRIES,
        retry_timeout: RETRIED_WITHIN,
        ..RetryConfig::default()
    });
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &bucket.region {
        builder = builder.with_region(region);
    }
    if let Some(id) = &bucket.access_key_id {
        builder = builder.with_access_key_id(id);
    }
    if let Some(secret) = &bucket.secret_access_key {
        builder = builder.with_secret_access_key(secret);
    }
    let store = builder.build().map_err(|error| refused(error.to_string()))?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

/// Writes beside, makes it durable, renames, makes the name durable.
fn put_durably(directory: &FsPath, path: &str, content: &[u8]) -> Result<(), HistoryError> {
    let target = directory.join(path);
    let parent = target.parent().unwrap_or(directory);
    if !parent.is_dir() {
        fs::create_dir_all(parent)?;
        sync_up_to(directory, parent)?;
    }
    let beside = target.with_extension("tmp");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // On a full disk a half of each attempt would make it fuller.
        drop(fs::remove_file(&beside));
        return Err(error.into());
    }
    fs::rename(&beside, &target)?;
    File::open(parent)?.sync_all()?;
    Ok(())
}

/// Makes the names of new directories durable, from the inner to the outer.
fn sync_up_to(outer: &FsPath, inner: &FsPath) -> Result<(), HistoryError> {
    for directory in inner.ancestors().skip(1) {
        File::open(directory)?.sync_all()?;
        if directory == outer {
            break;
        }
    }
    Ok(())
}
