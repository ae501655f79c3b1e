//! A webhook's receiver that takes everything and keeps who said what.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use model::incident::Incident;

/// What came, in order.
#[derive(Clone)]
pub(crate) struct Ear {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The path: who said it.
    pub(crate) from: String,
    /// The bytes of the event.
    pub(crate) body: Vec<u8>,
    /// The incident in it.
    pub(crate) incident: Incident,
}

impl Ear {
    /// Listens until the test ends.
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let ear = Self { address, heard: Arc::default() };
        let all = ear.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let ear = all.clone();
                std::thread::spawn(move || ear.hear(&stream));
            }
        });
        ear
    }

    pub(crate) fn url(&self, from: &str) -> String {
        format!("http://{}/{from}", self.address)
    }

    /// Everything so far.
    pub(crate) fn all(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests came from one.
    pub(crate) fn count(&self, from: &str) -> usize {
        self.all().iter().filter(|heard| heard.from == from).count()
    }

    fn hear(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        reader.read_line(&mut line).ok()?;
        let from = line.split(' ').nth(1)?.trim_start_matches('/').to_owned();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let event: serde_json::Value = serde_json::from_slice(&body).ok()?;
        let incident = serde_json::from_value(event.get("data")?.clone()).expect("an incident");
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(Heard {
            from,
            body,
            incident,
        });
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
    }
}
