//! `pentamer generate --send`: the synthetic feed over MLLP to the real daemon, and its answers.

use super::harness::{Home, Pentamer, command};
use pentamer::generate::feed::Feed;
use pentamer::generate::hospital::Mix;
use std::net::TcpListener;
use std::process::Output;

const MESSAGES: usize = 700;

fn generate(words: &[&str]) -> Output {
    let common = [
        "generate",
        "--seed",
        "4",
        "--hospital",
        "200",
        "--low",
        "300",
    ];
    let count = MESSAGES.to_string();
    command()
        .args(common)
        .args(["--messages", &count])
        .args(words)
        .output()
        .expect("ran")
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn what_is_generated_is_sent_each_feed_to_its_address() {
    let second = "[[listener]]\nname = \"second\"\nbind = \"127.0.0.1:0\"\n";
    let daemon = Pentamer::start(Home::new("", second));
    let addresses = format!("{},{}", daemon.mllp, daemon.listener("second"));
    let output = generate(&["--send", &addresses, "--in-flight", "8", "--rate", "5000/s"]);
    let shown = told(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let mix = Mix {
        results: 200,
        planted: 300,
        ..Mix::default()
    };
    let made = Feed::new(4, mix).take(MESSAGES);
    let (mut counts, mut unasked) = ([0_u64; 2], [0_u64; 2]);
    for event in made {
        counts[event.feed % 2] += 1;
        let is_answer = String::from_utf8_lossy(&event.raw).contains("||ACK|");
        unasked[event.feed % 2] += u64::from(is_answer);
    }
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    for (count, unasked) in counts.into_iter().zip(unasked) {
        assert!(shown.contains(&format!("sent        {count}\n")), "{shown}");
        let accepted = count - unasked;
        let accepted = format!("accepted    {accepted} (AA {accepted})\n");
        assert!(shown.contains(&accepted), "{shown}");
    }
    // What is counted before the acknowledgement; what comes of reading is counted once more, behind it.
    let received: Vec<f64> = ["lab", "second"]
        .iter()
        .map(|name| {
            let of = |outcome: &str| {
                let labels = format!("listener=\"{name}\",outcome=\"{outcome}\"");
                daemon.metric("pentamer_messages_total", &labels)
            };
            of("stored") + of("duplicate")
        })
        .collect();
    assert_eq!(received, counts.map(|count| count as f64));
    daemon.settle();
    let alerts = daemon.home.alerts();
    assert!(alerts.len() > 20, "{}", alerts.len());
}

#[test]
fn where_nobody_listens_the_command_says_so_and_ends() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound").to_string()
    };
    let output = generate(&["--send", &nobody]);
    let shown = told(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("cannot connect"), "{shown}");
    // The other address gets all that is for it.
    let daemon = Pentamer::start_default();
    let output = generate(&["--send", &format!("{nobody},{}", daemon.mllp)]);
    assert_eq!(output.status.code(), Some(1));
    let odd = daemon.metric("pentamer_messages_total", "listener=\"lab\"");
    assert!(odd > 50.0, "{odd}");
}

#[test]
fn options_of_sending_need_an_address() {
    for words in [
        &["--rate", "10/s"][..],
        &["--connections", "2"],
        &["--quiet"],
    ] {
        let output = generate(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    let output = generate(&["--send", "127.0.0.1:1", "--out", "file"]);
    assert_eq!(output.status.code(), Some(2));
}
