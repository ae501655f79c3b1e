//! A configuration that can be used, and everything that can be wrong with one.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use sinks::config::SinkConfig;

use super::HistoryConfig;
use super::check::Checker;
use super::listen::RawHttp;
use super::raw::default_session_s;
use super::read::Source;
use crate::control::desk::ActClock;
use crate::http::security::Security;
use crate::intake::http::Door;
use crate::log::embedded::{Durability, EmbeddedLog};
use crate::log::kafka::{KafkaConfig, KafkaLog};
use crate::log::{Log, LogError};
use crate::stages::settings::Settings;
use crate::telemetry;
use crate::tell::counted;

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the stages have to agree on.
    pub settings: Settings,
    /// Where the topics are.
    pub log: LogChoice,
    /// Where snapshots are kept.
    pub data_dir: PathBuf,
    /// Partitions of input topics that have to be created.
    pub input_partitions: u32,
    /// Whether missing topics are created.
    pub create_topics: bool,
    /// How long a process may be silent before another takes its roles over, where several stand by.
    pub session: Duration,
    /// Console and API.
    pub http: Listen,
    /// HTTP intake.
    pub intake: Intake,
    /// Who is told of incidents.
    pub sinks: Vec<SinkConfig>,
    /// By which clock people decide.
    pub act_clock: ActClock,
    /// How incidents are kept; `None`: they are not.
    pub history: Option<HistoryConfig>,
    /// Where our own telemetry is sent; `None`: nowhere.
    pub telemetry: Option<telemetry::Settings>,
    /// Where it was read, so that its tokens can be read again; `None`: from no file.
    pub source: Option<Source>,
}

/// Where the topics are.
#[derive(Clone, Debug)]
pub enum LogChoice {
    /// Kafka.
    Kafka(KafkaConfig),
    /// A directory of this machine.
    Embedded(PathBuf),
}

/// Where console and API listen, and who may ask.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Who may ask.
    pub security: Security,
}

/// Where the intake listens, and who may send.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The address.
    pub address: SocketAddr,
    /// Who may send.
    pub door: Door,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: String,
    errors: Vec<String>,
}

impl ConfigErrors {
    /// Errors of a file.
    pub(crate) fn new(file: &str, errors: Vec<String>) -> Self {
        Self { file: file.to_owned(), errors }
    }

    /// The file that they are in.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The errors, each with its key.
    #[must_use]
    pub fn all(&self) -> &[String] {
        &self.errors
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = counted(self.errors.len(), "error");
        write!(f, "{}: {errors} in the configuration", self.file)?;
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// The configuration of the demo: one machine, a throw-away directory.
    ///
    /// # Errors
    /// When the address is none.
    pub fn for_demo(listen: &str, directory: &Path) -> Result<Self, ConfigErrors> {
        let mut checker = Checker::default();
        let http =
            checker.http("--listen", &RawHttp { listen: listen.to_owned(), ..RawHttp::default() });
        let intake = Intake { address: http.address, door: Door::default() };
        checker.done().map_err(|errors| ConfigErrors::new("demo", errors))?;
        Ok(Self {
            settings: Settings::default(),
            log: LogChoice::Embedded(directory.join("log")),
            data_dir: directory.join("data"),
            input_partitions: 1,
            create_topics: true,
            session: Duration::from_secs(default_session_s().into()),
            http,
            intake,
            sinks: Vec::new(),
            act_clock: ActClock::Story,
            history: None,
            telemetry: None,
            source: None,
        })
    }

    /// Opens the log.
    ///
    /// # Errors
    /// When the directory is in use or the broker's address is none.
    pub fn open_log(&self) -> Result<Arc<dyn Log>, LogError> {
        Ok(match &self.log {
            LogChoice::Kafka(config) => Arc::new(KafkaLog::connect(config.clone())?),
            LogChoice::Embedded(directory) => {
                Arc::new(EmbeddedLog::open(directory, Durability::Synced)?)
            }
        })
    }

    /// Opens the log to look at it: nothing is made where nothing is.
    ///
    /// # Errors
    /// When there is no log, somebody else has it open, or it does not answer.
    pub fn open_log_to_read(&self) -> Result<Arc<dyn Log>> {
        if let LogChoice::Embedded(directory) = &self.log
            && !directory.is_dir()
        {
            bail!(
                "there is no embedded log in {}; `faultline run` makes it, from the directory that \
                 the path is relative to",
                directory.display()
            );
        }
        self.open_log().map_err(|error| match error {
            LogError::Locked(directory) => anyhow!(
                "{directory} is in use, probably by a running faultline; look at that with \
                 `faultline incidents` or `faultline top`, or stop it first"
            ),
            other => other.into(),
        })
    }

    /// What it says, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let log = match &self.log {
            LogChoice::Kafka(config) => format!("Kafka at {}", config.brokers),
            LogChoice::Embedded(directory) => format!("embedded log in {}", directory.display()),
        };
        format!(
            "{log}; {}, console at {}, intake at {}, {}",
            counted(self.settings.cells.len(), "cell"),
            self.http.address,
            self.intake.address,
            counted(self.sinks.len(), "sink")
        )
    }
}

/// A `host:port` that can be listened on; `localhost` is this machine by IPv4.
#[must_use]
pub fn address(text: &str) -> Option<SocketAddr> {
    text.replace("localhost", "127.0.0.1").parse().ok()
}
