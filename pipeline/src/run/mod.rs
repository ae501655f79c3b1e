//! The running service: who is connected to whom. The only place that knows all rooms.
//!
//! Every stage has a thread and a log on both sides; HTTP has a small async runtime of its own.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use crate::backlog::partitions;
use crate::cli::Role;
use crate::config::Config;
use crate::config::usable::LogChoice;
use crate::control::desk::Desk;
use crate::http::HttpState;
use crate::http::metrics::{Metrics, Stage as StageName};
use crate::http::view::IncidentView;
use crate::log::{Log, TopicPartition, TopicSpec};
use crate::run::monitor::StageMonitor;
use crate::run::stop::Stop;
use crate::run::worker::Worker;
use crate::stages::Stage;
use crate::stages::correlate::CorrelateStage;
use crate::stages::detect::DetectStage;
use crate::stages::observe::ObserveStage;
use crate::stages::settings::Settings;
use crate::telemetry::{self, Batches};

pub mod stop;
pub mod lag;
pub mod monitor;
pub mod epoch;
mod scribe;
pub mod lease;
mod patience;
pub mod worker;
pub mod follow;
pub mod publish;
pub mod acts;
pub mod deliver;
#[cfg(feature = "history")]
pub mod history;
mod held;
mod listening;
mod places;
mod tokens;
pub mod serve;

/// A service that runs.
pub struct Running {
    /// Tells all its threads to stop.
    pub stop: Stop,
    /// The newest revision of every incident.
    pub view: Arc<IncidentView>,
    threads: Vec<JoinHandle<Result<()>>>,
    servers: serve::Servers,
    keeping: Option<lease::keeper::Keeping>,
    _leases: Arc<lease::Leases>,
    #[cfg(feature = "history")]
    history: HistoryServed,
}

/// What of the history lives as long as the service, beside its thread.
#[cfg(feature = "history")]
#[derive(Default)]
struct HistoryServed {
    sql: Arc<crate::http::sql::SqlSlot>,
    pg: history::PgSlot,
}

impl Running {
    /// Waits for SIGINT, SIGTERM or a stage that cannot go on, then ends.
    ///
    /// # Errors
    /// What ended the stage.
    pub fn wait(self) -> Result<()> {
        self.servers.wait_for_signal(&self.stop);
        self.end()
    }

    /// Ends: stages finish what they have in hand and write their snapshots.
    ///
    /// # Errors
    /// What ended a stage before.
    pub fn end(self) -> Result<()> {
        self.stop.set();
        self.view.close();
        let mut ended = Ok(());
        for thread in self.threads {
            let result = thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a stage panicked")));
            if ended.is_ok() {
                ended = result;
            }
        }
        // What the stages finished was under their leases.
        if let Some(kept) = self.keeping.map(lease::keeper::Keeping::end)
            && ended.is_ok()
        {
            ended = kept;
        }
        self.servers.end();
        // The PostgreSQL protocol first waits for what it has in hand.
        #[cfg(feature = "history")]
        {
            self.history.pg.clear();
            self.history.sql.clear();
        }
        ended
    }
}

