//! A network that cuts and stalls on both sides of the relay.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A proxy of ours that passes bytes in odd pieces, stalls, and cuts connections at odd places, by a
/// FIN or by a reset. One seed decides everything.
struct Torn {
    address: SocketAddr,
    seed: Arc<AtomicU64>,
}

fn next(seed: &AtomicU64) -> u64 {
    let mut state = seed.load(Ordering::Relaxed);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    seed.store(state, Ordering::Relaxed);
    state >> 20
}

impl Torn {
    fn before(to: SocketAddr, seed: u64) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = socket.local_addr().expect("an address");
        let seed = Arc::new(AtomicU64::new(seed));
        let shared = Arc::clone(&seed);
        std::thread::spawn(move || {
            for near in socket.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(to) else {
                    reset(&near);
                    continue;
                };
                near.set_nodelay(true).expect("set");
                far.set_nodelay(true).expect("set");
                // Half of the connections are cut somewhere within their first messages.
                let cut_after = match next(&shared) % 2 {
                    0 => usize::MAX,
                    _ => 1 + next(&shared) as usize % 4_000,
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let from = from.try_clone().expect("cloned");
                    let to = to.try_clone().expect("cloned");
                    let seed = Arc::clone(&shared);
                    std::thread::spawn(move || pass(from, to, cut_after, &seed));
                }
            }
        });
        Self { address, seed }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, cut_after: usize, seed: &AtomicU64) {
    let mut passed = 0;
    let mut buffer = [0; 700];
    loop {
        let room = 1 + next(seed) as usize % buffer.len();
        let Ok(length @ 1..) = from.read(&mut buffer[..room]) else {
            let _ = to.shutdown(Shutdown::Write);
            return;
        };
        if passed + length > cut_after {
            if next(seed).is_multiple_of(2) {
                reset(&from);
                reset(&to);
            }
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
        passed += length;
        if next(seed).is_multiple_of(16) {
            std::thread::park_timeout(Duration::from_millis(next(seed) % 20));
        }
        if to.write_all(&buffer[..length]).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Sends until it has the answer, as a sender does: over a new connection after every cut.
fn send_until_answered(to: SocketAddr, id: &str) {
    let message = framed(&low_igm(id, id));
    wait_for("an answer", || {
        let mut stream = TcpStream::connect(to).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.write_all(&message).ok()?;
        let expected = acknowledge(&message, "AA");
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).ok()?;
        assert_eq!(answer, expected, "not the system's own bytes");
        Some(())
    });
}

/// Whatever is cut: a message with an answer passed whole and is in the journal.
#[test]
fn what_was_answered_over_a_torn_network_is_journaled() {
    for seed in [7_u64, 1 << 40 | 3] {
        let lis = Lis::accepting();
        let behind = Torn::before(lis.address, seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let daemon = Pentamer::start(Home::new(
            &format!("mode = \"relay\"\nrelay_to = \"{}\"", behind.address),
            "",
        ));
        let before = Torn::before(daemon.mllp, seed);
        let to = before.address;
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                std::thread::spawn(move || {
                    for number in 0..25 {
                        send_until_answered(to, &format!("{sender}-{number}"));
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.join().expect("all answered");
        }
        assert_ne!(before.seed.load(Ordering::Relaxed), seed);
        wait_for("all messages", || (daemon.stored() >= 100.0).then_some(()));
        daemon.settle();
        assert_eq!(daemon.wire("tap_lost"), 0.0);
        let (home, status) = daemon.stop();
        assert!(status.success());
        let kept: BTreeSet<String> = crate::offline::messages(&home.data())
            .iter()
            .map(|raw| control_id(raw))
            .collect();
        let all: BTreeSet<String> = (0..4)
            .flat_map(|sender| (0..25).map(move |number| format!("{sender}-{number}")))
            .collect();
        assert_eq!(kept, all, "seed {seed}");
        crate::offline::assert_rebuild_equals_cache(&home.data());
    }
}
