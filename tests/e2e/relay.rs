//! A real daemon between a real sender and a real laboratory system.

use super::harness::{DEADLINE, Home, Pentamer, Sender, framed, low_igm, wait_for};
use super::lis::{Gate, Lis, acknowledge, control_id};
use pentamer::core::fact::{Fact, Gap, GapCause, LisAck, Reason};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A relay to this system.
fn relay(lis: &Lis) -> Pentamer {
    Pentamer::start(Home::new(&lis.relay(""), ""))
}

/// Reads to the end; the bytes, and whether it was a reset.
pub fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (all, false),
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (all, true),
            Err(error) => panic!("neither end nor reset: {error}"),
        }
    }
}

pub fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .expect("set");
}

/// Answers so far of the system behind the relay.
fn lis_acks(daemon: &Pentamer, code: &str) -> f64 {
    daemon.metric("pentamer_relay_lis_ack_total", &format!("code=\"{code}\""))
}

/// An address where nobody listens.
pub fn nobody() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
    socket.local_addr().expect("an address")
}

#[test]
fn the_systems_own_acknowledgement_is_what_the_sender_gets() {
    let lis = Lis::accepting();
    let daemon = relay(&lis);
    let mut sender = daemon.connect();
    let message = framed(&low_igm("42", "1"));
    sender.send(&message);
    assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
    wait_for("the answer's count", || {
        (lis_acks(&daemon, "AA") == 1.0).then_some(())
    });
    assert_eq!(lis.seen(), [message]);
    drop(sender);
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    daemon.settle();
    let (home, status) = daemon.stop();
    assert!(status.success());
    assert_eq!(home.alerts().len(), 1);
    let facts = crate::offline::facts(&home.data());
    let message = facts
        .iter()
        .find(|(_, fact)| matches!(fact, Fact::Received(_)))
        .map(|(position, _)| *position);
    let answered = facts.iter().find_map(|(_, fact)| match fact {
        Fact::LisAnswered { message, code, .. } => Some((*message, *code)),
        _ => None,
    });
    assert_eq!(answered, message.map(|position| (position, LisAck::Aa)));
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

/// Bytes in random pieces.
fn pieces() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    (
        prop_oneof![0..2_000_usize, 0..300_000_usize],
        prop_oneof![
            prop::collection::vec(1..40_usize, 1..30),
            prop::collection::vec(1..90_000_usize, 1..30),
        ],
        any::<u64>(),
    )
        .prop_map(|(length, cuts, seed)| {
            // Bytes that mean something to a reader of frames are as likely as all others.
            let special = b"\x0b\x1c\r\nMSH|\x05\x16\x03";
            let mut state = seed | 1;
            let bytes = (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let byte = (state >> 32) as u8;
                    if state & 1 == 0 {
                        byte
                    } else {
                        special[usize::from(byte) % special.len()]
                    }
                })
                .collect();
            (bytes, cuts)
        })
}

fn write_pieces(stream: &mut TcpStream, bytes: &[u8], cuts: &[usize]) {
    let mut rest = bytes;
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min(*cut));
        stream.write_all(piece).expect("written");
        rest = after;
    }
    stream.shutdown(Shutdown::Write).expect("FIN");
}

/// WIRE P-1 and property (d): whatever the bytes and their cuts, both ways at once.
#[test]
fn any_bytes_pass_unchanged_both_ways() {
    type Script = (Vec<u8>, Vec<usize>);
    let scripts: Arc<Mutex<Vec<Script>>> = Arc::default();
    let received: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let (script, result) = (Arc::clone(&scripts), Arc::clone(&received));
    let lis = Lis::start(move |mut stream| {
        let (bytes, cuts) = script.lock().expect("whole").pop().expect("a script");
        let mut writer = stream.try_clone().expect("cloned");
        let writing = std::thread::spawn(move || write_pieces(&mut writer, &bytes, &cuts));
        let (seen, broken) = read_to_end(&mut stream);
        assert!(!broken, "the sender's FIN came as a FIN");
        writing.join().expect("written");
        result.lock().expect("whole").push(seen);
    });
    let daemon = relay(&lis);
    let cases = ProptestConfig::with_cases(24);
    proptest!(cases, |(up in pieces(), down in pieces())| {
        scripts.lock().expect("whole").push(down.clone());
        let mut sender = daemon.connect().stream;
        let mut writer = sender.try_clone().expect("cloned");
        let (bytes, cuts) = up.clone();
        let writing = std::thread::spawn(move || write_pieces(&mut writer, &bytes, &cuts));
        let (seen, broken) = read_to_end(&mut sender);
        writing.join().expect("written");
        prop_assert!(!broken, "the system's FIN came as a FIN");
        prop_assert!(seen == down.0, "{} of {} bytes down", seen.len(), down.0.len());
        let at_lis = wait_for("the system's end", || received.lock().expect("whole").pop());
        prop_assert!(at_lis == up.0, "{} of {} bytes up", at_lis.len(), up.0.len());
    });
    assert_eq!(
        Sender::new(daemon.listener("lab")).finish().len(),
        0,
        "it lives"
    );
}

