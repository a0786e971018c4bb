//! Binding, accepting, turning away (WIRE N-2 to N-4, A-70, A-71, P-20).

use super::certificates::Certificates;
use super::connection::Connection;
use super::door::{Door, Entry, Seat};
use super::memory::FrameMemory;
use super::relay::{self, Producer, Relay};
use super::terms::Terms;
use super::{socket, tls};
use crate::config::{Limits, Listener as ListenerConfig, Mode};
use crate::core::fact::Gap;
use crate::core::policy::Policy;
use crate::journal::{Appender, Storing};
use crate::pulse::Pulse;
use crate::seal::Keyring;
use crate::telemetry::events;
use crate::telemetry::peers::Peers;
use crate::tls::{Client, Server, TlsFault};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Told of a gap when it begins, and when it is recorded (WIRE P-6).
pub type OnGap = Arc<dyn Fn(&Gap) + Send + Sync>;

/// What all listeners of a daemon have in common.
#[derive(Clone)]
pub struct Common {
    /// The door to the journal.
    pub appender: Appender,
    /// Tables in force; asked before the acknowledgement only with `ack_policy = "strict"`.
    pub policy: Arc<Policy>,
    /// The bound on frames in assembly.
    pub memory: Arc<FrameMemory>,
    /// The bounds on what relays hold.
    pub limits: Limits,
    /// The data directory, for what relays cannot hold in memory.
    pub dir: PathBuf,
    /// Keys that it is sealed with.
    pub keys: Keyring,
    /// Where relays run: apart from all else, so that nothing of it holds them up.
    pub relays: Handle,
    /// Told of what relays cannot keep.
    pub on_gap: OnGap,
    /// Set when the daemon ends.
    pub stop: CancellationToken,
    /// What is seen of each sender.
    pub peers: Arc<Peers>,
}

/// What all connections of a listener share.
#[derive(Clone)]
pub struct Listener {
    /// The checked configuration.
    pub(super) config: Arc<ListenerConfig>,
    /// How it answers.
    pub(super) terms: Arc<Terms>,
    pub(super) appender: Appender,
    pub(super) policy: Arc<Policy>,
    pub(super) memory: Arc<FrameMemory>,
    pub(super) limits: Limits,
    pub(super) dir: PathBuf,
    pub(super) keys: Keyring,
    relays: Handle,
    pub(super) on_gap: OnGap,
    pub(super) stop: CancellationToken,
    /// TLS to the senders.
    pub(super) tls: Option<Arc<Server>>,
    /// TLS to the system behind a relay.
    pub(super) relay_tls: Option<Arc<Client>>,
    /// What is seen of each sender.
    pub(super) peers: Arc<Peers>,
    /// The sign of life of its loop.
    pulse: Pulse,
}

impl Listener {
    /// A listener with its certificates read; `pulse` is the sign of life of its loop.
    pub fn new(config: ListenerConfig, common: Common, pulse: Pulse) -> Result<Self, TlsFault> {
        let tls = config.tls.clone().map(Server::new).transpose()?;
        let relay_tls = config.relay_tls.clone().map(Client::new).transpose()?;
        let config = Arc::new(config);
        let terms = Terms::new(&config, common.policy.site.zone.clone());
        Ok(Self {
            config,
            terms: Arc::new(terms),
            appender: common.appender,
            policy: common.policy,
            memory: common.memory,
            limits: common.limits,
            dir: common.dir,
            keys: common.keys,
            relays: common.relays,
            on_gap: common.on_gap,
            stop: common.stop,
            tls: tls.map(Arc::new),
            relay_tls: relay_tls.map(Arc::new),
            peers: common.peers,
            pulse,
        })
    }
}

/// A bound port that does not accept yet.
pub struct Bound {
    socket: TcpListener,
    current: watch::Sender<Arc<Listener>>,
    door: Door,
    /// Where it listens; with port 0, the one that the system chose.
    pub address: SocketAddr,
}

/// Binds a listener's port, or takes the socket that was bound for it before the daemon started.
pub async fn bind(listener: Listener, handed: Option<std::net::TcpListener>) -> io::Result<Bound> {
    let mut socket = match handed {
        Some(socket) => {
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket)?
        }
        None => TcpListener::bind(listener.config.bind).await?,
    };
    if listener.config.mode == Mode::Relay {
        let moved = socket.into_std()?;
        let _there = listener.relays.enter();
        socket = TcpListener::from_std(moved)?;
    }
    let address = socket.local_addr()?;
    Ok(Bound {
        socket,
        current: watch::Sender::new(Arc::new(listener)),
        door: Door::default(),
        address,
    })
}

impl Bound {
    /// What has certificates of this listener.
    pub fn certificates(&self) -> Certificates {
        Certificates::of(&self.current.borrow())
    }

    /// To reload it by.
    pub fn reloadable(&self) -> Reloadable {
        Reloadable(self.current.clone())
    }

    /// Accepts until the daemon ends, in `tasks`; so do the connections. A relay runs where relays do,
    /// and reads what passed in the runtime that this is called in.
    pub fn start(self, tasks: &TaskTracker) {
        let listener = Arc::clone(&self.current.borrow());
        if listener.config.mode == Mode::Relay {
            let relay = Relay::start(&listener, tasks);
            let producer = relay.producer();
            let there = listener.relays.clone();
            tasks.spawn_on(self.accept(tasks.clone(), Some((relay, producer))), &there);
        } else {
            tasks.spawn(self.accept(tasks.clone(), None));
        }
    }

