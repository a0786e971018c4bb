//! Messages a second with durable acknowledgements, beside a bound measured in the same run.
//!
//! The bound is a minimal server that does only what cannot be left out: find the frame, append its
//! bytes to a preallocated file, `fdatasync` once for all that wait, answer. Both are loaded by the
//! same clients, each of which waits for its answer before it sends again. The ratio is what
//! matters: absolute figures are those of the disk.
//!
//! `cargo bench --bench end_to_end` (`SECONDS=10` for longer rounds, `CONNECTIONS=16` for one of them)

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod daemon;

use daemon::Daemon;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

fn main() {
    let seconds = std::env::var("SECONDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(3.0);
    let round = Duration::from_secs_f64(seconds);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    println!(
        "connections   pentamer msg/s   bound msg/s   ratio   pentamer p50/p99 ms   bound p50/p99 ms"
    );
    let only = std::env::var("CONNECTIONS").ok();
    for connections in [1_usize, 16, 256] {
        if only
            .as_ref()
            .is_some_and(|only| *only != connections.to_string())
        {
            continue;
        }
        // In turn, twice each, so that a drift of the machine meets both.
        let mut best = [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)];
        for turn in 0..2 {
            let daemon = Daemon::start(
                &dir.path().join(format!("d{connections}-{turn}")),
                "max_connections = 1000\nmax_connections_per_peer = 1000",
            );
            let ours = runtime.block_on(load(daemon.mllp, connections, round));
            drop(daemon);
            let file = dir.path().join(format!("bound{connections}-{turn}"));
            let theirs = runtime.block_on(async {
                let bound = bound(&file).await;
                load(bound, connections, round).await
            });
            for (best, now) in best.iter_mut().zip([ours, theirs]) {
                if now.0 > best.0 {
                    *best = now;
                }
            }
        }
        let [(ours, p50, p99), (theirs, b50, b99)] = best;
        println!(
            "{connections:>11}   {ours:>14.0}   {theirs:>11.0}   {:>5.2}   {p50:>9.2} / {p99:<8.2}   {b50:>7.2} / {b99:.2}",
            ours / theirs
        );
    }
}

/// Loads a server with so many connections; messages a second, median and 99th percentile in ms.
async fn load(to: SocketAddr, connections: usize, round: Duration) -> (f64, f64, f64) {
    let done = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for connection in 0..connections {
        let (done, count) = (Arc::clone(&done), Arc::clone(&count));
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(to).await.expect("connected");
            stream.set_nodelay(true).expect("set");
            let mut buffer = vec![0_u8; 4096];
            let mut latencies = Vec::new();
            let mut number = 0_u64;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                let message = message(connection, number);
                let begun = Instant::now();
                stream.write_all(&message).await.expect("sent");
                let mut seen = Vec::new();
                while !seen.ends_with(b"\x1c\r") {
                    let length = stream.read(&mut buffer).await.expect("read");
                    assert!(length > 0, "closed");
                    seen.extend_from_slice(&buffer[..length]);
                }
                latencies.push(begun.elapsed());
                count.fetch_add(1, Ordering::Relaxed);
            }
            latencies
        }));
    }
    let begun = Instant::now();
    tokio::time::sleep(round).await;
    let messages = count.load(Ordering::Relaxed);
    let elapsed = begun.elapsed();
    done.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("ended"));
    }
    latencies.sort();
    let at = |part: f64| {
        let index = ((latencies.len() - 1) as f64 * part) as usize;
        latencies[index].as_secs_f64() * 1e3
    };
    (messages as f64 / elapsed.as_secs_f64(), at(0.5), at(0.99))
}

/// A chemistry result as most of a laboratory's feed is: nothing of it concerns immunoglobulins.
fn message(connection: usize, number: u64) -> Vec<u8> {
    format!(
        "\x0bMSH|^~\\&|LAB|HOSP|PENT|IMM|20261124101500+0000||ORU^R01^ORU_R01|{connection}.{number}|P|2.5.1\r\
         PID|1||{number}^^^HOSP^MR||DOE^JANE||19800101|F\r\
         OBR|1|P{number}|F{number}|CHEM^Chemistry^L|||20261124090000+0000|||||||||||||||20261124101000+0000|||F\r\
         OBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L|3.9-6.1|N|||F\r\
         OBX|2|NM|2160-0^Creatinine^LN||0.9|mg/dL|0.6-1.2|N|||F\r\
         OBX|3|NM|2951-2^Sodium^LN||140|mmol/L|135-145|N|||F\r\
         OBX|4|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F\r\x1c\r"
    )
    .into_bytes()
}

/// The minimal server.
async fn bound(file: &std::path::Path) -> SocketAddr {
    type Waiting = (Vec<u8>, oneshot::Sender<()>);
    let (queue, mut waiting) = mpsc::channel::<Waiting>(4096);
    let mut file = std::fs::File::create(file).expect("made");
    file.write_all(&vec![0_u8; 64 << 20]).expect("preallocated");
    file.sync_all().expect("synced");
    std::io::Seek::rewind(&mut file).expect("rewound");
    std::thread::spawn(move || {
        while let Some(first) = waiting.blocking_recv() {
            let mut group = vec![first];
            while let Ok(next) = waiting.try_recv() {
                group.push(next);
            }
            let bytes: Vec<u8> = group
                .iter()
                .flat_map(|(bytes, _)| bytes.iter().copied())
                .collect();
            file.write_all(&bytes).expect("written");
            file.sync_data().expect("synced");
            for (_, answer) in group {
                let _ = answer.send(());
            }
        }
    });
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let queue = queue.clone();
            tokio::spawn(async move {
                stream.set_nodelay(true).expect("set");
                let mut buffer = vec![0_u8; 16 * 1024];
                let mut seen = Vec::new();
                loop {
                    let Ok(length) = stream.read(&mut buffer).await else {
                        return;
                    };
                    if length == 0 {
                        return;
                    }
                    seen.extend_from_slice(&buffer[..length]);
                    while let Some(end) = seen.windows(2).position(|pair| pair == b"\x1c\r") {
                        let rest = seen.split_off(end + 2);
                        let frame = std::mem::replace(&mut seen, rest);
                        let id = frame
                            .split(|byte| *byte == b'|')
                            .nth(9)
                            .unwrap_or_default()
                            .to_vec();
                        let (answer, stored) = oneshot::channel();
                        if queue.send((frame, answer)).await.is_err() || stored.await.is_err() {
                            return;
                        }
                        let mut ack = b"\x0bMSH|^~\\&|PENT|IMM|LAB|HOSP|20261124101500||ACK|1|P|2.5.1\rMSA|AA|".to_vec();
                        ack.extend_from_slice(&id);
                        ack.extend_from_slice(b"\r\x1c\r");
                        if stream.write_all(&ack).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}
