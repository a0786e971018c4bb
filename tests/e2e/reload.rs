//! Another configuration by SIGHUP: what comes into force, what waits for a restart, and a wrong one.

use super::harness::{Home, Pentamer, low_igm, panel, wait_for};
use super::load::Load;
use super::manager::Manager;
use super::receivers::http::{Answer, HttpReceiver};
use super::sinks::QUICK;
use pentamer::core::fact::Fact;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

const CODE: &str = "[[analyte]]\nanalyte = \"IgM\"\nsystem = \"L\"\ncode = \"IGMS\"\n";

/// A panel with a local code for IgM.
fn local(control_id: &str, patient: &str) -> String {
    low_igm(control_id, patient).replace("2472-9^IgM^LN", "IGMS^IgM^L")
}

fn times(log: &str, what: &str) -> usize {
    log.matches(what).count()
}

/// Writes the file with these changes and has it read again; waits for the word that says how it ended.
fn reload(daemon: &Pentamer, event: &str, change: impl Fn(String) -> String) {
    let path = daemon.home.path().join("pentamer.toml");
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, change(text)).expect("written");
    let event = format!("\"event\":\"{event}\"");
    let before = times(&daemon.home.log(), &event);
    daemon.signal(Signal::HUP);
    wait_for("the configuration to be read again", || {
        (times(&daemon.home.log(), &event) > before).then_some(())
    });
}

fn policies(home: &Home) -> Vec<String> {
    let facts = crate::offline::facts(&home.data()).into_iter();
    facts
        .filter_map(|(_, fact)| match fact {
            Fact::PolicyChanged { policy, .. } => Some(policy),
            _ => None,
        })
        .collect()
}

/// As at a restart: the change is a recorded fact, nobody is paged for what was received before, and
/// what comes next is judged with it, and with what was there.
#[test]
fn tables_come_into_force_and_page_nobody_for_the_past() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let before = local("1", "1");
    // IgG and IgA alone are news; this one has nothing that was known, so nothing was decided.
    let unknown = before.split("OBX|2").next().expect("one OBX");
    assert_eq!(sender.exchange(unknown), "AA");
    daemon.settle();
    reload(&daemon, "cache_rebuild", |text| text + CODE);
    daemon.settle();
    assert!(daemon.home.alerts().is_empty(), "by itself it pages nobody");
    let shown = daemon.get("/api/v1/patients/HOSP%3A1").1;
    assert!(
        shown.contains("0.21"),
        "it is read with the new table: {shown}"
    );
    // The connection was there before, and goes on.
    assert_eq!(sender.exchange(&local("2", "2")), "AA");
    daemon.settle();
    wait_for("the alert", || {
        (daemon.home.alerts().len() == 1).then_some(())
    });
    let log = daemon.home.log();
    assert!(
        log.contains("\"now\":\"analyte\"") && log.contains("\"restart\":\"\""),
        "{log}"
    );
    let notices = daemon.get("/api/v1/notices").1;
    assert!(notices.contains("\"items\":[]"), "{notices}");
    let (home, status) = daemon.stop();
    assert!(status.success());
    let policies = policies(&home);
    assert_eq!(policies.len(), 2, "{policies:?}");
    assert_eq!(home.alerts()[0]["data"]["policy"], policies[1].as_str());
    // Nothing is left to do for the next start.
    let daemon = Pentamer::start(home.with_extra(CODE));
    daemon.settle();
    assert!(
        !daemon.home.log().contains("cache_rebuilt"),
        "no notice: it was expected"
    );
    assert_eq!(daemon.home.alerts().len(), 1);
    assert_eq!(times(&daemon.home.log(), "\"event\":\"cache_rebuild\""), 1);
}

