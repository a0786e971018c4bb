//! The real binary, started for a benchmark and killed at its end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Lines of a listener to which hundreds connect from this one address at once. By default a peer has 16
/// connections and opens 100 a second, so that a measurement of seconds would be one of waiting at the door.
#[allow(dead_code, reason = "not every benchmark opens hundreds")]
pub const MANY_CONNECTIONS: &str =
    "max_connections = 1000\nmax_connections_per_peer = 1000\naccept_rate = 10000";

/// A daemon with one listener, `lab`, and its data in `dir`.
pub struct Daemon {
    child: Child,
    /// Where it listens.
    pub mllp: SocketAddr,
    /// Where its metrics are.
    pub http: SocketAddr,
}

impl Daemon {
    /// Starts it; `listener` are more lines of its listener.
    pub fn start(dir: &Path, listener: &str) -> Self {
        std::fs::create_dir_all(dir).expect("made");
        let config = dir.join("pentamer.toml");
        let text = format!(
            "[[listener]]\nname = \"lab\"\nbind = \"127.0.0.1:0\"\n{listener}\n\
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

    /// The first value of a metric; `None` while it has none.
    #[allow(dead_code, reason = "not every benchmark looks at metrics")]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let mut stream = TcpStream::connect(self.http).expect("connected");
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("read");
        text.lines()
            .find(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('{'))
            })
            .and_then(|line| line.rsplit(' ').next()?.parse().ok())
    }

    /// Its resident memory in KiB.
    #[allow(dead_code, reason = "not every benchmark looks at memory")]
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        status
            .expect("read")
            .lines()
            .find_map(|line| {
                let value = line.strip_prefix("VmRSS:")?.trim();
                value.split(' ').next()?.parse().ok()
            })
            .expect("VmRSS")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
