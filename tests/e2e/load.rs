//! Senders as laboratories have them: what is not answered is sent again, for ever, to wherever the
//! daemon is now.

use super::harness::{DEADLINE, framed, panel};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a sender waits for an answer before it connects again.
const PATIENCE: Duration = Duration::from_secs(2);
/// Every so many messages one is of a patient to page for.
const PAGED: usize = 8;

#[derive(Default)]
struct Shared {
    address: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
    sent: AtomicUsize,
    acknowledged: AtomicUsize,
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Some senders, each with one message under way.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Begins to send; `people` is how many patients each sender has, and each of them is paged for once.
    pub fn start(senders: usize, people: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = (0..senders).map(|sender| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || send(&shared, sender, people))
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    /// Where the daemon is now; `None` while it is nowhere.
    pub fn point_at(&self, address: Option<SocketAddr>) {
        *lock(&self.shared.address) = address;
    }

    /// How many were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// How often a message was sent so far, repetitions counted.
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Ends; the control ids that were acknowledged.
    pub fn end(self) -> BTreeSet<String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ends = self.threads.into_iter();
        ends.flat_map(|thread| thread.join().expect("a sender"))
            .collect()
    }
}

fn send(shared: &Shared, sender: usize, people: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut stream = None;
    for number in 0.. {
        let id = format!("{sender}-{number}");
        let paged = number % PAGED == 0;
        let (patient, igm) = if paged {
            (format!("low-{sender}-{}", number / PAGED % people), "0.21")
        } else {
            (format!("well-{sender}-{}", number % people), "1.1")
        };
        let bytes = framed(&panel(&id, &patient, igm, "11.0", "2.0"));
        loop {
            if shared.stop.load(Ordering::Relaxed) {
                return acknowledged;
            }
            match exchange(shared, &mut stream, &bytes) {
                Ok(()) => break,
                Err(_) => {
                    stream = None;
                    std::thread::park_timeout(Duration::from_millis(5));
                }
            }
        }
        acknowledged.push(id);
        shared.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

fn exchange(shared: &Shared, stream: &mut Option<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    let nowhere = || std::io::Error::from(std::io::ErrorKind::NotConnected);
    if stream.is_none() {
        let address = lock(&shared.address).ok_or_else(nowhere)?;
        let new = TcpStream::connect_timeout(&address, DEADLINE)?;
        new.set_read_timeout(Some(PATIENCE))?;
        *stream = Some(new);
    }
    let stream = stream.as_mut().ok_or_else(nowhere)?;
    shared.sent.fetch_add(1, Ordering::Relaxed);
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x1c\r") {
        let mut buffer = [0_u8; 1024];
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("MSA|AA|"), "{text}");
    Ok(())
}
