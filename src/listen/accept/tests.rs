//! What one peer can do to another, in process: real sockets, a real journal whose syncs the test holds.

use super::*;
use crate::config::Config;
use crate::core::fact::{Fact, JournalPosition};
use crate::journal::{self, OsDisk};
use crate::listen::door::SHARES;
use crate::pulse::Pulse;
use std::net::IpAddr;
use std::sync::{Condvar, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// Holds the journal's writer after a sync, while it is closed.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn pass(&self) {
        let closed = self.0.lock().expect("whole");
        drop(self.1.wait_while(closed, |closed| *closed).expect("whole"));
    }

    fn set(&self, closed: bool) {
        *self.0.lock().expect("whole") = closed;
        self.1.notify_all();
    }
}

async fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("bound");
    socket.connect(to).await.expect("connected")
}

fn message(id: &str) -> Vec<u8> {
    format!("\x0bMSH|^~\\&|LAB|HOSP|||20260301||ORU^R01|{id}|P|2.5\rPID|1\r\x1c\r").into_bytes()
}

async fn until(what: &str, mut there: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !there() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain for {what}");
}

/// The stated bound: a message stands behind at most 256 messages of another peer in the journal's queue,
/// however many connections that one has and however much it sends without waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooding_peer_puts_only_so_many_messages_before_anothers() {
    let dir = tempfile::tempdir().expect("a folder");
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let options = journal::Options {
        reserve: 0,
        segment_size: 1 << 20,
        on_sync: Some(Arc::new(move |_| held.pass())),
        ..journal::Options::new(dir.path(), crate::clock::now)
    };
    let (journal, _) = journal::open(Arc::new(OsDisk), options).expect("opened");
    let (appender, writer) = journal.start();
    let config = Config::built_in();
    let common = Common {
        appender: appender.clone(),
        policy: Arc::new(config.policy()),
        memory: Arc::new(FrameMemory::new(1 << 30)),
        limits: config.limits.clone(),
        dir: dir.path().to_owned(),
        keys: crate::seal::Keyring::none(),
        relays: Handle::current(),
        on_gap: Arc::new(|_| {}),
        stop: CancellationToken::new(),
        peers: Arc::default(),
    };
    let listener = ListenerConfig {
        bind: ([127, 0, 0, 1], 0).into(),
        max_connections: 100,
        max_connections_per_peer: 50,
        ..ListenerConfig::default()
    };
    let stop = common.stop.clone();
    let listener = Listener::new(listener, common, Pulse::new("accept")).expect("a listener");
    let bound = bind(listener, None).await.expect("bound");
    let (address, door) = (bound.address, bound.door.clone());
    let tasks = TaskTracker::new();
    bound.start(&tasks);

    let (good_peer, flooding) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
    let mut good = connect(good_peer, address).await;
    gate.set(true);
    // The writer syncs this one, and is held then.
    good.write_all(&message("first")).await.expect("written");
    until("the writer to be held", || {
        appender.stats().records > 0 || door.shares_left(good_peer) < SHARES as usize
    })
    .await;
    let mut flood = Vec::new();
    for connection in 0..24 {
        let mut one = connect(flooding, address).await;
        for number in 0..60 {
            one.write_all(&message(&format!("{connection}-{number}")))
                .await
                .expect("written");
        }
        flood.push(one);
    }
    until("the flood to be held up", || {
        door.shares_left(flooding) == 0
    })
    .await;
    let left = door.shares_left(good_peer);
    good.write_all(&message("good")).await.expect("written");
    until("the good message to be queued", || {
        door.shares_left(good_peer) < left
    })
    .await;
    gate.set(false);
    let mut answers = Vec::new();
    while answers.iter().filter(|byte| **byte == 0x1c).count() < 2 {
        let length = good.read_buf(&mut answers).await.expect("read");
        assert!(length > 0, "closed");
    }
    // All of the flood is served, too: its peer has shares again.
    for one in &mut flood {
        let mut answers = Vec::new();
        while answers.iter().filter(|byte| **byte == 0x1c).count() < 60 {
            let length = one.read_buf(&mut answers).await.expect("read");
            assert!(length > 0, "closed");
        }
    }
    assert_eq!(door.shares_left(flooding), SHARES as usize);
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    let synced = appender.status().borrow().synced;
    let mut reader = appender.reader(JournalPosition::START).expect("a reader");
    let mut before = 0;
    let mut at = None;
    while let Ok(Some((_, fact))) = reader.next(synced) {
        let Fact::Received(received) = fact else {
            continue;
        };
        let text = String::from_utf8_lossy(&received.raw).into_owned();
        match text.split('|').nth(9) {
            Some("first") => {}
            Some("good") => at = Some(before),
            _ => before += 1,
        }
    }
    assert_eq!(before, 24 * 60, "all are stored");
    let at = at.expect("the good one is stored");
    assert!(
        at <= SHARES as usize,
        "{at} messages of the flood stood before the good one"
    );
    drop(appender);
    tokio::task::spawn_blocking(move || {
        writer.stop();
        writer.join();
    })
    .await
    .expect("ended");
}
