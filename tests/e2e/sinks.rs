//! Webhook and MLLP sinks against receivers that refuse, hang, reset and answer wrongly; mail against a
//! mail server: every alert arrives, with the same id, however often it takes.

use super::harness::{Home, Pentamer, low_igm, panel, wait_for};
use super::receivers::broker::Mail;
use super::receivers::http::{Answer, HttpReceiver};
use super::receivers::mllp::{MllpReceiver, Said};
use std::collections::BTreeSet;
use std::time::Duration;

/// Quick to try again, patient with a machine that has much to do.
pub const QUICK: &str = "retry = { initial = \"20ms\", max = \"100ms\" }\n";

fn webhook(receiver: &HttpReceiver, more: &str) -> String {
    format!(
        "[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\n{QUICK}{more}\n",
        receiver.url()
    )
}

fn ids(receiver: &HttpReceiver) -> Vec<String> {
    let id = |seen: &super::receivers::http::Seen| seen.headers["idempotency-key"].clone();
    receiver.seen().iter().map(id).collect()
}

/// Pages for so many patients, numbered from `first`.
pub fn page(daemon: &Pentamer, first: usize, count: usize) {
    let mut sender = daemon.connect();
    for number in first..first + count {
        let id = number.to_string();
        assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
    }
}

#[test]
fn a_webhook_gets_pages_only_signed_and_with_their_id() {
    let receiver = HttpReceiver::start();
    let home = Home::new("", "");
    std::fs::write(home.path().join("secret"), "topsecret\n").expect("written");
    let secret = home.path().join("secret");
    let more = format!(
        "secret_file = \"{}\"\nheaders = {{ X-Team = \"immunology\" }}",
        secret.display()
    );
    let daemon = Pentamer::start(home.with_extra(&webhook(&receiver, &more)));
    page(&daemon, 1, 1);
    // Low IgM with low IgG is on the worklist and pages nobody.
    let other = panel("2", "2", "0.21", "3.0", "2.0");
    assert_eq!(daemon.connect().exchange(&other), "AA");
    wait_for("both in the file", || {
        (daemon.home.alerts().len() == 2).then_some(())
    });
    daemon.settle();
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    let [one] = &seen[..] else { panic!("one") };
    let event = one.json();
    assert_eq!(one.path, "/alerts");
    assert_eq!(one.headers["content-type"], "application/cloudevents+json");
    assert_eq!(
        one.headers["idempotency-key"],
        event["id"].as_str().expect("id")
    );
    assert_eq!(one.headers["x-team"], "immunology");
    assert_eq!(event["type"], "pentamer.alert.detected.v1");
    assert_eq!(event["data"]["patient"]["id"], "1");
    assert_eq!(event["data"]["patient"].get("name"), None);
    let signature = &one.headers["pentamer-signature"];
    let (time, mac) = signature.split_once(",v1=").expect("two parts");
    let signed = [time.trim_start_matches("t=").as_bytes(), b".", &one.body].concat();
    assert_eq!(mac, hmac(b"topsecret", &signed));
}

/// HMAC-SHA256 by its definition (RFC 2104), not by the crate that signs.
fn hmac(key: &[u8], text: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        for (place, key) in block.iter_mut().zip(key) {
            *place ^= key;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(text)
        .finalize();
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
pub fn a_webhook_is_tried_until_it_takes_the_alert_and_gets_no_other() {
    let mut receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &webhook(&receiver, "timeout = \"3s\"")));
    let faults = [
        Answer::Reset,
        Answer::Hang,
        Answer::SlowBody(503),
        Answer::Status(500),
        Answer::Status(302),
        Answer::Status(401),
        Answer::Status(404),
    ];
    receiver.answer(&faults);
    page(&daemon, 1, 3);
    // On a slow machine a good answer may come too late as well: then it is repeated.
    let distinct =
        |receiver: &HttpReceiver| ids(receiver).into_iter().collect::<BTreeSet<_>>().len();
    wait_for("the alerts", || (distinct(&receiver) == 3).then_some(()));
    daemon.settle();
    let seen = ids(&receiver);
    let first: BTreeSet<&String> = seen.iter().take(faults.len() + 1).collect();
    assert_eq!(first.len(), 1, "the first is tried until it is taken");
    let result = |result: &str| {
        daemon.metric(
            "pentamer_deliveries_total",
            &format!("sink=\"hook\",result=\"{result}\""),
        )
    };
    assert_eq!(result("delivered"), 3.0);
    let failed = result("failed");
    assert!(failed >= faults.len() as f64);
    // Nobody listens; then somebody does.
    receiver.refuse();
    page(&daemon, 4, 2);
    wait_for("a refused connection", || {
        (result("failed") > failed).then_some(())
    });
    receiver.listen();
    daemon.settle();
    let told: Vec<String> = daemon
        .home
        .alerts()
        .iter()
        .map(|a| a["id"].as_str().expect("id").to_owned())
        .collect();
    let mut arrived = ids(&receiver);
    arrived.dedup();
    assert_eq!(arrived, told, "in the order of the decisions");
}

