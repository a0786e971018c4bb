//! What a relay costs: latency added and throughput lost, beside the same without it in the same run.
//!
//! One sender, one laboratory system that answers at once, both in this process; in turn directly and
//! through a bare tokio copy in this process (`copy_bidirectional` with the same buffers) and through the
//! real binary in relay mode, at the same pace. A message is 4 KiB. Throughput is one connection that only
//! receives, in the same three ways.
//!
//! `cargo bench --bench relay` (`SECONDS=10` for longer rounds)

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod daemon;

use daemon::Daemon;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MESSAGE: usize = 4 << 10;
const ROUNDS: usize = 5;

fn main() {
    let seconds = std::env::var("SECONDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(2.0);
    let round = Duration::from_secs_f64(seconds);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let lis = runtime.block_on(lis());
    let daemon = Daemon::start(
        dir.path(),
        &format!("mode = \"relay\"\nrelay_to = \"{lis}\""),
    );
    let bare = runtime.block_on(bare(lis));
    println!(
        "messages/s   direct p50/p99/p99.9 ms   added by a bare copy        added by the relay"
    );
    for rate in [1_000_u32, 10_000] {
        let mut all: [Vec<Duration>; 3] = Default::default();
        // In turn, so that a drift of the machine meets all.
        for _ in 0..ROUNDS {
            for (times, to) in all.iter_mut().zip([lis, bare, daemon.mllp]) {
                times.extend(runtime.block_on(paced(to, rate, round / ROUNDS as u32)));
            }
        }
        let [direct, copied, relayed] = all.map(Spread::of);
        println!(
            "{rate:>10}   {direct}   {}   {}",
            copied.minus(&direct),
            relayed.minus(&direct)
        );
    }
    let mut best = [0.0_f64; 3];
    for _ in 0..ROUNDS {
        for (best, to) in best.iter_mut().zip([lis, bare, daemon.mllp]) {
            *best = best.max(runtime.block_on(throughput(to, round / ROUNDS as u32)));
        }
    }
    let [direct, bare, relay] = best;
    println!(
        "one connection, MiB/s: direct {direct:.0}, bare copy {bare:.0}, relay {relay:.0}, ratio to the bare copy {:.2}",
        relay / bare
    );
    println!(
        "lost to the tap meanwhile (tap_lost): {}",
        daemon
            .metric("pentamer_wire_tap_lost_total")
            .unwrap_or_default()
    );
}

/// Quantiles in milliseconds.
struct Spread([f64; 3]);

impl Spread {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        Self([0.5, 0.99, 0.999].map(|part| {
            let index = ((all.len() - 1) as f64 * part) as usize;
            all[index].as_secs_f64() * 1e3
        }))
    }

    fn minus(&self, other: &Self) -> Self {
        let mut left = self.0;
        for (left, right) in left.iter_mut().zip(other.0) {
            *left -= right;
        }
        Self(left)
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, nearly_all] = self.0;
        write!(f, "{half:>7.3} /{most:>7.3} /{nearly_all:>7.3}")
    }
}

/// Sends at a pace, without waiting for answers; the time from each message to its answer.
async fn paced(to: SocketAddr, rate: u32, round: Duration) -> Vec<Duration> {
    let stream = TcpStream::connect(to).await.expect("connected");
    stream.set_nodelay(true).expect("set");
    let (mut read, mut write) = stream.into_split();
    let count = (f64::from(rate) * round.as_secs_f64()) as usize;
    let interval = Duration::from_secs(1) / rate;
    let begun = Instant::now();
    let (sent, mut times) = tokio::sync::mpsc::unbounded_channel::<Instant>();
    let sending = tokio::spawn(async move {
        for number in 0..count {
            let due = begun + interval * number as u32;
            // By the timer, whose steps are a millisecond: waiting actively would take one of the cores.
            tokio::time::sleep_until(due.into()).await;
            sent.send(Instant::now()).expect("told");
            write.write_all(&message(number)).await.expect("sent");
        }
        write
    });
    let mut latencies = Vec::with_capacity(count);
    let mut buffer = vec![0_u8; 16 * 1024];
    while latencies.len() < count {
        let length = read.read(&mut buffer).await.expect("read");
        assert!(length > 0, "closed");
        let now = Instant::now();
        for _ in buffer[..length].iter().filter(|byte| **byte == 0x1c) {
            latencies.push(now - times.recv().await.expect("sent"));
        }
    }
    drop(sending.await.expect("ended"));
    // The first ones meet cold caches on both ways.
    latencies.split_off(count.min(50) / 2)
}

fn message(number: usize) -> Vec<u8> {
    let mut message = format!(
        "\x0bMSH|^~\\&|LAB|HOSP|PENT|IMM|20261124101500+0000||ORU^R01^ORU_R01|{number}|P|2.5.1\r\
         PID|1||{number}^^^HOSP^MR||DOE^JANE||19800101|F\r\
         OBR|1|P{number}|F{number}|CHEM^Chemistry^L|||20261124090000+0000\r\
         OBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L|3.9-6.1|N|||F\rNTE|1||"
    )
    .into_bytes();
    message.resize(MESSAGE - 3, b'x');
    message.extend_from_slice(b"\r\x1c\r");
    message
}

/// Bytes a second that one connection takes.
async fn throughput(to: SocketAddr, round: Duration) -> f64 {
    let mut stream = TcpStream::connect(to).await.expect("connected");
    // Told by its first byte, the system only receives, and says at the end how much that was.
    let chunk = vec![b'x'; 1 << 20];
    stream.write_all(b"S").await.expect("sent");
    let begun = Instant::now();
    while begun.elapsed() < round {
        stream.write_all(&chunk).await.expect("sent");
    }
    stream.shutdown().await.expect("FIN");
    let total = stream.read_u64().await.expect("the count");
    total as f64 / begun.elapsed().as_secs_f64() / f64::from(1 << 20)
}

/// The laboratory system: answers frames at once, or only receives.
async fn lis() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            tokio::spawn(async move {
                stream.set_nodelay(true).expect("set");
                let mut buffer = vec![0_u8; 256 * 1024];
                let Ok(first) = stream.read(&mut buffer).await else {
                    return;
                };
                let mut length = first;
                let receives = buffer.first() == Some(&b'S');
                let mut total = 0_u64;
                let mut seen: Vec<u8> = Vec::new();
                while length > 0 {
                    total += length as u64;
                    if !receives {
                        seen.extend_from_slice(&buffer[..length]);
                        while let Some(end) = memchr::memchr(0x1c, &seen) {
                            let id = seen.split(|byte| *byte == b'|').nth(9).unwrap_or_default();
                            let mut answer =
                                b"\x0bMSH|^~\\&|LIS|LAB|||20261124||ACK|1|P|2.5.1\rMSA|AA|"
                                    .to_vec();
                            answer.extend_from_slice(id);
                            answer.extend_from_slice(b"\r\x1c\r");
                            seen.drain(..=end);
                            if stream.write_all(&answer).await.is_err() {
                                return;
                            }
                        }
                    }
                    length = stream.read(&mut buffer).await.unwrap_or(0);
                }
                if receives {
                    let _ = stream.write_u64(total).await;
                }
            });
        }
    });
    address
}

/// The least that a relay can be.
async fn bare(to: SocketAddr) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = socket.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.expect("connected");
                near.set_nodelay(true).expect("set");
                far.set_nodelay(true).expect("set");
                let size = 64 << 10;
                let _ =
                    tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, size, size).await;
            });
        }
    });
    address
}
