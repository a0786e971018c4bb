//! JetStream is away and messages are acknowledged all the same: they are in the stream afterwards, once, in order.

use super::{Message, cluster, messages, pages};
use crate::e2e::brokers::{runtime, until};
use crate::e2e::harness::{Home, Pentamer, framed, low_igm, wait_for};
use crate::e2e::lis::{Lis, acknowledge};
use crate::e2e::receivers::broker::Nats;
use crate::e2e::receivers::http::HttpReceiver;
use crate::e2e::sinks::QUICK;
use std::path::Path;

fn home(nats: &Nats, listener: &str, hook: &HttpReceiver) -> Home {
    let hook = format!(
        "[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\n{QUICK}\n",
        hook.url()
    );
    let cluster = cluster(&nats.url(), "a", 1).replace("timeout = \"2s\"", "timeout = \"300ms\"");
    Home::new(listener, &format!("{cluster}spool = true\n{hook}"))
}

fn spooled(daemon: &Pentamer) -> f64 {
    daemon.metric("pentamer_cluster_spooled", "")
}

fn stored(nats: &Nats) -> Vec<Message> {
    until(&runtime(), "the stream", async || {
        messages(&nats.url()).await
    })
}

/// Control ids of the messages in the stream, in its order.
fn received(found: &[Message]) -> Vec<String> {
    let received = found.iter().filter(|one| one.kind == 1);
    received
        .map(|one| {
            let text = String::from_utf8_lossy(&one.payload).into_owned();
            let (_, text) = text.split_once("MSH|").expect("a message");
            text.split('|').nth(8).expect("MSH-10").to_owned()
        })
        .collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

#[test]
fn what_is_received_while_jetstream_is_away_is_acknowledged_and_forwarded_in_order() {
    let mut nats = Nats::start();
    let hook = HttpReceiver::start();
    let daemon = Pentamer::start(home(&nats, "", &hook));
    assert_eq!(daemon.connect().exchange(&low_igm("0", "p0")), "AA");
    daemon.settle();
    nats.kill();
    let mut sender = daemon.connect();
    for n in 1..=50 {
        let message = low_igm(&n.to_string(), &format!("p{n}"));
        assert_eq!(sender.exchange(&message), "AA");
    }
    // A copy, and what is no message.
    assert_eq!(sender.exchange(&low_igm("7", "p7")), "AA");
    assert_eq!(sender.exchange("NOT|A|MESSAGE"), "AR");
    assert!(spooled(&daemon) >= 51.0, "{}", spooled(&daemon));
    let (code, said) = daemon.get("/readyz");
    assert_eq!(code, 200, "{said}");
    assert!(
        said.contains("kept here until JetStream answers") && said.contains("notice spooling"),
        "{said}"
    );
    // Killed, it has lost none of them.
    let home = daemon.kill();
    assert!(home.data().join("spool").read_dir().expect("kept").count() > 0);
    nats.again();
    let daemon = Pentamer::start(home);
    wait_for("the pages", || (pages(&hook).len() == 51).then_some(()));
    daemon.settle();
    assert_eq!(spooled(&daemon), 0.0);
    let found = stored(&nats);
    let ids: Vec<String> = (0..=50).map(|n| n.to_string()).collect();
    assert_eq!(received(&found), ids, "each once, as they came");
    assert_eq!(
        found.iter().filter(|one| one.kind == 2).count(),
        1,
        "the copy"
    );
    assert_eq!(
        found.iter().filter(|one| one.kind == 3).count(),
        1,
        "the junk"
    );
    assert!(pages(&hook).values().all(|times| *times == 1));
    assert_eq!(daemon.connect().exchange(&low_igm("51", "p51")), "AA");
    wait_for("one more page", || (pages(&hook).len() == 52).then_some(()));
    assert!(!daemon.get("/readyz").1.contains("spooling"));
}

#[test]
fn it_goes_on_by_itself_and_the_order_holds_while_more_comes_in() {
    let mut nats = Nats::start();
    let hook = HttpReceiver::start();
    let daemon = Pentamer::start(home(&nats, "", &hook));
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&low_igm("0", "p0")), "AA");
    nats.kill();
    let mut sent = 0;
    let mut send = |sender: &mut crate::e2e::harness::Sender| {
        sent += 1;
        let message = low_igm(&sent.to_string(), &format!("p{sent}"));
        assert_eq!(sender.exchange(&message), "AA");
        sent
    };
    while send(&mut sender) < 100 {}
    wait_for("the notice", || {
        daemon.get("/readyz").1.contains("spooling").then_some(())
    });
    nats.again();
    let last = wait_for("the stream to be used again", || {
        let sent = send(&mut sender);
        (spooled(&daemon) == 0.0).then_some(sent)
    });
    daemon.settle();
    let ids: Vec<String> = (0..=last).map(|n| n.to_string()).collect();
    assert_eq!(received(&stored(&nats)), ids);
    wait_for("the pages", || {
        (pages(&hook).len() == ids.len()).then_some(())
    });
    assert!(daemon.home.log().contains("spool_emptied"));
    assert_eq!(
        std::fs::read_dir(daemon.home.data().join("spool"))
            .expect("listed")
            .count(),
        0,
        "nothing is left"
    );
}