/// The receiver has it: another one would page twice.
#[test]
fn a_taken_alert_is_not_sent_again_because_the_answer_does_not_end() {
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &webhook(&receiver, "timeout = \"3s\"")));
    receiver.answer(&[Answer::SlowBody(200), Answer::SlowBody(204)]);
    page(&daemon, 1, 3);
    daemon.settle();
    assert_eq!(ids(&receiver).len(), 3);
    let failed = "sink=\"hook\",result=\"failed\"";
    let metrics = daemon.metrics();
    assert!(!metrics.contains_key(&format!("pentamer_deliveries_total{{{failed}}}")));
}

#[test]
fn a_receiver_that_asks_for_time_gets_it() {
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &webhook(&receiver, "")));
    receiver.answer(&[Answer::RetryAfter(429, 2)]);
    page(&daemon, 1, 1);
    wait_for("the alert", || (receiver.seen().len() == 2).then_some(()));
    let seen = receiver.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(2));
}

#[test]
pub fn what_is_refused_for_good_is_a_dead_letter_and_holds_up_nothing() {
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &webhook(&receiver, "")));
    receiver.answer(&[Answer::Status(410)]);
    page(&daemon, 1, 2);
    wait_for("the second", || (receiver.seen().len() == 2).then_some(()));
    daemon.settle();
    let dead = daemon.metric("pentamer_deliveries_total", "sink=\"hook\",result=\"dead\"");
    assert_eq!(dead, 1.0);
    let home = daemon.kill();
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(receiver.seen().len(), 2, "a dead letter stays dead");
}

#[test]
fn given_up_after_its_time_an_alert_is_a_dead_letter() {
    let receiver = HttpReceiver::start();
    receiver.always(Some(Answer::Status(503)));
    let sink = webhook(&receiver, "")
        .replace("max = \"100ms\"", "max = \"100ms\", give_up_after = \"1s\"");
    let daemon = Pentamer::start(Home::new("", &sink));
    page(&daemon, 1, 1);
    wait_for("it is given up", || {
        let dead = daemon.metric("pentamer_deliveries_total", "sink=\"hook\",result=\"dead\"");
        (dead == 1.0).then_some(())
    });
    receiver.always(None);
    page(&daemon, 2, 1);
    daemon.settle();
    let last = receiver.seen().pop().expect("a request").json();
    assert_eq!(last["data"]["patient"]["id"], "2");
}

#[test]
pub fn a_new_sink_begins_with_what_comes_and_one_that_was_there_goes_on() {
    let daemon = Pentamer::start_default();
    page(&daemon, 1, 3);
    daemon.settle();
    let (home, _) = daemon.stop();
    let mut receiver = HttpReceiver::start();
    let daemon = Pentamer::start(home.with_extra(&webhook(&receiver, "")));
    daemon.settle();
    assert!(receiver.seen().is_empty(), "the past is not sent by itself");
    receiver.refuse();
    page(&daemon, 4, 1);
    wait_for("it waits", || {
        (daemon.metric("pentamer_queue_depth", "sink=\"hook\"") == 1.0).then_some(())
    });
    // A rebuild of the state finds the same.
    let home = daemon.kill();
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    receiver.listen();
    let daemon = Pentamer::start(home);
    daemon.settle();
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].json()["data"]["patient"]["id"], "4");
}