#[test]
fn a_system_that_is_down_is_seen_as_such() {
    let daemon = Pentamer::start(Home::new(
        &format!("mode = \"relay\"\nrelay_to = \"{}\"", nobody()),
        "",
    ));
    for _ in 0..3 {
        let mut sender = daemon.connect();
        // Whichever comes first: the reset ends the writing, or the reading.
        let written = sender.stream.write_all(&framed(&low_igm("42", "1")));
        let (bytes, broken) = read_to_end(&mut sender.stream);
        assert!(bytes.is_empty() && (broken || written.is_err()));
    }
    assert_eq!(daemon.stored(), 0.0);
    assert_eq!(
        daemon.metric("pentamer_relay_connect_failures_total", ""),
        3.0
    );
    let log = daemon.home.log();
    assert_eq!(
        log.matches("the laboratory system cannot be reached:")
            .count(),
        1,
        "told once"
    );
}

/// P-2: a system that neither takes nor refuses connections; after five seconds the sender is reset.
#[test]
fn a_system_that_hangs_is_seen_as_down() {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("bound");
    socket.listen(0).expect("listening");
    let full = socket.local_addr().expect("an address");
    let address = full.as_socket().expect("an address");
    // The queue of a listener that never accepts is full after these.
    let _waiting: Vec<TcpStream> = (0..4)
        .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
        .collect();
    let daemon = Pentamer::start(Home::new(
        &format!("mode = \"relay\"\nrelay_to = \"{address}\""),
        "",
    ));
    let mut sender = daemon.connect();
    sender.send(b"nobody reads this");
    assert_eq!(read_to_end(&mut sender.stream), (Vec::new(), true));
}

#[test]
fn a_reset_by_the_system_comes_after_its_last_bytes() {
    let lis = Lis::start(|mut stream| {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a byte");
        stream.write_all(b"last words").expect("written");
        // The sender says when it has them: a reset may overtake what is under way.
        stream.read_exact(&mut byte).expect("a byte");
        reset(&stream);
    });
    let daemon = relay(&lis);
    let mut sender = daemon.connect().stream;
    sender.write_all(b"x").expect("written");
    let mut words = [0; 10];
    sender.read_exact(&mut words).expect("read");
    sender.write_all(b"y").expect("written");
    assert_eq!(&words, b"last words");
    assert_eq!(read_to_end(&mut sender), (Vec::new(), true));
}

#[test]
fn a_reset_by_the_sender_reaches_the_system() {
    let (told, end) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let lis = Lis::start(move |mut stream| {
        stream.write_all(b"hello").expect("written");
        let end = read_to_end(&mut stream);
        told.lock().expect("whole").send(end).expect("told");
    });
    let daemon = relay(&lis);
    let mut sender = daemon.connect().stream;
    let mut hello = [0; 5];
    sender.read_exact(&mut hello).expect("read");
    reset(&sender);
    drop(sender);
    let (bytes, broken) = end.recv_timeout(DEADLINE).expect("the end");
    assert!(broken && bytes.is_empty());
}

/// P-3: one direction ends, the other goes on.
#[test]
fn a_half_close_is_passed_on_each_way() {
    let lis = Lis::start(|mut stream| {
        stream.shutdown(Shutdown::Write).expect("FIN first");
        let (bytes, _) = read_to_end(&mut stream);
        assert_eq!(bytes, b"one way still goes");
    });
    let daemon = relay(&lis);
    let mut sender = daemon.connect().stream;
    assert_eq!(read_to_end(&mut sender), (Vec::new(), false));
    sender
        .write_all(b"one way still goes")
        .expect("written after the system's FIN");
    sender.shutdown(Shutdown::Write).expect("FIN");
    wait_for("the end", || {
        let open = daemon.metric("pentamer_connections", "");
        (open == 0.0).then_some(())
    });
}