/// Starts the roles of a configuration over a log. Whatever can be refused is refused before anything is
/// done.
///
/// # Errors
/// When an address or a role of the data directory is taken, a sink's secret is not there, or topics cannot be
/// made.
pub fn start(config: &Config, log: Arc<dyn Log>, roles: &[Role]) -> Result<Running> {
    let listeners = serve::listen(config, roles)?;
    let wanted = lease::Wanted {
        roles,
        data_dir: &config.data_dir,
        own: &config.settings.own,
        session: config.session,
    };
    let reserved = lease::reserve(&wanted, &*log)?;
    let (sinks, hooks) = deliver::build(config, &log, roles)?;
    let mut sinks = Some(sinks);
    prepare(config, &*log)?;
    let settings = Arc::new(config.settings.clone());
    let desk = if roles.contains(&Role::Console) {
        let journal = acts::LogJournal::new(log.clone(), settings.clone());
        Desk::new(Arc::new(journal), config.act_clock)
    } else {
        Desk::default()
    };
    let stop = Stop::default();
    let metrics = Arc::new(Metrics::default());
    let (batches, export) = export(config, &metrics, &stop)?;
    let mut threads = Vec::from_iter(export);
    let http = HttpState {
        metrics,
        batches,
        desk: Arc::new(desk),
        hooks: Arc::new(hooks),
        security: Arc::new(config.http.security.clone()),
        ..HttpState::default()
    };
    let (leases, keeper) = lease::join(reserved, &wanted, &*log, &http)?;
    let starter = Starter {
        config,
        leases: Arc::new(leases),
        settings,
        log,
        http: http.clone(),
        lag: Arc::default(),
        stop,
    };
    #[cfg(feature = "history")]
    let history = HistoryServed { sql: http.sql.clone(), pg: history::PgSlot::default() };
    for role in roles {
        match role {
            Role::Observe => threads.push(starter.observe()?),
            Role::Detect => threads.push(starter.detect()?),
            Role::Correlate => threads.push(starter.correlate()?),
            Role::Deliver => {
                threads.extend(deliver::start(&starter, sinks.take().unwrap_or_default())?);
            }
            Role::Console => {
                threads.push(follow::start(&starter)?);
                threads.push(acts::follow(&starter)?);
            }
            #[cfg(feature = "history")]
            Role::History => {
                let config = config.history.as_ref().context("`history:` is not configured")?;
                threads.push(history::start(&starter, config, &history.pg)?);
            }
            #[cfg(not(feature = "history"))]
            Role::History => anyhow::bail!("this build has no history"),
            Role::Intake => {}
        }
    }
    threads.push(starter.watch_lag()?);
    threads.extend(tokens::watch(config, http.metrics.clone(), starter.stop.clone())?);
    let servers = serve::start(config, &starter, listeners)?;
    let keeping = keeper.map(|keeper| keeper.start(&starter.stop)).transpose()?;
    let view = http.incidents;
    Ok(Running {
        stop: starter.stop,
        view,
        threads,
        servers,
        keeping,
        _leases: starter.leases,
        #[cfg(feature = "history")]
        history,
    })
}

/// Starts to tell our own telemetry to others, where that is configured; gives what batches of stages are counted in.
fn export(
    config: &Config,
    metrics: &Arc<Metrics>,
    stop: &Stop,
) -> Result<(Batches, Option<JoinHandle<Result<()>>>)> {
    let Some(settings) = config.telemetry.clone() else { return Ok((Batches::default(), None)) };
    let system = match config.log {
        LogChoice::Kafka(_) => "kafka",
        LogChoice::Embedded(_) => "faultline",
    };
    let (batches, thread) =
        telemetry::start_export(settings, metrics.clone(), system, stop.clone())?;
    Ok((batches, Some(thread)))
}

/// What every part needs to start.
pub struct Starter<'a> {
    config: &'a Config,
    settings: Arc<Settings>,
    log: Arc<dyn Log>,
    http: HttpState,
    lag: Arc<lag::LagBoard>,
    leases: Arc<lease::Leases>,
    stop: Stop,
}

