//! Trouble of ours, switched on in the real binary: the feed goes on (`open`) or stops (`closed`).

use super::*;
use crate::e2e::harness::panel;

/// Sends so many messages and takes their answers, which must be the system's own.
fn exchange(daemon: &Pentamer, ids: std::ops::Range<usize>) {
    let mut sender = daemon.connect();
    let mut writer = sender.stream.try_clone().expect("cloned");
    let messages: Vec<Vec<u8>> = ids
        .map(|id| {
            framed(&panel(
                &id.to_string(),
                &id.to_string(),
                "1.1",
                "11.0",
                "2.0",
            ))
        })
        .collect();
    let sent = messages.clone();
    let writing = std::thread::spawn(move || {
        for message in sent {
            writer.write_all(&message).expect("written");
        }
    });
    for message in &messages {
        assert_eq!(sender.answer(), Some(acknowledge(message, "AA")));
    }
    writing.join().expect("written");
}

fn journaled(home: &Home) -> (BTreeSet<String>, Vec<Gap>) {
    let (mut ids, mut gaps) = (BTreeSet::new(), Vec::new());
    for (_, fact) in crate::offline::facts(&home.data()) {
        match fact {
            Fact::Received(received) => {
                let fresh = ids.insert(control_id(&received.raw));
                assert!(fresh, "a message is in the journal twice");
            }
            Fact::Gap(gap) => gaps.push(gap),
            _ => {}
        }
    }
    (ids, gaps)
}

/// Files of what could not be held in memory.
fn spill_files(home: &Home) -> usize {
    let Ok(entries) = std::fs::read_dir(home.data().join("tap")) else {
        return 0;
    };
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".spill"))
        .count()
}

const SMALL: &str = "max_message = \"64 KiB\"";

/// WIRE P-6: memory, then the disk; all of it is journaled when that works again.
#[test]
fn while_nothing_can_be_stored_the_feed_goes_on_and_nothing_is_lost() {
    let lis = Lis::accepting();
    let daemon = Pentamer::start(Home::new(
        &lis.relay(SMALL),
        "[limits]\ntap_queue = \"4 MiB\"",
    ));
    daemon.home.switch_fault("journal-write", true);
    exchange(&daemon, 0..3_000);
    let why = wait_for("the trouble to be known", || {
        let (code, why) = daemon.get("/readyz");
        (code == 503).then_some(why)
    });
    assert!(
        why.starts_with("degraded, relays go on: cannot store: write\n"),
        "{why}"
    );
    assert_eq!(daemon.stored(), 0.0);
    let spilled = || spill_files(&daemon.home);
    wait_for("files on the disk", || (spilled() > 0).then_some(()));
    daemon.home.switch_fault("journal-write", false);
    wait_for("all to be stored", || {
        (daemon.stored() == 3_000.0).then_some(())
    });
    assert_eq!(spilled(), 0);
    wait_for("all answers", || {
        (lis_acks(&daemon, "AA") == 3_000.0).then_some(())
    });
    daemon.settle();
    assert_eq!(daemon.wire("tap_lost"), 0.0);
    let (home, _) = daemon.stop();
    let (ids, gaps) = journaled(&home);
    assert_eq!((ids.len(), gaps.len()), (3_000, 0));
    let answered = crate::offline::facts(&home.data())
        .iter()
        .filter(|(_, fact)| matches!(fact, Fact::LisAnswered { .. }))
        .count();
    assert_eq!(answered, 3_000);
}

