//! RabbitMQ, NATS and a mail server from Debian, on free loopback ports in directories of their own.

use super::{Server, free_port};
use crate::e2e::harness::{DEADLINE, wait_for, wait_within};
use crate::e2e::netns;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn listens(port: u16) -> Option<()> {
    TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
}

/// Debian's, as most tests have it.
pub const NATS_SERVER: &str = "nats-server";

/// The one that `PENTAMER_NATS_SERVER` names, for what Debian's is too old for; else Debian's.
pub fn later_nats_server() -> OsString {
    std::env::var_os("PENTAMER_NATS_SERVER").unwrap_or_else(|| NATS_SERVER.into())
}

/// The version of a program, as `[2, 10, 25]`.
pub fn nats_version(program: &OsStr) -> Vec<u32> {
    let said = Command::new(program).arg("--version").output();
    let said = said.expect("nats-server, see .ci/test").stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let version = said.trim().rsplit('v').next().expect("a version");
    version
        .split(['.', '-'])
        .map_while(|part| part.parse().ok())
        .collect()
}

/// `nats-server` with JetStream.
pub struct Nats {
    server: Server,
    dir: tempfile::TempDir,
    pub port: u16,
    more: Vec<String>,
}

impl Nats {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments.
    pub fn start_with(more: &[String]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let server = Self::spawn(dir.path(), port, more);
        Self {
            server,
            dir,
            port,
            more: more.to_vec(),
        }
    }

    fn spawn(dir: &Path, port: u16, more: &[String]) -> Server {
        let child = Command::new(NATS_SERVER)
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(dir)
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server, see .ci/test");
        wait_for("nats-server", || listens(port));
        Server(child)
    }

    pub fn kill(&mut self) {
        self.server.stop();
    }

    pub fn again(&mut self) {
        self.server = Self::spawn(self.dir.path(), self.port, &self.more);
    }

    /// Has it stand still, or go on.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.server.0);
        rustix::process::kill_process(id, signal).expect("signalled");
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

/// Where a server of a cluster is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its network namespace; `None` for this one.
    pub namespace: Option<String>,
    /// Its address, for clients and for the other servers.
    pub address: String,
    pub port: u16,
    pub route: u16,
}

impl Place {
    fn loopback() -> Self {
        Self {
            namespace: None,
            address: "127.0.0.1".to_owned(),
            port: free_port(),
            route: free_port(),
        }
    }

    fn listens(&self) -> Option<()> {
        let to = format!("{}:{}", self.address, self.port);
        let to = to.parse().expect("an address");
        let stream = netns::connect(self.namespace.as_deref(), to, DEADLINE);
        stream.ok().map(drop)
    }
}

/// Three `nats-server`s as one cluster.
pub struct NatsCluster {
    servers: Vec<Option<Server>>,
    places: Vec<Place>,
    program: OsString,
    dir: tempfile::TempDir,
}

impl NatsCluster {
    pub fn start() -> Self {
        Self::of(NATS_SERVER.into())
    }

    /// Three of this program.
    pub fn of(program: OsString) -> Self {
        Self::at((0..3).map(|_| Place::loopback()).collect(), program)
    }

    /// One server of this program at each place.
    pub fn at(places: Vec<Place>, program: OsString) -> Self {
        let mut cluster = Self {
            servers: places.iter().map(|_| None).collect(),
            places,
            program,
            dir: tempfile::tempdir().expect("a directory"),
        };
        for number in 0..cluster.places.len() {
            cluster.spawn(number);
        }
        for place in &cluster.places {
            wait_for("nats-server", || place.listens());
        }
        cluster
    }

    fn spawn(&mut self, number: usize) {
        let place = &self.places[number];
        let mut command = match &place.namespace {
            None => Command::new(&self.program),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(&self.program);
                command
            }
        };
        let route = |place: &Place| format!("nats://{}:{}", place.address, place.route);
        let routes: Vec<String> = self.places.iter().map(route).collect();
        let child = command
            .args(["-a", &place.address, "-js"])
            .args(["-p", &place.port.to_string()])
            .args(["-n", &format!("n{number}"), "-cluster_name", "c"])
            .args(["-cluster", &route(place)])
            .args(["-routes", &routes.join(",")])
            .arg("-sd")
            .arg(self.dir.path().join(number.to_string()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server, see .ci/test");
        self.servers[number] = Some(Server(child));
    }

    /// Kills the server of this name (`n0`, …).
    pub fn kill(&mut self, name: &str) {
        let number: usize = name.trim_start_matches('n').parse().expect("a number");
        self.servers[number] = None;
    }

    /// Starts the server with this number again.
    pub fn again(&mut self, number: usize) {
        self.spawn(number);
        wait_for("nats-server", || self.places[number].listens());
    }

    /// Has the server with this number stand still: its connections are open, and nothing comes over them.
    pub fn signal(&self, number: usize, signal: rustix::process::Signal) {
        let Some(server) = &self.servers[number] else {
            return;
        };
        let id = rustix::process::Pid::from_child(&server.0);
        rustix::process::kill_process(id, signal).expect("signalled");
    }

    pub fn url(&self) -> String {
        let urls: Vec<String> = self
            .places
            .iter()
            .map(|place| format!("nats://{}:{}", place.address, place.port))
            .collect();
        urls.join(",")
    }
}

/// RabbitMQ with its `epmd`.
pub struct Rabbit {
    server: Server,
    dir: tempfile::TempDir,
    pub port: u16,
    ports: [u16; 2],
}

const RABBIT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

impl Rabbit {
    pub fn start() -> Self {
        Self::start_with(|_, _| String::new())
    }