#[test]
fn the_same_file_again_changes_nothing() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    reload(&daemon, "reloaded", |text| text);
    daemon.settle();
    assert_eq!(times(&daemon.home.log(), "\"event\":\"cache_rebuild\""), 0);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    daemon.settle();
    let (home, _) = daemon.stop();
    assert_eq!(policies(&home).len(), 1);
    assert_eq!(
        home.alerts().len(),
        2,
        "one each, whichever sink task wrote it"
    );
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told_until_it_is_right() {
    let daemon = Pentamer::start_default();
    let wrong = "[[analyte]]\nanalyte = \"IgMM\"\nsystem = \"L\"\ncode = \"IGMS\"\n[site]\nzone = \"UTC\"\n";
    reload(&daemon, "reload_refused", |text| text + wrong);
    let notices = daemon.get("/api/v1/notices").1;
    for word in ["configuration_wrong", "IgMM", "site.zone", "pentamer.toml:"] {
        assert!(notices.contains(word), "{word} is not in {notices}");
    }
    assert_eq!(daemon.get("/readyz").0, 200, "it goes on");
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1);
    reload(&daemon, "reloaded", |text| text.replace(wrong, ""));
    assert!(
        !daemon
            .get("/api/v1/notices")
            .1
            .contains("configuration_wrong")
    );
    // Not even TOML, and then no file at all.
    reload(&daemon, "reload_refused", |text| text + "[[[");
    std::fs::remove_file(daemon.home.path().join("pentamer.toml")).expect("removed");
    let before = times(&daemon.home.log(), "reload_refused");
    daemon.signal(Signal::HUP);
    wait_for("another refusal", || {
        (times(&daemon.home.log(), "reload_refused") > before).then_some(())
    });
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    let (home, _) = daemon.stop();
    assert_eq!(policies(&home).len(), 1);
}

#[test]
fn what_waits_for_a_restart_is_named_until_it_is_taken_back() {
    let daemon = Pentamer::start_default();
    let other = |text: String| {
        text.replace("segment_size = \"4 MiB\"", "segment_size = \"8 MiB\"")
            .replace("level = \"debug\"", "level = \"error\"")
            .replace("[http]\n", "[site]\nname = \"other\"\n[http]\n")
    };
    let before = daemon.home.log().len();
    reload(&daemon, "notice_raised", other);
    let notices = daemon.get("/api/v1/notices").1;
    for word in ["restart_needed", "`site.name`", "`storage.segment_size`"] {
        assert!(notices.contains(word), "{word} is not in {notices}");
    }
    assert!(
        !notices.contains("log.level"),
        "that is in force: {notices}"
    );
    // Of the new level are lines of connections no longer.
    let told = daemon.home.log()[before..].to_owned();
    assert!(told.contains("\"now\":\"log.level\""), "{told}");
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let quiet = daemon.home.log();
    assert!(
        !quiet[before..].contains("\"connected\""),
        "{}",
        &quiet[before..]
    );
    // At the next reload it is still different from what is in force.
    daemon.signal(Signal::HUP);
    let path = daemon.home.path().join("pentamer.toml");
    let text = std::fs::read_to_string(&path).expect("read");
    let text = text
        .replace("segment_size = \"8 MiB\"", "segment_size = \"4 MiB\"")
        .replace("level = \"error\"", "level = \"debug\"")
        .replace("[site]\nname = \"other\"\n", "");
    assert!(daemon.get("/api/v1/notices").1.contains("`site.name`"));
    std::fs::write(&path, text).expect("written");
    daemon.signal(Signal::HUP);
    wait_for("the notice to be over", || {
        let notices = daemon.get("/api/v1/notices").1;
        (!notices.contains("restart_needed")).then_some(())
    });
    let alert = &daemon.home.alerts()[0];
    assert!(
        !alert["source"].as_str().expect("text").contains("other"),
        "{alert}"
    );
}

