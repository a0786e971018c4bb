//! What many connections cost that do nothing, drip or send junk: memory, and how a good peer is served.
//!
//! The good peer is measured first alone and then beside 10,000 idle connections, beside slow drips and
//! beside floods of junk, all in the same run with the same daemon. The number of connections is what
//! the limit of open files allows; the limit is raised as far as it may be.
//!
//! `just idle` (`CONNECTIONS=2000` for fewer)

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod daemon;

use daemon::Daemon;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Descriptors that this process and the daemon need beside the connections.
const SPARE: u64 = 200;

fn main() {
    let wanted: u64 = std::env::var("CONNECTIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000);
    let connections = wanted.min(raise_limit().saturating_sub(SPARE));
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    // The daemon inherits the raised limit.
    let daemon = Daemon::start(
        dir.path(),
        "max_connections = 60000\nframe_timeout = \"10m\"\naccept_rate = 100000",
    );
    println!("connections   resident MiB   KiB a connection   good peer p50/p99 ms");
    let alone = daemon.resident_kib();
    show(&daemon, "none", 0, alone);
    let idle: Vec<TcpStream> = (0..connections)
        .map(|number| connect_from(number, daemon.mllp))
        .collect();
    wait_for_connections(&daemon, connections);
    show(&daemon, &format!("{connections} idle"), connections, alone);
    let mut drips = idle;
    for one in &mut drips {
        one.write_all(b"\x0bMSH|^~\\&|").expect("written");
    }
    show(
        &daemon,
        &format!("{connections} in a frame"),
        connections,
        alone,
    );
    drop(drips);
    wait_for_connections(&daemon, 0);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flood: Vec<_> = (0..4)
        .map(|number| {
            let (stop, to) = (std::sync::Arc::clone(&stop), daemon.mllp);
            std::thread::spawn(move || {
                let junk = vec![b'j'; 60 << 10];
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut one = connect_from(30_000 + number, to);
                    while one.write_all(&junk).is_ok() {}
                }
            })
        })
        .collect();
    show(&daemon, "4 of junk", 4, alone);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for one in flood {
        one.join().expect("ended");
    }
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flood: Vec<_> = (0..4)
        .map(|number| {
            let (stop, to) = (std::sync::Arc::clone(&stop), daemon.mllp);
            std::thread::spawn(move || {
                // One peer, as many messages as it gets in, and nobody who waits for an answer.
                let mut one = connect_from(40_000, to);
                let mut answers = one.try_clone().expect("cloned");
                let reading = std::thread::spawn(move || {
                    let mut buffer = vec![0; 64 << 10];
                    while answers.read(&mut buffer).is_ok_and(|length| length > 0) {}
                });
                let mut next = number * 1_000_000_000;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    next += 1;
                    if one.write_all(message(next).as_bytes()).is_err() {
                        break;
                    }
                }
                let _ = one.shutdown(std::net::Shutdown::Both);
                reading.join().expect("ended");
            })
        })
        .collect();
    show(&daemon, "4 of one flooding", 4, alone);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for one in flood {
        one.join().expect("ended");
    }
}

/// Raises the soft limit of open files to the hard one.
fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Each from one of many addresses of this machine, as many peers.
fn connect_from(number: u64, to: SocketAddr) -> TcpStream {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let peer = [127, 1, (number / 250 % 250) as u8, (number % 250) as u8 + 1];
    socket
        .bind(&SocketAddr::from((peer, 0)).into())
        .expect("bound");
    socket.connect(&to.into()).expect("connected");
    socket.set_tcp_nodelay(true).expect("set");
    TcpStream::from(socket)
}

fn wait_for_connections(daemon: &Daemon, count: u64) {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let open = daemon.metric("pentamer_connections");
        if open == Some(count as f64) {
            return;
        }
        assert!(Instant::now() < end, "{open:?} of {count} connections");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One line: memory, and how the good peer is served.
fn show(daemon: &Daemon, what: &str, connections: u64, alone: u64) {
    let mut good = TcpStream::connect(daemon.mllp).expect("connected");
    good.set_nodelay(true).expect("set");
    let mut times: Vec<Duration> = (0..500).map(|number| exchange(&mut good, number)).collect();
    times.sort();
    let resident = daemon.resident_kib();
    let each = resident.saturating_sub(alone) as f64 / connections.max(1) as f64;
    println!(
        "{what:>18}   {:>8.1}   {each:>8.1}   {:>8.2} / {:.2}",
        resident as f64 / 1024.0,
        times[250].as_secs_f64() * 1e3,
        times[495].as_secs_f64() * 1e3,
    );
}

fn message(number: usize) -> String {
    format!(
        "\x0bMSH|^~\\&|LAB|HOSP|||20261124||ORU^R01|{number}|P|2.5.1\rPID|1||1^^^HOSP^MR\r\
         OBR|1|P|F|CHEM^Chemistry^L\rOBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L||N|||F\r\x1c\r"
    )
}

fn exchange(good: &mut TcpStream, number: usize) -> Duration {
    let message = message(number);
    let begun = Instant::now();
    good.write_all(message.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let mut buffer = [0; 1_024];
    while !answer.ends_with(b"\x1c\r") {
        let length = good.read(&mut buffer).expect("read");
        assert!(length > 0, "the good peer was cut off");
        answer.extend_from_slice(&buffer[..length]);
    }
    begun.elapsed()
}
