//! The real binary on free ports with a directory of its own, and a sender that speaks MLLP to it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a condition may take to come true on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for a condition; fails the test with `what` when it does not come.
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(DEADLINE, what, condition)
}

/// As [`wait_for`], for what may take so long.
pub fn wait_within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

thread_local! {
    static OVER_A_STREAM: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs a test as it is with all its daemons' facts in a stream, each directory's in a server of its own.
pub fn over_a_stream(test: fn()) {
    OVER_A_STREAM.set(true);
    test();
    OVER_A_STREAM.set(false);
}

/// Whether facts are in a stream: asked for by the test, or of all by `PENTAMER_LOG=stream`.
fn is_over_a_stream() -> bool {
    OVER_A_STREAM.get() || std::env::var_os("PENTAMER_LOG").is_some_and(|log| log == "stream")
}

/// A daemon under test; killed when dropped.
pub struct Pentamer {
    child: Child,
    pub home: Home,
    pub mllp: SocketAddr,
    pub http: SocketAddr,
}

/// A directory with a configuration, data and faults.
pub struct Home {
    dir: tempfile::TempDir,
    listener: String,
    storage: String,
    http: String,
    extra: String,
    namespace: Option<String>,
    /// Facts are in its stream.
    nats: std::sync::OnceLock<super::receivers::broker::Nats>,
}

impl Home {
    /// `listener` is added to the listener's table, `extra` to the end of the file.
    pub fn new(listener: &str, extra: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("faults")).expect("made");
        Self {
            dir,
            listener: listener.to_owned(),
            storage: String::new(),
            http: String::new(),
            extra: extra.to_owned(),
            namespace: None,
            nats: std::sync::OnceLock::new(),
        }
    }

    /// The same directory, its daemon in this network namespace.
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// The network namespace of its daemon; `None` where that is this one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The same directory with more in `[storage]`.
    pub fn with_storage(mut self, storage: &str) -> Self {
        storage.clone_into(&mut self.storage);
        self
    }

    /// The same directory with more in `[http]`.
    pub fn with_http(mut self, http: &str) -> Self {
        http.clone_into(&mut self.http);
        self
    }

    /// The same directory with another end of the file.
    pub fn with_extra(mut self, extra: &str) -> Self {
        extra.clone_into(&mut self.extra);
        self
    }

    /// The same directory with other lines of the listener.
    pub fn with_listener(mut self, listener: &str) -> Self {
        listener.clone_into(&mut self.listener);
        self
    }

    /// The lines of the listener.
    pub fn listener_text(&self) -> String {
        self.listener.clone()
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn config(&self) -> PathBuf {
        let path = self.path().join("pentamer.toml");
        let text = format!(
            "[[listener]]\nname = \"lab\"\nbind = \"127.0.0.1:0\"\n{}\n\
             [storage]\ndir = \"{}\"\n{}\n\
             [http]\nbind = \"127.0.0.1:0\"\n{}\n[log]\nformat = \"json\"\nlevel = \"debug\"\n{}{}\n",
            self.listener,
            self.data().display(),
            self.storage_keys(),
            self.http,
            self.cluster(),
            self.extra
        );
        fs::write(&path, text).expect("written");
        path
    }

    fn cluster(&self) -> String {
        if !is_over_a_stream() || self.extra.contains("[cluster]") {
            return String::new();
        }
        let nats = self.nats.get_or_init(super::receivers::broker::Nats::start);
        format!(
            "[cluster]\nurl = \"{}\"\nreplicas = 1\nlease = \"1s\"\n",
            nats.url()
        )
    }

    /// What a test does not set is small.
    fn storage_keys(&self) -> String {
        let mut keys = self.storage.clone();
        for (key, value) in [("reserve", "0"), ("segment_size", "4 MiB")] {
            if !self.storage.contains(key) {
                keys.push_str(&format!("\n{key} = \"{value}\""));
            }
        }
        keys
    }

    pub fn switch_fault(&self, name: &str, on: bool) {
        let path = self.path().join("faults").join(name);
        if on {
            fs::write(path, "").expect("written");
        } else {
            fs::remove_file(path).expect("removed");
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// The alerts written so far, as JSON.
    pub fn alerts(&self) -> Vec<Value> {
        fs::read_to_string(self.data().join("alerts.jsonl"))
            .unwrap_or_default()
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }
}

/// The program that was built for these tests, or another build of it for figures (`PENTAMER_PROGRAM`).
pub fn command() -> Command {
    let built = env!("CARGO_BIN_EXE_pentamer");
    Command::new(std::env::var("PENTAMER_PROGRAM").unwrap_or_else(|_| built.to_owned()))
}

impl Pentamer {
    /// Starts, and waits until it is ready.
    pub fn start(home: Home) -> Self {
        let started = Self::begin(home);
        wait_for("/readyz", || {
            (started.get("/readyz").0 == 200).then_some(())
        });
        started
    }

    /// Starts, and waits for its ports only.
    pub fn begin(home: Home) -> Self {
        let (child, mut home) = spawn(home);
        let ports = home.path().join("ports.json");
        let mut running = Running {
            child: Some(child),
            home: &mut home,
        };
        let ports: Value = wait_for("the ports", || {
            running.check();
            serde_json::from_str(&fs::read_to_string(&ports).ok()?).ok()
        });
        let child = running.child.take().expect("running");
        drop(running);
        let address = |value: &Value| value.as_str().expect("text").parse().expect("an address");
        let (mllp, http) = (address(&ports["listeners"]["lab"]), address(&ports["http"]));
        Self {
            child,
            home,
            mllp,
            http,
        }
    }

    pub fn start_default() -> Self {
        Self::start(Home::new("", ""))
    }

    /// Where another listener is.
    pub fn listener(&self, name: &str) -> SocketAddr {
        let ports = fs::read(self.home.path().join("ports.json")).expect("read");
        let ports: Value = serde_json::from_slice(&ports).expect("JSON");
        let address = ports["listeners"][name].as_str().expect("a listener");
        address.parse().expect("an address")
    }

    pub fn connect(&self) -> Sender {
        Sender::new(self.mllp)
    }

    /// Asks for a page whose answer is not waited for.
    pub fn begin_get(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.http).expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.http);
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let namespace = self.home.namespace();
        let Ok(mut stream) = super::netns::connect(namespace, self.http, DEADLINE) else {
            return (0, String::new());
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.http
        );
        let mut answer = String::new();
        if stream.write_all(request.as_bytes()).is_err()
            || stream.read_to_string(&mut answer).is_err()
        {
            return (0, String::new());
        }
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        let body = answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default();
        (status, body)
    }

    /// All metrics by `name{labels}`.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        self.get("/metrics")
            .1
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect()
    }

    /// Sum over all label sets of a metric that contain `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        self.metrics()
            .iter()
            .filter(|(key, _)| {
                key.split('{').next() == Some(name) && (label.is_empty() || key.contains(label))
            })
            .map(|(_, value)| value)
            .sum()
    }

    pub fn wire(&self, name: &str) -> f64 {
        self.metric(&format!("pentamer_wire_{name}_total"), "")
    }

    pub fn stored(&self) -> f64 {
        self.metric("pentamer_messages_total", "outcome=\"stored\"")
    }

    /// Until all that is durable is folded, decided and delivered to `alerts.jsonl`.
    pub fn settle(&self) {
        wait_for("the fold to be current", || {
            let ready = self.get("/readyz").0 == 200;
            let metrics = self.metrics();
            let lag = metrics
                .get("pentamer_fold_lag_records")
                .copied()
                .unwrap_or(0.0);
            let waiting: f64 = metrics
                .iter()
                .filter(|(key, _)| key.starts_with("pentamer_queue_depth"))
                .map(|(_, value)| value)
                .sum();
            let undecided = metrics
                .get("pentamer_undecided_patients")
                .copied()
                .unwrap_or(0.0);
            (ready && lag == 0.0 && undecided == 0.0 && waiting == 0.0).then_some(())
        });
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("signalled");
    }

    /// SIGSTOP, and every thread stands: a signal is on its way for a while.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
        let tasks = format!("/proc/{}/task", self.child.id());
        wait_for("a pause", || {
            let all_stand = std::fs::read_dir(&tasks).ok()?.flatten().all(|task| {
                let stat = std::fs::read_to_string(task.path().join("stat"));
                stat.is_ok_and(|stat| {
                    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
                    state.is_some_and(|state| state.starts_with('T'))
                })
            });
            all_stand.then_some(())
        });
    }

    /// SIGTERM, and the exit status.
    pub fn stop(mut self) -> (Home, ExitStatus) {
        self.signal(rustix::process::Signal::TERM);
        let status = wait_for("the end", || self.child.try_wait().expect("waited"));
        (self.into_home(), status)
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Home {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
        self.into_home()
    }

    fn into_home(mut self) -> Home {
        let empty = Home::new("", "");
        std::mem::replace(&mut self.home, empty)
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("read");
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .trim()
                    .parse()
                    .ok()
            })
            .expect("VmRSS")
    }

    /// The same without the pages of the program and other files.
    pub fn own_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("read");
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("RssAnon:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .trim()
                    .parse()
                    .ok()
            })
            .expect("VmRSS")
    }
}

