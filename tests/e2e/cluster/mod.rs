//! Facts in a JetStream stream: several instances of one site on real servers, stopped, killed and cut off.

mod account;
mod copies;
mod figures;
mod fire;
mod law;
mod moved;
mod parted;
mod same;
pub(super) mod shown;
mod spool;
mod spread;
mod traffic;

use super::brokers::{runtime, until};
use super::harness::{Home, Pentamer, Sender, low_igm, wait_for};
use super::receivers::broker::Nats;
use super::receivers::http::HttpReceiver;
use super::sinks::QUICK;
use async_nats::jetstream;
use async_nats::jetstream::stream::RawMessageErrorKind;
use futures_util::StreamExt as _;
use std::collections::BTreeMap;

/// `[cluster]` of an instance.
pub(super) fn cluster(url: &str, instance: &str, replicas: usize) -> String {
    format!(
        "[cluster]\nurl = \"{url}\"\nreplicas = {replicas}\nlease = \"2s\"\ntimeout = \"2s\"\ninstance = \"{instance}\"\n"
    )
}

/// An instance of the site that gives its pages to a receiver.
pub(super) fn instance(url: &str, name: &str, hook: &HttpReceiver, replicas: usize) -> Home {
    instance_that_tells(url, name, &hook.url(), replicas)
}

/// The same with the receiver's address as the instance sees it.
fn instance_that_tells(url: &str, name: &str, hook: &str, replicas: usize) -> Home {
    let hook =
        format!("[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{hook}\"\n{QUICK}\n");
    Home::new("", &format!("{}{hook}", cluster(url, name, replicas)))
}

/// A message of the stream.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub sequence: u64,
    pub subject: String,
    pub kind: u8,
    pub epoch: Option<u64>,
    pub payload: Vec<u8>,
}

/// All messages of the site's stream.
pub(super) async fn messages(url: &str) -> Result<Vec<Message>, String> {
    let urls: Vec<&str> = url.split(',').collect();
    let client = async_nats::connect(urls)
        .await
        .map_err(|error| error.to_string())?;
    let context = jetstream::new(client);
    let stream = context.get_stream("PENTAMER_site").await;
    let stream = stream.map_err(|error| error.to_string())?;
    let state = &stream.cached_info().state;
    let all = futures_util::stream::iter(state.first_sequence..=state.last_sequence);
    let all = all.map(|sequence| stream.get_raw_message(sequence));
    let mut all = std::pin::pin!(all.buffered(64));
    let mut found = Vec::new();
    while let Some(message) = all.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => continue,
            Err(error) => return Err(error.to_string()),
        };
        let text = |name: &str| {
            message
                .headers
                .get(name)
                .map(|value| value.as_str().to_owned())
        };
        let fact = text("Pentamer-Fact").ok_or("no fact")?;
        found.push(Message {
            sequence: message.sequence,
            subject: message.subject.to_string(),
            kind: fact
                .split(' ')
                .nth(1)
                .and_then(|kind| kind.parse().ok())
                .ok_or("no kind")?,
            epoch: text("Pentamer-Epoch").and_then(|epoch| epoch.parse().ok()),
            payload: message.payload.to_vec(),
        });
    }
    Ok(found)
}

/// Pages by id, as a receiver has them.
pub(super) fn pages(hook: &HttpReceiver) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for seen in hook.seen() {
        *counts
            .entry(seen.headers["idempotency-key"].clone())
            .or_default() += 1;
    }
    counts
}

fn holds(daemon: &Pentamer) -> bool {
    daemon.metric("pentamer_cluster_holds", "") > 0.0
}

#[test]
fn an_acknowledged_message_is_in_the_stream_and_pages_once() {
    let nats = Nats::start();
    let hook = HttpReceiver::start();
    let daemon = Pentamer::start(instance(&nats.url(), "a", &hook, 1));
    assert_eq!(daemon.connect().exchange(&low_igm("1", "p1")), "AA");
    let runtime = runtime();
    let found = until(&runtime, "the stream", async || messages(&nats.url()).await);
    let received: Vec<_> = found.iter().filter(|one| one.kind == 1).collect();
    assert_eq!(received.len(), 1);
    let text = String::from_utf8_lossy(&received[0].payload).into_owned();
    assert!(text.contains("p1^^^HOSP"), "byte for byte, not sealed here");
    wait_for("the page", || (pages(&hook).len() == 1).then_some(()));
    daemon.settle();
    assert!(holds(&daemon));
    // The same bytes again are answered and told as a copy.
    assert_eq!(daemon.connect().exchange(&low_igm("1", "p1")), "AA");
    assert!(!daemon.home.data().join("journal").exists(), "no segments");
}

