//! The daemon: every room started in the order of travel, and ended in that order too.
//!
//! Start: journal (lock, recovery) → cache → fold → listeners and HTTP bound → sinks → accepting.
//! End: no new connections, frames under way finished and answered, fold and sinks to a stop, journal
//! flushed and closed.

mod fold;
mod found;
mod sinks;
mod state;
mod tidy;
mod watch;

use crate::clock;
use crate::config::Config;
use crate::core::fact::Fact;
use crate::core::fold::views;
use crate::core::policy::Policy;
use crate::engine::{Checkpointing, Folder, Progress, Settings, StateHandle};
use crate::journal::{self, Appender, Draft, JournalError, OsDisk, WriterHandle};
use crate::listen::{self, Bound, Certificates, FrameMemory, Listener};
use crate::notice::{NoticeKind, Notices};
use crate::telemetry::events;
use crate::tls::TlsFault;
use crate::web;
use metrics_exporter_prometheus::PrometheusHandle;
use state::Keeper;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watch::Watch;

/// Threads that copy for all relays.
const RELAY_THREADS: usize = 2;
/// How long the start is waited for to be recorded.
const RECORD_WITHIN: Duration = Duration::from_secs(2);
/// How long sinks and HTTP may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Why a daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory or the journal in it.
    #[error("cannot open the data directory `{}`", dir.display())]
    Journal {
        /// The directory.
        dir: PathBuf,
        /// What happened.
        #[source]
        source: JournalError,
    },
    /// A port.
    #[error("cannot bind {what} to {address}")]
    Bind {
        /// ``listener `default` `` or `HTTP`.
        what: String,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A listener's certificates.
    #[error("cannot use the certificates of listener `{listener}`")]
    Tls {
        /// Its name.
        listener: String,
        /// What is wrong with them.
        #[source]
        source: TlsFault,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// Where a daemon listens.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Ports {
    /// By listener name.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// HTTP.
    pub http: SocketAddr,
}

/// The threads of the relays. Apart from those of all else: a sink, a page or a log that holds up a
/// thread holds up no feed.
struct Background {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Background {
    fn new(runtime: Runtime) -> Self {
        Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        }
    }
}

impl Drop for Background {
    /// Where nothing may block.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A running daemon.
pub struct Daemon {
    /// Where it listens.
    pub ports: Ports,
    /// Its state, for reading.
    pub state: StateHandle,
    /// How far the fold is.
    pub progress: channel::Receiver<Progress>,
    /// The policy in force.
    pub policy: Arc<Policy>,
    stop_listening: CancellationToken,
    stop_all: CancellationToken,
    stop_fold: CancellationToken,
    connections: TaskTracker,
    others: TaskTracker,
    folder: std::thread::JoinHandle<()>,
    tidier: tidy::Tidier,
    certificates: Arc<[Certificates]>,
    relays: Background,
    /// The door to the journal.
    pub appender: Appender,
    writer: WriterHandle,
}

impl Daemon {
    /// Starts everything. When it returns, all ports are bound and being served.
    pub async fn start(config: Config, metrics: PrometheusHandle) -> Result<Self, StartError> {
        let policy = Arc::new(config.policy());
        let dir = config.storage.dir.clone();
        let in_dir = |source| StartError::Journal {
            dir: dir.clone(),
            source,
        };
        let options = journal::Options {
            segment_size: config.storage.segment_size,
            reserve: config.storage.reserve,
            retention: tidy::retention(&config.storage),
            on_sync: Some(Arc::new(events::synced)),
            ..journal::Options::new(&dir, clock::now)
        };
        let opened =
            tokio::task::spawn_blocking(move || journal::open(Arc::new(OsDisk), options)).await;
        let opened = opened.map_err(|error| StartError::Thread(io::Error::other(error)))?;
        let (journal, recovery) = opened.map_err(in_dir)?;
        let notices = Notices::new();
        found::report(&recovery, &notices, &config);
        let (appender, writer) = journal.start();

        let stop_listening = CancellationToken::new();
        let stop_all = CancellationToken::new();
        let stop_fold = CancellationToken::new();
        let connections = TaskTracker::new();
        let others = TaskTracker::new();

        let keeper = Keeper::new(&config, &policy, recovery.last, notices.clone());
        let begun = keeper.open(recovery.last);
        let started_before = views::start_mark(begun.state.as_ref());
        let state = StateHandle::new(begun.state);
        let told = notices.clone();
        let settings = Settings {
            policy: Arc::clone(&policy),
            counted_through: begun.counted_through,
            fresh_state: keeper.fresh_state(),
            checkpointing: Checkpointing {
                after: config.storage.checkpoint_after,
                every: config.storage.checkpoint_every,
            },
            on_damage: Arc::new(move |what| {
                let text = format!("{what}; what is whole is read; see `pentamer journal verify`");
                told.raise(NoticeKind::JournalDamaged, text);
            }),
        };
        let (folder, progress) = Folder::new(
            appender.clone(),
            state.clone(),
            settings,
            stop_fold.clone(),
            Handle::current(),
        );
        let watch = Watch {
            appender: appender.clone(),
            progress: progress.clone(),
            notices: notices.clone(),
            dir: config.storage.dir.clone(),
            reserve: config.storage.reserve,
            started_before: started_before.ok().flatten().map(|mark| mark.at),
        };
        others.spawn(watch.run(stop_all.clone()));
        record_start(&appender, &config).await;
        let folder = fold::start(folder, keeper, state.clone(), stop_fold.clone())
            .map_err(StartError::Thread)?;

        let tidier = tidy::start(appender.keeper()).map_err(StartError::Thread)?;

        let memory = Arc::new(FrameMemory::new(
            usize::try_from(config.limits.frame_memory).unwrap_or(usize::MAX),
        ));
        let relays = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RELAY_THREADS)
            .thread_name("relay")
            .enable_all()
            .build()
            .map(Background::new)
            .map_err(StartError::Thread)?;
        let common = listen::Common {
            relays: relays.handle.clone(),
            appender: appender.clone(),
            policy: Arc::clone(&policy),
            memory,
            limits: config.limits.clone(),
            dir: config.storage.dir.clone(),
            stop: stop_listening.clone(),
        };
        let mut bound = Vec::new();
        let mut ports = BTreeMap::new();
        for listener in config.listeners.clone() {
            let (name, at) = (listener.name.clone(), listener.bind);
            let listener =
                Listener::new(listener, common.clone()).map_err(|source| StartError::Tls {
                    listener: name.clone(),
                    source,
                })?;
            let one = listen::bind(listener)
                .await
                .map_err(|source| StartError::Bind {
                    what: format!("listener `{name}`"),
                    address: at,
                    source,
                })?;
            events::listening("mllp", &name, one.address);
            ports.insert(name, one.address);
            bound.push(one);
        }
        let certificates: Arc<[Certificates]> = bound.iter().map(Bound::certificates).collect();
        others.spawn(watch_ends(Arc::clone(&certificates), stop_all.clone()));
        others.spawn(take_up(metrics.clone(), stop_all.clone()));
        let ground = sinks::Ground {
            appender: appender.clone(),
            state: state.clone(),
            progress: progress.clone(),
            notices: notices.clone(),
            stop: stop_all.clone(),
        };
        let signer = sinks::signer(&config);
        let (queues, handles): (Vec<_>, Vec<_>) = sinks::queues(&config, &ground, signer.as_ref())
            .into_iter()
            .unzip();
        let (rules, zone) = (config.escalations.clone(), policy.site.zone.clone());
        others.spawn(sinks::watch(ground, handles.clone(), rules, zone));
        let ready = Arc::new(AtomicBool::new(false));
        let seen = web::Seen {
            status: appender.status(),
            progress: progress.clone(),
            state: state.clone(),
            sinks: handles,
            signer,
            turn: Arc::default(),
            policy: Arc::clone(&policy),
            appender: appender.clone(),
            open_relay: config
                .listeners
                .iter()
                .any(crate::config::Listener::passes_on),
            notices,
            bound: Arc::clone(&ready),
            metrics,
        };
        let http = web::bind(config.http.bind, seen)
            .await
            .map_err(|source| StartError::Bind {
                what: "HTTP".to_owned(),
                address: config.http.bind,
                source,
            })?;
        events::listening("http", "http", http.address);
        let ports = Ports {
            listeners: ports,
            http: http.address,
        };

        for queue in queues {
            others.spawn(queue.run());
        }
        let stop_web = stop_all.clone();
        others.spawn(async move {
            let _ = http.serve(stop_web).await;
        });
        for one in bound {
            one.start(&connections);
        }
        ready.store(true, Ordering::Release);
        Ok(Self {
            ports,
            state,
            progress,
            policy,
            stop_listening,
            stop_all,
            stop_fold,
            connections,
            others,
            folder,
            tidier,
            certificates,
            relays,
            appender,
            writer,
        })
    }

    /// Reads all certificates again (SIGHUP). Open connections go on; files that cannot be used are told
    /// of and change nothing.
    pub fn reload_certificates(&self) {
        self.certificates.iter().for_each(Certificates::reload);
    }

    /// Ends in order (WIRE A-71). Returns when the journal is closed.
    pub async fn stop(self) {
        self.stop_listening.cancel();
        self.connections.close();
        self.connections.wait().await;
        drop(self.relays);
        self.stop_all.cancel();
        self.others.close();
        let _ = tokio::time::timeout(END_WITHIN, self.others.wait()).await;
        // Last of all: what the sinks recorded is folded, so that the next start has nothing to catch up.
        self.stop_fold.cancel();
        drop(self.appender);
        let _ = tokio::task::spawn_blocking(move || {
            let _ = self.folder.join();
            self.writer.stop();
            self.tidier.stop();
            self.writer.join();
        })
        .await;
        events::stopped();
    }
}

/// Notes the start. A policy that has changed since is noted by the fold, which knows the last one.
async fn record_start(appender: &Appender, config: &Config) {
    let started = Draft::from(Fact::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: clock::now(),
    });
    // Waited for, so that the state is current only with it; but not for long: a full disk must not
    // keep the listeners from binding.
    if let Ok(stored) = appender.submit(vec![started, sinks::seen(config)]).await {
        let _ = tokio::time::timeout(RECORD_WITHIN, stored).await;
    }
}

/// Tells how long certificates are valid still: at the start, and then once an hour.
async fn watch_ends(certificates: Arc<[Certificates]>, stop: CancellationToken) {
    loop {
        certificates.iter().for_each(Certificates::tell_ends);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(3_600)) => {}
        }
    }
}

/// Takes up what the histograms gathered: where nobody asks for the metrics it would pile up in memory.
async fn take_up(metrics: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(5)) => metrics.run_upkeep(),
        }
    }
}