#[test]
pub fn events_and_severity_choose() {
    let receiver = HttpReceiver::start();
    let choice = "events = [\"resolved\"]\nminimum_severity = \"routine\"";
    let daemon = Pentamer::start(Home::new("", &webhook(&receiver, choice)));
    // Collected two days before the one that is normal again.
    let low = low_igm("1", "1");
    let now = low.split('|').nth(6).expect("MSH-7").to_owned();
    let earlier = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
    let earlier = earlier.strftime("%Y%m%d%H%M%S+0000").to_string();
    assert_eq!(
        daemon.connect().exchange(&low.replace(&now, &earlier)),
        "AA"
    );
    // Seen together they would be the past, which pages nobody.
    wait_for("the first in the file", || {
        (daemon.home.alerts().len() == 1).then_some(())
    });
    let well = panel("2", "1", "1.2", "11.0", "2.0");
    assert_eq!(daemon.connect().exchange(&well), "AA");
    wait_for("both in the file", || {
        (daemon.home.alerts().len() == 2).then_some(())
    });
    daemon.settle();
    let kinds: Vec<String> = receiver
        .seen()
        .iter()
        .map(|seen| seen.json()["type"].to_string())
        .collect();
    assert_eq!(
        kinds,
        ["\"pentamer.alert.resolved.v1\""],
        "of {:?}",
        daemon.home.alerts()
    );
}

#[test]
fn an_alert_goes_over_mllp_and_only_its_own_acceptance_counts() {
    let receiver = MllpReceiver::start();
    let sink = format!(
        "[[sink]]\nname = \"his\"\nkind = \"mllp\"\naddress = \"{}\"\nreceiving_application = \"HIS\"\ntimeout = \"3s\"\n{QUICK}",
        receiver.address
    );
    let daemon = Pentamer::start(Home::new("", &sink));
    let wrong = [
        Said::ForTheOneBefore,
        Said::Nothing,
        Said::Close,
        Said::Junk,
        Said::Code("AE"),
    ];
    receiver.say(&wrong);
    receiver.say(&[Said::Code("AA"), Said::Code("AR"), Said::Code("CA")]);
    page(&daemon, 1, 3);
    wait_for("all of them", || {
        (receiver.seen().len() == wrong.len() + 3).then_some(())
    });
    daemon.settle();
    let ids: Vec<String> = receiver
        .seen()
        .iter()
        .map(|text| text.split('|').nth(9).expect("MSH-10").to_owned())
        .collect();
    let told: Vec<String> = daemon
        .home
        .alerts()
        .iter()
        .map(|a| a["id"].as_str().expect("id").to_owned())
        .collect();
    assert_eq!(ids[..=wrong.len()], vec![told[0].clone(); wrong.len() + 1]);
    assert_eq!(ids[wrong.len() + 1..], told[1..]);
    let result = |result: &str| {
        daemon.metric(
            "pentamer_deliveries_total",
            &format!("sink=\"his\",result=\"{result}\""),
        )
    };
    assert_eq!((result("delivered"), result("dead")), (2.0, 1.0));
    // What arrived is what `pentamer explain` reads.
    let file = daemon.home.path().join("alert.hl7");
    std::fs::write(&file, receiver.seen().pop().expect("a message")).expect("written");
    let explained = super::harness::command()
        .arg("explain")
        .arg(&file)
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(explained.status.success() && text.contains("IgM"), "{text}");
}

#[test]
fn our_own_listener_takes_what_the_mllp_sink_sends() {
    let his = Pentamer::start_default();
    let sink = format!(
        "[[sink]]\nname = \"his\"\nkind = \"mllp\"\naddress = \"{}\"\n{QUICK}",
        his.mllp
    );
    let daemon = Pentamer::start(Home::new("", &sink));
    page(&daemon, 1, 1);
    daemon.settle();
    wait_for("its own alert", || {
        (his.home.alerts().len() == 1).then_some(())
    });
    let (ours, theirs) = (&daemon.home.alerts()[0], &his.home.alerts()[0]);
    assert_eq!(
        ours["data"]["patient"]["id"],
        theirs["data"]["patient"]["id"]
    );
    assert_eq!(theirs["data"]["evidence"][0]["reported"], "0.21 g/L");
}

