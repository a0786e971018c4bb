//! What many connections cost that do nothing, drip or send junk: memory, and how a good peer is served.
//!
//! The good peer is measured first alone and then beside 10,000 idle connections, beside slow drips and
//! beside floods of junk, all in the same run with the same daemon. The number of connections is what
//! the limit of open files allows; the limit is raised as far as it may be.
//!
//! `just idle` (`CONNECTIONS=2000` for fewer)

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
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
    let daemon = Daemon::start(dir.path());
    println!("connections   resident MiB   KiB a connection   good peer p50/p99 ms");
    let alone = daemon.resident_kib();
    daemon.show("none", 0, alone);
    let idle: Vec<TcpStream> = (0..connections)
        .map(|number| connect_from(number, daemon.mllp))
        .collect();
    daemon.wait_for_connections(connections);
    daemon.show(&format!("{connections} idle"), connections, alone);
    let mut drips = idle;
    for one in &mut drips {
        one.write_all(b"\x0bMSH|^~\\&|").expect("written");
    }
    daemon.show(&format!("{connections} in a frame"), connections, alone);
    drop(drips);
    daemon.wait_for_connections(0);
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
    daemon.show("4 of junk", 4, alone);
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

struct Daemon {
    child: Child,
    mllp: SocketAddr,
    http: SocketAddr,
}

impl Daemon {
    fn start(dir: &std::path::Path) -> Self {
        let config = dir.join("pentamer.toml");
        let text = format!(
            "[[listener]]\nname = \"lab\"\nbind = \"127.0.0.1:0\"\nmax_connections = 60000\n\
             frame_timeout = \"10m\"\naccept_rate = 100000\n\
             [storage]\ndir = \"{}\"\nreserve = \"0\"\n\
             [http]\nbind = \"127.0.0.1:0\"\n[log]\nlevel = \"error\"\n",
            dir.join("data").display()
        );
        std::fs::write(&config, text).expect("written");
        let ports = dir.join("ports.json");
        let child = Command::new(env!("CARGO_BIN_EXE_pentamer"))
            .arg("run")
            .arg("--config")
            .arg(&config)
            .arg("--print-ports")
            .arg(&ports)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let end = Instant::now() + Duration::from_secs(30);
        let ports: serde_json::Value = loop {
            if let Ok(text) = std::fs::read(&ports) {
                break serde_json::from_slice(&text).expect("JSON");
            }
            assert!(Instant::now() < end, "it does not start");
            std::thread::sleep(Duration::from_millis(10));
        };
        let address =
            |value: &serde_json::Value| value.as_str().expect("text").parse().expect("an address");
        Self {
            child,
            mllp: address(&ports["listeners"]["lab"]),
            http: address(&ports["http"]),
        }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        status
            .expect("read")
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .split(' ')
                    .next()?
                    .parse()
                    .ok()
            })
            .expect("VmRSS")
    }

    fn wait_for_connections(&self, count: u64) {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let mut stream = TcpStream::connect(self.http).expect("connected");
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).expect("written");
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("read");
            let open = text
                .lines()
                .find(|line| line.starts_with("pentamer_connections{"))
                .and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            if open == Some(count as f64) {
                return;
            }
            assert!(Instant::now() < end, "{open:?} of {count} connections");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One line: memory, and how the good peer is served.
    fn show(&self, what: &str, connections: u64, alone: u64) {
        let mut good = TcpStream::connect(self.mllp).expect("connected");
        good.set_nodelay(true).expect("set");
        let mut times: Vec<Duration> = (0..500).map(|number| exchange(&mut good, number)).collect();
        times.sort();
        let resident = self.resident_kib();
        let each = resident.saturating_sub(alone) as f64 / connections.max(1) as f64;
        println!(
            "{what:>18}   {:>8.1}   {each:>8.1}   {:>8.2} / {:.2}",
            resident as f64 / 1024.0,
            times[250].as_secs_f64() * 1e3,
            times[495].as_secs_f64() * 1e3,
        );
    }
}

fn exchange(good: &mut TcpStream, number: usize) -> Duration {
    let message = format!(
        "\x0bMSH|^~\\&|LAB|HOSP|||20261124||ORU^R01|{number}|P|2.5.1\rPID|1||1^^^HOSP^MR\r\
         OBR|1|P|F|CHEM^Chemistry^L\rOBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L||N|||F\r\x1c\r"
    );
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

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
