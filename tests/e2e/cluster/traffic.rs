//! Laboratories that send to several instances whatever happens to those, and what must be true when it is over.

use super::{Message, holds, messages, pages};
use crate::e2e::brokers::runtime;
use crate::e2e::harness::{Home, Pentamer, framed, low_igm, wait_within};
use crate::e2e::netns;
use crate::e2e::receivers::http::HttpReceiver;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A server that comes back finds its peers within so long.
pub(super) const RECOVERS: Duration = Duration::from_secs(120);
const LABORATORIES: usize = 3;

/// Where an instance receives.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    namespace: Option<String>,
    address: SocketAddr,
}

impl Gate {
    pub(super) fn of(daemon: &Pentamer) -> Self {
        Self {
            namespace: daemon.home.namespace().map(str::to_owned),
            address: daemon.mllp,
        }
    }

    /// One send over a connection of its own; whether it was accepted.
    fn accepts(&self, message: &str) -> bool {
        let connected = netns::connect(
            self.namespace.as_deref(),
            self.address,
            Duration::from_secs(2),
        );
        let Ok(mut stream) = connected else {
            return false;
        };
        let limit = Some(Duration::from_secs(5));
        if stream.set_read_timeout(limit).is_err() || stream.write_all(&framed(message)).is_err() {
            return false;
        }
        let mut answer = Vec::new();
        let mut some = [0; 512];
        while !answer.ends_with(b"\x1c\r") {
            match stream.read(&mut some) {
                Ok(n) if n > 0 => answer.extend_from_slice(&some[..n]),
                _ => return false,
            }
        }
        String::from_utf8_lossy(&answer).contains("MSA|AA|")
    }
}

/// What laboratories and test share.
struct Shared {
    gates: Mutex<Vec<Gate>>,
    end: AtomicBool,
    acknowledged: Mutex<Vec<String>>,
}

/// Laboratories at work.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    laboratories: Vec<JoinHandle<()>>,
}

impl Traffic {
    pub(super) fn start(gates: Vec<Gate>) -> Self {
        let shared = Arc::new(Shared {
            gates: Mutex::new(gates),
            end: AtomicBool::new(false),
            acknowledged: Mutex::default(),
        });
        let laboratories = (0..LABORATORIES).map(|number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || laboratory(number, &shared))
        });
        Self {
            laboratories: laboratories.collect(),
            shared,
        }
    }

    /// An instance receives elsewhere now.
    pub(super) fn moved(&self, number: usize, gate: Gate) {
        self.shared.gates.lock().expect("unlocked")[number] = gate;
    }

    /// Messages acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.shared.acknowledged.lock().expect("unlocked").len()
    }

    /// Until so many more than `before` are acknowledged.
    pub(super) fn goes_on(&self, what: &str, before: usize, more: usize) {
        wait_within(RECOVERS, what, || {
            (self.acknowledged() > before + more).then_some(())
        });
    }

    /// Ends it; what was acknowledged.
    pub(super) fn end(self) -> Vec<String> {
        self.shared.end.store(true, Ordering::Relaxed);
        for one in self.laboratories {
            one.join().expect("ended");
        }
        let acknowledged = self.shared.acknowledged.lock().expect("unlocked");
        acknowledged.clone()
    }
}