/// A crash between the stream's acknowledgement and the note of it.
#[test]
fn what_is_in_the_stream_already_is_not_put_there_again() {
    let mut nats = Nats::start();
    let hook = HttpReceiver::start();
    let daemon = Pentamer::start(home(&nats, "", &hook));
    daemon.settle();
    nats.kill();
    let mut sender = daemon.connect();
    for n in 1..=20 {
        let message = low_igm(&n.to_string(), &format!("p{n}"));
        assert_eq!(sender.exchange(&message), "AA");
    }
    let home = daemon.kill();
    let earlier = home.path().join("earlier");
    copy(&home.data().join("spool"), &earlier);
    nats.again();
    let daemon = Pentamer::start(home);
    wait_for("the pages", || (pages(&hook).len() == 20).then_some(()));
    daemon.settle();
    let before = stored(&nats).iter().filter(|one| one.kind < 4).count();
    let (home, _) = daemon.stop();
    copy(&earlier, &home.data().join("spool"));
    // Where messages are kept aside, the stream is not all.
    let exported = crate::e2e::harness::command()
        .args(["cluster", "export", "--config"])
        .arg(home.config())
        .output()
        .expect("run");
    assert_eq!(exported.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&exported.stderr).contains("kept aside"));
    let daemon = Pentamer::start(home);
    wait_for("all to be known", || {
        daemon.home.log().contains("spool_emptied").then_some(())
    });
    daemon.settle();
    let after = stored(&nats).iter().filter(|one| one.kind < 4).count();
    assert_eq!((before, after), (20, 20));
    assert_eq!(pages(&hook).values().sum::<usize>(), 20);

    // One that could not be removed does not hide what was kept aside after it.
    nats.kill();
    let mut sender = daemon.connect();
    for n in 21..=25 {
        let message = low_igm(&n.to_string(), &format!("p{n}"));
        assert_eq!(sender.exchange(&message), "AA");
    }
    let home = daemon.kill();
    copy(&earlier, &home.data().join("spool"));
    nats.again();
    let daemon = Pentamer::start(home);
    wait_for("all pages", || (pages(&hook).len() == 25).then_some(()));
    daemon.settle();
    let after = stored(&nats).iter().filter(|one| one.kind < 4).count();
    assert_eq!(after, 25);
    let left = std::fs::read_dir(daemon.home.data().join("spool"));
    assert_eq!(left.expect("listed").count(), 0);
}

#[test]
fn a_relay_goes_on_and_the_answers_are_about_the_right_messages() {
    let mut nats = Nats::start();
    let hook = HttpReceiver::start();
    let lis = Lis::accepting();
    let daemon = Pentamer::start(home(&nats, &lis.relay("on_trouble = \"closed\""), &hook));
    daemon.settle();
    nats.kill();
    let mut sender = daemon.connect();
    for n in 1..=5 {
        let message = framed(&low_igm(&n.to_string(), &format!("p{n}")));
        sender.send(&message);
        assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
    }
    wait_for("messages and answers to be kept", || {
        (spooled(&daemon) >= 10.0).then_some(())
    });
    nats.again();
    wait_for("the stream to have them", || {
        (spooled(&daemon) == 0.0).then_some(())
    });
    daemon.settle();
    let found = stored(&nats);
    assert_eq!(received(&found).len(), 5);
    let answered: Vec<u64> = found
        .iter()
        .filter(|one| one.kind == 13)
        .map(|one| {
            let meta: serde_json::Value = serde_json::from_slice(&one.payload).expect("JSON");
            meta["message"].as_u64().expect("a position")
        })
        .collect();
    let places: Vec<u64> = found
        .iter()
        .filter(|one| one.kind == 1)
        .map(|one| one.sequence)
        .collect();
    assert_eq!(answered, places);
}
