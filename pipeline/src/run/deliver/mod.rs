//! DELIVER: one thread per sink drives its outbox over the log.
//!
//! `faultline.incidents` is the outbox's input, read from its oldest record at each start; what was
//! said before comes from the compacted `faultline.deliveries`. A sink that is down costs lag, not
//! incidents, and does not hold up another sink. What people did at a destination goes into the
//! journal as acts, and then how far it was heard into `faultline.deliveries`.

mod courier;

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Result;
use sinks::config::{SinkConfig, build_hook, build_over};
use sinks::sink::Sink;

use self::courier::Courier;
use crate::cli::Role;
use crate::config::{Config, ConfigErrors};
use crate::http::hooks::{Hooks, server};
use crate::http::metrics::Stage as StageName;
use crate::log::Log;
use crate::run::Starter;
use crate::run::monitor::StageMonitor;
use crate::run::publish::LogPublisher;

/// A sink, and how it was configured.
pub(super) type Built = (SinkConfig, Box<dyn Sink>);

/// The configured sinks, if the roles tell any, and the hooks that these roles can serve: a sink that asks its
/// destination is in the process of `deliver`, and acts are taken by `console`.
///
/// # Errors
/// All that cannot be used, such as secrets that are not there, at once.
pub(super) fn build(
    config: &Config,
    log: &Arc<dyn Log>,
    roles: &[Role],
) -> Result<(Vec<Built>, Hooks)> {
    let (mut built, mut hooks, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for sink in &config.sinks {
        if roles.contains(&Role::Deliver) {
            match build_over(sink, Box::new(LogPublisher::new(log.clone()))) {
                Ok(done) => built.push((sink.clone(), done)),
                Err(errors) => wrong.extend(errors.iter().map(ToString::to_string)),
            }
        }
        if sink.hook_hears().is_some_and(|hears| roles.contains(&server(hears))) {
            match build_hook(sink) {
                Ok(hook) => hooks.extend(hook),
                Err(errors) => wrong.extend(errors.iter().map(ToString::to_string)),
            }
        }
    }
    wrong.dedup();
    if wrong.is_empty() {
        Ok((built, Hooks::new(hooks)))
    } else {
        Err(ConfigErrors::new("sinks", wrong).into())
    }
}

/// Starts a thread for each sink.
///
/// # Errors
/// When no thread can be started, or the log does not answer.
pub(super) fn start(
    starter: &Starter<'_>,
    sinks: Vec<Built>,
) -> Result<Vec<JoinHandle<Result<()>>>> {
    if sinks.is_empty() {
        // Nobody to tell: a process of this role alone is as ready as it will ever be.
        StageMonitor::new(StageName::Deliver, starter.http.clone()).ready();
    }
    sinks.into_iter().map(|(config, sink)| start_sink(starter, &config, sink)).collect()
}

fn start_sink(
    starter: &Starter<'_>,
    config: &SinkConfig,
    sink: Box<dyn Sink>,
) -> Result<JoinHandle<Result<()>>> {
    let from = starter.partitions_of(&starter.settings.own.incidents)?;
    let mut courier = Courier::new(starter, config, sink, &from);
    starter.thread(StageName::Deliver, move |monitor| courier.run(&from, monitor))
}
