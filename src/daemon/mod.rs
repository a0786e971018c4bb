//! The daemon: every room started in the order of travel, and ended in that order too.
//!
//! Start: journal (lock, recovery) → cache → fold → listeners and HTTP bound → sinks → accepting.
//! End: no new connections, frames under way finished and answered, fold and sinks to a stop, journal
//! flushed and closed.

mod alive;
mod background;
mod certificates;
mod feeds;
mod fold;
mod found;
mod gaps;
mod lease;
mod log;
mod pages;
mod reload;
mod sinks;
mod start_error;
mod state;
mod tidy;
mod watch;

pub use start_error::StartError;

use crate::clock;
use crate::config::{self, Config, Loaded, LogLevel, Problems};
use crate::core::fact::Fact;
use crate::core::fold::views;
use crate::core::policy::Policy;
use crate::deliver::Ground;
use crate::engine::{Checkpointing, Folder, Progress, Settings, StateHandle, Told};
use crate::index::{self, Index};
use crate::journal::{self, Appender, Draft};
use crate::listen::{self, Bound, Certificates, FrameMemory, Listener};
use crate::notice::{NoticeKind, Notices};
use crate::pulse::Pulse;
use crate::seal;
use crate::service::{self, Handed};
use crate::telemetry::events;
use crate::telemetry::peers::Peers;
use crate::web;
use alive::{Alive, Watched};
use background::Background;
use feeds::FeedWatch;
use gaps::Gaps;
use metrics_exporter_prometheus::PrometheusHandle;
use pages::Pages;
use reload::Reload;
use sinks::Sinks;
use state::Keeper;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch as channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watch::Watch;

/// How long the start is waited for to be recorded.
const RECORD_WITHIN: Duration = Duration::from_secs(2);
/// How long sinks and HTTP may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// How long all of the end may take, as the service manager is told.
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// The name of a socket handed over for HTTP.
const HTTP: &str = "http";

/// Where a daemon listens.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Ports {
    /// By listener name.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// HTTP.
    pub http: SocketAddr,
}

/// How the daemon stands, in a line.
type Standing = Arc<dyn Fn() -> String + Send + Sync>;

/// A running daemon.
pub struct Daemon {
    /// Where it listens.
    pub ports: Ports,
    /// Its state, for reading.
    pub state: StateHandle,
    /// How far the fold is.
    pub progress: channel::Receiver<Progress>,
    /// The policy in force.
    pub policy: channel::Receiver<Arc<Policy>>,
    stop_listening: CancellationToken,
    stop_all: CancellationToken,
    stop_fold: CancellationToken,
    connections: TaskTracker,
    others: TaskTracker,
    folder: std::thread::JoinHandle<()>,
    alive: Alive,
    reload: Reload,
    standing: Standing,
    tidier: tidy::Tidier,
    certificates: Arc<[Certificates]>,
    relays: Background,
    /// The door to the journal.
    pub appender: Appender,
    writer: log::Log,
    follower: Option<index::Follower>,
}

