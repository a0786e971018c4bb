//! A service manager as far as the daemon sees one: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, sockets handed
//! over by `LISTEN_FDS`, `CREDENTIALS_DIRECTORY`.

use super::harness::{DEADLINE, Home, command, wait_for};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What systemd does before it runs the program: the descriptors from 3 on, and for whom they are.
const HAND_OVER: &str = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; \
    export LISTEN_PID=${FOREIGN_PID:-$$}; exec \"$0\" \"$@\"";

/// Runs the daemon as a service.
pub struct Manager {
    pub home: Home,
    notified: UnixDatagram,
    sockets: Vec<(String, TcpListener)>,
    environment: Vec<(String, String)>,
}

/// A daemon that runs as a service; killed when dropped.
pub struct Service {
    pub child: Child,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Manager {
    pub fn new(home: Home) -> Self {
        let notified = UnixDatagram::bind(home.path().join("notify")).expect("bound");
        Self {
            home,
            notified,
            sockets: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// With a variable more.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a socket of this name that is handed over; two at most.
    pub fn with_socket(mut self, name: &str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
        self.sockets.push((name.to_owned(), socket));
        self
    }

    /// Where the socket of this name listens.
    pub fn address(&self, name: &str) -> SocketAddr {
        let found = self.sockets.iter().find(|(one, _)| one == name);
        found.expect("a socket").1.local_addr().expect("an address")
    }

    /// Starts the daemon.
    pub fn start(&self) -> Service {
        let config = self.home.config();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.path().join("log"))
            .expect("a log");
        let program = command().get_program().to_owned();
        let mut command = if self.sockets.is_empty() {
            Command::new(&program)
        } else {
            let mut command = Command::new("sh");
            command.arg("-c").arg(HAND_OVER).arg(&program);
            let names: Vec<&str> = self.sockets.iter().map(|(name, _)| &**name).collect();
            command
                .env("LISTEN_FDS", self.sockets.len().to_string())
                .env("LISTEN_FDNAMES", names.join(":"));
            command
        };
        command
            .args(["run", "--config"])
            .arg(config)
            .env("PENTAMER_FAULTS", self.home.path().join("faults"))
            .env("NOTIFY_SOCKET", self.home.path().join("notify"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .stdin(self.descriptor(0))
            .stdout(self.descriptor(1))
            .stderr(Stdio::from(log));
        Service {
            child: command.spawn().expect("started"),
        }
    }

    fn descriptor(&self, number: usize) -> Stdio {
        self.sockets
            .get(number)
            .map_or_else(Stdio::null, |(_, socket)| {
                Stdio::from(OwnedFd::from(socket.try_clone().expect("cloned")))
            })
    }

    /// The next message from the daemon within this time, its lines as they are.
    pub fn next(&self, within: Duration) -> Option<String> {
        self.notified.set_read_timeout(Some(within)).expect("set");
        let mut buffer = [0_u8; 4096];
        let length = self.notified.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Messages up to the first that has this line, or a line that begins so.
    pub fn wait_for(&self, line: &str) -> String {
        let end = Instant::now() + DEADLINE;
        let mut all = String::new();
        while Instant::now() < end {
            let Some(message) = self.next(DEADLINE) else {
                break;
            };
            if message.lines().any(|one| one.starts_with(line)) {
                return message;
            }
            all.push_str(&message);
            all.push('\n');
        }
        panic!("`{line}` never came, but:\n{all}\n{}", self.home.log());
    }

    /// Whether a sign of life comes within this time.
    pub fn is_fed_within(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let message = self.next(left).unwrap_or_default();
            if message.lines().any(|line| line == "WATCHDOG=1") {
                return true;
            }
        }
    }

    /// Takes what has come so far.
    pub fn drain(&self) {
        while self.next(Duration::from_millis(1)).is_some() {}
    }

    /// The address that the daemon bound by itself, out of its log.
    pub fn bound(&self, name: &str) -> SocketAddr {
        wait_for("a bound port", || {
            self.home.log().lines().rev().find_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                let ours = line["event"] == "listening" && line["name"] == name;
                ours.then(|| line["address"].as_str()?.parse().ok())?
            })
        })
    }
}

impl Service {
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("signalled");
    }

    /// SIGTERM, and the exit status.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the end", || self.child.try_wait().expect("waited"))
    }
}

/// Status and body of a GET.
pub fn get(http: SocketAddr, path: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = TcpStream::connect(http) else {
        return (0, String::new());
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let done = stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer));
    if done.is_err() {
        return (0, String::new());
    }
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    (code.unwrap_or(0), body.unwrap_or_default())
}
