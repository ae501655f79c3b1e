//! The resource that sent telemetry, by OpenTelemetry's conventions (v1.44, and the deprecated
//! names that are still sent).
//!
//! Kubernetes events come without `service.name`: the service is then read from the names of the
//! workload or pod, so that an event binds to the service whose pod it speaks of.

use std::borrow::Cow;

use model::entity::Criticality;
use model::signal::Resource;

use super::value::{Scalar, Sink};
use crate::intake::decode::interner::Interner;

/// Resource attributes as the wire had them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResourceFields<'a> {
    service: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    instance: Option<Cow<'a, str>>,
    pod: Option<Cow<'a, str>>,
    node: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    environment: Option<Cow<'a, str>>,
    environment_old: Option<Cow<'a, str>>,
    criticality: Option<Cow<'a, str>>,
    workload: Option<Cow<'a, str>>,
    object_kind: Option<Cow<'a, str>>,
    object_name: Option<Cow<'a, str>>,
}

impl<'v: 'a, 'a> Sink<'v> for ResourceFields<'a> {
    fn wants(&self, key: &[u8]) -> bool {
        matches!(
            key,
            b"service.name"
                | b"service.version"
                | b"service.instance.id"
                | b"service.criticality"
                | b"host.name"
                | b"deployment.environment.name"
                | b"deployment.environment"
                | b"k8s.pod.name"
                | b"k8s.node.name"
                | b"k8s.deployment.name"
                | b"k8s.statefulset.name"
                | b"k8s.daemonset.name"
                | b"k8s.cronjob.name"
                | b"k8s.object.kind"
                | b"k8s.object.name"
        )
    }

    fn put(&mut self, key: Cow<'v, str>, value: Scalar<'v>) {
        let slot = match &*key {
            "service.name" => &mut self.service,
            "service.version" => &mut self.version,
            "service.instance.id" => &mut self.instance,
            "service.criticality" => &mut self.criticality,
            "host.name" => &mut self.host,
            "deployment.environment.name" => &mut self.environment,
            "deployment.environment" => &mut self.environment_old,
            "k8s.pod.name" => &mut self.pod,
            "k8s.node.name" => &mut self.node,
            "k8s.deployment.name"
            | "k8s.statefulset.name"
            | "k8s.daemonset.name"
            | "k8s.cronjob.name" => &mut self.workload,
            "k8s.object.kind" => &mut self.object_kind,
            "k8s.object.name" => &mut self.object_name,
            _ => return,
        };
        *slot = value.into_non_empty();
    }
}

impl ResourceFields<'_> {
    /// The row of these attributes.
    pub(crate) fn into_row(self, interner: &mut Interner) -> Resource {
        let service = self.service_name();
        let object = |kind: &str| {
            let same = self.object_kind.as_deref().is_some_and(|k| k.eq_ignore_ascii_case(kind));
            if same { self.object_name.as_deref() } else { None }
        };
        let pod = self.pod.as_deref().or_else(|| object("Pod"));
        let instance = self.instance.as_deref().or(pod);
        let host = self.node.as_deref().or(self.host.as_deref()).or_else(|| object("Node"));
        let environment = self.environment.as_deref().or(self.environment_old.as_deref());
        Resource {
            service: interner.name(service),
            version: self.version.as_deref().map(|text| interner.name(text)),
            instance: instance.map(|text| interner.name(text)),
            host: host.map(|text| interner.name(text)),
            environment: environment.map(|text| interner.name(text)),
            criticality: self.criticality.as_deref().and_then(Criticality::parse),
        }
    }

    /// Whether a record's own attributes could tell the service.
    pub(crate) fn is_nameless(&self) -> bool {
        self.service_name().is_empty()
    }

    fn service_name(&self) -> &str {
        let declared = self.service.as_deref();
        if let Some(name) = declared.filter(|name| !name.starts_with("unknown_service")) {
            return name;
        }
        let from_workload = self.workload.as_deref();
        let from_object = || {
            let name = self.object_name.as_deref()?;
            service_of_object(self.object_kind.as_deref()?, name)
        };
        let from_pod = || self.pod.as_deref().map(service_of_pod);
        from_workload.or_else(from_object).or_else(from_pod).or(declared).unwrap_or_default()
    }
}

