//! Feeds that watch themselves.

use super::harness::{Home, Pentamer, command, framed, low_igm, wait_for};
use pentamer::core::fact::{Fact, Origin, Received};
use pentamer::core::time::{Span, Timestamp};
use pentamer::journal::{self, Draft, OsDisk};
use serde_json::Value;
use std::sync::Arc;

const HOUR: i64 = 3_600;

fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now())
}

/// Weeks of a feed in the journal, up to a minute ago: so many messages an hour.
fn lived(home: &Home, weeks: i64, an_hour: i64) {
    let options = journal::Options {
        reserve: 0,
        segment_size: 4 << 20,
        ..journal::Options::new(home.data(), now)
    };
    let (journal, _) = journal::open(Arc::new(OsDisk), options).expect("opened");
    let (appender, writer) = journal.start();
    let end = now().plus(Span::seconds(-60));
    let every = HOUR / an_hour;
    let count = weeks * 168 * an_hour;
    let drafts = (0..count).map(|number| {
        let at = end.plus(Span::seconds((number - count + 1) * every));
        let sent = at.to_jiff().strftime("%Y%m%d%H%M%S+0000");
        let raw = format!(
            "MSH|^~\\&|LAB|HOSP|PENT|IMM|{sent}||ORU^R01^ORU_R01|h{number}|P|2.5.1\rPID|1||1^^^HOSP^MR\r\
             OBR|1||F{number}|GLU^Glucose^L\rOBX|1|NM|2345-7^Glucose^LN||5|mmol/L|||||F\r"
        );
        Draft::from(Fact::Received(Received {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: "127.0.0.1:4711".to_owned(),
            },
            received_at: at,
            part: (0, 1),
            raw: raw.into(),
        }))
    });
    let drafts: Vec<Draft> = drafts.collect();
    for group in drafts.chunks(500) {
        appender.append_blocking(group.to_vec()).expect("stored");
    }
    drop(appender);
    writer.join();
}

fn feeds(daemon: &Pentamer) -> Vec<Value> {
    let (code, body) = daemon.get("/api/v1/feeds");
    assert_eq!(code, 200, "{body}");
    let page: Value = serde_json::from_str(&body).expect("JSON");
    page["items"].as_array().expect("a list").clone()
}

fn notices(daemon: &Pentamer) -> String {
    daemon.get("/api/v1/notices").1
}

fn shown(daemon: &Pentamer, args: &[&str]) -> String {
    let output = command()
        .arg("feeds")
        .args(args)
        .arg("--server")
        .arg(format!("http://{}", daemon.http))
        .output()
        .expect("ran");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(feature = "failpoints")]
fn set_clock(home: &Home, seconds: i64) {
    std::fs::write(
        home.path().join("faults/clock-seconds"),
        seconds.to_string(),
    )
    .expect("written");
}

