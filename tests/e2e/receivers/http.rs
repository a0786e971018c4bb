//! An HTTP server that keeps what it was sent and answers as it is told.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Seen {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What is answered to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// With `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// Nothing, until the other side goes.
    Hang,
    /// The connection is cut instead.
    Reset,
    /// A head with this status, and a body that never ends.
    SlowBody(u16),
}

#[derive(Default)]
struct Inside {
    seen: Mutex<Vec<Seen>>,
    script: Mutex<VecDeque<Answer>>,
    always: Mutex<Option<Answer>>,
    stop: AtomicBool,
}

/// A receiver on a port of its own.
pub struct HttpReceiver {
    pub address: SocketAddr,
    inside: Arc<Inside>,
    thread: Option<JoinHandle<()>>,
    tls: Option<Arc<ServerConfig>>,
}

impl HttpReceiver {
    pub fn start() -> Self {
        Self::on("127.0.0.1:0".parse().expect("an address"), None)
    }

    /// On every address of this machine.
    pub fn everywhere() -> Self {
        Self::on("0.0.0.0:0".parse().expect("an address"), None)
    }

    pub fn with_tls(tls: ServerConfig) -> Self {
        let any = "127.0.0.1:0".parse().expect("an address");
        Self::on(any, Some(Arc::new(tls)))
    }

    fn on(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let mut receiver = Self {
            address,
            inside: Arc::default(),
            thread: None,
            tls,
        };
        receiver.listen();
        receiver
    }

    /// Listens (again) on its port.
    pub fn listen(&mut self) {
        let end = Instant::now() + Duration::from_secs(30);
        let socket = loop {
            match TcpListener::bind(self.address) {
                Ok(socket) => break socket,
                Err(error) => assert!(Instant::now() < end, "cannot bind: {error}"),
            }
            std::thread::yield_now();
        };
        self.address = socket.local_addr().expect("an address");
        self.inside.stop.store(false, Ordering::SeqCst);
        let (inside, tls) = (Arc::clone(&self.inside), self.tls.clone());
        self.thread = Some(std::thread::spawn(move || {
            for stream in socket.incoming() {
                if inside.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (inside, tls) = (Arc::clone(&inside), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &inside),
                    Some(tls) => {
                        if let Ok(connection) = ServerConnection::new(tls) {
                            serve(StreamOwned::new(connection, stream), &inside);
                        }
                    }
                });
            }
        }));
    }

    /// Refuses connections from now on.
    pub fn refuse(&mut self) {
        self.inside.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/alerts", self.address)
    }

    /// Answers to the next requests, in order; after them 200.
    pub fn answer(&self, answers: &[Answer]) {
        self.inside.script.lock().expect("locked").extend(answers);
    }

    /// What is answered when no other answer is set.
    pub fn always(&self, answer: Option<Answer>) {
        *self.inside.always.lock().expect("locked") = answer;
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.inside.seen.lock().expect("locked").clone()
    }
}

impl Drop for HttpReceiver {
    fn drop(&mut self) {
        self.refuse();
    }
}

fn serve(mut stream: impl Read + Write, inside: &Inside) {
    let mut bytes = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut bytes) {
        if inside.stop.load(Ordering::SeqCst) {
            return;
        }
        inside.seen.lock().expect("locked").push(seen);
        let next = inside.script.lock().expect("locked").pop_front();
        let always = *inside.always.lock().expect("locked");
        let answer = next.or(always).unwrap_or(Answer::Status(200));
        let head = |code: u16, more: &str| {
            format!("HTTP/1.1 {code} X\r\n{more}Content-Length: 2\r\n\r\nok")
        };
        let text = match answer {
            Answer::Status(code) => head(code, ""),
            Answer::RetryAfter(code, seconds) => head(code, &format!("Retry-After: {seconds}\r\n")),
            Answer::Reset => return,
            Answer::Hang => {
                let mut byte = [0_u8];
                while stream.read(&mut byte).is_ok_and(|length| length > 0) {}
                return;
            }
            Answer::SlowBody(status) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 1000\r\n\r\nslow");
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.flush();
                let mut byte = [0_u8];
                while stream.read(&mut byte).is_ok_and(|length| length > 0) {}
                return;
            }
        };
        if stream.write_all(text.as_bytes()).is_err() || stream.flush().is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Option<Seen> {
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut lines = head.lines();
            let path = lines.next()?.split(' ').nth(1)?.to_owned();
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
                .collect();
            let length: usize = headers
                .get("content-length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            while bytes.len() < end + 4 + length {
                let read = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
                bytes.extend_from_slice(&buffer[..read]);
            }
            let rest = bytes.split_off(end + 4 + length);
            let body = bytes.split_off(end + 4);
            *bytes = rest;
            return Some(Seen {
                path,
                headers,
                body,
                at: Instant::now(),
            });
        }
        let read = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}
