//! Relay mode: between the sender and the laboratory system (WIRE 5).
//!
//! ```text
//! sender ══ copy ══▶ laboratory system        one task a connection, both directions, no locks
//!        ◀═══╤═════
//!          rings (fixed size)
//!            ▼
//!           tap ──▶ queue (memory, then disk) ──▶ keeper ──▶ journal
//! ```
//! The copy runs on threads of its own, knows nothing of HL7, and writes no log. The tap may fail, fall
//! behind or find no room: with `on_trouble = "open"` the feed goes on and what was lost is recorded as a gap; with `"closed"` the
//! copy waits.

mod copy;
mod item;
mod keeper;
mod mark;
mod pairing;
mod queue;
mod ring;
mod sight;
mod spill;
mod tap;

pub(in crate::listen) use queue::Producer;

use super::accept::{Listener, since_failing};
use super::door::Seat;
use super::socket;
use crate::clock;
use crate::config::{OnTrouble, RelayTo};
use crate::core::fact::{Gap, GapCause, Origin};
use crate::journal::{Status, Storing};
use crate::telemetry::events;
use copy::{Copy, End, Finished};
use mark::Mark;
use queue::Queue;
use ring::{Shared, ring};
use spill::Spill;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tap::Tap;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_rustls::{client, server};
use tokio_util::task::TaskTracker;

/// How long connecting to the laboratory system may take, name and TLS included (P-2).
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long the farewell of an ordered end may take.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

/// A socket with or without TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    /// The TCP connection itself.
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl Wire for client::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// What the connections of a relay have in common. None of it is touched by the copy.
pub(super) struct Relay {
    listener: Arc<Listener>,
    to: Option<RelayTo>,
    queue: Arc<Queue>,
    tasks: TaskTracker,
    /// Where what passed is read: not where it passes.
    here: Handle,
    /// The next message's number: larger than those of earlier runs.
    numbers: AtomicU64,
    /// The laboratory system could not be reached last time.
    down: AtomicBool,
    mark: Arc<Mark>,
}

enum Lis {
    Plain(TcpStream),
    Tls(Box<client::TlsStream<TcpStream>>),
}

impl Relay {
    /// Starts what journals for this listener.
    pub(super) fn start(listener: &Arc<Listener>, tasks: &TaskTracker) -> Arc<Self> {
        let name = listener.config.name.clone();
        let spill = Spill::open(&listener.dir, &name).unwrap_or_else(|error| {
            events::spill_failed(&name, "open", &error.kind().to_string());
            Spill::empty(&listener.dir, &name)
        });
        let spill = spill.sealed_with(listener.keys.clone());
        let limits = &listener.limits;
        let on_gap = Arc::clone(&listener.on_gap);
        let now = clock::now();
        let (mark, crashed) = Mark::open(&listener.dir, &name, now);
        let gap = crashed.map(|since| Gap {
            origin: Origin {
                listener: name.clone(),
                peer: String::new(),
            },
            cause: GapCause::Crash,
            from: since,
            to: now,
            messages: 0,
            bytes: 0,
            control_ids: Vec::new(),
        });
        let (memory, disk) = (limits.tap_queue, limits.tap_spill);
        let queue = Queue::new(name, memory, disk, spill, on_gap).after(gap);
        let relay = Arc::new(Self {
            listener: Arc::clone(listener),
            to: listener.config.relay_to.clone(),
            queue: Arc::new(queue),
            tasks: tasks.clone(),
            here: Handle::current(),
            numbers: AtomicU64::new(u64::try_from(now.as_micros()).unwrap_or(0)),
            mark: Arc::new(mark),
            down: AtomicBool::new(false),
        });
        tasks.spawn(keeper::keep(Arc::clone(&relay)));
        let queue = Arc::clone(&relay.queue);
        tasks.spawn(async move { queue.spill().await });
        tasks.spawn(keeper::note_times(Arc::clone(&relay)));
        relay
    }

    /// One more who may hand over messages.
    pub(super) fn producer(&self) -> Producer {
        Producer::new(&self.queue)
    }

    /// Connects to the laboratory system.
    async fn connect(&self) -> io::Result<Lis> {
        let Some(to) = &self.to else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        let connecting = async {
            let stream = TcpStream::connect((to.host(), to.port())).await?;
            socket::prepare_relay(&stream)?;
            Ok(match &self.listener.relay_tls {
                Some(tls) => Lis::Tls(Box::new(tls.connect(stream).await?)),
                None => Lis::Plain(stream),
            })
        };
        tokio::time::timeout(CONNECT_WITHIN, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Serves a connection to its end; the word for why it ended.
pub(super) async fn serve<S: Wire>(
    relay: &Arc<Relay>,
    producer: Producer,
    seat: &Seat,
    peer: SocketAddr,
    sender: S,
) -> &'static str {
    let name = &relay.listener.config.name;
    // Nothing is read from the sender before the other end is there (P-2).
    let connected = tokio::select! {
        connected = relay.connect() => connected,
        () = relay.listener.stop.cancelled() => return "stop",
        () = seat.leave().cancelled() => return "made_room",
    };
    match connected {
        Ok(lis) => {
            if relay.down.swap(false, Ordering::Relaxed) {
                events::lis_reached(name);
            }
            match lis {
                Lis::Plain(lis) => between(relay, producer, seat, peer, sender, lis).await,
                Lis::Tls(lis) => between(relay, producer, seat, peer, sender, *lis).await,
            }
        }
        Err(error) => {
            let first = !relay.down.swap(true, Ordering::Relaxed);
            events::lis_unreachable(name, &error.to_string(), first);
            // What the sender would see with that system itself down.
            socket::end_by_reset(sender.tcp());
            "lis_unreachable"
        }
    }
}

/// Wakes the tap when the copy is gone for good.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.wake_tap();
    }
}