impl Daemon {
    /// Starts everything. When it returns, all ports are bound and being served. A listener that a
    /// socket was handed over for takes that one. `stop_start` ends it while it waits for a stream.
    pub async fn start(
        config: Config,
        mut handed: Handed,
        metrics: PrometheusHandle,
        stop_start: CancellationToken,
    ) -> Result<Self, StartError> {
        let names = config.listeners.iter().map(|one| one.name.as_str());
        handed
            .check(names.chain([HTTP]))
            .map_err(StartError::Handed)?;
        let policy = Arc::new(config.policy());
        let dir = config.storage.dir.clone();
        let keys = seal::read(config.storage.encryption_key_file.as_deref())?;
        let index_keys = keys.clone();
        let journal_pulse = Pulse::new("journal");
        let fold_pulse = Pulse::new("fold");
        let fold_watch_pulse = Pulse::new("fold-watch");
        let options = journal::Options {
            pulse: journal_pulse.clone(),
            keys: keys.clone(),
            segment_size: config.storage.segment_size,
            reserve: config.storage.reserve,
            retention: tidy::retention(&config.storage),
            on_sync: Some(Arc::new(events::synced)),
            ..journal::Options::new(&dir, clock::now)
        };
        let opened = log::open(&config, options, stop_start).await?;
        let (appender, writer, recovery) = opened.ok_or(StartError::Ended)?;
        let notices = Notices::new();
        found::report(&recovery, &notices, &config);
        notices.set(NoticeKind::ServersOld, writer.servers_old());

        let stop_listening = CancellationToken::new();
        let stop_all = CancellationToken::new();
        let stop_fold = CancellationToken::new();
        let connections = TaskTracker::new();
        let others = TaskTracker::new();

        let keeper = Keeper::new(&config, &policy, &keys, recovery.last, notices.clone());
        let begun = keeper.open(recovery.last);
        let started_before = views::start_mark(begun.state.as_ref());
        let state = StateHandle::new(begun.state);
        let (policies, policy_in_force) = channel::channel(Arc::clone(&policy));
        let exchange = Arc::clone(&keeper);
        let index = open_index(&config.storage.dir, &index_keys);
        let feed = index.clone().map(index::Feed::new);
        let told = feed.clone().map(|feed| Arc::new(feed) as Arc<dyn Told>);
        let settings = Settings {
            policies: policy_in_force.clone(),
            state_for: Arc::new(move |policy: &Policy| exchange.exchange(policy)),
            counted_through: begun.counted_through,
            fresh_state: keeper.fresh_state(),
            checkpointing: Checkpointing {
                after: config.storage.checkpoint_after,
                every: config.storage.checkpoint_every,
            },
            on_damage: found::later(&recovery, notices.clone()),
            pulse: fold_pulse.clone(),
            told,
        };
        let (folder, progress) = Folder::new(
            appender.clone(),
            state.clone(),
            settings,
            stop_fold.clone(),
            Handle::current(),
        );
        let gaps = Arc::new(Gaps::default());
        let watch = Watch {
            appender: appender.clone(),
            progress: progress.clone(),
            notices: notices.clone(),
            dir: config.storage.dir.clone(),
            reserve: config.storage.reserve,
            gaps: Arc::clone(&gaps),
            started_before: started_before.ok().flatten().map(|mark| mark.at),
        };
        others.spawn(watch.run(stop_all.clone()));
        record_start(&appender, &config).await;
        if let Some(lease) = writer.lease() {
            others.spawn(lease::note_current(
                lease.clone(),
                appender.status(),
                progress.clone(),
                stop_all.clone(),
            ));
            others.spawn(lease::watch(
                lease,
                appender.clone(),
                sinks::names(&config),
                stop_all.clone(),
            ));
        }
        let looked_after = fold::LookedAfter {
            keeper,
            state: state.clone(),
            pulse: fold_watch_pulse.clone(),
        };
        let folder =
            fold::start(folder, looked_after, stop_fold.clone()).map_err(StartError::Thread)?;
        // A call into the cache may take `cache_wait` before it is left behind, and so may the next.
        let patient = config.storage.cache_wait * 2;
        let mut watched = vec![
            watched(&journal_pulse, Duration::ZERO, None),
            watched(&fold_pulse, patient, Some(&journal_pulse)),
            watched(&fold_watch_pulse, patient, None),
        ];

        let tidier = tidy::start(appender.keeper()).map_err(StartError::Thread)?;

        let memory = Arc::new(FrameMemory::new(
            usize::try_from(config.limits.frame_memory).unwrap_or(usize::MAX),
        ));
        let relays = Background::start().map_err(StartError::Thread)?;
        let peers = Arc::new(Peers::default());
        let listening_since = clock::now();
        let common = listen::Common {
            relays: relays.handle.clone(),
            appender: appender.clone(),
            policy: Arc::clone(&policy),
            memory,
            limits: config.limits.clone(),
            dir: config.storage.dir.clone(),
            keys,
            on_gap: Arc::new(move |gap| gaps.note(gap)),
            stop: stop_listening.clone(),
            peers: Arc::clone(&peers),
        };
        let mut bound = Vec::new();
        let mut reloadable = Vec::new();
        let mut ports = BTreeMap::new();
        for listener in config.listeners.clone() {
            let (name, at) = (listener.name.clone(), listener.bind);
            let pulse = Pulse::new(format!("listener {name}"));
            watched.push(self::watched(&pulse, Duration::ZERO, None));
            let listener = Listener::new(listener, common.clone(), pulse).map_err(|source| {
                StartError::Tls {
                    listener: name.clone(),
                    source,
                }
            })?;
            let socket = handed.take(&name);
            let was_handed = socket.is_some();
            let one = listen::bind(listener, socket)
                .await
                .map_err(|source| StartError::Bind {
                    what: format!("listener `{name}`"),
                    address: at,
                    source,
                })?;
            if was_handed {
                events::handed_over(&name, one.address, at);
            }
            events::listening("mllp", &name, one.address);
            ports.insert(name, one.address);
            reloadable.push(one.reloadable());
            bound.push(one);
        }
        let pages = Pages::new(&config.http)?;
        let of_pages = pages.tls.clone().map(Certificates::of_pages);
        let certificates: Arc<[Certificates]> = bound
            .iter()
            .map(Bound::certificates)
            .chain(of_pages)
            .collect();
        others.spawn(certificates::watch(
            Arc::clone(&certificates),
            notices.clone(),
            stop_all.clone(),
        ));
        others.spawn(take_up(metrics.clone(), stop_all.clone()));
        let ground = Ground {
            appender: appender.clone(),
            state: state.clone(),
            progress: progress.clone(),
            notices: notices.clone(),
            stop: stop_all.clone(),
        };
        let signer = sinks::signer(&config);
        let mut sinks = Sinks::new(ground.clone(), signer.clone(), others.clone());
        others.spawn(sinks::watch(
            ground,
            sinks.handles.subscribe(),
            sinks.escalations.subscribe(),
        ));
        let ready = Arc::new(AtomicBool::new(false));
        let follower = index.clone().zip(feed).map(|(index, feed)| {
            let source = index::Source {
                appender: appender.clone(),
                feed,
                state: state.clone(),
                progress: progress.clone(),
                policy: policy_in_force.clone(),
                stop: stop_fold.clone(),
            };
            index::Follower::start(index, source, Handle::current())
        });
        let follower = follower.transpose().map_err(StartError::Thread)?;
        let (acted, _) = channel::channel(0);
        let seen = web::Seen {
            status: appender.status(),
            progress: progress.clone(),
            state: state.clone(),
            undecided: Arc::default(),
            sinks: sinks.handles.subscribe(),
            signer,
            turn: Arc::default(),
            policy: policy_in_force.clone(),
            appender: appender.clone(),
            notices: notices.clone(),
            peers,
            listening_since,
            open_relay: config.listeners.iter().any(config::Listener::passes_on),
            bound: Arc::clone(&ready),
            metrics,
            access: Arc::clone(&pages.access),
            auditor: web::Auditor::start(appender.clone(), state.clone(), progress.clone()),
            index: index.clone(),
            cluster: writer.outlook(),
            acts: acted.subscribe(),
            acted,
            streams: Arc::new(Semaphore::new(web::STREAMS)),
            next_steps: config.http.next_steps.clone().into(),
            stop: stop_all.clone(),
        };
        let feed_watch = FeedWatch {
            state: state.clone(),
            progress: progress.clone(),
            policy: policy_in_force.clone(),
            notices: notices.clone(),
            listening_since,
        };
        others.spawn(feed_watch.run(stop_all.clone()));
        let standing = standing(&seen, bound.len());
        let http = web::bind(config.http.bind, handed.take(HTTP), seen)
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

        sinks.replace(&config);
        let stop_web = stop_all.clone();
        let tls = pages.tls;
        others.spawn(async move {
            let _ = http.serve(tls, stop_web).await;
        });
        for one in bound {
            one.start(&connections);
        }
        ready.store(true, Ordering::Release);
        service::ready(&standing());
        let alive = Alive::start(watched, Arc::clone(&standing)).map_err(StartError::Thread)?;
        let reload = Reload {
            config,
            policy: policies,
            listeners: reloadable,
            sinks,
            notices,
            access: pages.access,
        };
        Ok(Self {
            ports,
            state,
            progress,
            policy: policy_in_force,
            stop_listening,
            stop_all,
            stop_fold,
            connections,
            others,
            folder,
            alive,
            reload,
            standing,
            tidier,
            certificates,
            relays,
            appender,
            writer,
            follower,
        })
    }

