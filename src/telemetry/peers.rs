//! What was seen of each sender's connections since the daemon started: what its framing needs of our
//! patience, and how long it waits for answers. For the page of feeds; no patient data.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Senders that are told apart; what more there are is not looked at.
const MOST: usize = 4_096;
/// What a sender that frames correctly may do.
const HARMLESS: &[&str] = &["interframe_padding", "empty_frames"];

/// All senders, by listener and address.
#[derive(Debug, Default)]
pub struct Peers(Mutex<BTreeMap<(String, IpAddr), Peer>>);

/// One sender.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Peer {
    /// How often which leniency of the frame machine was needed (WIRE 1.3).
    pub framing: BTreeMap<&'static str, u64>,
    /// Answers so far.
    pub answers: u64,
    /// From a complete frame to its written answer, in seconds: all together, and the longest.
    pub answer_seconds: (f64, f64),
}

impl Peer {
    /// The mean time to an answer, in seconds; `None` where there was none.
    pub fn mean_answer_seconds(&self) -> Option<f64> {
        (self.answers > 0).then(|| self.answer_seconds.0 / self.answers as f64)
    }
}

impl Peers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, IpAddr), Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, listener: &str, peer: SocketAddr, note: impl FnOnce(&mut Peer)) {
        let mut peers = self.lock();
        let key = (listener.to_owned(), peer.ip().to_canonical());
        if peers.len() < MOST || peers.contains_key(&key) {
            note(peers.entry(key).or_default());
        }
    }

    /// A leniency was needed so many times.
    pub fn lenient(&self, listener: &str, peer: SocketAddr, name: &'static str, times: u64) {
        if times == 0 || HARMLESS.contains(&name) {
            return;
        }
        self.note(listener, peer, |peer| {
            let count = peer.framing.entry(name).or_default();
            *count = count.saturating_add(times);
        });
    }

    /// An answer was written, so long after its frame was complete.
    pub fn answered(&self, listener: &str, peer: SocketAddr, after: Duration) {
        let seconds = after.as_secs_f64();
        self.note(listener, peer, |peer| {
            peer.answers = peer.answers.saturating_add(1);
            let (all, longest) = peer.answer_seconds;
            peer.answer_seconds = (all + seconds, longest.max(seconds));
        });
    }

    /// All of them.
    pub fn list(&self) -> BTreeMap<(String, IpAddr), Peer> {
        self.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_its_address_whatever_the_port() {
        let peers = Peers::default();
        let at = |text: &str| text.parse().unwrap();
        peers.lenient("lab", at("10.0.0.5:1"), "fs_lf", 2);
        peers.lenient("lab", at("[::ffff:10.0.0.5]:2"), "fs_lf", 3);
        peers.lenient("lab", at("10.0.0.5:1"), "interframe_padding", 9);
        peers.answered("lab", at("10.0.0.5:3"), Duration::from_millis(10));
        peers.answered("lab", at("10.0.0.5:3"), Duration::from_millis(30));
        let list = peers.list();
        let peer = &list[&("lab".to_owned(), "10.0.0.5".parse().unwrap())];
        assert_eq!(
            (list.len(), peer.framing.clone()),
            (1, [("fs_lf", 5)].into())
        );
        assert!((peer.mean_answer_seconds().unwrap() - 0.02).abs() < 1e-9);
        assert!((peer.answer_seconds.1 - 0.03).abs() < 1e-9);
        assert_eq!(Peer::default().mean_answer_seconds(), None);
    }

    #[test]
    fn a_flood_of_addresses_takes_no_more_memory() {
        let peers = Peers::default();
        for number in 0..10_000_u32 {
            let peer = SocketAddr::from((std::net::Ipv4Addr::from(number), 1));
            peers.answered("lab", peer, Duration::ZERO);
        }
        assert_eq!(peers.list().len(), MOST);
    }
}
