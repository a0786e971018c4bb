//! What a feed sees of our trouble, measured: a sender at a steady pace while the disk is full, while
//! reading fails, while the tap stands still, and while the process is stopped. `just trouble` shows the
//! figures.

use super::*;
use crate::e2e::harness::panel;
use std::time::Instant;

const PACE: Duration = Duration::from_millis(10);
const MESSAGES: usize = 400;
/// The trouble lasts for these messages.
const TROUBLE: std::ops::Range<usize> = 100..300;

/// Sends at its pace whatever the answers do; the time from each message to its answer.
fn feed(
    daemon: &Pentamer,
    own: bool,
    mut meanwhile: impl FnMut(&Pentamer, usize),
) -> Vec<Duration> {
    let mut sender = daemon.connect();
    let mut writer = sender.stream.try_clone().expect("cloned");
    let messages: Vec<Vec<u8>> = (0..MESSAGES)
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
    let expected: Vec<Vec<u8>> = messages.iter().map(|one| acknowledge(one, "AA")).collect();
    let (told, sent) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let mut times = Vec::new();
        for (number, expected) in expected.iter().enumerate() {
            let answer = sender.answer().expect("an answer");
            let at = Instant::now();
            if own {
                let text = String::from_utf8_lossy(&answer).into_owned();
                assert!(text.contains(&format!("MSA|AA|{number}\r")), "{text}");
            } else {
                assert_eq!(&answer, expected, "the system's own bytes");
            }
            let sent: Instant = sent.recv().expect("told");
            times.push(at.saturating_duration_since(sent));
        }
        times
    });
    let begun = Instant::now();
    for (number, message) in (0..).zip(&messages) {
        let due = begun + PACE * number;
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        meanwhile(daemon, number as usize);
        told.send(Instant::now()).expect("told");
        writer.write_all(message).expect("written");
    }
    reading.join().expect("all answered")
}

fn show(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    let most = at(1.0);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{what:<52} {:>8.2} / {:>8.2} / {:>8.2}",
        ms(at(0.5)),
        ms(at(0.99)),
        ms(most)
    );
    most
}

/// A switch for faults that is on for the messages of [`TROUBLE`].
fn faults(names: &'static [&'static str]) -> impl FnMut(&Pentamer, usize) {
    move |daemon, number| {
        for name in names {
            if number == TROUBLE.start || number == TROUBLE.end {
                daemon.home.switch_fault(name, number == TROUBLE.start);
            }
        }
    }
}

/// A pause of two seconds in the middle, by a stopped process.
fn stopped(daemon: &Pentamer, number: usize) {
    if number == TROUBLE.start {
        daemon.pause();
    } else if number == TROUBLE.end {
        daemon.signal(rustix::process::Signal::CONT);
    }
}

/// Through a relay a feed sees a stopped process, and nothing else.
#[test]
fn what_the_feed_of_a_relay_sees_of_trouble() {
    println!("{:<52} answer p50 / p99 / longest, ms", "relay");
    let scenes: [(&str, &'static [&'static str]); 5] = [
        ("nothing wrong", &[]),
        ("the disk is full", &["journal-full"]),
        (
            "reading fails in the tap and in the fold",
            &["tap-panic", "extract-panic"],
        ),
        ("the tap stands still", &["tap-stall"]),
        ("the disk refuses to sync", &["journal-sync"]),
    ];
    for (what, names) in scenes {
        let lis = Lis::accepting();
        let daemon = relay(&lis);
        let most = show(what, feed(&daemon, false, faults(names)));
        // Two seconds of trouble are not seen: what is longer than that were the trouble itself.
        assert!(most < Duration::from_millis(1_500), "{what}: {most:?}");
        assert_eq!(daemon.get("/healthz").0, 200);
        if !names.contains(&"tap-stall") && !names.contains(&"tap-panic") {
            wait_for("all to be stored", || {
                (daemon.stored() == MESSAGES as f64).then_some(())
            });
        }
    }
    let lis = Lis::accepting();
    let daemon = relay(&lis);
    let most = show(
        "the process is stopped for 2 s",
        feed(&daemon, false, stopped),
    );
    assert!(most > Duration::from_secs(1), "{most:?}");
    wait_for("all to be stored", || {
        (daemon.stored() == MESSAGES as f64).then_some(())
    });
    assert_eq!(daemon.wire("tap_lost"), 0.0);
}

/// An endpoint answers late while nothing can be stored, and never for reading that fails.
#[test]
fn what_the_feed_of_an_endpoint_sees_of_trouble() {
    println!("{:<52} answer p50 / p99 / longest, ms", "endpoint");
    let scenes: [(&str, &'static [&'static str], bool); 4] = [
        ("nothing wrong", &[], false),
        ("reading fails", &["extract-panic"], false),
        ("the disk is full for 2 s", &["journal-full"], true),
        ("the disk refuses to sync for 2 s", &["journal-sync"], true),
    ];
    for (what, names, waits) in scenes {
        let daemon = Pentamer::start_default();
        let most = show(what, feed(&daemon, true, faults(names)));
        assert_eq!(
            waits,
            most > Duration::from_millis(1_500),
            "{what}: {most:?}"
        );
        assert_eq!(daemon.stored(), MESSAGES as f64);
    }
    let daemon = Pentamer::start_default();
    let most = show(
        "the process is stopped for 2 s",
        feed(&daemon, true, stopped),
    );
    assert!(most > Duration::from_secs(1), "{most:?}");
    assert_eq!(daemon.stored(), MESSAGES as f64);
}
