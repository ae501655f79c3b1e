//! A gate before Request Tracker: it lets everything pass, or nothing, or holds back the answers to
//! new tickets, so that the moment between call and answer is exact.

#![expect(clippy::indexing_slicing, reason = "what a real server answers; a test may panic")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for bytes of either side.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What the gate does with connections from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They pass.
    Pass,
    /// They pass; only the answer to a new ticket is kept back for ever, when the ticket is there.
    HoldNewTickets,
    /// They are closed at once.
    Shut,
}

/// A running gate.
pub(super) struct Gate {
    address: String,
    mode: Arc<Mutex<Mode>>,
    held: Receiver<()>,
}

impl Gate {
    /// Opens on a free port of loopback, before `behind` (`host:port`).
    pub(super) fn open(behind: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let mode = Arc::new(Mutex::new(Mode::Pass));
        let (tell, held) = sync_channel(1_000);
        let now = Arc::clone(&mode);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mode = *now.lock().unwrap_or_else(PoisonError::into_inner);
                let (behind, tell) = (behind.clone(), tell.clone());
                std::thread::spawn(move || drop(pass(client, &behind, mode, &tell)));
            }
        });
        Self { address, mode, held }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Waits until the answer to a new ticket is held back, so that Request Tracker has the ticket; whether
    /// that came in time.
    pub(super) fn has_held(&self, at_most: Duration) -> bool {
        self.held.recv_timeout(at_most).is_ok()
    }
}

/// One request and its answer. Request Tracker ends the connection after each.
fn pass(
    mut client: TcpStream,
    behind: &str,
    mode: Mode,
    tell: &SyncSender<()>,
) -> std::io::Result<()> {
    if mode == Mode::Shut {
        return Ok(());
    }
    client.set_read_timeout(Some(SILENCE_MAX))?;
    let request = read_request(&mut client)?;
    let mut server = TcpStream::connect(behind)?;
    server.set_read_timeout(Some(SILENCE_MAX))?;
    server.write_all(&request)?;
    let mut answer = Vec::new();
    // It may end the connection with a reset: what it said before stands.
    if let Err(error) = server.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(error);
    }
    let made = request.starts_with(b"POST /REST/2.0/ticket ") && is_created(&answer);
    if mode == Mode::HoldNewTickets && made {
        // Nobody listens when the test has ended.
        tell.send(()).ok();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest)?;
        return Ok(());
    }
    client.write_all(&answer)
}

fn is_created(answer: &[u8]) -> bool {
    answer.split(|byte| *byte == b'\r').next().is_some_and(|line| line.ends_with(b" 201 Created"))
}

/// The whole request: its head, and as much body as the head says.
fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut chunk = [0_u8; 4_096];
    loop {
        let count = client.read(&mut chunk)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&chunk[..count]);
        let Some(end) = request.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        if request.len() >= end + 4 + body_length(&request[..end]) {
            return Ok(request);
        }
    }
}

fn body_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