    /// Goes on with what was read (SIGHUP), as far as that is possible without a restart; what is wrong
    /// changes nothing. Certificates are read again in any case: they are no part of the file, and those
    /// that cannot be used are told of. The level of the log that is in force then.
    pub fn reload(&mut self, read: Result<Loaded, Problems>) -> Option<LogLevel> {
        let level = self.reload.take(read);
        self.certificates.iter().for_each(Certificates::reload);
        service::ready(&(self.standing)());
        level
    }

    /// Ends in order (WIRE A-71). Returns when the journal is closed.
    pub async fn stop(self) {
        service::stopping(STOP_WITHIN);
        self.alive.stop();
        self.stop_listening.cancel();
        self.connections.close();
        self.connections.wait().await;
        drop(self.relays);
        self.stop_all.cancel();
        self.others.close();
        let _ = tokio::time::timeout(END_WITHIN, self.others.wait()).await;
        // Last of all: what the sinks recorded is folded, so that the next start has nothing to catch up.
        self.stop_fold.cancel();
        drop((self.appender, self.reload));
        let _ = tokio::task::spawn_blocking(move || {
            let _ = self.folder.join();
            if let Some(follower) = self.follower {
                follower.join();
            }
            self.writer.release();
            self.writer.stop();
            self.tidier.stop();
            self.writer.join();
        })
        .await;
        events::stopped();
    }
}

