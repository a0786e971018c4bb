//! What `run` and `demo` share: runtime, logging, metrics, signals, and clear words when it cannot start.

use super::{Exit, complain, environment};
use crate::config::{Loaded, Problems};
use crate::daemon::{Daemon, Ports, StartError};
use crate::journal::JournalError;
use crate::service::{self, Handed, Starting};
use crate::telemetry::{self, events};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long threads that still do something are waited for at the end.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// Runs the daemon until SIGTERM or SIGINT; `read` reads the configuration again, at SIGHUP.
pub(super) fn serve(
    loaded: Loaded,
    print_ports: Option<&Path>,
    read: impl Fn() -> Result<Loaded, Problems>,
) -> Exit {
    let Loaded {
        config, warnings, ..
    } = loaded;
    let starting = Starting::begin();
    let level = match telemetry::start_logging(&config.log) {
        Ok(level) => level,
        Err(error) => {
            complain(
                &format!("cannot start logging: {error}"),
                "this process",
                "report this",
            );
            return Exit::CannotStart;
        }
    };
    telemetry::quiet_panics();
    raise_open_files();
    for warning in &warnings {
        events::configuration_warning(&warning.to_string());
    }
    let metrics = match telemetry::start_metrics() {
        Ok(metrics) => metrics,
        Err(error) => {
            eprintln!("error: cannot start metrics: {error}");
            return Exit::CannotStart;
        }
    };
    let names = environment().find(|(name, _)| name == "LISTEN_FDNAMES");
    let handed = match Handed::take_up(names.as_ref().map(|(_, names)| names.as_str())) {
        Ok(handed) => handed,
        Err(error) => {
            eprintln!("{}", explain_start(&StartError::Handed(error)));
            return Exit::CannotStart;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return Exit::CannotStart;
        }
    };
    let exit = runtime.block_on(async {
        // A test makes the start long.
        while crate::failpoints::on("start-computes") {}
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => {
                eprintln!("error: cannot listen for signals: {error}");
                return Exit::CannotStart;
            }
        };
        let stop_start = CancellationToken::new();
        let start = Daemon::start(config, handed, metrics, stop_start.clone());
        let mut start = std::pin::pin!(start);
        let (mut ended, mut reload) = (None, false);
        let started = loop {
            tokio::select! {
                started = &mut start => break started,
                // Only a start that waits ends at once; any other ends when it is done.
                signal = signals.next(), if ended.is_none() => match signal {
                    Signal::End(signal) => {
                        ended = Some(signal);
                        stop_start.cancel();
                    }
                    Signal::Reload => reload = true,
                },
            }
        };
        let mut daemon = match started {
            Ok(daemon) => daemon,
            Err(error) => {
                eprintln!("{}", explain_start(&error));
                return Exit::CannotStart;
            }
        };
        drop(starting);
        tell_ports(&daemon.ports);
        if let Some(path) = print_ports
            && let Err(error) = write_ports(path, &daemon.ports)
        {
            eprintln!("error: cannot write `{}`: {error}", path.display());
            daemon.stop().await;
            return Exit::CannotStart;
        }
        let signal = loop {
            let next = match ended {
                _ if std::mem::take(&mut reload) => Signal::Reload,
                Some(signal) => Signal::End(signal),
                None => signals.next().await,
            };
            match next {
                Signal::End(signal) => break signal,
                Signal::Reload => {
                    service::reloading();
                    if let Some(now) = daemon.reload(read()) {
                        let _ = level.set(now);
                    }
                }
            }
        };
        events::stopping(signal);
        daemon.stop().await;
        Exit::Done
    });
    // A thread that is in a call which does not return is not waited for: all is stored and closed.
    runtime.shutdown_timeout(LEFT_BEHIND);
    exit
}

/// Raises the limit of open files as far as it may be: every connection is one, and a relayed one two.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where it may not be raised, accepting says so when it comes to that.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Two workers: the rest of the work is in the journal's and the fold's own threads.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

fn tell_ports(ports: &Ports) {
    for (name, address) in &ports.listeners {
        println!("MLLP listener `{name}` on {address}");
    }
    println!("HTTP on http://{}/ (healthz, readyz, metrics)", ports.http);
}

/// Written aside and renamed: whoever waits for the file sees all of it or none.
fn write_ports(path: &Path, ports: &Ports) -> std::io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    std::fs::write(&aside, serde_json::to_vec(ports)?)?;
    std::fs::rename(&aside, path)
}

/// What happened, why, and what to do.
pub(super) fn explain_start(error: &StartError) -> String {
    use std::error::Error as _;
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(one) = cause {
        // One says again what its cause says.
        let said = one.to_string();
        if !text.ends_with(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = one.source();
    }
    let help = match error {
        StartError::Bind {
            address, source, ..
        } => match source.kind() {
            std::io::ErrorKind::AddrInUse => format!(
                "another process holds the port (`ss -ltnp 'sport = :{}'`), or choose another `bind`",
                address.port()
            ),
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a capability, or choose another `bind`".to_owned()
            }
            std::io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address (`ip addr`), choose another `bind`".to_owned()
            }
            _ => "choose another `bind`".to_owned(),
        },
        StartError::Journal {
            source:
                JournalError::NewerFormat { .. }
                | JournalError::NewerCheckpoint { .. }
                | JournalError::NewerRecord { .. },
            ..
        } => format!(
            "start the version that wrote it, or a newer one than {}; nothing was changed",
            env!("CARGO_PKG_VERSION")
        ),
        StartError::Journal {
            source: JournalError::Sealed { source, .. },
            ..
        } => source.remedy().to_owned(),
        StartError::Journal {
            source: JournalError::HasSegments { .. },
            ..
        } => "bring it into the stream with `pentamer cluster import`, or choose another `[storage] dir`"
            .to_owned(),
        StartError::Cluster(_) => {
            "see docs/cluster.md; with another stream, move the data directory away first".to_owned()
        }
        StartError::OfAStream { .. } => {
            "write `[cluster]` as it was, or take the facts back with `pentamer cluster export`".to_owned()
        }
        StartError::Ended => "start it again when JetStream answers".to_owned(),
        StartError::Keys(error) => error.remedy(),
        StartError::Journal { dir, .. } => format!(
            "one daemon a directory, owned by its user; choose another with `[storage] dir`, or see docs/operating.md about `{}`",
            dir.display()
        ),
        StartError::Handed(error) => error.remedy(),
        StartError::Tls { source, .. } | StartError::WebTls(source) => source.remedy().to_owned(),
        StartError::Thread(_) => "the machine is out of threads or memory".to_owned(),
    };
    text.push_str(&format!("\n  help: {help}"));
    text
}

/// What a signal asks for.
pub(super) enum Signal {
    /// SIGHUP: configuration and certificates are read again.
    Reload,
    /// SIGTERM or SIGINT, by name.
    End(&'static str),
}

pub(super) struct Signals {
    hangup: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.term.recv() => Signal::End("SIGTERM"),
            _ = self.interrupt.recv() => Signal::End("SIGINT"),
        }
    }
}