#[test]
fn without_jetstream_nothing_is_acknowledged_and_with_it_everything_is() {
    let mut nats = Nats::start();
    let hook = HttpReceiver::start();
    let home = instance(&nats.url(), "a", &hook, 1).with_listener("store_wait = \"1s\"");
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "p1")), "AA");
    nats.kill();
    let mut sender = daemon.connect();
    sender.send_framed(&low_igm("2", "p2"));
    // As with a full disk (WIRE A-70): closed without any byte.
    assert!(sender.rest().is_empty());
    wait_for("to be not ready", || {
        let (code, why) = daemon.get("/readyz");
        (code == 503 && why.contains("cannot store: stream")).then_some(())
    });
    nats.again();
    wait_for("to be ready", || {
        (daemon.get("/readyz").0 == 200).then_some(())
    });
    assert_eq!(daemon.connect().exchange(&low_igm("2", "p2")), "AA");
    assert_eq!(daemon.connect().exchange(&low_igm("3", "p3")), "AA");
    wait_for("three pages", || (pages(&hook).len() == 3).then_some(()));
    daemon.settle();
    assert!(pages(&hook).values().all(|times| *times == 1));
}

#[test]
fn a_daemon_waits_for_the_stream_and_ends_when_told_to() {
    let mut nats = Nats::start();
    nats.kill();
    let hook = HttpReceiver::start();
    let (mut child, home) = super::harness::spawn(instance(&nats.url(), "a", &hook, 1));
    wait_for("it to wait", || {
        home.log().contains("stream_awaited").then_some(())
    });
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("signalled");
    let status = wait_for("its end", || child.try_wait().expect("waited"));
    assert!(!status.success());
    nats.again();
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "p1")), "AA");
}

#[test]
fn all_instances_take_messages_one_decides_and_the_next_takes_over() {
    let nats = Nats::start();
    let hook = HttpReceiver::start();
    let url = nats.url();
    let first = Pentamer::start(instance(&url, "a", &hook, 1));
    wait_for("a to hold", || holds(&first).then_some(()));
    let second = Pentamer::start(instance(&url, "b", &hook, 1));
    assert_eq!(first.connect().exchange(&low_igm("1", "p1")), "AA");
    assert_eq!(second.connect().exchange(&low_igm("2", "p2")), "AA");
    wait_for("two pages", || (pages(&hook).len() == 2).then_some(()));
    first.settle();
    second.settle();
    assert!(!holds(&second));
    // Both know both, and say the same of them.
    assert_eq!(
        first.get("/api/v1/alerts").1,
        second.get("/api/v1/alerts").1
    );

    // One that stands still has lost the right when it goes on, and nothing it had in mind is stored.
    first.pause();
    wait_for("b to hold", || holds(&second).then_some(()));
    assert_eq!(second.connect().exchange(&low_igm("3", "p3")), "AA");
    wait_for("its page", || (pages(&hook).len() == 3).then_some(()));
    first.signal(rustix::process::Signal::CONT);
    assert_eq!(first.connect().exchange(&low_igm("4", "p4")), "AA");
    wait_for("the fourth page", || {
        (pages(&hook).len() == 4).then_some(())
    });
    wait_for("a to stand by", || (!holds(&first)).then_some(()));

    // One that is ended gives it away at once; one that is killed is missed.
    let (_, status) = second.stop();
    assert!(status.success());
    wait_for("a to hold again", || holds(&first).then_some(()));
    let third = Pentamer::start(instance(&url, "c", &hook, 1));
    first.kill();
    wait_for("c to hold", || holds(&third).then_some(()));
    assert_eq!(third.connect().exchange(&low_igm("5", "p5")), "AA");
    wait_for("the fifth page", || (pages(&hook).len() == 5).then_some(()));
    third.settle();
    assert!(
        pages(&hook).values().all(|times| *times == 1),
        "{:?}",
        pages(&hook)
    );

    // Every decision says under whose right it was made, and the rights rise.
    let runtime = runtime();
    let found = until(&runtime, "the stream", async || messages(&url).await);
    let held: Vec<_> = found
        .iter()
        .filter(|one| one.subject.ends_with(".holder"))
        .collect();
    assert!(held.iter().all(|one| one.epoch.is_some()));
    assert!(held.is_sorted_by_key(|one| one.epoch));
    assert!(
        found
            .iter()
            .all(|one| one.kind != 4 || one.subject.ends_with(".holder"))
    );
    let epochs = held.iter().filter(|one| one.kind == 35).count();
    assert!(epochs >= 4, "{epochs}");
}

#[test]
fn a_copy_by_another_instance_at_the_same_moment_is_a_copy() {
    let nats = Nats::start();
    let hook = HttpReceiver::start();
    let url = nats.url();
    let both = ["a", "b"].map(|name| Pentamer::start(instance(&url, name, &hook, 1)));
    for round in 0..20 {
        let message = low_igm(&round.to_string(), &format!("p{round}"));
        std::thread::scope(|scope| {
            for daemon in &both {
                let message = &message;
                scope.spawn(move || {
                    assert_eq!(Sender::new(daemon.mllp).exchange(message), "AA");
                });
            }
        });
    }
    wait_for("the pages", || (pages(&hook).len() == 20).then_some(()));
    both.iter().for_each(Pentamer::settle);
    let runtime = runtime();
    let found = until(&runtime, "the stream", async || messages(&url).await);
    let of_kind = |kind: u8| found.iter().filter(|one| one.kind == kind).count();
    assert_eq!(
        (of_kind(1), of_kind(2)),
        (20, 20),
        "each once, and once again"
    );
    assert!(pages(&hook).values().all(|times| *times == 1));
}

