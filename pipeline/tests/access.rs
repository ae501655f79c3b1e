//! Who may come, through the binary: a public address is refused without authentication, and a running
//! system takes from each token what its role allows, under its name.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use pipeline::clock::StopWatch;
use pipeline::run::stop::Stop;

/// How long a service may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

fn faultline(args: &[&str], envs: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faultline"));
    command.env_remove("FAULTLINE_TOKEN").env_remove("FAULTLINE_AUTHOR").env("USER", "mallory");
    command.args(args).envs(envs.iter().copied()).output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn a_public_address_without_authentication_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display();
    let yaml = format!(
        "log: {{kind: embedded, directory: {at}/log}}\ndata_dir: {at}/data\n\
         http: {{listen: '0.0.0.0:0'}}\nintake: {{listen: '0.0.0.0:0'}}\n"
    );
    let config = write(folder.path(), "faultline.yaml", &yaml).display().to_string();
    for command in ["check", "run"] {
        let output = faultline(&[command, "-c", &config], &[]);
        assert_eq!(output.status.code(), Some(78), "{command}: {}", said(&output));
        for advice in ["http.auth.tokens", "http.auth.proxy", "intake.auth.tokens", "127.0.0.1"] {
            assert!(said(&output).contains(advice), "{command}: {}", said(&output));
        }
    }
    assert!(!folder.path().join("log").exists(), "nothing was begun");
    let output = faultline(&["demo", "--listen", "0.0.0.0:0"], &[]);
    assert!(!output.status.success() && said(&output).contains("--listen"), "{}", said(&output));
}

/// A `faultline run` of this test's own; killed when dropped.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_running_system_takes_from_each_token_what_its_role_allows() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display();
    let file = |name: &str, text: &str| write(folder.path(), name, text).display().to_string();
    let (vic, ann) = (file("vic", "vic-has-this-token\n"), file("ann", "ann-has-this-token\n"));
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    let yaml = format!(
        "log: {{kind: embedded, directory: {at}/log}}\ndata_dir: {at}/data\n\
         http:\n  listen: '{}'\n  auth:\n    tokens:\n    \
         - {{name: vic, role: viewer, secret: {{file: {vic}}}}}\n    \
         - {{name: ann, role: responder, secret: {{file: {ann}}}}}\n",
        url.trim_start_matches("http://")
    );
    let config = file("faultline.yaml", &yaml);
    let log = std::fs::File::create(folder.path().join("said")).expect("a file");
    let child = Command::new(env!("CARGO_BIN_EXE_faultline"))
        .args(["run", "--roles", "console", "-c", &config])
        .env("FAULTLINE_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the same file"))
        .stderr(log)
        .spawn()
        .expect("the binary starts");
    let service = Service(child);
    let (watch, pause) = (StopWatch::start(), Stop::default());
    while !faultline(&["health", "--url", &url], &[]).status.success() {
        assert!(watch.elapsed() < PATIENCE, "it does not become ready");
        let _never_set = pause.wait(Duration::from_millis(100));
    }

    let ask = |args: &[&str], more: &[&str], envs: &[(&str, &str)]| {
        faultline(&[args, &["--url", &url], more].concat(), envs)
    };
    let output = ask(&["incidents"], &[], &[]);
    assert!(!output.status.success() && said(&output).contains("--token-file"), "{output:?}");
    let output = ask(&["incidents"], &[], &[("FAULTLINE_TOKEN", "nobody-has-this-token")]);
    assert!(said(&output).contains("does not take this token"), "{output:?}");
    let output = ask(&["incidents"], &["--token-file", &vic], &[]);
    assert!(output.status.success(), "{}", said(&output));
    let silence = ["silences", "add", "service=cart", "-m", "disk swap"];
    let output = ask(&silence, &["--token-file", &vic], &[]);
    assert!(!output.status.success() && said(&output).contains("role responder"), "{output:?}");
    let output = ask(&silence, &[], &[("FAULTLINE_TOKEN", "ann-has-this-token")]);
    assert!(output.status.success(), "{}", said(&output));
    let output = ask(&silence, &["--token-file", &ann, "--author", "bob"], &[]);
    assert!(output.status.success(), "{}", said(&output));
    let window = ask(&["maintenance", "add", "cart"], &["--token-file", &ann], &[]);
    assert!(said(&window).contains("role admin"), "{window:?}");

    let listed = ask(&["silences", "list"], &["--json", "--token-file", &vic], &[]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.matches("\"author\":\"ann\"").count(), 2, "{listed}");
    assert!(listed.contains("\"for bob: disk swap\"") && !listed.contains("mallory"), "{listed}");

    drop(service);
    let logged = std::fs::read_to_string(folder.path().join("said")).expect("readable");
    assert!(logged.contains("decided"), "{logged}");
    assert!(!logged.contains("has-this-token"), "no token is logged, at the loudest level");
    let kept = walk(folder.path()).into_iter().filter(|path| {
        let is_secret = ["vic", "ann"].iter().any(|name| path.ends_with(name));
        let bytes = std::fs::read(path).expect("readable");
        !is_secret && bytes.windows(14).any(|part| part == b"has-this-token")
    });
    assert_eq!(kept.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "no token is kept");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("it").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