#[test]
fn an_allow_list_holds_for_the_next_connection_and_lets_the_open_ones_be() {
    let daemon = Pentamer::start_default();
    let mut open = daemon.connect();
    assert_eq!(open.exchange(&low_igm("1", "1")), "AA");
    let name = "name = \"lab\"\n";
    let only = "name = \"lab\"\nallow = [\"10.0.0.0/8\"]\nack_application = \"NEW\"\n";
    reload(&daemon, "reloaded", |text| text.replace(name, only));
    let log = daemon.home.log();
    assert!(
        log.contains("\"now\":\"listener.lab.ack_application, listener.lab.allow\""),
        "{log}"
    );
    assert_eq!(open.exchange(&low_igm("2", "2")), "AA", "this one goes on");
    assert_eq!(daemon.connect().answer(), None, "closed");
    assert_eq!(daemon.wire("denied"), 1.0);
    reload(&daemon, "reloaded", |text| {
        text.replace("\"10.0.0.0/8\"", "\"127.0.0.1\"")
    });
    assert_eq!(daemon.connect().exchange(&low_igm("3", "3")), "AA");
    assert_eq!(times(&daemon.home.log(), "\"event\":\"cache_rebuild\""), 0);
}

#[test]
fn sinks_come_and_go_and_each_alert_is_told_once() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let file = daemon.home.path().join("pages.jsonl");
    let sink = format!(
        "[[sink]]\nname = \"pages\"\nkind = \"file\"\npath = \"{}\"\n",
        file.display()
    );
    reload(&daemon, "reloaded", |text| text + &sink);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    let patient = "\"id\":\"2\"";
    wait_for("the alert in the new file", || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        (times(&text, patient) == 1).then_some(())
    });
    assert!(
        daemon
            .metrics()
            .contains_key("pentamer_queue_depth{sink=\"pages\"}")
    );
    reload(&daemon, "reloaded", |text| text.replace(&sink, ""));
    assert_eq!(daemon.connect().exchange(&low_igm("3", "3")), "AA");
    daemon.settle();
    wait_for("all three in alerts.jsonl", || {
        (daemon.home.alerts().len() == 3).then_some(())
    });
    let text = std::fs::read_to_string(&file).expect("read");
    assert!(!text.contains("\"id\":\"3\""), "it is gone");
}

/// Another address, a notice that stands, an escalation: what a queue knew goes on, and what was told is
/// told to nobody twice.
#[test]
fn receivers_are_exchanged_under_their_names_and_notices_are_not_told_again() {
    let (old, new, wide) = (
        HttpReceiver::start(),
        HttpReceiver::start(),
        HttpReceiver::start(),
    );
    old.always(Some(Answer::Status(503)));
    let sink = |name: &str, receiver: &HttpReceiver, events: &str| {
        format!(
            "[[sink]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\nevents = [\"{events}\"]\n{QUICK}\n",
            receiver.url()
        )
    };
    let extra = sink("pager", &old, "detected") + &sink("wide", &wide, "notice");
    let daemon = Pentamer::start(Home::new("", &extra));
    let faults = daemon.home.path().join("faults");
    std::fs::write(faults.join("clock-seconds"), "3600").expect("written");
    let of_type = |receiver: &HttpReceiver, wanted: &str| {
        let seen = receiver.seen().into_iter().map(|seen| seen.json());
        seen.filter(|event| event["type"] == wanted)
            .collect::<Vec<_>>()
    };
    let told = || of_type(&wide, "pentamer.notice.v1").len();
    wait_for("the notice", || (told() == 1).then_some(()));
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    wait_for("a refusal", || (!old.seen().is_empty()).then_some(()));
    // What waits goes to the new address, and on to others when nobody takes note of it.
    let rule = "[[escalation]]\nname = \"wide\"\nafter = \"1s\"\nsinks = [\"wide\"]\n";
    reload(&daemon, "reloaded", |text| {
        text.replace(&old.url(), &new.url()) + rule
    });
    wait_for("the alert at the new address", || {
        (of_type(&new, "pentamer.alert.detected.v1").len() == 1).then_some(())
    });
    wait_for("the escalation", || {
        (of_type(&wide, "pentamer.alert.detected.v1").len() == 1).then_some(())
    });
    assert_eq!(told(), 1, "the notice was told before");
    let before = old.seen().len();
    // Without the rule the next page goes nowhere else; a sink that comes gets what comes.
    let more = sink("more", &old, "detected");
    old.always(None);
    reload(&daemon, "reloaded", |text| text.replace(rule, "") + &more);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    wait_for("the second at both", || {
        (of_type(&new, "pentamer.alert.detected.v1").len() == 2 && old.seen().len() == before + 1)
            .then_some(())
    });
    let last = old.seen().pop().expect("one").json();
    assert_eq!(last["data"]["patient"]["id"], "2", "and nothing of before");
    // The way to it works as before the reload, by the API too.
    let (status, _) = daemon.get("/api/v1/queue/pager");
    assert_eq!(status, 200);
    daemon.settle();
    assert_eq!(of_type(&new, "pentamer.alert.detected.v1").len(), 2);
}