/// The service that a Kubernetes object belongs to by its name; `None` for kinds that belong to
/// no service.
fn service_of_object<'a>(kind: &str, name: &'a str) -> Option<&'a str> {
    match kind.to_ascii_lowercase().as_str() {
        "deployment"
        | "statefulset"
        | "daemonset"
        | "cronjob"
        | "service"
        | "endpoints"
        | "horizontalpodautoscaler"
        | "rollout" => Some(name),
        "replicaset" => Some(without_last_part(name)),
        "pod" => Some(service_of_pod(name)),
        "job" => Some(match name.rsplit_once('-') {
            Some((head, tail)) if tail.bytes().all(|b| b.is_ascii_digit()) => head,
            _ => name,
        }),
        _ => None,
    }
}

/// A pod's name without what its controller appended: `-<hash>-<random>` of a deployment,
/// `-<random>` of a daemon set, `-<ordinal>` of a stateful set.
pub(crate) fn service_of_pod(pod: &str) -> &str {
    let Some((head, tail)) = pod.rsplit_once('-') else { return pod };
    if tail.bytes().all(|b| b.is_ascii_digit()) {
        return head;
    }
    if tail.len() != 5 || !is_generated(tail) {
        return pod;
    }
    match head.rsplit_once('-') {
        Some((service, hash)) if (6..=10).contains(&hash.len()) && is_generated(hash) => service,
        _ => head,
    }
}

/// Kubernetes draws its suffixes from digits and consonants, so that they spell no words; older
/// hashes are hexadecimal.
fn is_generated(part: &str) -> bool {
    let safe = |b: u8| b.is_ascii_digit() || b"bcdfghjklmnpqrstvwxz".contains(&b);
    let hex =
        part.bytes().all(|b| b.is_ascii_hexdigit()) && part.bytes().any(|b| b.is_ascii_digit());
    hex || part.bytes().all(safe)
}

fn without_last_part(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(head, _)| head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pairs: &[(&'static str, &'static str)]) -> Resource {
        let mut fields = ResourceFields::default();
        for (key, value) in pairs {
            fields.put((*key).into(), Scalar::Text((*value).into()));
        }
        fields.into_row(&mut Interner::new(64))
    }

    #[test]
    fn a_pod_is_named_after_its_service_without_generated_suffixes() {
        let cases = [
            ("cart-579f59597d-wc2lz", "cart"),
            ("ts-food-service-59c58c74cc-b29pn", "ts-food-service"),
            ("ts-order-service-dd54d5df9-w9kk2", "ts-order-service"),
            ("mysql-0", "mysql"),
            ("fluent-bit-x7k2p", "fluent-bit"),
            ("plain", "plain"),
            ("my-queue", "my-queue"),
        ];
        for (pod, service) in cases {
            assert_eq!(service_of_pod(pod), service, "{pod}");
        }
    }

    #[test]
    fn a_kubernetes_event_binds_to_the_service_of_its_object() {
        let event =
            row(&[("k8s.object.kind", "Pod"), ("k8s.object.name", "cart-579f59597d-wc2lz")]);
        assert_eq!(event.service.as_str(), "cart");
        assert_eq!(event.instance.as_deref(), Some("cart-579f59597d-wc2lz"));
        let node = row(&[("k8s.object.kind", "Node"), ("k8s.object.name", "worker-1")]);
        assert!(node.service.is_empty());
        assert_eq!(node.host.as_deref(), Some("worker-1"));
    }

    #[test]
    fn new_names_win_over_deprecated_ones_and_unknown_services_are_looked_up() {
        let row = row(&[
            ("deployment.environment", "old"),
            ("deployment.environment.name", "prod"),
            ("service.name", "unknown_service:java"),
            ("k8s.deployment.name", "cart"),
            ("service.criticality", "high"),
        ]);
        assert_eq!(row.environment.as_deref(), Some("prod"));
        assert_eq!(row.service.as_str(), "cart");
        assert_eq!(row.criticality, Some(Criticality::High));
    }
}