/// It falls silent, which is told until it speaks again; a restart forgets neither its week nor that.
#[cfg(feature = "failpoints")]
#[test]
fn a_feed_that_falls_silent_is_told_of_until_it_speaks_again() {
    let home = Home::new("", "");
    lived(&home, 4, 20);
    let daemon = Pentamer::start(home);
    let feed = &feeds(&daemon)[0];
    assert_eq!(feed["feed"], "LAB/HOSP");
    assert_eq!(feed["messages"], 4 * 168 * 20);
    assert_eq!(feed["silence"]["beyond_rhythm"], false, "{feed}");
    let week = feed["rhythm"]["per_hour"].as_array().expect("a week");
    let usual = week.iter().filter(|hour| hour.as_u64() == Some(20)).count();
    assert!(week.len() == 168 && usual >= 160, "{feed}");
    assert!(!notices(&daemon).contains("feed_silent"));

    set_clock(&daemon.home, 2 * HOUR);
    wait_for("the notice", || {
        notices(&daemon).contains("feed_silent").then_some(())
    });
    let told = notices(&daemon);
    assert!(told.contains("LAB/HOSP on `lab` since"), "{told}");
    assert_eq!(daemon.metric("pentamer_feed_silent", "LAB/HOSP"), 1.0);
    let expected = daemon.metric("pentamer_feed_expected_messages", "LAB/HOSP");
    assert!((39.0..=43.0).contains(&expected), "{expected}");
    assert_eq!(daemon.get("/readyz").0, 200, "that is no fault of ours");
    let text = shown(&daemon, &[]);
    assert!(text.contains("! silent beyond its rhythm"), "{text}");

    let (home, status) = daemon.stop();
    assert!(status.success());
    let daemon = Pentamer::start(home);
    assert_eq!(feeds(&daemon)[0]["messages"], 4 * 168 * 20);
    assert!(
        !notices(&daemon).contains("feed_silent"),
        "it had no time to come back"
    );
    set_clock(&daemon.home, 2 * HOUR + 900);
    wait_for("the notice", || {
        notices(&daemon).contains("feed_silent").then_some(())
    });

    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    wait_for("the end of the notice", || {
        (!notices(&daemon).contains("feed_silent")).then_some(())
    });
    assert_eq!(daemon.metric("pentamer_feed_silent", "LAB/HOSP"), 0.0);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_senders_clock_that_is_wrong_is_told_of() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let skewed = |number: usize| low_igm(&format!("{number}"), "1");
    for number in 0..20 {
        assert_eq!(sender.exchange(&skewed(number)), "AA");
    }
    daemon.settle();
    assert_eq!(feeds(&daemon)[0]["clock"]["off_seconds"], Value::Null);
    // Ours goes ahead, so theirs is behind.
    set_clock(&daemon.home, 1_800);
    for number in 20..40 {
        assert_eq!(sender.exchange(&skewed(number)), "AA");
    }
    wait_for("the notice", || {
        notices(&daemon).contains("feed_clock").then_some(())
    });
    let told = notices(&daemon);
    assert!(told.contains(" s behind"), "{told}");
    let skew = daemon.metric("pentamer_feed_clock_skew_seconds", "LAB/HOSP");
    assert!((-1_810.0..=-1_790.0).contains(&skew), "{skew}");
}

#[test]
fn framing_and_answers_are_seen_of_each_sender() {
    let daemon = Pentamer::start_default();
    assert!(shown(&daemon, &[]).contains("no feed has sent a message yet"));
    let mut sender = daemon.connect();
    let mut frame = framed(&low_igm("1", "1"));
    *frame.last_mut().expect("an end") = b'\n';
    sender.send(&frame);
    assert!(sender.answer().is_some());
    // Another one sends messages as they are, without a frame.
    let mut raw = daemon.connect();
    raw.send(low_igm("2", "2").as_bytes());
    raw.finish();
    daemon.settle();
    let item = wait_for("the feed", || {
        let feeds = feeds(&daemon);
        feeds
            .iter()
            .find(|one| one["warnings"].to_string().contains("does not frame"))
            .cloned()
    });
    assert_eq!(item["feed"], "LAB/HOSP");
    assert_eq!(item["peer"], "127.0.0.1");
    assert_eq!(item["connection"]["lenient_framing"]["fs_lf"], 1, "{item}");
    assert_eq!(
        item["connection"]["lenient_framing"]["unframed_msh"], 1,
        "{item}"
    );
    assert_eq!(item["connection"]["answers"], 1);
    assert!(
        item["connection"]["ack_mean_seconds"]
            .as_f64()
            .expect("a number")
            > 0.0
    );
    assert!(daemon.metric("pentamer_feed_lenient_framing", "127.0.0.1") >= 2.0);
    assert!(daemon.metric("pentamer_feed_ack_mean_seconds", "127.0.0.1") > 0.0);
    let json: Value = serde_json::from_str(&shown(&daemon, &["--json"])).expect("JSON");
    assert_eq!(json["items"][0]["feed"], "LAB/HOSP");
    let text = shown(&daemon, &[]);
    assert!(
        text.contains("LAB/HOSP on lab from 127.0.0.1") && text.contains("rhythm not known yet"),
        "{text}"
    );
}

#[test]
fn one_who_never_sends_a_message_that_can_be_read_is_there_without_a_name() {
    let daemon = Pentamer::start_default();
    let mut raw = daemon.connect();
    raw.send(b"MSH|^~\\&|LAB|HOSP\rPID|1\r");
    raw.finish();
    let item = wait_for("the sender", || feeds(&daemon).first().cloned());
    assert_eq!(item["feed"], Value::Null);
    let warnings = item["warnings"].to_string();
    assert!(warnings.contains("does not frame"), "{item}");
}