#[test]
fn the_service_manager_is_told_when_it_begins_and_when_it_is_done() {
    let manager = Manager::new(Home::new("", ""));
    let service = manager.start();
    manager.wait_for("READY=1");
    service.signal(Signal::HUP);
    let told = manager.wait_for("RELOADING=1");
    let clock = told
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(
        clock.is_some_and(|micros| micros.parse::<u64>().is_ok()),
        "{told}"
    );
    manager.wait_for("READY=1");
    std::fs::write(manager.home.path().join("pentamer.toml"), "nonsense").expect("written");
    service.signal(Signal::HUP);
    manager.wait_for("RELOADING=1");
    let told = manager.wait_for("READY=1");
    assert!(told.contains("configuration_wrong"), "{told}");
    assert!(service.stop().success());
}

/// Tables come and go while messages do: all are there, and nobody is paged twice.
#[test]
fn reloaded_under_load_nothing_is_lost_and_nobody_paged_twice() {
    let daemon = Pentamer::start_default();
    let load = Load::start(4, 1_000_000, 2, Duration::from_millis(20));
    load.point_at(Some(daemon.mllp));
    for round in 0..6 {
        let wanted = load.acknowledged() + 20;
        wait_for("acknowledgements", || {
            (load.acknowledged() >= wanted).then_some(())
        });
        reload(&daemon, "cache_rebuild", |text| {
            if round % 2 == 0 {
                text + CODE
            } else {
                text.replace(CODE, "")
            }
        });
    }
    let acknowledged = load.end();
    daemon.settle();
    let (home, status) = daemon.stop();
    assert!(status.success());
    let stored: BTreeSet<String> = crate::offline::messages(&home.data())
        .iter()
        .map(|raw| {
            String::from_utf8_lossy(raw)
                .split('|')
                .nth(9)
                .expect("MSH-10")
                .to_owned()
        })
        .collect();
    assert!(acknowledged.is_subset(&stored));
    let low: BTreeSet<String> = crate::offline::messages(&home.data())
        .iter()
        .filter_map(|raw| {
            let text = String::from_utf8_lossy(raw);
            let patient = text.split("PID|1||").nth(1)?.split('^').next()?;
            patient.starts_with("low-").then(|| patient.to_owned())
        })
        .collect();
    let alerts = home.alerts();
    let told: Vec<&str> = alerts
        .iter()
        .map(|alert| alert["data"]["patient"]["id"].as_str().expect("an id"))
        .collect();
    let each: BTreeSet<String> = told.iter().map(|&id| id.to_owned()).collect();
    assert_eq!(each, low, "everybody, and nobody else");
    assert_eq!(told.len(), each.len(), "once");
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

/// What was in the message is not lost by it either: a table that is taken back shows what it showed.
#[test]
fn a_table_that_is_taken_back_is_gone() {
    let daemon = Pentamer::start_default();
    let home = |text: String| text + CODE;
    reload(&daemon, "cache_rebuild", home);
    daemon.settle();
    reload(&daemon, "cache_rebuild", |text| text.replace(CODE, ""));
    daemon.settle();
    assert_eq!(daemon.connect().exchange(&local("1", "1")), "AA");
    assert_eq!(
        daemon
            .connect()
            .exchange(&panel("2", "2", "0.21", "11.0", "2.0")),
        "AA"
    );
    daemon.settle();
    wait_for("the alert", || {
        (!daemon.home.alerts().is_empty()).then_some(())
    });
    assert_eq!(daemon.home.alerts().len(), 1, "the code is unknown again");
}