/// P-4: what a slow system does not take stays with the sender, not with us.
#[test]
fn a_slow_system_stops_the_reading_of_the_sender() {
    const MUCH: usize = 96 << 20;
    let gate = Gate::default();
    let open = gate.clone();
    let (told, total) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let lis = Lis::start(move |mut stream| {
        open.wait();
        let (bytes, _) = read_to_end(&mut stream);
        told.lock().expect("whole").send(bytes.len()).expect("told");
    });
    let daemon = relay(&lis);
    let before = daemon.resident_kib();
    let sender = daemon.connect().stream;
    let written = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let writing = std::thread::spawn(move || {
        let mut sender = sender;
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..MUCH >> 20 {
            sender.write_all(&chunk).expect("written");
            count.fetch_add(chunk.len(), std::sync::atomic::Ordering::AcqRel);
        }
    });
    let now = || written.load(std::sync::atomic::Ordering::Acquire);
    wait_for("the sender to be held up", || {
        let first = now();
        std::thread::park_timeout(Duration::from_millis(300));
        (first > 0 && first == now()).then_some(())
    });
    assert!(now() < MUCH, "{} bytes were taken", now());
    let grown = daemon.resident_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB more memory");
    gate.open();
    assert_eq!(total.recv_timeout(DEADLINE), Ok(MUCH));
    writing.join().expect("written");
}

#[test]
fn negative_late_double_and_missing_answers_are_paired() {
    let lis = Lis::answering(|frame| match control_id(frame).as_str() {
        "silent" => Vec::new(),
        "twice" => [acknowledge(frame, "CA"), acknowledge(frame, "AE")].concat(),
        "foreign" => acknowledge(b"\x0bMSH|^~\\&|||||||ACK|nobody's|P|2.5", "AA"),
        _ => acknowledge(frame, "AR"),
    });
    let daemon = relay(&lis);
    let mut sender = daemon.connect();
    for id in ["refused", "silent", "twice", "foreign"] {
        sender.send_framed(&low_igm(id, "1"));
    }
    for _ in 0..4 {
        sender.answer().expect("an answer");
    }
    drop(sender);
    let seen = |daemon: &Pentamer| {
        ["AR", "CA", "AE", "AA", "none"].map(|code| lis_acks(daemon, code) as u64)
    };
    wait_for("all answers", || {
        (seen(&daemon) == [1, 1, 1, 0, 2]).then_some(())
    });
    assert_eq!(daemon.wire("unexpected_ack"), 1.0);
    wait_for("all messages", || (daemon.stored() == 4.0).then_some(()));
    // An answer that refuses a message changes nothing of what it says, and is shown with it (P-5).
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1);
    let (status, page) = daemon.get("/api/v1/patients/HOSP%3A1");
    assert_eq!(status, 200, "{page}");
    let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
    let refused: BTreeSet<(&str, &str)> = page["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(|row| Some((row["control_id"].as_str()?, row["lis_ack"].as_str()?)))
        .collect();
    assert_eq!(
        refused,
        BTreeSet::from([("refused", "AR"), ("twice", "AE")])
    );
}

/// P-6: a killed process cannot say what it did not keep; the next one says that it may be something, once.
#[test]
fn a_run_that_was_killed_leaves_a_gap_and_one_that_was_stopped_does_not() {
    let lis = Lis::accepting();
    let daemon = relay(&lis);
    let pass = |daemon: &Pentamer, id: &str| {
        let mut sender = daemon.connect();
        let message = framed(&low_igm(id, id));
        sender.send(&message);
        assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
    };
    pass(&daemon, "1");
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    let mark = daemon.home.data().join("tap/lab.passing");
    wait_for("the mark", || mark.exists().then_some(()));
    let daemon = Pentamer::start(daemon.kill());
    let notice = wait_for("the notice", || {
        let notices = daemon.get("/api/v1/notices").1;
        notices.contains("\"gap\"").then_some(notices)
    });
    assert!(
        notice.contains("relay `lab` may have passed on messages between"),
        "{notice}"
    );
    pass(&daemon, "2");
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    let (home, status) = daemon.stop();
    assert!(status.success() && !mark.exists());
    let daemon = Pentamer::start(home);
    pass(&daemon, "3");
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    assert!(!daemon.get("/api/v1/notices").1.contains("\"gap\""));
    let (home, _) = daemon.stop();
    let gaps: Vec<Gap> = crate::offline::facts(&home.data())
        .into_iter()
        .filter_map(|(_, fact)| match fact {
            Fact::Gap(gap) => Some(gap),
            _ => None,
        })
        .collect();
    let [gap] = &gaps[..] else {
        panic!("one gap, not {gaps:?}");
    };
    assert!(gap.cause == GapCause::Crash && gap.from < gap.to);
    assert_eq!(gap.origin.listener, "lab");
}