#[test]
fn mail_arrives_as_text_and_html_and_refusals_are_told_apart() {
    let server = Mail::start();
    let sink = |name: &str, to: &str| {
        format!(
            "[[sink]]\nname = \"{name}\"\nkind = \"smtp\"\nserver = \"127.0.0.1:{}\"\nsecurity = \"none\"\n\
             from = \"Pentamer <pentamer@example.org>\"\nto = {to}\n{QUICK}",
            server.port
        )
    };
    let extra = [
        sink("good", "[\"a@example.org\", \"b@example.org\"]"),
        sink("gone", "\"unknown@example.org\""),
        sink("busy", "\"later@example.org\""),
    ];
    let daemon = Pentamer::start(Home::new("", &extra.concat()));
    page(&daemon, 1, 1);
    let result = |sink: &str, result: &str| {
        daemon.metric(
            "pentamer_deliveries_total",
            &format!("sink=\"{sink}\",result=\"{result}\""),
        )
    };
    wait_for("the mail", || {
        (result("good", "delivered") == 1.0).then_some(())
    });
    wait_for("the refusal for good", || {
        (result("gone", "dead") == 1.0).then_some(())
    });
    wait_for("the refusal for now", || {
        (result("busy", "failed") >= 2.0).then_some(())
    });
    assert_eq!(result("busy", "dead"), 0.0);
    server.accept();
    wait_for("the second mail", || {
        (result("busy", "delivered") == 1.0).then_some(())
    });
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    let id = daemon.home.alerts()[0]["id"]
        .as_str()
        .expect("id")
        .to_owned();
    for wanted in [
        "RCPT a@example.org,b@example.org",
        "From: Pentamer <pentamer@example.org>",
        "isolated low IgM detected",
        "Auto-Submitted: auto-generated",
        "multipart/alternative",
        "text/plain",
        "text/html",
        &format!("Message-ID: <{id}@site.pentamer>"),
    ] {
        assert!(mails[0].contains(wanted), "{wanted} is not in {}", mails[0]);
    }
    assert!(
        !daemon.home.log().contains("unknown@"),
        "what a server says stays out of the log"
    );
}

/// A certificate for these names, its PEM, and a server's settings with it.
fn certificate(names: &[&str], days: i64) -> (String, rustls::ServerConfig) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).expect("names");
    let now = jiff::Timestamp::now().as_second();
    let at = |days: i64| {
        let seconds = u64::try_from(now + days * 86_400).expect("a time");
        std::time::UNIX_EPOCH + Duration::from_secs(seconds)
    };
    parameters.not_before = at(days.min(0) - 10).into();
    parameters.not_after = at(days).into();
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = parameters.self_signed(&key).expect("signed");
    let der = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], der)
        .expect("a certificate");
    (made.pem(), config)
}

#[test]
fn tls_is_checked_name_time_and_authority() {
    let good = certificate(&["127.0.0.1"], 10);
    let other_name = certificate(&["elsewhere.example.org"], 10);
    let expired = certificate(&["127.0.0.1"], -1);
    let unknown = certificate(&["127.0.0.1"], 10);
    let home = Home::new("", "");
    let mut extra = String::new();
    let mut receivers = Vec::new();
    for (name, (pem, config), trusted) in [
        ("good", good, true),
        ("name", other_name, true),
        ("expired", expired, true),
        ("unknown", unknown, false),
    ] {
        let receiver = HttpReceiver::with_tls(config);
        let ca = home.path().join(format!("{name}.pem"));
        std::fs::write(&ca, pem).expect("written");
        extra.push_str(&webhook(&receiver, "").replace("\"hook\"", &format!("\"{name}\"")));
        if trusted {
            extra.push_str(&format!("tls.ca_file = \"{}\"\n", ca.display()));
        }
        receivers.push((name, receiver));
    }
    let daemon = Pentamer::start(home.with_extra(&extra));
    page(&daemon, 1, 1);
    let result = |sink: &str, result: &str| {
        daemon.metric(
            "pentamer_deliveries_total",
            &format!("sink=\"{sink}\",result=\"{result}\""),
        )
    };
    wait_for("the good one", || {
        (result("good", "delivered") == 1.0).then_some(())
    });
    for (name, receiver) in &receivers[1..] {
        wait_for("a refused certificate", || {
            (result(name, "failed") >= 2.0).then_some(())
        });
        assert!(
            receiver.seen().is_empty(),
            "{name}: nothing is sent to a stranger"
        );
        assert_eq!(result(name, "dead"), 0.0, "a certificate is mended");
    }
}