/// WIRE P-6: where memory and disk are full, the oldest are given up, noted, and told of.
#[test]
fn what_nothing_can_hold_is_recorded_as_a_gap() {
    for (limits, fault) in [
        ("tap_queue = \"1 MiB\"\ntap_spill = \"0\"", None),
        ("tap_queue = \"1 MiB\"", Some("spill-write")),
    ] {
        let lis = Lis::accepting();
        let daemon = Pentamer::start(Home::new(&lis.relay(SMALL), &format!("[limits]\n{limits}")));
        daemon.home.switch_fault("journal-write", true);
        if let Some(fault) = fault {
            daemon.home.switch_fault(fault, true);
        }
        exchange(&daemon, 0..4_000);
        wait_for("losses", || (daemon.wire("tap_lost") > 0.0).then_some(()));
        daemon.home.switch_fault("journal-write", false);
        wait_for("the gap", || {
            (daemon.metric("pentamer_quarantine_total", "tap_gap") > 0.0).then_some(())
        });
        exchange(&daemon, 4_000..4_001);
        daemon.settle();
        let notices = daemon.get("/api/v1/notices").1;
        assert!(
            notices.contains("relay `lab` passed on") && notices.contains("\"gap\""),
            "{notices}"
        );
        let (home, _) = daemon.stop();
        let (ids, gaps) = journaled(&home);
        let lost: u64 = gaps.iter().map(|gap| gap.messages).sum();
        assert!(
            lost > 0 && ids.len() > 500,
            "{lost} lost, {} kept",
            ids.len()
        );
        assert_eq!(lost + ids.len() as u64, 4_001);
        assert!(ids.contains("4000") && ids.contains("3999"));
        let named: BTreeSet<String> = gaps
            .iter()
            .flat_map(|gap| &gap.control_ids)
            .map(|id| id.expose().clone())
            .collect();
        assert!(named.len() >= 64 && named.is_disjoint(&ids));
        for gap in &gaps {
            assert_eq!(
                (gap.cause, &*gap.origin.listener),
                (GapCause::Overflow, "lab")
            );
            assert!(gap.from <= gap.to && gap.bytes > 0);
        }
        crate::offline::assert_rebuild_equals_cache(&home.data());
    }
}

/// WIRE P-7 `closed`: the feed stops, and goes on where the trouble passes in time.
#[test]
fn a_closed_relay_waits_while_nothing_can_be_stored() {
    let lis = Lis::accepting();
    let daemon = Pentamer::start(Home::new(&lis.relay("on_trouble = \"closed\""), ""));
    daemon.home.switch_fault("journal-write", true);
    let mut sender = daemon.connect();
    // The first message shows the trouble.
    let first = framed(&low_igm("1", "1"));
    sender.send(&first);
    wait_for("the trouble", || {
        (daemon.get("/readyz").0 == 503).then_some(())
    });
    let second = framed(&low_igm("2", "2"));
    sender.send(&second);
    sender
        .stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .expect("set");
    let mut answers = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(length @ 1..) = sender.stream.read(&mut buffer) {
        answers.extend_from_slice(&buffer[..length]);
    }
    assert!(
        !lis.seen().concat().ends_with(&second),
        "the second does not pass"
    );
    daemon.home.switch_fault("journal-write", false);
    sender.stream.set_read_timeout(Some(DEADLINE)).expect("set");
    let all = [acknowledge(&first, "AA"), acknowledge(&second, "AA")].concat();
    while answers.len() < all.len() {
        let length = sender.stream.read(&mut buffer).expect("read");
        assert!(length > 0, "closed");
        answers.extend_from_slice(&buffer[..length]);
    }
    assert_eq!(answers, all);
    wait_for("both", || (daemon.stored() == 2.0).then_some(()));
}

/// WIRE P-7 `closed`: after `store_wait` both ends are closed, and new senders turned away.
#[test]
fn a_closed_relay_ends_its_connections_after_store_wait() {
    let (told, end) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let lis = Lis::start(move |mut stream| {
        read_to_end(&mut stream);
        told.lock().expect("whole").send(()).expect("told");
    });
    let daemon = Pentamer::start(Home::new(
        &lis.relay("on_trouble = \"closed\"\nstore_wait = \"1s\""),
        "",
    ));
    daemon.home.switch_fault("journal-write", true);
    let mut sender = daemon.connect();
    sender.send_framed(&low_igm("1", "1"));
    read_to_end(&mut sender.stream);
    end.recv_timeout(DEADLINE).expect("the system's end");
    let before = lis.connections();
    let mut refused = daemon.connect();
    assert_eq!(refused.rest(), Vec::<Vec<u8>>::new());
    assert_eq!(lis.connections(), before, "the system hears nothing of it");
    daemon.home.switch_fault("journal-write", false);
    wait_for("the message that showed it", || {
        (daemon.stored() == 1.0).then_some(())
    });
}

