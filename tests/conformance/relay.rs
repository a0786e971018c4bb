//! The cases of MLLP release 2, of TLS and of relay mode: those that need a second end, a certificate
//! or a peer that commits.

use super::*;
use crate::e2e::lis::{Gate, Lis, acknowledge};
use crate::e2e::relay::read_to_end;
use crate::e2e::tls::{Authority, connect, home};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;

fn bytes_of(id: &str) -> Vec<u8> {
    latin1(case(id)["input"][0]["send"].as_str().expect("bytes"))
}

const ACK_BLOCK: &[u8] = b"\x0b\x06\x1c\r";
const NAK_BLOCK: &[u8] = b"\x0b\x15\x1c\r";

#[test]
fn w27_mllp2() {
    let case = case("W27");
    let daemon = Pentamer::start(Home::new("framing = \"mllp2\"", ""));
    let mut sender = daemon.connect();
    sender.send(&bytes_of("W27"));
    let answers: Vec<Vec<u8>> = (0..2).filter_map(|_| sender.answer()).collect();
    sender.send(ACK_BLOCK);
    check_answers(&case, &answers);
    assert_eq!(
        sender.finish(),
        Vec::<Vec<u8>>::new(),
        "nothing is sent again"
    );
    check_counts(&case, &daemon);
    assert_as_w01(&check_data(&case, daemon).alerts());
}

/// F-71: an answer that the peer refuses is sent once more, then the line is closed.
#[test]
fn w27_an_answer_that_is_not_committed_is_sent_once_more() {
    let daemon = Pentamer::start(Home::new("framing = \"mllp2\"", ""));
    let mut sender = daemon.connect();
    sender.send(&bytes_of("W27"));
    assert_eq!(sender.answer().as_deref(), Some(ACK_BLOCK));
    let answer = sender.answer().expect("the acknowledgement");
    sender.send(NAK_BLOCK);
    assert_eq!(sender.answer(), Some(answer.clone()));
    sender.send(ACK_BLOCK);
    // Committed: the next message is served on the same line.
    sender.send_framed(&crate::e2e::harness::low_igm("43", "1"));
    assert_eq!(sender.answer().as_deref(), Some(ACK_BLOCK));
    sender.answer().expect("its acknowledgement");
    sender.send(NAK_BLOCK);
    sender.answer().expect("the same again");
    sender.send(NAK_BLOCK);
    assert_eq!(sender.rest(), Vec::<Vec<u8>>::new(), "closed");
    assert_eq!(daemon.wire("commit_missing"), 1.0);
    assert_eq!(daemon.stored(), 2.0, "both are stored all the same");
}

#[cfg(feature = "failpoints")]
#[test]
fn w29_mllp2_store_fails() {
    let case = case("W29");
    let daemon = Pentamer::start(Home::new("framing = \"mllp2\"\nstore_wait = \"1s\"", ""));
    daemon.home.switch_fault("journal-write", true);
    let mut sender = daemon.connect();
    sender.send(&bytes_of("W29"));
    let answers = sender.rest();
    check_answers(&case, &answers);
    assert_eq!(answers, [NAK_BLOCK]);
    assert_eq!(daemon.stored(), 0.0);
    daemon.home.switch_fault("journal-write", false);
    wait_for("/readyz", || (daemon.get("/readyz").0 == 200).then_some(()));
    check_counts(&case, &daemon);
}

/// Bytes without any pattern, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

#[test]
fn w82_a_mebibyte_of_noise_each_way() {
    let (up, down) = (noise(1 << 20, 82), noise(1 << 20, 28));
    let (told, seen) = std::sync::mpsc::channel();
    let (told, out) = (Mutex::new(told), down.clone());
    let lis = Lis::start(move |mut stream| {
        let mut writer = stream.try_clone().expect("cloned");
        let out = out.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&out).expect("written");
            writer.shutdown(Shutdown::Write).expect("FIN");
        });
        let all = read_to_end(&mut stream);
        writing.join().expect("written");
        told.lock().expect("whole").send(all).expect("told");
    });
    let daemon = Pentamer::start(Home::new(&lis.relay(""), ""));
    let mut sender = daemon.connect().stream;
    let mut writer = sender.try_clone().expect("cloned");
    let sent = up.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent).expect("written");
        writer.shutdown(Shutdown::Write).expect("FIN");
    });
    assert!(read_to_end(&mut sender) == (down, false));
    writing.join().expect("written");
    let at_lis = seen.recv_timeout(crate::e2e::harness::DEADLINE);
    assert!(at_lis == Ok((up, false)));
    // WIRE 12.2: the daemon lives and answers.
    assert_eq!(daemon.get("/healthz").0, 200);
}