/// A laboratory that sends on until it is told to end, each message again and again, to one instance after the
/// other, until it is acknowledged.
fn laboratory(number: usize, shared: &Shared) {
    let mut sent = 0_usize;
    let mut at = number;
    while !shared.end.load(Ordering::Relaxed) {
        sent += 1;
        let message = low_igm(&format!("{number}-{sent}"), &format!("p{number}-{sent}"));
        loop {
            let gate = {
                let gates = shared.gates.lock().expect("unlocked");
                gates[at % gates.len()].clone()
            };
            if gate.accepts(&message) {
                break;
            }
            at += 1;
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let mut acknowledged = shared.acknowledged.lock().expect("unlocked");
        acknowledged.push(message);
        drop(acknowledged);
        at += sent % 2;
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

pub(super) fn one_holds<'d>(daemons: impl Iterator<Item = &'d Pentamer> + Clone) {
    wait_within(RECOVERS, "one to hold", || {
        daemons.clone().any(holds).then_some(())
    });
}

/// The messages of all ids, as one calm instance decides about them: ids of alerts.
fn calm(acknowledged: &[String]) -> BTreeSet<String> {
    let daemon = Pentamer::start(Home::new("", ""));
    let mut sender = daemon.connect();
    for message in acknowledged {
        assert_eq!(sender.exchange(message), "AA");
    }
    daemon.settle();
    let alerts = daemon.home.alerts();
    let id = |alert: &serde_json::Value| alert["id"].as_str().expect("an id").to_owned();
    alerts.iter().map(id).collect()
}

pub(super) fn alerts(daemon: &Pentamer) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut path = "/api/v1/alerts?limit=100".to_owned();
    loop {
        let (code, body) = daemon.get(&path);
        assert_eq!(code, 200, "{body}");
        let page: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        for item in page["items"].as_array().expect("items") {
            ids.insert(item["alert"]["id"].as_str().expect("an id").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/alerts?limit=100&cursor={next}"),
            None => return ids,
        }
    }
}

/// What was found when all was over.
pub(super) struct Found {
    pub facts: usize,
    pub alerts: usize,
    /// How often the right to decide was taken.
    pub takings: usize,
    pub sends: usize,
    /// Sends of a page beyond its first.
    pub repeated: usize,
}

/// Waits until all instances are at rest, then holds stream, alerts and pages to what is promised: nothing that was
/// acknowledged is missing or there twice, nobody decided without the right, all know what one calm instance knows,
/// and all of it reached the receiver.
pub(super) fn check<'d>(
    url: &str,
    acknowledged: &[String],
    daemons: impl Iterator<Item = &'d Pentamer> + Clone,
    hook: &HttpReceiver,
) -> Found {
    for daemon in daemons.clone() {
        wait_within(RECOVERS, "all to be ready", || {
            (daemon.get("/readyz").0 == 200).then_some(())
        });
        daemon.settle();
    }
    let runtime = runtime();
    let found = wait_within(RECOVERS, "the stream", || {
        runtime.block_on(messages(url)).ok()
    });
    let mut contents: BTreeMap<String, usize> = BTreeMap::new();
    for one in found.iter().filter(|one| one.kind == 1) {
        let text = String::from_utf8_lossy(&one.payload).into_owned();
        let at = text.find("MSH|").expect("a message");
        *contents.entry(text[at..].to_owned()).or_default() += 1;
    }
    let times = |message: &String| contents.get(message).copied().unwrap_or_default();
    let missing = acknowledged.iter().filter(|one| times(one) == 0).count();
    assert_eq!(missing, 0, "acknowledged and not in the stream");
    let twice = contents.values().filter(|times| **times > 1).count();
    assert_eq!(twice, 0, "in the stream more than once");

    let holder: Vec<&Message> = found
        .iter()
        .filter(|one| one.subject.ends_with(".holder"))
        .collect();
    assert!(holder.iter().all(|one| one.epoch.is_some()));
    assert!(
        holder.is_sorted_by_key(|one| one.epoch),
        "no former holder decides"
    );
    let takings: Vec<u64> = holder
        .iter()
        .filter(|one| one.kind == 35)
        .filter_map(|one| one.epoch)
        .collect();
    assert!(
        takings.is_sorted_by(|one, next| one < next),
        "each epoch is taken once: {takings:?}"
    );
    let decided = found.iter().filter(|one| one.kind == 4);
    for one in decided {
        assert!(
            one.epoch.is_some_and(|epoch| takings.contains(&epoch)),
            "decision {} without the right: {:?}",
            one.sequence,
            one.epoch
        );
    }

    let calm = calm(acknowledged);
    for daemon in daemons {
        let known = alerts(daemon);
        let (lost, more) = (calm.difference(&known), known.difference(&calm));
        assert_eq!(
            (lost.count(), more.count()),
            (0, 0),
            "lost and strange alerts of one of {} facts, beside one calm instance",
            found.len()
        );
    }
    // The last may be on its way.
    let pages = wait_within(RECOVERS, "every alert to reach the receiver", || {
        let pages = pages(hook);
        (pages.len() >= calm.len()).then_some(pages)
    });
    let told: BTreeSet<String> = pages.keys().cloned().collect();
    assert_eq!(told, calm, "every alert reached the receiver");
    Found {
        facts: found.len(),
        alerts: calm.len(),
        takings: takings.len(),
        sends: pages.values().sum(),
        repeated: pages.values().map(|times| times - 1).sum(),
    }
}