impl Drop for Pentamer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the daemon ---\n{}", self.home.log());
        }
    }
}

struct Running<'a> {
    child: Option<Child>,
    home: &'a mut Home,
}

impl Running<'_> {
    fn check(&mut self) {
        let child = self.child.as_mut().expect("running");
        if let Some(status) = child.try_wait().expect("waited") {
            panic!(
                "the daemon ended with {status} while starting:\n{}",
                self.home.log()
            );
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts `pentamer run` without waiting for anything.
pub fn spawn(home: Home) -> (Child, Home) {
    let config = home.config();
    let ports = home.path().join("ports.json");
    let _ = fs::remove_file(&ports);
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(home.path().join("log"))
        .expect("a log");
    let mut command = command();
    if let Some(namespace) = &home.namespace {
        let program = command.get_program().to_owned();
        command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
    }
    let child = command
        .arg("run")
        .arg("--config")
        .arg(config)
        .arg("--print-ports")
        .arg(&ports)
        .env("PENTAMER_FAULTS", home.path().join("faults"))
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .expect("started");
    (child, home)
}

/// A sending system.
pub struct Sender {
    pub stream: TcpStream,
    seen: Vec<u8>,
}

impl Sender {
    pub fn new(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).expect("connected"))
    }

    /// Over a connection that is there.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("set");
        stream.set_read_timeout(Some(DEADLINE)).expect("set");
        Self {
            stream,
            seen: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    pub fn send_framed(&mut self, content: &str) {
        self.send(&framed(content));
    }

    /// The next answer, frame included; `None` at the end of the stream.
    pub fn answer(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.seen.windows(2).position(|pair| pair == b"\x1c\r") {
                let rest = self.seen.split_off(end + 2);
                return Some(std::mem::replace(&mut self.seen, rest));
            }
            let mut buffer = [0_u8; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => self.seen.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Sends a message and returns its answer's MSA-1.
    pub fn exchange(&mut self, content: &str) -> String {
        self.send_framed(content);
        let answer = self.answer().expect("an answer");
        let text = String::from_utf8_lossy(&answer).into_owned();
        let msa = text
            .split('\r')
            .find(|line| line.starts_with("MSA"))
            .expect("MSA")
            .to_owned();
        msa.split('|').nth(1).unwrap_or_default().to_owned()
    }

    /// FIN, then everything that still comes.
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        let _ = self.stream.shutdown(Shutdown::Write);
        self.rest()
    }

    /// Everything that comes until the other side closes.
    pub fn rest(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while let Some(frame) = self.answer() {
            frames.push(frame);
        }
        assert!(
            self.seen.is_empty(),
            "bytes outside frames: {:?}",
            self.seen
        );
        frames
    }
}

pub fn framed(content: &str) -> Vec<u8> {
    let mut bytes = vec![0x0b];
    bytes.extend_from_slice(content.as_bytes());
    bytes.extend_from_slice(b"\x1c\r");
    bytes
}

/// A message like M1 of the conformance cases, dated today, so that it pages.
pub fn low_igm(control_id: &str, patient: &str) -> String {
    panel(control_id, patient, "0.21", "11.0", "2.0")
}

/// IgM, IgG and IgA in g/L, collected today.
pub fn panel(control_id: &str, patient: &str, igm: &str, igg: &str, iga: &str) -> String {
    let now = jiff::Timestamp::now()
        .strftime("%Y%m%d%H%M%S+0000")
        .to_string();
    format!(
        "MSH|^~\\&|LAB|HOSP|PENT|IMM|{now}||ORU^R01^ORU_R01|{control_id}|P|2.5.1\r\
         PID|1||{patient}^^^HOSP^MR||DOE^JANE||19800101|F\r\
         ORC|RE|P{control_id}|F{control_id}\r\
         OBR|1|P{control_id}|F{control_id}|IG^Immunoglobulins^L|||{now}|||||||||||||||{now}|||F\r\
         OBX|1|NM|2472-9^IgM^LN||{igm}|g/L|0.4-2.3||||F\r\
         OBX|2|NM|2465-3^IgG^LN||{igg}|g/L|7.0-16.0||||F\r\
         OBX|3|NM|2458-8^IgA^LN||{iga}|g/L|0.7-4.0||||F\r"
    )
}