#[test]
fn w83_message_and_answer() {
    let case = case("W83");
    let lis = Lis::accepting();
    let daemon = Pentamer::start(Home::new(&lis.relay(""), ""));
    let mut sender = daemon.connect();
    let message = bytes_of("W83");
    sender.send(&message);
    assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
    assert_eq!(sender.finish(), Vec::<Vec<u8>>::new());
    assert_eq!(lis.seen(), [message]);
    wait_for("lis_ack", || {
        (daemon.metric("pentamer_relay_lis_ack_total", "code=\"AA\"") == 1.0).then_some(())
    });
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    check_counts(&case, &daemon);
    assert_as_w01(&check_data(&case, daemon).alerts());
}

#[test]
fn w84_the_system_refuses() {
    let case = case("W84");
    let address = crate::e2e::relay::nobody();
    let listener = format!("mode = \"relay\"\nrelay_to = \"{address}\"");
    let daemon = Pentamer::start(Home::new(&listener, ""));
    let mut sender = daemon.connect().stream;
    // The case gives it five and a half seconds.
    sender
        .set_read_timeout(Some(Duration::from_millis(5_500)))
        .expect("set");
    assert_eq!(read_to_end(&mut sender), (Vec::new(), true));
    check_counts(&case, &daemon);
    check_data(&case, daemon);
}

#[cfg(feature = "failpoints")]
#[test]
fn w85_the_journal_is_blocked() {
    let case = case("W85");
    let lis = Lis::accepting();
    let listener = lis.relay("max_message = \"64 KiB\"");
    let daemon = Pentamer::start(Home::new(&listener, "[limits]\ntap_queue = \"1 MiB\""));
    daemon.home.switch_fault("journal-sync", true);
    let mut sender = daemon.connect();
    for number in 0..1_000 {
        let message = latin1(case["input"][0]["send"].as_str().expect("M1"));
        let message = String::from_utf8(message).expect("ASCII");
        let message = message.replace("...x1000", "");
        let message = message.replace("|42|P|", &format!("|{number}|P|"));
        sender.send(message.as_bytes());
        assert_eq!(
            sender.answer(),
            Some(acknowledge(message.as_bytes(), "AA")),
            "while nothing can be stored"
        );
    }
    assert_eq!(daemon.stored(), 0.0);
    wait_for("the trouble to be known", || {
        (daemon.get("/readyz").0 == 503).then_some(())
    });
    daemon.home.switch_fault("journal-sync", false);
    wait_for("all of them", || (daemon.stored() == 1_000.0).then_some(()));
    daemon.settle();
    let (home, status) = daemon.stop();
    assert!(status.success());
    assert_eq!(crate::offline::messages(&home.data()).len(), 1_000);
}

#[test]
fn w86_astm() {
    let case = case("W86");
    let lis = Lis::start(|mut stream| {
        let mut byte = [0];
        while let Ok(1) = stream.read(&mut byte) {
            stream.write_all(b"\x06").expect("written");
        }
    });
    let daemon = Pentamer::start(Home::new(&lis.relay(""), ""));
    let mut sender = daemon.connect().stream;
    sender.write_all(&bytes_of("W86")).expect("written");
    let mut byte = [0];
    sender.read_exact(&mut byte).expect("an answer");
    assert_eq!(byte, [0x06]);
    drop(sender);
    wait_for("the count", || {
        (daemon.wire("opaque_bytes") == 2.0).then_some(())
    });
    let mut named = case.clone();
    named["counters"] = "opaque_bytes=2".into();
    check_counts(&named, &daemon);
    check_data(&case, daemon);
}

#[test]
fn w87_half_close() {
    let case = case("W87");
    let lis = Lis::start(|mut stream| {
        let (frame, _) = read_to_end(&mut stream);
        stream
            .write_all(&acknowledge(&frame, "AA"))
            .expect("written after the FIN");
    });
    let daemon = Pentamer::start(Home::new(&lis.relay(""), ""));
    let mut sender = daemon.connect();
    let message = bytes_of("W87");
    sender.send(&message);
    assert_eq!(sender.finish(), [acknowledge(&message, "AA")]);
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    check_counts(&case, &daemon);
    assert_as_w01(&check_data(&case, daemon).alerts());
}

