//! Alerts per second from a topic of a real broker to incidents, over Prometheus Alertmanager
//! taking the same requests by HTTP. Both deduplicate; ours binds each alert to its service and
//! keeps incidents, theirs groups by the same label.
//!
//! Alertmanager is started by the bench, on loopback, from what is installed (Debian's package
//! `prometheus-alertmanager`). Without it B is left out, and the report says so.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pipeline::clock::StopWatch;
use pipeline::run::stop::Stop;

use crate::alarms::{record, requests};
use crate::broker::Broker;
use crate::line::{Inputs, KafkaLine};
use crate::machine::cpu_time_of;
use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;

/// Alerts that fire at the same time: as many as are remembered.
const FIRING: u64 = 100_000;
/// How often each is sent, as Prometheus says again what still fires. With it event time goes over the end of a
/// pane, and what has joined is told in revisions.
const TIMES: u64 = 2;
/// All that is sent: enough that what a start costs (clients, connections) does not count; Alertmanager is started
/// before it is measured.
const ALERTS: u64 = FIRING * TIMES;
/// Between two times: as long as all alerts take, at ten thousand a second.
const AGAIN_AFTER_MS: usize = 10_000;
/// Services that alert, and with it groups.
const SERVICES: u64 = 500;
const READY_WITHIN: Duration = Duration::from_secs(20);
const CONFIG: &str = "\
route: { receiver: nobody, group_by: [service], group_wait: 1s, group_interval: 5m, repeat_interval: 4h }
receivers: [{ name: nobody }]
";

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let broker = Broker::start()?;
    let mut inputs = Inputs::make(&broker, "alerts")?;
    let bodies: Vec<(Vec<u8>, i64)> = (0..TIMES)
        .zip((0_i64..).step_by(AGAIN_AFTER_MS))
        .flat_map(|(_, after_ms)| {
            requests(FIRING, SERVICES).map(move |(body, at_ms)| (body, at_ms + after_ms))
        })
        .collect();
    let filler = broker.filler("none")?;
    for (body, at_ms) in &bodies {
        let record = record(body.clone(), *at_ms);
        filler.send(&inputs.place(&record), &record)?;
    }
    filler.finish()?;
    let has_peer = Command::new("prometheus-alertmanager").arg("--version").output().is_ok();
    let (mut turn, mut open) = (0, 0);
    let pairs = in_turn(
        plan,
        Turn::rate,
        || {
            turn += 1;
            let line = KafkaLine::prepare(&broker, &inputs, turn)?;
            let (measured, incidents) = line.run(ALERTS as f64, inputs.records)?;
            let alerts = incidents.iter().map(|incident| incident.alerts.len()).sum::<usize>();
            ensure!(alerts > 0, "no incident holds an alert");
            open = incidents.len();
            Ok(measured)
        },
        || if has_peer { Alertmanager::start()?.take(&bodies) } else { Ok(Turn::NOTHING) },
    )?;
    Ok(Report {
        bench: "alerts",
        a_is: "alerts to incidents, out of Kafka",
        b_is: if has_peer { "Alertmanager, by HTTP" } else { "Alertmanager is not installed" },
        unit: "alerts/s",
        plan,
        pairs,
        quality: None,
        extras: vec![
            ("cpu_ratio".to_owned(), pairs.cpu_ratio.median),
            ("a_cpu_ns_per_alert".to_owned(), pairs.a_cpu_ns.median),
            ("b_cpu_ns_per_alert".to_owned(), pairs.b_cpu_ns.median),
            ("alerts".to_owned(), ALERTS as f64),
            ("firing".to_owned(), FIRING as f64),
            ("services".to_owned(), SERVICES as f64),
            ("incidents".to_owned(), open as f64),
        ],
    })
}

/// A running Alertmanager.
struct Alertmanager {
    process: Child,
    url: String,
    agent: ureq::Agent,
    _directory: tempfile::TempDir,
}

impl Alertmanager {
    fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("alertmanager.yml");
        std::fs::File::create(&config)?.write_all(CONFIG.as_bytes())?;
        // Free a moment ago; another process would have to be quick to take it.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", directory.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("Alertmanager cannot be started")?;
        let url = format!("http://127.0.0.1:{port}");
        let agent = ureq::Agent::new_with_defaults();
        let it = Self { process, url, agent, _directory: directory };
        let (watch, pause) = (StopWatch::start(), Stop::default());
        while it.agent.get(format!("{}/-/ready", it.url)).call().is_err() {
            ensure!(watch.elapsed() < READY_WITHIN, "Alertmanager does not answer");
            let _never = pause.wait(Duration::from_millis(20));
        }
        Ok(it)
    }

    /// Sends everything; its processor time, not ours, is what it costs.
    fn take(mut self, bodies: &[(Vec<u8>, i64)]) -> Result<Turn> {
        let id = self.process.id().to_string();
        let before = cpu_time_of(&id);
        let turn = Turn::measure(|| {
            for (body, _) in bodies {
                let post = self.agent.post(format!("{}/api/v2/alerts", self.url));
                post.content_type("application/json").send(body.as_slice())?;
            }
            Ok(ALERTS as f64)
        })?;
        let cpu = cpu_time_of(&id).saturating_sub(before);
        self.end();
        Ok(Turn { cpu, ..turn })
    }

    fn end(&mut self) {
        // It may have ended by itself; either way it is gone then.
        let _gone = self.process.kill();
        let _code = self.process.wait();
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.end();
    }
}
