//! Changes: what people did to the world, guilty or not, as CloudEvents with CDEvents types.

use std::sync::Arc;

use model::recording::{ENCODING_HEADER, TopicRecord, topic};
use model::time::{Nanos, Timestamp};
use serde_json::{Value, json};

use crate::world::World;

/// A change that happens in a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedChange {
    /// The CloudEvents `id`.
    pub id: String,
    /// The service that it touches.
    pub service: usize,
    /// When it takes effect.
    pub at: Timestamp,
    /// What it does.
    pub action: Action,
    /// Who did it.
    pub author: String,
}

/// What a change does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Puts a version into service, instance by instance.
    Deploy {
        /// The new version.
        version: String,
        /// Share of the instances that get it; 1 is all of them.
        share: f64,
        /// Time between two instances.
        stagger: Nanos,
        /// Commit message.
        message: String,
    },
    /// Sets a setting.
    Config {
        /// The key.
        key: String,
        /// Its value before.
        before: String,
        /// Its value after.
        after: String,
    },
    /// Renews a certificate.
    Certificate {
        /// Its common name.
        name: String,
    },
    /// Turns a feature flag.
    FeatureFlag {
        /// Its key.
        flag: String,
        /// Its variant before.
        before: String,
        /// Its variant after.
        after: String,
    },
}

impl Action {
    const fn event_type(&self) -> &'static str {
        match self {
            Self::Deploy { .. } => "dev.cdevents.service.deployed.0.3.0",
            Self::Config { .. } => "dev.faultline.change.config.changed.0.1.0",
            Self::Certificate { .. } => "dev.faultline.change.certificate.rotated.0.1.0",
            Self::FeatureFlag { .. } => "dev.faultline.change.featureflag.changed.0.1.0",
        }
    }
}

impl PlannedChange {
    /// The change as a record of the topic `changes`, arriving a second after it took effect.
    #[must_use]
    pub fn record(&self, world: &World) -> TopicRecord {
        TopicRecord {
            topic: topic::CHANGES.to_owned(),
            timestamp_ms: self.at.millis() + 1_000,
            key: None,
            headers: vec![(ENCODING_HEADER.to_owned(), String::from("cloudevents_json"))],
            value: self.event(world).to_string().into_bytes(),
        }
    }

    fn event(&self, world: &World) -> Value {
        let service = &world.services[self.service].name;
        let source = format!("/{}", world.name);
        let at = self.at.to_rfc3339();
        let kind = self.action.event_type();
        json!({
            "specversion": "1.0", "id": self.id, "source": source, "type": kind,
            "subject": service, "time": at, "datacontenttype": "application/json",
            "data": {
                "context": {
                    "specversion": "0.5.1", "id": self.id, "source": source, "type": kind,
                    "timestamp": at,
                },
                "subject": { "id": service, "source": source, "content": self.content(world) },
                "customData": self.custom_data(world),
                "customDataContentType": "application/json",
            },
        })
    }

    fn content(&self, world: &World) -> Value {
        let environment = json!({ "id": world.environment });
        match &self.action {
            Action::Deploy { version, .. } => {
                let name = &world.services[self.service].name;
                json!({
                    "environment": environment,
                    "artifactId": format!("pkg:oci/{name}@{version}"),
                })
            }
            _ => json!({ "environment": environment }),
        }
    }

    fn custom_data(&self, world: &World) -> Value {
        let entry = &world.services[self.service];
        let service = &entry.name;
        let author = &self.author;
        match &self.action {
            Action::Deploy { version, message, .. } => json!({
                "service": service, "from_version": entry.version, "to_version": version,
                "author": author, "message": message,
            }),
            Action::Config { key, before, after } => json!({
                "service": service, "key": key, "change": format!("{before}->{after}"),
                "files_changed": [format!("config/{service}/production.yaml")],
                "diff": format!(
                    "--- config/{service}/production.yaml\n+++ config/{service}/production.yaml\n\
                     @@ {service} @@\n-{key}: {before}\n+{key}: {after}"
                ),
                "author": author, "message": format!("{service}: set {key} to {after}"),
            }),
            Action::Certificate { name } => json!({
                "service": service, "certificate": name, "author": author,
                "message": format!("renew the certificate of {name}"),
            }),
            Action::FeatureFlag { flag, before, after } => json!({
                "service": service, "flag": flag, "change": format!("{before}->{after}"),
                "author": author, "message": format!("turn {flag} {after}"),
            }),
        }
    }
}

/// Which version which instance runs, at any time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rollouts<'a> {
    world: &'a World,
    /// Oldest first.
    steps: Arc<[Rollout<'a>]>,
}

struct Rollout<'a> {
    service: usize,
    instance: usize,
    at: Timestamp,
    version: &'a str,
}

impl<'a> Rollouts<'a> {
    pub(crate) fn new(world: &'a World, changes: &'a [PlannedChange]) -> Self {
        let mut steps = Vec::new();
        for change in changes {
            let Action::Deploy { version, share, stagger, .. } = &change.action else { continue };
            let instances = world.services[change.service].instances;
            let renewed = ((instances as f64 * share).round() as usize).clamp(1, instances.max(1));
            for instance in 0..renewed {
                let delay = Nanos(stagger.0.saturating_mul(instance as i64));
                steps.push(Rollout {
                    service: change.service,
                    instance,
                    at: change.at + delay,
                    version,
                });
            }
        }
        steps.sort_by_key(|step| step.at);
        Self { world, steps: steps.into() }
    }

    fn latest(&self, service: usize, instance: usize, at: Timestamp) -> Option<&Rollout<'a>> {
        let mine = |step: &&Rollout<'a>| {
            (step.service, step.instance) == (service, instance) && step.at <= at
        };
        self.steps.iter().rev().find(mine)
    }

    pub(crate) fn renewed(&self, service: usize, instance: usize, at: Timestamp) -> bool {
        self.latest(service, instance, at).is_some()
    }

    pub(crate) fn version(&self, service: usize, instance: usize, at: Timestamp) -> &'a str {
        let world: &'a World = self.world;
        let initial = || world.services[service].version.as_str();
        self.latest(service, instance, at).map_or_else(initial, |step| step.version)
    }
}
