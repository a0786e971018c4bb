//! The door of a listener: who gets in, how often, and who goes when it is full (WIRE N-3, N-4).

use crate::clock;
use crate::config::Listener as ListenerConfig;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What one peer address may have in the journal's queue at once, in shares: one for each 16 KiB of a
/// message, so 256 messages or 4 MiB. Whatever a peer sends, a message of another peer stands behind
/// at most so much of it (or behind one larger message).
pub(super) const SHARES: u32 = 256;
/// One share stands for so many bytes.
const SHARE_BYTES: usize = 16 << 10;
/// Connections that may come at once before the rate holds, as the rate's seconds.
const BURST: Duration = Duration::from_secs(1);
/// One log line for each peer turned away in so much time (N-3).
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Addresses remembered beyond those that are connected.
const REMEMBERED: usize = 4_096;

/// How many shares a message of so many bytes takes.
pub(super) fn shares_of(bytes: usize) -> u32 {
    u32::try_from(bytes / SHARE_BYTES + 1).map_or(SHARES, |shares| shares.min(SHARES))
}

/// The door; clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Door(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next: u64,
    peers: HashMap<IpAddr, Peer>,
    /// Everybody inside, by arrival.
    inside: BTreeMap<u64, Inside>,
    /// Those that never sent a complete frame.
    silent: BTreeSet<u64>,
}

struct Inside {
    address: IpAddr,
    leave: CancellationToken,
}

struct Peer {
    inside: u32,
    silent: BTreeSet<u64>,
    /// When the next connection would be on time.
    due: Option<Instant>,
    told: Option<Instant>,
    shares: Arc<Semaphore>,
}

impl Peer {
    fn new() -> Self {
        Self {
            inside: 0,
            silent: BTreeSet::new(),
            due: None,
            told: None,
            shares: Arc::new(Semaphore::new(SHARES as usize)),
        }
    }

    fn forgettable(&self, now: Instant) -> bool {
        self.inside == 0
            && self.due.is_none_or(|due| due <= now)
            && self
                .told
                .is_none_or(|told| now.saturating_duration_since(told) > TELL_EVERY)
    }
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, or `None` where there is none. A full door lets the oldest connection
    /// go that never sent a complete frame.
    pub(super) fn enter(&self, address: IpAddr, config: &ListenerConfig) -> Option<Entry> {
        let mut state = self.lock();
        let now = clock::monotonic();
        state.forget(now);
        let peer = state.peers.entry(address).or_insert_with(Peer::new);
        let mut made_room = false;
        if peer.inside >= config.max_connections_per_peer {
            let oldest = peer.silent.first().copied()?;
            state.put_out(oldest);
            made_room = true;
        }
        if state.inside.len() >= config.max_connections as usize {
            let oldest = state.silent.first().copied()?;
            state.put_out(oldest);
            made_room = true;
        }
        let number = state.next;
        state.next += 1;
        let leave = CancellationToken::new();
        state.inside.insert(
            number,
            Inside {
                address,
                leave: leave.clone(),
            },
        );
        state.silent.insert(number);
        let peer = state.peers.entry(address).or_insert_with(Peer::new);
        peer.inside += 1;
        peer.silent.insert(number);
        let interval = Duration::from_secs(1) / config.accept_rate.max(1);
        let due = peer.due.map_or(now, |due| due.max(now)) + interval;
        peer.due = Some(due);
        Some(Entry {
            seat: Seat {
                door: self.clone(),
                number,
                leave,
                shares: Arc::clone(&peer.shares),
            },
            wait: due.saturating_duration_since(now + BURST),
            made_room,
        })
    }

    /// Shares of the journal's queue that a peer has left.
    #[cfg(test)]
    pub(super) fn shares_left(&self, address: IpAddr) -> usize {
        let state = self.lock();
        let shares = state.peers.get(&address).map(|peer| &peer.shares);
        shares.map_or(SHARES as usize, |shares| shares.available_permits())
    }

    /// Whether to tell in the log that this peer was turned away: once a minute.
    pub(super) fn tell(&self, address: IpAddr) -> bool {
        let mut state = self.lock();
        let now = clock::monotonic();
        state.forget(now);
        let peer = state.peers.entry(address).or_insert_with(Peer::new);
        let tell = peer
            .told
            .is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY);
        if tell {
            peer.told = Some(now);
        }
        tell
    }
}

impl State {
    fn put_out(&mut self, number: u64) {
        if let Some(inside) = self.remove(number) {
            inside.leave.cancel();
        }
    }

    fn remove(&mut self, number: u64) -> Option<Inside> {
        let inside = self.inside.remove(&number)?;
        self.silent.remove(&number);
        if let Some(peer) = self.peers.get_mut(&inside.address) {
            peer.inside = peer.inside.saturating_sub(1);
            peer.silent.remove(&number);
        }
        Some(inside)
    }

    fn prove(&mut self, number: u64) {
        if self.silent.remove(&number)
            && let Some(inside) = self.inside.get(&number)
            && let Some(peer) = self.peers.get_mut(&inside.address)
        {
            peer.silent.remove(&number);
        }
    }