#[test]
fn a_message_larger_than_the_servers_limit_goes_in_parts() {
    let dir = tempfile::tempdir().expect("a directory");
    let limit = dir.path().join("limit.conf");
    std::fs::write(&limit, "max_payload: 65536\n").expect("written");
    let nats = Nats::start_with(&["-c".to_owned(), limit.display().to_string()]);
    let hook = HttpReceiver::start();
    let daemon = Pentamer::start(instance(&nats.url(), "a", &hook, 1));
    let large = format!("{}NTE|1||{}\r", low_igm("1", "p1"), "x".repeat(300_000));
    assert_eq!(daemon.connect().exchange(&large), "AA");
    wait_for("the page", || (pages(&hook).len() == 1).then_some(()));
    daemon.settle();
    // Read again from the beginning: parts and all.
    let (home, _) = daemon.stop();
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home);
    daemon.settle();
    let (code, alerts) = daemon.get("/api/v1/alerts");
    assert_eq!(code, 200);
    assert!(alerts.contains("p1"), "{alerts}");
    assert_eq!(pages(&hook).values().sum::<usize>(), 1);
}

#[test]
fn messages_that_were_deleted_are_passed_over_in_the_midst_and_at_the_end() {
    let nats = Nats::start();
    let hook = HttpReceiver::start();
    let daemon = Pentamer::start(instance(&nats.url(), "a", &hook, 1));
    for n in 1..=3 {
        assert_eq!(
            daemon
                .connect()
                .exchange(&low_igm(&n.to_string(), &format!("p{n}"))),
            "AA"
        );
    }
    daemon.settle();
    let (home, _) = daemon.stop();
    let runtime = runtime();
    let found = until(&runtime, "the stream", async || messages(&nats.url()).await);
    let received = found.iter().find(|one| one.kind == 1).expect("a message");
    let last = found.last().expect("a message");
    runtime.block_on(async {
        let client = async_nats::connect(nats.url()).await.expect("connected");
        let stream = jetstream::new(client).get_stream("PENTAMER_site").await;
        let stream = stream.expect("the stream");
        for sequence in [received.sequence, last.sequence] {
            assert!(stream.delete_message(sequence).await.expect("deleted"));
        }
    });
    for part in ["cache", "checkpoints"] {
        let _ = std::fs::remove_dir_all(home.data().join(part));
    }
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.connect().exchange(&low_igm("4", "p4")), "AA");
    daemon.settle();
    let (_, alerts) = daemon.get("/api/v1/alerts");
    assert!(
        ["p3", "p4"].iter().all(|patient| alerts.contains(patient)),
        "{alerts}"
    );
    assert!(
        daemon.home.log().contains("journal_damaged"),
        "it is told of"
    );
}

#[test]
fn a_directory_is_of_one_log() {
    let nats = Nats::start();
    let hook = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", ""));
    assert_eq!(daemon.connect().exchange(&low_igm("1", "p1")), "AA");
    let (home, _) = daemon.stop();
    let refused = |home: Home, why: &str| {
        let (mut child, home) = super::harness::spawn(home);
        let status = wait_for("its end", || child.try_wait().expect("waited"));
        assert_eq!(status.code(), Some(3));
        assert!(home.log().contains(why), "{}", home.log());
    };
    refused(
        home.with_extra(&cluster(&nats.url(), "a", 1)),
        "pentamer cluster import",
    );
    let daemon = Pentamer::start(instance(&nats.url(), "a", &hook, 1));
    let (home, _) = daemon.stop();
    refused(home.with_extra(""), "pentamer cluster export");
}

#[test]
fn an_archive_goes_to_a_running_instance_and_a_stream_of_too_few_servers_is_refused() {
    let nats = Nats::start();
    let hook = HttpReceiver::start();
    let daemon = Pentamer::start(instance(&nats.url(), "a", &hook, 1));
    let (home, _) = daemon.stop();
    let file = home.path().join("archive.hl7");
    std::fs::write(&file, low_igm("1", "p1")).expect("written");
    let done = super::harness::command()
        .args(["replay", "--offline", "--config"])
        .arg(home.config())
        .arg(&file)
        .current_dir(home.path())
        .output()
        .expect("run");
    assert_eq!(done.status.code(), Some(2));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("without --offline"), "{said}");

    let (mut child, home) = super::harness::spawn(home.with_extra(&cluster(&nats.url(), "a", 3)));
    let status = wait_for("its end", || child.try_wait().expect("waited"));
    assert_eq!(status.code(), Some(3));
    let log = home.log();
    assert!(
        log.contains("it is kept by 1 server(s), and `replicas` asks for 3"),
        "{log}"
    );
}