    /// With a configuration, made of a directory that the server can read and a port.
    pub fn start_with(config: impl FnOnce(&Path, u16) -> String) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(dir.path(), open).expect("opened");
        let port = free_port();
        let ports = [free_port(), free_port()];
        let more = config(dir.path(), port);
        fs::write(dir.path().join("rabbitmq.conf"), more).expect("written");
        let server = Self::spawn(dir.path(), port, ports);
        Self {
            server,
            dir,
            port,
            ports,
        }
    }

    fn spawn(dir: &Path, port: u16, [dist, epmd]: [u16; 2]) -> Server {
        let mut command = Command::new(RABBIT);
        let name = format!("t{port}@localhost");
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", dir)
            .env("RABBITMQ_NODENAME", name)
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", dist.to_string())
            .env("ERL_EPMD_PORT", epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own, which ends as a whole.
            .process_group(0);
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        let mut child = command.spawn().expect("rabbitmq-server, see .ci/test");
        // Its virtual machine takes tens of seconds to start beside other work.
        wait_within(DEADLINE * 3, "RabbitMQ", || {
            // A port that was free may have been taken for a moment, as the near end of a connection.
            if matches!(child.try_wait(), Ok(Some(_))) {
                child = command.spawn().expect("rabbitmq-server");
            }
            let amqp = TcpStream::connect(("127.0.0.1", port)).ok()?;
            greets(amqp)
        });
        Server(child)
    }

    /// SIGKILL to the whole group: shell, beam and helpers.
    pub fn kill(&mut self) {
        let id = rustix::process::Pid::from_child(&self.server.0);
        let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        let _ = self.server.0.wait();
        wait_for("the port to be free", || {
            TcpStream::connect(("127.0.0.1", self.port))
                .is_err()
                .then_some(())
        });
    }

    pub fn again(&mut self) {
        self.server = Self::spawn(self.dir.path(), self.port, self.ports);
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }
}

/// RabbitMQ answers the protocol header: it is not only bound, it serves.
fn greets(mut amqp: TcpStream) -> Option<()> {
    use std::io::{Read, Write};
    amqp.set_read_timeout(Some(std::time::Duration::from_secs(2)))
        .ok()?;
    amqp.write_all(b"AMQP\0\0\x09\x01").ok()?;
    let mut byte = [0_u8];
    amqp.read_exact(&mut byte).ok().filter(|()| byte == [1])
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.kill();
        // It outlives the server by design; this one is ours alone, by its port.
        let _ = Command::new("epmd")
            .args(["-port", &self.ports[1].to_string(), "-kill"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// A mail server that writes each mail into a folder of its own, and refuses what it is told to.
pub struct Mail {
    _server: Server,
    dir: tempfile::TempDir,
    pub port: u16,
}

/// Accepts, but for recipients `unknown@…` (550) and `later@…` (451).
const MAIL: &str = r#"
import asyncio, os, sys, itertools
from aiosmtpd.controller import Controller
folder, port = sys.argv[1], int(sys.argv[2])
number = itertools.count()
class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown@"):
            return "550 5.1.1 no such user " + address
        if address.startswith("later@") and not os.path.exists(os.path.join(folder, "accept")):
            return "451 4.3.0 try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        name = os.path.join(folder, "%06d" % next(number))
        with open(name + ".part", "wb") as out:
            out.write(("RCPT " + ",".join(envelope.rcpt_tos) + "\n").encode() + envelope.content)
        os.rename(name + ".part", name + ".eml")
        return "250 OK"
more = {}
if len(sys.argv) > 3:
    import ssl
    from aiosmtpd.smtp import AuthResult
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[3], sys.argv[4])
    def known(server, session, envelope, mechanism, data):
        good = data.login == b"pentamer" and data.password == b"s3cret"
        return AuthResult(success=good, handled=False)
    more = dict(tls_context=tls, require_starttls=True, auth_required=True, authenticator=known)
controller = Controller(Keep(), hostname="127.0.0.1", port=port, **more)
controller.start()
asyncio.new_event_loop().run_forever()
"#;

impl Mail {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With files of a certificate and its key: STARTTLS and an account are required then.
    pub fn start_with(tls: &[std::path::PathBuf]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        // Debian's, which has the package.
        let child = Command::new("/usr/bin/python3")
            .args(["-c", MAIL])
            .arg(dir.path())
            .arg(port.to_string())
            .args(tls)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("python3-aiosmtpd, see .ci/test");
        let server = Server(child);
        wait_for("the mail server", || listens(port));
        Self {
            _server: server,
            dir,
            port,
        }
    }

    /// The mails so far, each with its recipients in a first line.
    pub fn mails(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .expect("listed")
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .collect();
        names.sort();
        names
            .iter()
            .map(|name| String::from_utf8_lossy(&fs::read(name).expect("read")).into_owned())
            .collect()
    }

    /// Takes `later@…` from now on.
    pub fn accept(&self) {
        fs::write(self.dir.path().join("accept"), "").expect("written");
    }
}