    async fn accept(self, tasks: TaskTracker, relay: Option<(Arc<Relay>, Producer)>) {
        let mut hall = Hall {
            listener: Arc::clone(&self.current.borrow()),
            door: self.door,
            relay,
        };
        loop {
            crate::failpoints::stall("accept-hang");
            hall.listener.pulse.beat();
            let accepted = tokio::select! {
                () = hall.listener.stop.cancelled() => break,
                () = hall.listener.pulse.asked() => continue,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    hall.listener = Arc::clone(&self.current.borrow());
                    hall.take(stream, peer, &tasks);
                }
                Err(error) => {
                    // Out of descriptors and the like: a pause, or this loop would burn a core.
                    events::accept_failed(&hall.listener.config.name, &error.kind().to_string());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// How a listener is told to go on with another configuration.
pub struct Reloadable(watch::Sender<Arc<Listener>>);

impl Reloadable {
    /// The listener's name.
    pub fn name(&self) -> String {
        self.0.borrow().config.name.clone()
    }

    /// Connections from now on are served with these settings; those that are open go on with theirs.
    /// Name, address and mode stay what they are.
    pub fn take(&self, config: ListenerConfig, policy: Arc<Policy>) {
        let config = Arc::new(config);
        self.0.send_modify(|listener| {
            *listener = Arc::new(Listener {
                config: Arc::clone(&config),
                policy,
                ..Listener::clone(listener)
            });
        });
    }
}

/// Where connections arrive.
struct Hall {
    listener: Arc<Listener>,
    door: Door,
    /// With the one who keeps its queue open while connections may come.
    relay: Option<(Arc<Relay>, Producer)>,
}

impl Hall {
    fn take(&self, stream: TcpStream, peer: SocketAddr, tasks: &TaskTracker) {
        let listener = &self.listener;
        let config = &listener.config;
        let address = peer.ip().to_canonical();
        let allowed = config.allow.is_empty()
            || config
                .allow
                .iter()
                .any(|network| network.contains(&address));
        if !allowed {
            return self.turn_away(peer, "denied");
        }
        if !config.passes_on()
            && since_failing(listener).is_some_and(|since| since > config.store_wait)
        {
            // Nothing can be stored: the sender finds the port open, and nobody who answers (WIRE A-70, P-7).
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                drop(stream);
            });
            return;
        }
        let Some(Entry {
            seat,
            wait,
            made_room,
        }) = self.door.enter(address, config)
        else {
            return self.turn_away(peer, "too_many_connections");
        };
        if made_room {
            events::wire(&config.name, "silent_closed", 1);
        }
        if !wait.is_zero() {
            events::wire(&config.name, "accept_delayed", 1);
        }
        let arrival = Arrival {
            listener: Arc::clone(listener),
            door: self.door.clone(),
            relay: self
                .relay
                .as_ref()
                .map(|(relay, _)| (Arc::clone(relay), relay.producer())),
            seat,
            peer,
        };
        tasks.spawn(arrival.serve(stream, wait));
    }

    fn turn_away(&self, peer: SocketAddr, why: &'static str) {
        let tell = self.door.tell(peer.ip().to_canonical());
        events::turned_away(&self.listener.config.name, peer, why, tell);
    }
}

/// A connection that has a seat.
struct Arrival {
    listener: Arc<Listener>,
    door: Door,
    relay: Option<(Arc<Relay>, Producer)>,
    seat: Seat,
    peer: SocketAddr,
}

impl Arrival {
    async fn serve(self, stream: TcpStream, wait: Duration) {
        if !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.listener.stop.cancelled() => return,
                () = self.seat.leave().cancelled() => return,
            }
        }
        let name = self.listener.config.name.clone();
        let prepared = match self.relay {
            Some(_) => socket::prepare_relay(&stream),
            None => socket::prepare_endpoint(&stream),
        };
        if prepared.is_err() {
            return;
        }
        let Some(tls) = self.listener.tls.clone() else {
            events::connected(&name, self.peer);
            let ended = match self.relay {
                // Boxed, as all branches are: a connection takes the memory of its own kind only.
                Some((relay, producer)) => {
                    Box::pin(relay::serve(
                        &relay, producer, &self.seat, self.peer, stream,
                    ))
                    .await
                }
                None => {
                    let (read, write) = stream.into_split();
                    let connection = Connection::new(&self.listener, &self.seat, self.peer);
                    Box::pin(connection.serve(read, write)).await.word()
                }
            };
            return events::disconnected(&name, self.peer, ended);
        };
        let shaken = tokio::select! {
            shaken = Box::pin(tls::shake_hands(&tls, stream)) => shaken,
            () = self.listener.stop.cancelled() => return,
            () = self.seat.leave().cancelled() => return,
        };
        match shaken {
            Ok(stream) => {
                events::connected(&name, self.peer);
                let ended = match self.relay {
                    Some((relay, producer)) => {
                        let (seat, peer) = (&self.seat, self.peer);
                        Box::pin(relay::serve(&relay, producer, seat, peer, stream)).await
                    }
                    None => {
                        let (read, write) = tokio::io::split(stream);
                        let connection = Connection::new(&self.listener, &self.seat, self.peer);
                        Box::pin(connection.serve(read, write)).await.word()
                    }
                };
                events::disconnected(&name, self.peer, ended);
            }
            Err(refused) => {
                let tell = self.door.tell(self.peer.ip().to_canonical());
                events::tls_refused(&name, self.peer, refused.counter, &refused.why, tell);
            }
        }
    }
}

/// How long storing has been failing, if it is.
pub(super) fn since_failing(listener: &Listener) -> Option<Duration> {
    match listener.appender.status().borrow().storing {
        Storing::Good | Storing::Aside { .. } => None,
        Storing::Failing { since, .. } => {
            Some(crate::clock::monotonic().saturating_duration_since(since))
        }
    }
}

#[cfg(test)]
mod tests;