    /// Forgets addresses that are gone, when there are many.
    fn forget(&mut self, now: Instant) {
        if self.peers.len() > REMEMBERED.max(2 * self.inside.len()) {
            self.peers.retain(|_, peer| !peer.forgettable(now));
            if self.peers.len() > REMEMBERED.max(2 * self.inside.len()) {
                // More strangers in a minute than can be remembered: all of them start anew.
                self.peers.retain(|_, peer| peer.inside > 0);
            }
        }
    }
}

/// A connection that may come in.
pub(super) struct Entry {
    /// Its place.
    pub(super) seat: Seat,
    /// How long it waits first, so that its peer keeps to `accept_rate`.
    pub(super) wait: Duration,
    /// Another one had to go for it.
    pub(super) made_room: bool,
}

/// A place inside; free again when it is dropped.
pub(super) struct Seat {
    door: Door,
    number: u64,
    leave: CancellationToken,
    shares: Arc<Semaphore>,
}

impl Seat {
    /// The connection sent a complete frame: it is no longer among the first to go.
    pub(super) fn prove(&self) {
        self.prover().prove();
    }

    /// Who may say so for it.
    pub(super) fn prover(&self) -> Prover {
        Prover {
            door: self.door.clone(),
            number: self.number,
        }
    }

    /// Cancelled when the place is needed for another connection.
    pub(super) const fn leave(&self) -> &CancellationToken {
        &self.leave
    }

    /// The shares of this peer in the journal's queue.
    pub(super) const fn shares(&self) -> &Arc<Semaphore> {
        &self.shares
    }
}

/// Says of a connection that it is in use.
pub(super) struct Prover {
    door: Door,
    number: u64,
}

impl Prover {
    /// It is no longer among the first to go.
    pub(super) fn prove(&self) {
        self.door.lock().prove(self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.door.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(all: u32, per_peer: u32, rate: u32) -> ListenerConfig {
        ListenerConfig {
            max_connections: all,
            max_connections_per_peer: per_peer,
            accept_rate: rate,
            ..ListenerConfig::default()
        }
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn the_newest_is_turned_away_where_all_have_sent() {
        let door = Door::default();
        let config = config(3, 2, 100);
        let seats: Vec<Entry> = [1, 1, 2]
            .into_iter()
            .map(|one| door.enter(ip(one), &config).expect("room"))
            .collect();
        seats.iter().for_each(|entry| entry.seat.prove());
        assert!(door.enter(ip(1), &config).is_none(), "per peer");
        assert!(door.enter(ip(3), &config).is_none(), "in all");
        assert!(seats.iter().all(|entry| !entry.seat.leave().is_cancelled()));
        drop(seats);
        assert!(door.enter(ip(1), &config).is_some());
        assert!(door.lock().inside.is_empty());
    }

    #[test]
    fn the_oldest_that_never_sent_goes_first() {
        let door = Door::default();
        let config = config(3, 3, 100);
        let one = door.enter(ip(1), &config).expect("room");
        let two = door.enter(ip(2), &config).expect("room");
        let three = door.enter(ip(3), &config).expect("room");
        one.seat.prove();
        let four = door.enter(ip(4), &config).expect("room is made");
        assert!(four.made_room && two.seat.leave().is_cancelled());
        assert!(!one.seat.leave().is_cancelled() && !three.seat.leave().is_cancelled());
        drop(two);
        assert_eq!(door.lock().inside.len(), 3, "its place was given away");
    }

    #[test]
    fn a_peer_makes_room_among_its_own() {
        let door = Door::default();
        let config = config(9, 1, 100);
        let other = door.enter(ip(1), &config).expect("room");
        let first = door.enter(ip(2), &config).expect("room");
        let second = door.enter(ip(2), &config).expect("room is made");
        assert!(first.seat.leave().is_cancelled() && !other.seat.leave().is_cancelled());
        second.seat.prove();
        assert!(door.enter(ip(2), &config).is_none());
    }

    #[test]
    fn beyond_the_rate_each_waits_its_turn_and_others_do_not() {
        let door = Door::default();
        let config = config(1_000, 1_000, 10);
        let entries: Vec<Entry> = (0..30)
            .map(|_| door.enter(ip(1), &config).expect("room"))
            .collect();
        assert_eq!(entries[9].wait, Duration::ZERO);
        let last = entries[29].wait;
        assert!(last > Duration::from_millis(1_500) && last <= Duration::from_secs(2));
        assert_eq!(
            door.enter(ip(2), &config).expect("room").wait,
            Duration::ZERO
        );
    }

    #[test]
    fn strangers_are_told_of_once_and_forgotten() {
        let door = Door::default();
        assert!(door.tell(ip(1)));
        assert!(!door.tell(ip(1)));
        for number in 0..20_000_u32 {
            door.tell(IpAddr::from(number.to_be_bytes()));
        }
        assert!(door.lock().peers.len() <= REMEMBERED + 1);
    }

    #[test]
    fn shares_are_by_size() {
        assert_eq!((shares_of(0), shares_of(16 << 10)), (1, 2));
        assert_eq!(shares_of(usize::MAX), SHARES);
    }
}
