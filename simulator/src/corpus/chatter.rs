//! Chatter: the alert noise of a shop, more or less of it.

use crate::dice::Dice;
use crate::noise::{NoiseRule, Pattern};
use crate::world::World;

/// How much noise a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chatter {
    /// An outdated rule, a notice, a watchdog.
    Usual,
    /// In addition toggling, transient and unclear alerts, some of them on services.
    Heavy,
}

/// From before the first instant to after the last.
const ALWAYS: Pattern = Pattern::Steady { from_s: 0, until_s: i64::MAX };

/// The rules of a stream. `quiet` are services that noise may speak of.
pub(super) fn rules(
    dice: &mut Dice,
    world: &World,
    quiet: &[usize],
    chatter: Chatter,
) -> Vec<NoiseRule> {
    let mut rules = usual(dice, world);
    if chatter == Chatter::Heavy {
        rules.extend(general(dice));
        for _ in 0..3 {
            rules.extend(dice.pick(quiet).copied().map(|service| on_service(dice, world, service)));
        }
    }
    rules
}

fn usual(dice: &mut Dice, world: &World) -> Vec<NoiseRule> {
    let node = world.nodes.iter().next_back().cloned().unwrap_or_default();
    let from_s = dice.below(600) as i64;
    vec![
        rule("Watchdog", "none", &[], "this alert always fires", ALWAYS),
        rule(
            "NodeDiskFillingUp",
            "warning",
            &[("service", "node-exporter"), ("node", &node), ("device", "/dev/nvme0n1p1")],
            "the disk will be full in 4 days",
            Pattern::Steady { from_s, until_s: i64::MAX },
        ),
        rule(
            "CertificateExpiresSoon",
            "info",
            &[("service", "cert-manager"), ("certificate", "static-assets")],
            "a certificate expires in 29 days",
            Pattern::Toggling { from_s: 60, until_s: i64::MAX, on_s: 60, off_s: 700 },
        ),
    ]
}

/// Noise that names no service of the system.
fn general(dice: &mut Dice) -> Vec<NoiseRule> {
    vec![
        rule(
            "BackupJobSlow",
            "warning",
            &[("job_name", "nightly-backup")],
            "the backup takes longer than yesterday",
            Pattern::Steady { from_s: dice.below(300) as i64, until_s: 1_000 },
        ),
        rule("Alert", "warning", &[("source", "legacy-probe")], "check failed, see the wiki", {
            Pattern::Transient { share: 0.08 }
        }),
        rule(
            "SwitchPortFlapping",
            "critical",
            &[("device", "tor-switch-7"), ("port", "eth12")],
            "a port went down and up",
            Pattern::Toggling { from_s: 30, until_s: i64::MAX, on_s: 45, off_s: 60 },
        ),
        rule(
            "ReportExportLate",
            "warning",
            &[("service", "report-export")],
            "yesterday's report is late",
            Pattern::Steady { from_s: 200 + dice.below(600) as i64, until_s: i64::MAX },
        ),
    ]
}

/// Noise about a service that is in good health.
fn on_service(dice: &mut Dice, world: &World, service: usize) -> NoiseRule {
    let name = world.services[service].name.clone();
    let labels = [("service", name.as_str()), ("namespace", world.name.as_str())];
    match dice.below(4) {
        0 => rule(
            "GCPauseHigh",
            "warning",
            &labels,
            "garbage collection pauses are long",
            Pattern::Transient { share: 0.1 },
        ),
        1 => rule(
            "ReplicaCountLow",
            "info",
            &labels,
            "fewer replicas than last month",
            Pattern::Steady { from_s: 0, until_s: i64::MAX },
        ),
        2 => rule(
            "ConfigDrift",
            "warning",
            &labels,
            "the configuration differs from the repository",
            Pattern::Steady { from_s: dice.below(900) as i64, until_s: i64::MAX },
        ),
        _ => rule(
            "ProbeLatencyHigh",
            "warning",
            &labels,
            "a probe took longer than usual",
            Pattern::Toggling { from_s: 45, until_s: i64::MAX, on_s: 60, off_s: 75 },
        ),
    }
}

/// Monitors that toggle on services in good health, all the time.
pub(super) fn flapping(dice: &mut Dice, world: &World) -> Vec<NoiseRule> {
    let mut rules = usual(dice, world);
    for service in world.services.ids().filter(|it| it % 3 == 0) {
        let name = world.services[service].name.as_str();
        let (on_s, off_s) = (30 + 15 * dice.below(3) as i64, 45 + 15 * dice.below(4) as i64);
        let pattern = Pattern::Toggling {
            from_s: 15 * dice.below(12) as i64,
            until_s: i64::MAX,
            on_s,
            off_s,
        };
        let labels = [("service", name), ("namespace", world.name.as_str())];
        let text = "the probe of another region fails now and then";
        rules.push(rule("SyntheticProbeFailed", "warning", &labels, text, pattern));
    }
    rules
}

fn rule(
    name: &'static str,
    severity: &'static str,
    labels: &[(&'static str, &str)],
    summary: &'static str,
    pattern: Pattern,
) -> NoiseRule {
    let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    NoiseRule { name, severity, labels, summary, pattern }
}
