//! A disk that fills up under a whole running service, and has room again: it says so, loses nothing that it took, and
//! goes on by itself. Of the log (the embedded one) and of the directory of snapshots, over each log that there is.
//!
//! The disks are small file systems in memory. Where none may be mounted, the tests say that they are skipped.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pipeline::clock::StopWatch;
use pipeline::run::stop::Stop;
use serde_json::{Value, json};
use tests::{binary, kafka};

/// The longest that the service may take to notice anything: snapshots are due every ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// A small disk of its own; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, mib: usize) -> Option<Self> {
        fs::create_dir_all(at).expect("a directory");
        let size = format!("size={mib}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            tests::say("SKIPPED: no file system in memory may be mounted here (needs root)");
            return None;
        }
        Some(Self(at.to_owned()))
    }

    /// Takes all room.
    fn fill(&self) {
        let mut filler = fs::File::create(self.0.join("filler")).expect("a file");
        let block = vec![7; MIB / 4];
        while std::io::Write::write_all(&mut filler, &block).is_ok() {}
        // What is left of the last block.
        while std::io::Write::write_all(&mut filler, &[7; 512]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).expect("it was there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// A `faultline run` of this test's own; killed when dropped.
struct Service {
    child: Child,
    http: String,
    intake: String,
    said: PathBuf,
}

impl Service {
    fn start(directory: &Path, log: &str, data_dir: &Path) -> Self {
        let address = || {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            free.local_addr().expect("an address").to_string()
        };
        let (http, intake) = (address(), address());
        let (config, said) = (directory.join("faultline.yaml"), directory.join("said"));
        let yaml = format!(
            "log: {log}\ndata_dir: {}\nhttp: {{listen: '{http}'}}\nintake: {{listen: '{intake}'}}\n",
            data_dir.display()
        );
        fs::write(&config, yaml).expect("it is written");
        let words = fs::OpenOptions::new().create(true).append(true).open(&said).expect("a file");
        let child = Command::new(binary())
            .args(["run", "-c"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words)
            .spawn()
            .expect("the binary starts");
        let service = Self { child, http, intake, said };
        service.wait("it is ready", |service| service.is_ready());
        service
    }

    fn get(&self, path: &str) -> (u16, String) {
        ask(ureq::get(&format!("http://{}{path}", self.http)).config())
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz").0 == 200
    }

    /// Whether `/readyz` names a condition that does not hold.
    fn names(&self, condition: &str) -> bool {
        let (status, body) = self.get("/readyz?verbose");
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let checks = body.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
        let fails = |check: &Value| check["condition"] == condition && check["holds"] == false;
        status == 503 && checks.iter().any(fails)
    }

    fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").1;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Sends an alert; whether it was taken.
    fn alert(&self, service: &str) -> bool {
        let alert = json!([{ "labels": { "alertname": "Down", "service": service,
            "severity": "critical" } }]);
        let url = format!("http://{}/api/v2/alerts", self.intake);
        let request = ureq::post(&url).config().timeout_global(Some(Duration::from_secs(20)));
        let request = request.http_status_as_error(false).build();
        let sent = request.content_type("application/json").send(alert.to_string());
        sent.is_ok_and(|answer| answer.status().is_success())
    }

    /// The services of all incidents.
    fn told(&self) -> Vec<String> {
        let body: Value =
            serde_json::from_str(&self.get("/api/v1/incidents").1).unwrap_or_default();
        let rows = body.get("incidents").and_then(Value::as_array).cloned().unwrap_or_default();
        let services = rows.iter().filter_map(|row| row["services"].as_array());
        services.flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let (watch, pause) = (StopWatch::start(), Stop::default());
        while watch.elapsed() < PATIENCE {
            if holds(self) {
                return;
            }
            let _stopped = pause.wait(Duration::from_millis(100));
        }
        panic!("{what}: not within {PATIENCE:?}:\n{}", self.words());
    }

    fn words(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ask(
    request: ureq::config::ConfigBuilder<
        ureq::typestate::RequestScope<ureq::typestate::WithoutBody>,
    >,
) -> (u16, String) {
    let request = request.timeout_global(Some(Duration::from_secs(20))).http_status_as_error(false);
    match request.build().call() {
        Ok(mut answer) => {
            (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
        }
        Err(_) => (0, String::new()),
    }
}

#[test]
fn a_full_disk_under_the_embedded_log_refuses_what_comes_and_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::mount(&directory.path().join("disk"), 192) else { return };
    let log = format!("{{kind: embedded, directory: {}}}", disk.0.join("log").display());
    let data = disk.0.join("data");
    let mut service = Service::start(directory.path(), &log, &data);
    assert!(service.alert("before"));
    service.wait("it is told", |service| service.told().contains(&"before".to_owned()));

    disk.fill();
    assert!(!service.alert("meanwhile"), "who sends has to know that nothing was taken");
    service.wait("it says so", |service| service.names("log_has_room"));
    assert_eq!(service.metric("faultline_health{condition=\"log_has_room\"}"), 0.0);
    assert!(service.words().contains("the disk of the log is full"), "{}", service.words());
    assert!(service.is_running());
    assert!(service.told().contains(&"before".to_owned()), "what is there can be asked");

    disk.free();
    service.wait("it takes records again", |service| service.alert("after"));
    service.wait("it is ready again", Service::is_ready);
    let both = |service: &Service| {
        let told = service.told();
        ["before", "after"].iter().all(|name| told.iter().any(|one| one == name))
    };
    service.wait("both are told", both);
    assert!(service.words().contains("the log has room again"), "{}", service.words());

    // All of it is there after a crash, and nothing that was refused.
    drop(service);
    let service = Service::start(directory.path(), &log, &data);
    service.wait("both are told again", both);
    assert!(!service.told().contains(&"meanwhile".to_owned()));
}

fn a_full_data_dir(log: impl Fn(&Path) -> String) {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::mount(&directory.path().join("disk"), 4) else { return };
    let data = disk.0.join("data");
    let log = log(directory.path());
    let mut service = Service::start(directory.path(), &log, &data);
    assert!(service.alert("before"));
    service.wait("it is told", |service| service.told().contains(&"before".to_owned()));
    disk.fill();
    // A snapshot is due when something has changed.
    service.wait("it says so", |service| {
        service.alert("meanwhile") && service.names("snapshots_written")
    });
    let failed = |service: &Service| {
        let of = |stage| format!("faultline_snapshots_failed_total{{stage=\"{stage}\"}}");
        service.metric(&of("observe")) + service.metric(&of("correlate"))
    };
    assert!(failed(&service) > 0.0);
    assert_eq!(service.metric("faultline_health{condition=\"snapshots_written\"}"), 0.0);
    assert!(service.words().contains("a snapshot was not written"), "{}", service.words());
    service.wait("incidents are told", |service| service.told().contains(&"meanwhile".to_owned()));
    assert!(service.is_running());

    disk.free();
    service.wait("it is ready again", |service| service.alert("after") && service.is_ready());
    assert!(service.words().contains("snapshots are written again"), "{}", service.words());
    drop(service);
    let service = Service::start(directory.path(), &log, &data);
    service.wait("all are told", |service| {
        let told = service.told();
        ["before", "meanwhile", "after"].iter().all(|name| told.iter().any(|one| one == name))
    });
}

#[test]
fn a_full_data_dir_costs_snapshots_and_nothing_else() {
    a_full_data_dir(|directory| {
        format!("{{kind: embedded, directory: {}}}", directory.join("log").display())
    });
}

#[test]
fn a_full_data_dir_costs_snapshots_and_nothing_else_over_kafka() {
    let Some(brokers) = kafka() else { return };
    let prefix = format!("full{}", pipeline::clock::now().0);
    // Topics of its own.
    a_full_data_dir(|_| {
        let names = ["spans", "logs", "metrics", "alerts", "changes", "topology"];
        let names: Vec<String> = names.iter().map(|of| format!("{of}: {prefix}-{of}")).collect();
        format!(
            "{{kind: kafka, brokers: '{brokers}'}}\ntopics: {{prefix: {prefix}, {}}}",
            names.join(", ")
        )
    });
}
