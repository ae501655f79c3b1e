//! Runs the worker under `strace`, which lets a call of its fail, or kills it there.

use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use super::worker::{self, DIRECTORY, Promised, SOCKET};

/// More calls than the worker makes: an enumeration that gets there does not end.
const POINTS_MAX: u32 = 2_000;

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process is killed before it.
    Kill,
    /// It fails, and each one after it, as on a full disk.
    Full,
    /// It alone fails, as on a disk that gives errors.
    Once,
}

impl Fault {
    fn injected(self, call: &str, at: u32) -> String {
        match self {
            Self::Kill => format!("inject={call}:signal=KILL:when={at}"),
            Self::Full => format!("inject={call}:error=ENOSPC:when={at}+"),
            Self::Once => format!("inject={call}:error=EIO:when={at}"),
        }
    }
}

fn is_there() -> bool {
    // It may be there and not be let: some containers forbid tracing.
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let is_there = traced.is_ok_and(|status| status.success());
    if !is_there {
        tests::say("SKIPPED: strace is not there, or may not trace: apt-get install strace");
    }
    is_there
}

/// Disturbs the worker at its first call, at its second, and so on until it comes to its end undisturbed; holds
/// what each leaves against what it was promised. The number of points; `None`: there is no `strace`.
pub(super) fn enumerate(fault: Fault, call: &str) -> Option<u32> {
    if !is_there() {
        return None;
    }
    for at in 1..=POINTS_MAX {
        let directory = tempfile::tempdir().expect("a directory");
        let (promised, was_reached) = disturbed(directory.path(), fault, call, at);
        if let Err(error) = worker::check(directory.path(), &promised) {
            panic!("{fault:?} at {call} {at}: {error:#}\n{promised:?}");
        }
        if !was_reached {
            return Some(at - 1);
        }
    }
    panic!("{call} goes on and on");
}

/// Runs it once; tells what it was promised, and whether it came to the call at all.
fn disturbed(directory: &std::path::Path, fault: Fault, call: &str, at: u32) -> (Promised, bool) {
    let (socket, trace) = (directory.join("promised"), directory.join("trace"));
    let listener = UnixListener::bind(&socket).expect("a socket");
    let mut child = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", &fault.injected(call, at), "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().expect("a test knows its own path"))
        .args(["--exact", "crash::worker::at_work", "--ignored"])
        .env(DIRECTORY, directory)
        .env(SOCKET, &socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace starts");
    // One that dies before it connects is heard as nothing promised.
    let heard = std::thread::spawn(move || {
        let stream = listener.accept().ok().map(|(stream, _)| stream);
        stream.map(worker::hear).unwrap_or_default()
    });
    child.wait().expect("it ends");
    // Wakes the listener if nobody came.
    drop(std::os::unix::net::UnixStream::connect(&socket));
    let promised = heard.join().expect("it hears");
    let said = std::fs::read_to_string(&trace).unwrap_or_default();
    let was_reached = match fault {
        Fault::Kill => said.contains("killed by SIGKILL"),
        Fault::Full | Fault::Once => said.contains("(INJECTED)"),
    };
    (promised, was_reached)
}