/// The index of messages, made again where it cannot be opened; without it searching says so, and nothing
/// else minds.
fn open_index(data: &std::path::Path, keys: &seal::Keyring) -> Option<Index> {
    Index::open(data.join("index"), keys.clone())
        .inspect_err(|error| events::index_failing(&error.to_string()))
        .ok()
}

/// A loop that the service manager's watchdog hangs on.
fn watched(pulse: &Pulse, turn: Duration, behind: Option<&Pulse>) -> Watched {
    Watched {
        pulse: pulse.clone(),
        turn,
        behind: behind.cloned(),
    }
}

/// How the daemon stands, in a line for `systemctl status`.
fn standing(seen: &web::Seen, listeners: usize) -> Standing {
    let seen = seen.clone();
    Arc::new(move || {
        let (_, said) = seen.readiness();
        let notices: Vec<&str> = (seen.notices.list().iter())
            .map(|notice| notice.kind.word())
            .collect();
        let mut line = format!("{}; listeners: {listeners}", said.trim_end());
        if !notices.is_empty() {
            line.push_str(&format!("; notices: {}", notices.join(", ")));
        }
        line
    })
}

/// Notes the start. A policy that has changed since is noted by the fold, which knows the last one.
async fn record_start(appender: &Appender, config: &Config) {
    let started = Draft::from(Fact::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: clock::now(),
    });
    // Waited for, so that the state is current only with it; but not for long: a full disk must not
    // keep the listeners from binding.
    let mut group = vec![started];
    if !appender.is_shared() {
        // Else the one who delivers says so.
        group.push(sinks::seen(config));
    }
    if let Ok(stored) = appender.submit(group).await {
        let _ = tokio::time::timeout(RECORD_WITHIN, stored).await;
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
