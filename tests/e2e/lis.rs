//! A laboratory system of the tests: a real TCP server that does what each test asks of it.

use super::harness::DEADLINE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A server that handles each connection in a thread of its own; it ends with the test.
pub struct Lis {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Lis {
    /// Does `serve` on every connection.
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::bound("127.0.0.1:0", serve)
    }

    fn bound(at: &str, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind(at).expect("bound");
        let address = socket.local_addr().expect("an address");
        let (serve, stop) = (Arc::new(serve), Arc::new(AtomicBool::new(false)));
        let connections = Arc::new(AtomicUsize::new(0));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                count.fetch_add(1, Ordering::AcqRel);
                stream.set_nodelay(true).expect("set");
                stream.set_read_timeout(Some(DEADLINE)).expect("set");
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream));
            }
        });
        Self {
            address,
            seen: Arc::default(),
            connections,
            stop,
        }
    }

    /// Answers every frame as `answer` says, and remembers all bytes of each connection.
    pub fn answering(answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", answer)
    }

    /// The same at another address.
    pub fn at(at: &str, answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let all = Arc::clone(&seen);
        let mut lis = Self::bound(at, move |mut stream| {
            let mine = {
                let mut all = all.lock().expect("whole");
                all.push(Vec::new());
                all.len() - 1
            };
            let mut rest = Vec::new();
            let mut buffer = [0; 16 * 1024];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                all.lock().expect("whole")[mine].extend_from_slice(&buffer[..length]);
                rest.extend_from_slice(&buffer[..length]);
                while let Some(end) = rest.windows(2).position(|pair| pair == b"\x1c\r") {
                    let after = rest.split_off(end + 2);
                    let frame = std::mem::replace(&mut rest, after);
                    if stream.write_all(&answer(&frame)).is_err() {
                        return;
                    }
                }
            }
        });
        lis.seen = seen;
        lis
    }

    /// Answers every frame with AA.
    pub fn accepting() -> Self {
        Self::answering(|frame| acknowledge(frame, "AA"))
    }

    /// Bytes of each connection so far.
    pub fn seen(&self) -> Vec<Vec<u8>> {
        self.seen.lock().expect("whole").clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// The listener's lines of a relay to it.
    pub fn relay(&self, more: &str) -> String {
        format!("mode = \"relay\"\nrelay_to = \"{}\"\n{more}", self.address)
    }
}

impl Drop for Lis {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

/// MSH-10 of a frame.
pub fn control_id(frame: &[u8]) -> String {
    let text = String::from_utf8_lossy(frame);
    text.split('|').nth(9).unwrap_or_default().to_owned()
}

/// An acknowledgement in a system's own words, unlike ours.
pub fn acknowledge(frame: &[u8], code: &str) -> Vec<u8> {
    format!(
        "\x0bMSH|^~\\&|LIS|LAB|||20260301101501||ACK|LIS9|P|2.3\rMSA|{code}|{}|own words\r\x1c\r",
        control_id(frame)
    )
    .into_bytes()
}

/// Something that waits until the test says so.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().expect("whole") = true;
        self.0.1.notify_all();
    }

    pub fn wait(&self) {
        let open = self.0.0.lock().expect("whole");
        let (open, timeout) = self
            .0
            .1
            .wait_timeout_while(open, DEADLINE, |open| !*open)
            .expect("whole");
        assert!(*open && !timeout.timed_out(), "the gate was not opened");
    }
}