#[test]
fn w88_sigterm_while_an_answer_is_under_way() {
    let case = case("W88");
    let gate = Gate::default();
    let open = gate.clone();
    let lis = Lis::answering(move |frame| {
        open.wait();
        acknowledge(frame, "AA")
    });
    let daemon = Pentamer::start(Home::new(&lis.relay(""), ""));
    let mut sender = daemon.connect();
    let message = bytes_of("W88");
    sender.send(&message);
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    daemon.settle();
    daemon.signal(rustix::process::Signal::TERM);
    wait_for("the port to close", || {
        TcpStream::connect(daemon.mllp).is_err().then_some(())
    });
    gate.open();
    assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
    assert_eq!(
        sender.rest(),
        Vec::<Vec<u8>>::new(),
        "then the end, in order"
    );
    assert_as_w01(&check_data(&case, daemon).alerts());
}

#[test]
fn w89_the_system_sends() {
    let case = case("W89");
    let m1 = bytes_of("W01");
    let out = m1.clone();
    let (told, seen) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let lis = Lis::start(move |mut stream| {
        stream.write_all(&out).expect("written");
        let (answer, _) = read_to_end(&mut stream);
        told.lock().expect("whole").send(answer).expect("told");
    });
    let daemon = Pentamer::start(Home::new(&lis.relay(""), ""));
    let mut sender = daemon.connect();
    assert_eq!(sender.answer(), Some(m1.clone()));
    let answer = acknowledge(&m1, "AA");
    sender.send(&answer);
    sender.finish();
    let at_lis = seen.recv_timeout(crate::e2e::harness::DEADLINE);
    assert_eq!(at_lis, Ok(answer));
    wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    check_counts(&case, &daemon);
    let (home, _) = daemon.stop();
    assert_eq!(crate::offline::messages(&home.data()).len(), 1);
    assert_as_w01(&home.alerts());
    let answered = crate::offline::facts(&home.data())
        .iter()
        .any(|(_, fact)| matches!(fact, Fact::LisAnswered { .. }));
    assert!(answered, "answers pair across (P-13)");
}

/// P-17 by what it is made of; the figures are those of `cargo bench --bench relay`. The first bytes pass
/// before the message is complete, and what the relay adds is measured in the daemon itself.
#[test]
fn w90_the_first_bytes_pass_at_once_and_what_is_added_is_measured() {
    let lis = Lis::accepting();
    let daemon = Pentamer::start(Home::new(&lis.relay(""), ""));
    let mut sender = daemon.connect();
    let message = bytes_of("W01");
    let (first, rest) = message.split_at(7);
    sender.send(first);
    wait_for("the first bytes at the system", || {
        (lis.seen() == [first]).then_some(())
    });
    sender.send(rest);
    assert_eq!(sender.answer(), Some(acknowledge(&message, "AA")));
    // Two pieces up, one down, of the three that passed.
    wait_for("the measurements", || {
        (daemon.metric("pentamer_relay_added_seconds_count", "") == 3.0).then_some(())
    });
    assert!(daemon.metric("pentamer_relay_added_seconds_sum", "") > 0.0);
}

#[test]
fn w92_plain_on_a_tls_listener() {
    let case = case("W92");
    let daemon = Pentamer::start(home(&Authority::new(), 2099, "", ""));
    let mut sender = daemon.connect();
    sender.send(&bytes_of("W92"));
    assert_eq!(sender.rest(), Vec::<Vec<u8>>::new());
    wait_for("the count", || {
        (daemon.wire("tls_plaintext") == 1.0).then_some(())
    });
    check_counts(&case, &daemon);
    check_data(&case, daemon);
}

#[test]
fn w93_no_client_certificate() {
    let case = case("W93");
    let authority = Authority::new();
    let tls = ", client_ca_file = \"CA\"";
    let daemon = Pentamer::start(home(&authority, 2099, tls, ""));
    let mut sender = connect(daemon.mllp, &authority, None, rustls::ALL_VERSIONS);
    let _ = sender.write_all(&bytes_of("W93"));
    let mut byte = [0];
    let alert = sender.read(&mut byte).expect_err("an alert");
    let alert = alert.to_string();
    assert!(
        alert.contains("CertificateRequired") || alert.contains("closed"),
        "{alert}"
    );
    wait_for("the count", || {
        (daemon.wire("tls_denied") == 1.0).then_some(())
    });
    assert!(daemon.home.log().contains("\"event\":\"tls_denied\""));
    check_counts(&case, &daemon);
    check_data(&case, daemon);
}
