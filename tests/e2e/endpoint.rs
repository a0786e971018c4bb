//! What a sender sees beyond the conformance cases: pipelining, order, limits, other peers.

use super::harness::{Home, Pentamer, framed, low_igm, wait_for};

#[test]
pub fn a_hundred_messages_without_waiting_are_answered_in_order() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let mut writer = sender.stream.try_clone().expect("cloned");
    let sending = std::thread::spawn(move || {
        use std::io::Write;
        for number in 0..1_000 {
            writer
                .write_all(&framed(&low_igm(&number.to_string(), "1")))
                .expect("sent");
        }
    });
    for number in 0..1_000 {
        let answer = String::from_utf8(sender.answer().expect("an answer")).expect("ASCII");
        assert!(
            answer.contains(&format!("MSA|AA|{number}\r")),
            "{number}: {answer}"
        );
    }
    sending.join().expect("sent");
    daemon.settle();
    assert_eq!(daemon.stored(), 1_000.0);
    let syncs = daemon.metric("pentamer_journal_syncs_total", "");
    assert!(syncs < 1_000.0, "one sync serves many messages: {syncs}");
}

#[test]
pub fn acknowledgement_ids_are_unique() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let mut ids = std::collections::BTreeSet::new();
    for number in 0..50 {
        sender.send_framed(&low_igm(&number.to_string(), "1"));
        let answer = String::from_utf8(sender.answer().expect("an answer")).expect("ASCII");
        ids.insert(answer.split('|').nth(9).expect("MSH-10").to_owned());
    }
    assert_eq!(ids.len(), 50);
}

#[test]
pub fn junk_without_end_closes_the_connection() {
    let daemon = Pentamer::start(Home::new("max_junk = \"1 KiB\"", ""));
    let mut sender = daemon.connect();
    sender.send(&[b'x'; 4096]);
    assert_eq!(sender.rest(), Vec::<Vec<u8>>::new());
    wait_for("the count", || {
        (daemon.wire("junk_closed") == 1.0).then_some(())
    });
}

#[test]
pub fn idle_connections_stay_open_by_default_and_close_when_asked() {
    let daemon = Pentamer::start(Home::new("idle_timeout = \"100ms\"", ""));
    assert_eq!(daemon.connect().rest(), Vec::<Vec<u8>>::new());
}

#[test]
pub fn a_peer_has_a_bounded_number_of_connections() {
    let daemon = Pentamer::start(Home::new("max_connections_per_peer = 2", ""));
    let mut first = daemon.connect();
    let mut second = daemon.connect();
    assert_eq!(first.exchange(&low_igm("1", "1")), "AA");
    assert_eq!(second.exchange(&low_igm("2", "2")), "AA");
    assert_eq!(
        daemon.connect().rest(),
        Vec::<Vec<u8>>::new(),
        "the third is turned away"
    );
    drop(first);
    wait_for("a free place", || {
        let mut again = daemon.connect();
        again.send_framed(&low_igm("3", "3"));
        again.answer()
    });
    assert_eq!(second.exchange(&low_igm("4", "4")), "AA");
}

#[test]
pub fn the_bytes_of_refused_frames_are_kept_with_the_peer() {
    use pentamer::core::fact::{Fact, Reason};
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    sender.send(b"\x0bMSH|^~\\&|LAB|broken off");
    let peer = sender.stream.local_addr().expect("address").to_string();
    assert_eq!(sender.finish(), Vec::<Vec<u8>>::new());
    wait_for("the fragment", || {
        (daemon.metric("pentamer_quarantine_total", "truncated") == 1.0).then_some(())
    });
    let (home, _) = daemon.stop();
    let refused: Vec<_> = crate::offline::facts(&home.data())
        .into_iter()
        .filter_map(|(_, fact)| match fact {
            Fact::Refused(refused) => Some(refused),
            _ => None,
        })
        .collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].reason, Reason::Truncated);
    assert_eq!(refused[0].origin.peer, peer);
    assert_eq!(refused[0].raw.as_ref(), b"MSH|^~\\&|LAB|broken off");
}

/// WIRE A-54: a message in parts is answered part by part and read when it is whole.
#[test]
pub fn a_message_in_parts_is_joined_when_the_rest_arrives() {
    let daemon = Pentamer::start_default();
    let whole = low_igm("7", "7");
    let middle = whole.find("OBX|2").expect("the second result");
    let (first, rest) = whole.split_at(middle);
    let header = first.split('\r').next().expect("MSH");
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&format!("{first}DSC|POINTER|F\r")), "AA");
    daemon.settle();
    assert!(
        daemon.home.alerts().is_empty(),
        "half a panel is not assessed"
    );
    let later = format!("{}||POINTER\r{rest}", header.replace("|7|P|", "|8|P|"));
    assert_eq!(sender.exchange(&later), "AA");
    daemon.settle();
    let alerts = daemon.home.alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["data"]["tier"], "complete");
    assert_eq!(daemon.metric("pentamer_quarantine_total", ""), 0.0);
    let (home, _) = daemon.stop();
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

#[test]
pub fn a_broken_header_between_two_messages_is_kept_and_not_answered() {
    use pentamer::core::fact::{Fact, Reason};
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let broken = "MSH|^~\rPID|1||777\r";
    sender.send_framed(&(low_igm("1", "1") + broken + &low_igm("2", "2")));
    for id in ["1", "2"] {
        let answer = String::from_utf8(sender.answer().expect("an answer")).expect("ASCII");
        assert!(answer.contains(&format!("MSA|AA|{id}\r")), "{answer}");
    }
    assert_eq!(sender.finish(), Vec::<Vec<u8>>::new());
    daemon.settle();
    assert_eq!(daemon.stored(), 2.0);
    let (home, _) = daemon.stop();
    let refused: Vec<_> = crate::offline::facts(&home.data())
        .into_iter()
        .filter_map(|(_, fact)| match fact {
            Fact::Refused(refused) => Some((refused.reason, refused.raw)),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [(Reason::UnreadableMsh, broken.into())]);
}
