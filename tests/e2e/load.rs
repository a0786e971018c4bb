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
/// Of so many messages about immunoglobulins one is of a patient to page for.
const PAGED: usize = 8;

#[derive(Default)]
struct Shared {
    address: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
    sent: AtomicUsize,
    refused: AtomicUsize,
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
    /// Begins to send: each sender has so many patients to page for, each of them once, and as many
    /// others; one of `every` messages is about immunoglobulins. Between two messages of a sender there
    /// is at least `pause`.
    pub fn start(senders: usize, people: usize, every: usize, pause: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = (0..senders).map(|sender| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || send(&shared, sender, people, every, pause))
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

    /// How often a connection was refused so far.
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Ends; the control ids that were acknowledged.
    pub fn end(self) -> BTreeSet<String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ends = self.threads.into_iter();
        ends.flat_map(|thread| thread.join().expect("a sender"))
            .collect()
    }
}

fn send(
    shared: &Shared,
    sender: usize,
    people: usize,
    every: usize,
    pause: Duration,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut stream = None;
    for number in 0.. {
        let id = format!("{sender}-{number}");
        std::thread::park_timeout(pause);
        let bytes = framed(&message(&id, sender, number, people, every));
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

fn message(id: &str, sender: usize, number: usize, people: usize, every: usize) -> String {
    if !number.is_multiple_of(every) {
        let patient = format!("any-{sender}-{}", number % people);
        return panel(id, &patient, "5.1", "140", "4.2")
            .replace("2472-9^IgM", "2345-7^Glucose")
            .replace("2465-3^IgG", "2951-2^Sodium")
            .replace("2458-8^IgA", "2823-3^Potassium");
    }
    let turn = number / every;
    if let Some(patient) = low_patient(sender, number, people, every) {
        return panel(id, &patient, "0.21", "11.0", "2.0");
    }
    let patient = format!("well-{sender}-{}", turn % people);
    panel(id, &patient, "1.1", "11.0", "2.0")
}

/// The patient to page for that a sender's message is about, if it is about one.
pub fn low_patient(sender: usize, number: usize, people: usize, every: usize) -> Option<String> {
    let turn = number / every;
    let is_low = number.is_multiple_of(every) && turn.is_multiple_of(PAGED);
    is_low.then(|| format!("low-{sender}-{}", turn / PAGED % people))
}

fn exchange(shared: &Shared, stream: &mut Option<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    let nowhere = || std::io::Error::from(std::io::ErrorKind::NotConnected);
    if stream.is_none() {
        let address = lock(&shared.address).ok_or_else(nowhere)?;
        let new = TcpStream::connect_timeout(&address, DEADLINE).inspect_err(|_| {
            shared.refused.fetch_add(1, Ordering::Relaxed);
        })?;
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