/// WIRE P-8: a failure of ours in a message is that message's alone.
#[test]
fn a_panic_of_the_tap_is_one_message_in_quarantine() {
    let lis = Lis::accepting();
    let daemon = relay(&lis);
    daemon.home.switch_fault("tap-panic", true);
    exchange(&daemon, 0..1);
    wait_for("the quarantine", || {
        (daemon.metric("pentamer_quarantine_total", "internal") > 0.0).then_some(())
    });
    daemon.home.switch_fault("tap-panic", false);
    exchange(&daemon, 1..2);
    wait_for("the next", || (daemon.stored() == 1.0).then_some(()));
    assert!(daemon.wire("internal_error") >= 1.0);
    assert!(!daemon.home.log().contains("DOE"), "the panic told nothing");
    let (home, _) = daemon.stop();
    let kept = crate::offline::facts(&home.data())
        .iter()
        .any(|(_, fact)| match fact {
            Fact::Refused(refused) => refused.raw.starts_with(b"MSH|^~\\&|LAB"),
            _ => false,
        });
    assert!(kept, "whole, with its bytes");
}

/// P-4, P-6: a tap that stands still holds nobody up.
#[test]
fn a_tap_that_stands_still_loses_sight_and_finds_it_again() {
    let lis = Lis::accepting();
    let daemon = relay(&lis);
    let mut sender = daemon.connect();
    let mut exchange = |from: usize, to: usize| {
        for id in from..to {
            let message = framed(&low_igm(&id.to_string(), "1"));
            sender.send(&message);
            assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
        }
    };
    exchange(0, 1);
    wait_for("the first", || (daemon.stored() == 1.0).then_some(()));
    daemon.home.switch_fault("tap-stall", true);
    exchange(1, 1_001);
    daemon.home.switch_fault("tap-stall", false);
    // It catches up first; what passes until then is lost to it, too.
    wait_for("the gap", || {
        exchange(1_001, 1_002);
        (daemon.metric("pentamer_quarantine_total", "tap_gap") > 0.0).then_some(())
    });
    exchange(1_002, 1_003);
    daemon.settle();
    let (home, _) = daemon.stop();
    let facts = crate::offline::facts(&home.data());
    let (mut bytes, mut last) = (0, false);
    for (_, fact) in &facts {
        match fact {
            Fact::Gap(gap) => {
                assert_eq!(gap.cause, GapCause::Tap);
                bytes += gap.bytes;
            }
            Fact::Received(received) => last |= control_id(&received.raw) == "1002",
            _ => {}
        }
    }
    assert!(bytes > 50_000, "{bytes} bytes passed unseen");
    assert!(last, "what passes afterwards is seen");
}

/// A stop while nothing can be stored: what waits is in the relay's files, and journaled by the next run.
#[test]
fn what_waits_at_the_end_is_journaled_by_the_next_run() {
    let lis = Lis::accepting();
    let listener = lis.relay(&format!("{SMALL}\nstore_wait = \"500ms\""));
    let daemon = Pentamer::start(Home::new(&listener, "[limits]\ntap_queue = \"4 MiB\""));
    daemon.home.switch_fault("journal-write", true);
    exchange(&daemon, 0..3_000);
    let (home, status) = daemon.stop();
    assert!(status.success());
    assert!(home.log().contains("tap_kept"));
    home.switch_fault("journal-write", false);
    let daemon = Pentamer::start(home);
    wait_for("all of the last run", || {
        (daemon.stored() == 3_000.0).then_some(())
    });
    let (home, _) = daemon.stop();
    let (ids, gaps) = journaled(&home);
    assert_eq!((ids.len(), gaps.len()), (3_000, 0));
}
