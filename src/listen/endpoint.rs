//! Binding, accepting, turning away (WIRE N-2 to N-4, A-70, A-71).

use super::connection::Connection;
use super::memory::FrameMemory;
use crate::config::Listener as ListenerConfig;
use crate::core::policy::Policy;
use crate::journal::{Appender, Storing};
use crate::pulse::Pulse;
use crate::telemetry::events;
use crate::telemetry::peers::Peers;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What all connections of a listener share.
#[derive(Clone)]
pub struct Listener {
    /// The checked configuration.
    pub config: ListenerConfig,
    /// The door to the journal.
    pub appender: Appender,
    /// Tables in force; asked before the acknowledgement only with `ack_policy = "strict"`.
    pub policy: Arc<Policy>,
    /// The bound on frames in assembly.
    pub memory: Arc<FrameMemory>,
    /// Set when the daemon ends.
    pub stop: CancellationToken,
    /// The sign of life of its loop.
    pub pulse: Pulse,
    /// What is seen of each sender.
    pub peers: Arc<Peers>,
}

/// A bound port that does not accept yet.
pub struct Bound {
    socket: TcpListener,
    current: watch::Sender<Arc<Listener>>,
    /// Where it listens; with port 0, the one that the system chose.
    pub address: SocketAddr,
}

/// Binds a listener's port, or takes the socket that was bound for it before the daemon started.
pub async fn bind(listener: Listener, handed: Option<std::net::TcpListener>) -> io::Result<Bound> {
    let socket = match handed {
        Some(socket) => {
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket)?
        }
        None => TcpListener::bind(listener.config.bind).await?,
    };
    let address = socket.local_addr()?;
    Ok(Bound {
        socket,
        current: watch::Sender::new(Arc::new(listener)),
        address,
    })
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
        self.0.send_modify(|listener| {
            *listener = Arc::new(Listener {
                config,
                policy,
                ..Listener::clone(listener)
            });
        });
    }
}

/// Connections a peer has open.
type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

impl Bound {
    /// To reload it by.
    pub fn reloadable(&self) -> Reloadable {
        Reloadable(self.current.clone())
    }

    /// Accepts until the daemon ends; the connections run in `tasks`.
    pub async fn accept(self, tasks: TaskTracker) {
        let peers = Open::default();
        loop {
            let listener = Arc::clone(&self.current.borrow());
            crate::failpoints::stall("accept-hang");
            listener.pulse.beat();
            let accepted = tokio::select! {
                () = listener.stop.cancelled() => break,
                () = listener.pulse.asked() => continue,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // It may have waited here for long.
                    let listener = Arc::clone(&self.current.borrow());
                    take(&listener, stream, peer, &peers, &tasks);
                }
                Err(error) => {
                    // Out of descriptors and the like: a pause, or this loop would burn a core.
                    events::accept_failed(&listener.config.name, &error.kind().to_string());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

fn take(
    listener: &Arc<Listener>,
    stream: TcpStream,
    peer: SocketAddr,
    peers: &Open,
    tasks: &TaskTracker,
) {
    let name = &listener.config.name;
    let address = peer.ip().to_canonical();
    if !listener.config.allow.is_empty()
        && !listener
            .config
            .allow
            .iter()
            .any(|network| network.contains(&address))
    {
        return events::turned_away(name, peer, "denied");
    }
    if since_failing(listener).is_some_and(|since| since > listener.config.store_wait) {
        // Nothing can be stored: the sender finds the port open, and nobody who answers (WIRE A-70).
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(stream);
        });
        return;
    }
    let Some(seat) = Seat::find(peers, address, &listener.config) else {
        return events::turned_away(name, peer, "too_many_connections");
    };
    if prepare(&stream).is_err() {
        return;
    }
    events::connected(name, peer);
    let listener = Arc::clone(listener);
    tasks.spawn(async move {
        let ended = Connection::new(&listener, peer).serve(stream).await;
        events::disconnected(&listener.config.name, peer, ended.word());
        drop(seat);
    });
}

/// How long storing has been failing, if it is.
pub(super) fn since_failing(listener: &Listener) -> Option<Duration> {
    match listener.appender.status().borrow().storing {
        Storing::Good => None,
        Storing::Failing { since, .. } => {
            Some(crate::clock::monotonic().saturating_duration_since(since))
        }
    }
}

/// One of the places that a peer, and a listener, has.
struct Seat {
    peers: Open,
    address: IpAddr,
}

impl Seat {
    fn find(peers: &Open, address: IpAddr, config: &ListenerConfig) -> Option<Self> {
        let mut open = peers.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = open.values().sum();
        let mine = open.entry(address).or_insert(0);
        if total >= config.max_connections as usize
            || *mine >= config.max_connections_per_peer as usize
        {
            return None;
        }
        *mine += 1;
        Some(Self {
            peers: Arc::clone(peers),
            address,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.address) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Socket options of WIRE F-1 and F-39: no idle timeout, but dead peers are found.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(60)))?;
    Ok(())
}
