//! The load that every server of a comparison gets: connections that keep so many messages in flight,
//! and a look at every acknowledgement.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer that has not come by then is missing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a server is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Connections at once.
    pub connections: usize,
    /// Messages that a connection sends before it waits for an answer.
    pub in_flight: usize,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Right acknowledgements a second.
    pub rate: f64,
    /// Median time to a right acknowledgement in milliseconds.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// `MSA|AA` with the control id of a message that waits.
    pub right: u64,
    /// Acknowledgements that are anything else.
    pub wrong: u64,
    /// Messages that got none in two seconds, or whose connection was closed.
    pub missing: u64,
}

/// Loads a server for so long. All connections stand before the time begins.
pub async fn load(to: SocketAddr, shape: Shape, round: Duration) -> Outcome {
    let mut streams = Vec::new();
    for _ in 0..shape.connections {
        streams.push(connect(to).await.expect("connected"));
    }
    let done = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for (connection, stream) in streams.into_iter().enumerate() {
        let client = Client {
            to,
            connection,
            in_flight: shape.in_flight,
            number: 0,
            waiting: VecDeque::new(),
            latencies: Vec::new(),
            wrong: 0,
            missing: 0,
            done: Arc::clone(&done),
            count: Arc::clone(&count),
        };
        tasks.push(tokio::spawn(client.run(stream)));
    }
    let begun = Instant::now();
    tokio::time::sleep(round).await;
    let messages = count.load(Ordering::Relaxed);
    let elapsed = begun.elapsed();
    done.store(true, Ordering::Relaxed);
    let mut outcome = Outcome {
        rate: messages as f64 / elapsed.as_secs_f64(),
        ..Outcome::default()
    };
    let mut latencies = Vec::new();
    for task in tasks {
        let client = task.await.expect("ended");
        latencies.extend(client.latencies);
        outcome.wrong += client.wrong;
        outcome.missing += client.missing;
    }
    latencies.sort();
    let at = |part: f64| {
        let index = (latencies.len().saturating_sub(1) as f64 * part) as usize;
        latencies
            .get(index)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    outcome.right = latencies.len() as u64;
    outcome.p50 = at(0.5);
    outcome.p99 = at(0.99);
    outcome
}

async fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One connection.
struct Client {
    to: SocketAddr,
    connection: usize,
    in_flight: usize,
    number: u64,
    /// Control ids without an answer, the oldest first, and when they were sent.
    waiting: VecDeque<(String, Instant)>,
    latencies: Vec<Duration>,
    wrong: u64,
    missing: u64,
    done: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
}

impl Client {
    async fn run(mut self, mut stream: TcpStream) -> Self {
        let mut buffer = vec![0_u8; 16 << 10];
        let mut seen: Vec<u8> = Vec::new();
        loop {
            self.give_up_old();
            let done = self.done.load(Ordering::Relaxed);
            if done && self.waiting.is_empty() {
                return self;
            }
            let out = if done { Vec::new() } else { self.fill() };
            let exchange = async {
                stream.write_all(&out).await?;
                stream.read(&mut buffer).await
            };
            match tokio::time::timeout(PATIENCE, exchange).await {
                Ok(Ok(length)) if length > 0 => {
                    seen.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    let mut from = 0;
                    while let Some(at) = seen[from..].windows(2).position(|two| two == b"\x1c\r") {
                        self.take(&seen[from..from + at]);
                        from += at + 2;
                    }
                    seen.drain(..from);
                }
                _ => {
                    self.missing += self.waiting.len() as u64;
                    self.waiting.clear();
                    seen.clear();
                    if self.done.load(Ordering::Relaxed) {
                        return self;
                    }
                    match connect(self.to).await {
                        Ok(anew) => stream = anew,
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
            }
        }
    }

    /// Messages up to those that may be in flight.
    fn fill(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.waiting.len() < self.in_flight {
            self.number += 1;
            let id = format!("{}.{}", self.connection, self.number);
            out.extend_from_slice(message(&id, self.number).as_bytes());
            self.waiting.push_back((id, Instant::now()));
        }
        out
    }

    /// Looks at one acknowledgement. One that answers nothing that waits stands for the oldest.
    fn take(&mut self, frame: &[u8]) {
        let text = String::from_utf8_lossy(frame);
        let msa = text.split('\r').find(|line| line.starts_with("MSA|"));
        let mut fields = msa.unwrap_or_default().split('|').skip(1);
        let (code, id) = (fields.next(), fields.next().unwrap_or_default());
        let place = self.waiting.iter().position(|(waits, _)| waits == id);
        match place.and_then(|place| self.waiting.remove(place)) {
            Some((_, sent)) if code == Some("AA") => {
                self.latencies.push(sent.elapsed());
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            Some(_) => self.wrong += 1,
            None => {
                self.wrong += 1;
                self.waiting.pop_front();
            }
        }
    }

    fn give_up_old(&mut self) {
        while self
            .waiting
            .front()
            .is_some_and(|(_, sent)| sent.elapsed() > PATIENCE)
        {
            self.waiting.pop_front();
            self.missing += 1;
        }
    }
}

/// A chemistry result as most of a laboratory's feed is: nothing of it concerns immunoglobulins.
fn message(id: &str, number: u64) -> String {
    format!(
        "\x0bMSH|^~\\&|LAB|HOSP|PENT|IMM|20261124101500+0000||ORU^R01^ORU_R01|{id}|P|2.5.1\r\
         PID|1||{number}^^^HOSP^MR||DOE^JANE||19800101|F\r\
         OBR|1|P{number}|F{number}|CHEM^Chemistry^L|||20261124090000+0000|||||||||||||||20261124101000+0000|||F\r\
         OBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L|3.9-6.1|N|||F\r\
         OBX|2|NM|2160-0^Creatinine^LN||0.9|mg/dL|0.6-1.2|N|||F\r\
         OBX|3|NM|2951-2^Sodium^LN||140|mmol/L|135-145|N|||F\r\
         OBX|4|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F\r\x1c\r"
    )
}