/// P-16: pauses of any length are counted and end nothing.
#[test]
fn pauses_are_counted_and_close_nothing() {
    let lis = Lis::accepting();
    let listener = lis.relay("frame_timeout = \"200ms\"\nidle_timeout = \"200ms\"");
    let daemon = Pentamer::start(Home::new(&listener, ""));
    let pauses =
        |kind: &str| daemon.metric("pentamer_relay_pauses_total", &format!("kind=\"{kind}\""));
    let mut sender = daemon.connect();
    let message = framed(&low_igm("1", "1"));
    let (first, second) = message.split_at(100);
    sender.send(first);
    wait_for("a pause within the message", || {
        (pauses("frame") == 1.0).then_some(())
    });
    sender.send(second);
    assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
    wait_for("a pause after it", || (pauses("idle") >= 2.0).then_some(()));
    let message = framed(&low_igm("2", "2"));
    sender.send(&message);
    assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
    assert_eq!(lis.connections(), 1);
    wait_for("both", || (daemon.stored() == 2.0).then_some(()));
}

/// P-13: where the system opens the connection, the relay has its ends the other way round.
#[test]
fn results_that_come_back_from_the_far_end_are_read() {
    let result = framed(&low_igm("7", "7"));
    let out = result.clone();
    let (told, seen) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    // The analyzer, behind the relay: takes an order, sends a result, takes its answer.
    let analyzer = Lis::start(move |mut stream| {
        let mut order = vec![0; ORDER.len()];
        stream.read_exact(&mut order).expect("the order");
        stream
            .write_all(&acknowledge(&order, "AA"))
            .and_then(|()| stream.write_all(&out))
            .expect("written");
        let (answer, _) = read_to_end(&mut stream);
        told.lock().expect("whole").send(answer).expect("told");
    });
    const ORDER: &[u8] =
        b"\x0bMSH|^~\\&|LIS|HOSP|AN|LAB|20260301||OML^O33^OML_O33|o1|P|2.5.1\rORC|NW|1\r\x1c\r";
    let daemon = relay(&analyzer);
    let mut system = daemon.connect();
    system.send(ORDER);
    assert_eq!(system.answer(), Some(acknowledge(ORDER, "AA")));
    assert_eq!(system.answer(), Some(result.clone()));
    let answer = acknowledge(&result, "AA");
    system.send(&answer);
    system.finish();
    assert_eq!(seen.recv_timeout(DEADLINE), Ok(answer));
    wait_for("order and result", || {
        (daemon.stored() == 2.0).then_some(())
    });
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1);
    assert_eq!(daemon.wire("ignored_type"), 1.0);
}

#[test]
fn too_large_broken_and_repeated_messages_pass_like_all_others() {
    let lis = Lis::accepting();
    let daemon = Pentamer::start(Home::new(&lis.relay("max_message = \"1 KiB\""), ""));
    let mut sender = daemon.connect();
    let small = framed(&low_igm("1", "1"));
    let large = framed(&(low_igm("2", "2") + "NTE|1||" + &"x".repeat(5_000) + "\r"));
    let without_cr = &framed(&low_igm("3", "3"))[..];
    let without_cr = &without_cr[..without_cr.len() - 1];
    let mut all = Vec::new();
    for bytes in [&small, &large, &small] {
        sender.send(bytes);
        assert_eq!(sender.answer(), Some(acknowledge(bytes, "AA")));
        all.extend_from_slice(bytes);
    }
    sender.send(without_cr);
    all.extend_from_slice(without_cr);
    wait_for("the message without its CR", || {
        (daemon.stored() == 2.0 && daemon.wire("fs_without_cr") == 1.0).then_some(())
    });
    sender.send(b"\x0bMSH|^~\\&|broken off");
    all.extend_from_slice(b"\x0bMSH|^~\\&|broken off");
    sender.stream.shutdown(Shutdown::Write).expect("FIN");
    sender.rest();
    wait_for("what is broken", || {
        (daemon.metric("pentamer_quarantine_total", "truncated") == 1.0).then_some(())
    });
    assert_eq!(lis.seen(), [all]);
    assert_eq!(daemon.wire("duplicate"), 1.0);
    assert_eq!(daemon.metric("pentamer_quarantine_total", "too_large"), 1.0);
    let (home, _) = daemon.stop();
    let kept = crate::offline::facts(&home.data());
    let head = kept.iter().find_map(|(_, fact)| match fact {
        Fact::Refused(refused) if refused.reason == Reason::TooLarge => Some(refused.total_len),
        _ => None,
    });
    assert_eq!(head, Some(large.len() as u64 - 3));
}