impl Starter<'_> {
    fn observe(&self) -> Result<JoinHandle<Result<()>>> {
        let inputs = partitions(&*self.log, &self.settings.inputs)?;
        let (data_dir, settings) = (self.config.data_dir.clone(), self.settings.clone());
        let (log, is_shared) = (self.log.clone(), self.leases.are_shared());
        let stop = self.stop.clone();
        let make = move || {
            let epoch = patience::answered(&stop, "the newest epoch", || {
                epoch::next(&data_dir, &*log, &settings, is_shared)
            })?;
            Ok(epoch.map(|epoch| Box::new(ObserveStage::new(settings, epoch)) as Box<dyn Stage>))
        };
        self.stage(StageName::Observe, make, inputs)
    }

    fn detect(&self) -> Result<JoinHandle<Result<()>>> {
        let inputs = self.partitions_of(&self.settings.own.panes)?;
        let stage = DetectStage::new(self.settings.clone());
        self.stage(StageName::Detect, || Ok(Some(Box::new(stage))), inputs)
    }

    fn correlate(&self) -> Result<JoinHandle<Result<()>>> {
        let inputs = self.partitions_of(&self.settings.own.journal)?;
        let drift = self.http.drift.clone();
        let stage = CorrelateStage::new(self.settings.clone())
            .with_drift_told(Box::new(move |report| drift.set(report)))
            .with_acts_told(acts::counted(&self.http));
        self.stage(StageName::Correlate, || Ok(Some(Box::new(stage))), inputs)
    }

    fn partitions_of(&self, topic: &str) -> Result<Vec<TopicPartition>> {
        let count = self.log.partitions(topic)?;
        Ok((0..count).map(|partition| TopicPartition::new(topic, partition)).collect())
    }

    /// `make` makes the stage when the role is ours.
    fn stage(
        &self,
        name: StageName,
        make: impl FnOnce() -> Result<Option<Box<dyn Stage>>> + Send + 'static,
        inputs: Vec<TopicPartition>,
    ) -> Result<JoinHandle<Result<()>>> {
        let (log, lag, http) = (self.log.clone(), self.lag.clone(), self.http.clone());
        let (lease, stop) = (self.leases.of(name), self.stop.clone());
        let dead_letters = self.settings.own.dead_letters.clone();
        let data_dir = self.config.data_dir.clone();
        self.thread(name, move |monitor| {
            let Some(stage) = make().inspect_err(|error| monitor.dead(error.as_ref()))? else {
                return Ok(());
            };
            let worker = Worker {
                name: name.label(),
                stage,
                log,
                inputs,
                in_order_of_arrival: name == StageName::Observe,
                group: format!("faultline-{}", name.label()),
                dead_letters,
                monitor: StageMonitor::new(name, http),
                lag,
                lease,
                stop,
            };
            let ended = worker.run(&data_dir);
            if let Err(error) = &ended {
                monitor.dead(error);
            }
            Ok(ended?)
        })
    }

    fn watch_lag(&self) -> Result<JoinHandle<Result<()>>> {
        lag::watch(self.lag.clone(), self.log.clone(), self.http.clone(), self.stop.clone())
    }

    /// A thread that begins when the stage is ours to do, and stops the whole service when it fails: a service
    /// without one of its stages only looks alive.
    fn thread(
        &self,
        name: StageName,
        body: impl FnOnce(&StageMonitor) -> Result<()> + Send + 'static,
    ) -> Result<JoinHandle<Result<()>>> {
        let (stop, monitor) = (self.stop.clone(), StageMonitor::new(name, self.http.clone()));
        let lease = self.leases.of(name);
        let body = move || {
            let ended = match lease.begin(&stop) {
                Ok(true) => body(&monitor),
                not_ours => not_ours.map(drop),
            };
            if ended.is_err() {
                stop.set();
            }
            ended
        };
        let builder = std::thread::Builder::new().name(name.label().into());
        builder.spawn(body).context("cannot start a thread")
    }
}

/// Makes sure that all topics are there.
fn prepare(config: &Config, log: &dyn Log) -> Result<()> {
    let settings = &config.settings;
    if !config.create_topics {
        return Ok(());
    }
    let mut topics = settings.own.specs(settings.cell_count(), settings.detect_tasks);
    topics.extend(settings.inputs.all().map(|(name, _)| TopicSpec {
        name: name.to_owned(),
        partitions: config.input_partitions,
        compacted: false,
    }));
    topics.extend(publish::topics(&config.sinks));
    log.ensure_topics(&topics).context(
        "cannot make the topics; check that the log is there and that `log` in the configuration names \
         it",
    )
}