/// Why a relayed connection ended.
enum Ended {
    Copy(Finished),
    /// The daemon ends, and nothing was under way, or not answered in time.
    Drained,
    /// Nothing can be kept, and the relay is closed then (P-7).
    Unstored,
    MadeRoom,
}

async fn between<S: Wire, L: Wire>(
    relay: &Arc<Relay>,
    producer: Producer,
    seat: &Seat,
    peer: SocketAddr,
    mut sender: S,
    mut lis: L,
) -> &'static str {
    let shared = Arc::new(Shared::default());
    let lis_address = match lis.tcp().peer_addr() {
        Ok(address) => address.to_string(),
        Err(_) => relay
            .to
            .as_ref()
            .map(|to| to.as_str().to_owned())
            .unwrap_or_default(),
    };
    let (up, up_out) = ring(&shared);
    let (down, down_out) = ring(&shared);
    let tap = Tap::new(
        Arc::clone(relay),
        producer,
        Arc::clone(&shared),
        seat.prover(),
        (up_out, peer.to_string()),
        (down_out, lis_address),
    );
    relay.tasks.spawn_on(tap.run(), &relay.here);
    let over = Over(Arc::clone(&shared));
    let copy = Copy::new(up, down, relay.listener.config.on_trouble);
    let ended = run(relay, seat, copy, &shared, &mut sender, &mut lis).await;
    drop(over);
    match ended {
        Ended::Copy(Finished::Closed) => "closed",
        Ended::Copy(Finished::Broken(End::Lis)) => {
            socket::end_by_reset(sender.tcp());
            "lis_lost"
        }
        Ended::Copy(Finished::Broken(End::Sender)) => {
            socket::end_by_reset(lis.tcp());
            "sender_lost"
        }
        Ended::Drained => {
            let _ = tokio::time::timeout(FAREWELL_WITHIN, sender.shutdown()).await;
            let _ = tokio::time::timeout(FAREWELL_WITHIN, lis.shutdown()).await;
            "stop"
        }
        Ended::Unstored => "unstored",
        Ended::MadeRoom => "made_room",
    }
}

async fn run<S: Wire, L: Wire>(
    relay: &Relay,
    seat: &Seat,
    mut copy: Copy,
    shared: &Shared,
    sender: &mut S,
    lis: &mut L,
) -> Ended {
    let listener = &relay.listener;
    let config = &listener.config;
    // An open relay does not even ask how the journal is.
    let mut status = (config.on_trouble == OnTrouble::Closed).then(|| listener.appender.status());
    let watched = status.clone();
    let mut drained_by = None;
    loop {
        if let Some(status) = &mut status
            && matches!(status.borrow_and_update().storing, Storing::Failing { .. })
        {
            let since = since_failing(listener).unwrap_or_default();
            let left = config.store_wait.saturating_sub(since);
            tokio::select! {
                () = tokio::time::sleep(left) => return Ended::Unstored,
                () = listener.stop.cancelled() => return Ended::Unstored,
                _ = status.changed() => continue,
            }
        }
        let draining = drained_by.is_some();
        tokio::select! {
            biased;
            ended = poll_fn(|context| {
                // Before anything more is read: what nothing can keep does not pass a closed relay.
                if watched.as_ref().is_some_and(is_failing) {
                    return Poll::Ready(None);
                }
                if let Poll::Ready(finished) = copy.poll(context, sender, lis) {
                    return Poll::Ready(Some(Ended::Copy(finished)));
                }
                if draining {
                    shared.copy_waits(context.waker());
                    if is_quiet(&copy, shared) {
                        return Poll::Ready(Some(Ended::Drained));
                    }
                }
                Poll::Pending
            }) => match ended {
                Some(ended) => return ended,
                None => continue,
            },
            () = listener.stop.cancelled(), if !draining => {
                drained_by = Some(tokio::time::Instant::now() + config.drain);
            }
            () = async {
                match drained_by {
                    Some(by) => tokio::time::sleep_until(by).await,
                    None => std::future::pending().await,
                }
            } => return Ended::Drained,
            () = async {
                match &mut status {
                    Some(status) => drop(status.changed().await),
                    None => std::future::pending().await,
                }
            } => {}
            () = seat.leave().cancelled() => return Ended::MadeRoom,
        }
    }
}

fn is_failing(status: &watch::Receiver<Status>) -> bool {
    matches!(status.borrow().storing, Storing::Failing { .. })
}

/// Everything that passed is seen by the tap, and every message of it is answered.
fn is_quiet(copy: &Copy, shared: &Shared) -> bool {
    copy.kept() == Some(shared.quiet())
}