#[test]
fn relays_and_endpoints_live_in_one_daemon() {
    let (one, two) = (Lis::accepting(), Lis::accepting());
    let extra = format!(
        "[[listener]]\nname = \"other\"\nbind = \"127.0.0.1:0\"\n{}\n\
         [[listener]]\nname = \"endpoint\"\nbind = \"127.0.0.1:0\"\n",
        two.relay("on_trouble = \"closed\"")
    );
    let daemon = Pentamer::start(Home::new(&one.relay(""), &extra));
    for (name, id) in [("lab", "1"), ("other", "2")] {
        let message = framed(&low_igm(id, id));
        let mut sender = Sender::new(daemon.listener(name));
        sender.send(&message);
        assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")), "{name}");
    }
    let mut endpoint = Sender::new(daemon.listener("endpoint"));
    assert_eq!(endpoint.exchange(&low_igm("3", "3")), "AA");
    assert_eq!((one.connections(), two.connections()), (1, 1));
    wait_for("all three", || (daemon.stored() == 3.0).then_some(()));
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 3);
}

/// P-20: who may not come in never reaches the system.
#[test]
fn limits_hold_before_the_system_is_contacted() {
    let lis = Lis::accepting();
    let daemon = Pentamer::start(Home::new(&lis.relay("allow = [\"192.0.2.0/24\"]"), ""));
    assert_eq!(daemon.connect().rest(), Vec::<Vec<u8>>::new());
    wait_for("the count", || (daemon.wire("denied") == 1.0).then_some(()));
    drop(daemon);
    let daemon = Pentamer::start(Home::new(&lis.relay("max_connections = 1"), ""));
    let mut first = daemon.connect();
    first.send_framed(&low_igm("1", "1"));
    first.answer().expect("an answer");
    wait_for("the first to be known", || {
        (daemon.stored() == 1.0).then_some(())
    });
    assert_eq!(daemon.connect().rest(), Vec::<Vec<u8>>::new());
    assert_eq!(lis.connections(), 1);
}

/// What the feed sees of a process that is stopped: a pause, and nothing else.
#[test]
fn a_stopped_process_is_a_pause() {
    let lis = Lis::accepting();
    let daemon = relay(&lis);
    let mut sender = daemon.connect();
    let first = framed(&low_igm("1", "1"));
    sender.send(&first);
    assert_eq!(sender.answer(), Some(acknowledge(&first, "AA")));
    daemon.pause();
    let second = framed(&low_igm("2", "2"));
    sender.send(&second);
    let mut byte = [0];
    sender
        .stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("set");
    let nothing = sender.stream.read(&mut byte).expect_err("nothing passes");
    assert!(matches!(
        nothing.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    daemon.signal(rustix::process::Signal::CONT);
    sender.stream.set_read_timeout(Some(DEADLINE)).expect("set");
    assert_eq!(sender.answer(), Some(acknowledge(&second, "AA")));
    wait_for("both", || (daemon.stored() == 2.0).then_some(()));
}

/// P-9 without anything under way: both ends see a FIN.
#[test]
fn a_stop_ends_idle_connections_in_order() {
    let (told, end) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let lis = Lis::start(move |mut stream| {
        let (_, broken) = read_to_end(&mut stream);
        told.lock().expect("whole").send(broken).expect("told");
    });
    let daemon = relay(&lis);
    let mut sender = daemon.connect().stream;
    wait_for("the connection", || (lis.connections() == 1).then_some(()));
    let (_, status) = daemon.stop();
    assert!(status.success());
    assert_eq!(read_to_end(&mut sender), (Vec::new(), false));
    assert_eq!(end.recv_timeout(DEADLINE), Ok(false));
}

/// P-9: an answer that never comes is waited for no longer than `drain`.
#[test]
fn a_stop_waits_no_longer_than_the_drain() {
    let lis = Lis::answering(|_| Vec::new());
    let daemon = Pentamer::start(Home::new(&lis.relay("drain = \"300ms\""), ""));
    let mut sender = daemon.connect();
    sender.send_framed(&low_igm("1", "1"));
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    let (_, status) = daemon.stop();
    assert!(status.success());
    assert_eq!(read_to_end(&mut sender.stream), (Vec::new(), false));
}

#[cfg(feature = "failpoints")]
mod feed;
#[cfg(feature = "failpoints")]
mod trouble;

mod network;
mod torn;
