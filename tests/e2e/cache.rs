//! sled fails, lies, panics, hangs or crawls while the daemon runs: nothing stops, nobody is paged twice.

use super::harness::{Home, Pentamer, low_igm, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;

fn ids(home: &Home) -> BTreeSet<String> {
    home.alerts()
        .iter()
        .map(|alert| alert["id"].as_str().expect("id").to_owned())
        .collect()
}

fn started() -> Pentamer {
    Pentamer::start(Home::new("", "").with_storage("cache_wait = \"1s\""))
}

fn notices(daemon: &Pentamer) -> Vec<(String, String)> {
    let (status, body) = daemon.get("/api/v1/notices");
    assert_eq!(status, 200);
    let page: Value = serde_json::from_str(&body).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| (text(&item["kind"]), text(&item["text"])))
        .collect()
}

fn wait_for_notice(daemon: &Pentamer, kind: &str) -> String {
    let found = wait_for(&format!("the notice {kind}"), || {
        notices(daemon).into_iter().find(|(found, _)| found == kind)
    });
    let metric = format!("kind=\"{kind}\"");
    assert_eq!(daemon.metric("pentamer_notices", &metric), 1.0);
    found.1
}

/// What holds whatever sled does: the alerts told before are not told again, and the next one is.
fn tells_on(daemon: &Pentamer, told: usize) {
    let id = format!("after-{told}");
    assert_eq!(daemon.connect().exchange(&low_igm(&id, &id)), "AA");
    daemon.settle();
    assert_eq!(ids(&daemon.home).len(), told + 1);
    assert_eq!(daemon.home.alerts().len(), told + 1, "no line twice");
}

#[cfg(feature = "failpoints")]
#[test]
fn an_error_a_panic_and_a_bad_value_each_lead_to_a_rebuild_the_fourth_to_memory() {
    let daemon = started();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let faults = ["cache-error", "cache-panic", "cache-bad-value"];
    for (told, fault) in (1..).zip(faults) {
        // Not while a delivery is noted: who asks only whether something is there does not meet a bad value.
        daemon.settle();
        daemon.home.switch_fault(fault, true);
        // The readers of the state meet the fault, or the fold does.
        wait_for("the fault to be met", || {
            daemon.get("/metrics");
            (!daemon.home.path().join("faults").join(fault).exists()).then_some(())
        });
        wait_for("the rebuild", || {
            let text = daemon.home.log();
            (text.matches("\"event\":\"cache_rebuild\"").count() >= told).then_some(())
        });
        let why = wait_for_notice(&daemon, "cache_rebuilt");
        assert!(why.contains("cache.aside"), "{why}");
        tells_on(&daemon, told);
    }
    assert!(daemon.home.data().join("cache.aside/why.txt").exists());
    daemon.home.switch_fault("cache-error", true);
    let why = {
        wait_for("the fault to be met", || {
            daemon.get("/metrics");
            (!daemon.home.path().join("faults/cache-error").exists()).then_some(())
        });
        wait_for_notice(&daemon, "cache_in_memory")
    };
    assert!(why.contains("3 times within an hour"), "{why}");
    tells_on(&daemon, faults.len() + 1);
    assert!(daemon.get("/readyz").1.contains("notice cache_in_memory"));
    let told = ids(&daemon.home);
    let (home, status) = daemon.stop();
    assert!(status.success());
    // The next start takes the disk again, and tells nothing again.
    let daemon = Pentamer::start(home);
    assert!(notices(&daemon).is_empty());
    daemon.settle();
    assert_eq!(ids(&daemon.home), told);
    tells_on(&daemon, told.len());
    assert_eq!(
        daemon.stored(),
        1.0,
        "what was counted is not counted again"
    );
}

#[cfg(feature = "failpoints")]
#[test]
fn a_hanging_cache_stops_neither_listening_nor_acknowledging_and_memory_takes_over() {
    let daemon = started();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    daemon.home.switch_fault("cache-hang", true);
    // More readers than the runtime has workers.
    let scrapes: Vec<_> = (0..8).map(|_| daemon.begin_get("/metrics")).collect();
    for number in 2..12 {
        let id = number.to_string();
        assert_eq!(daemon.connect().exchange(&low_igm(&id, &id)), "AA");
    }
    let why = wait_for_notice(&daemon, "cache_in_memory");
    assert!(why.contains("does not return"), "{why}");
    daemon.settle();
    assert_eq!(ids(&daemon.home).len(), 11);
    drop(scrapes);
    // sled comes back: what was left behind does nothing any more.
    daemon.home.switch_fault("cache-hang", false);
    tells_on(&daemon, 11);
    let (home, status) = daemon.stop();
    assert!(status.success());
    let daemon = Pentamer::start(home);
    daemon.settle();
    tells_on(&daemon, 12);
}

/// The fold is spared, but who reads the state is not: sinks and pages go on with another state.
#[cfg(feature = "failpoints")]
#[test]
fn a_cache_that_hangs_for_its_readers_is_given_up_too() {
    let daemon = started();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    daemon.home.switch_fault("cache-hang-for-readers", true);
    let scrape = daemon.begin_get("/metrics");
    // The sinks look for alerts, and hang.
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    wait_for_notice(&daemon, "cache_in_memory");
    wait_for("both alerts", || {
        (ids(&daemon.home).len() == 2).then_some(())
    });
    drop(scrape);
    tells_on(&daemon, 2);
    // Threads that are left behind do not keep the daemon from ending.
    let (_, status) = daemon.stop();
    assert!(status.success());
}

/// It hangs to the end: stopping does not wait for it for ever, and nothing is lost by that.
#[cfg(feature = "failpoints")]
#[test]
fn a_daemon_whose_cache_hangs_can_be_stopped() {
    let daemon = started();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    daemon.home.switch_fault("cache-hang", true);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    let (home, status) = daemon.stop();
    assert!(status.success());
    home.switch_fault("cache-hang", false);
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(ids(&daemon.home).len(), 2);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_cache_whose_opening_hangs_is_left_alone() {
    let home = Home::new("", "").with_storage("cache_wait = \"1s\"");
    home.switch_fault("cache-open-hang", true);
    let daemon = Pentamer::start(home);
    assert!(wait_for_notice(&daemon, "cache_in_memory").contains("does not return"));
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let home = daemon.kill();
    home.switch_fault("cache-open-hang", false);
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert!(daemon.home.log().contains("ended while opening it"));
    tells_on(&daemon, 1);
}

/// What looks at the cache is a process of its own: it must not hold the cache when the next daemon comes.
#[cfg(feature = "failpoints")]
#[test]
fn a_daemon_that_is_killed_takes_the_check_of_its_cache_with_it() {
    let daemon = Pentamer::start_default();
    let (home, _) = daemon.stop();
    home.switch_fault("cache-check-hang", true);
    let (mut child, home) = super::harness::spawn(home);
    let data = home.data().display().to_string();
    let is_check = |process: &std::path::Path| {
        let said = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        said.contains("verify-cache") && said.contains(&data)
    };
    let check = wait_for("the check", || {
        let mut processes = std::fs::read_dir("/proc").ok()?.flatten();
        processes.find_map(|one| is_check(&one.path()).then_some(one.path()))
    });
    child.kill().expect("killed");
    child.wait().expect("waited");
    wait_for("its end", || (!is_check(&check)).then_some(()));
    home.switch_fault("cache-check-hang", false);
    tells_on(&Pentamer::start(home), 0);
}

#[cfg(feature = "failpoints")]
#[test]
fn behind_a_slow_cache_everything_is_acknowledged_and_readyz_says_that_the_fold_is_behind() {
    let daemon = Pentamer::start_default();
    daemon.home.switch_fault("cache-slow", true);
    let mut sender = daemon.connect();
    // So many that the fold has its hands full until the fault is over.
    for number in 0..200 {
        let id = number.to_string();
        assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
    }
    wait_for_notice(&daemon, "fold_behind");
    let (status, body) = daemon.get("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(
        body.starts_with("folding") && body.contains("notice fold_behind"),
        "{body}"
    );
    assert_eq!(sender.exchange(&low_igm("x", "x")), "AA");
    daemon.home.switch_fault("cache-slow", false);
    daemon.settle();
    assert_eq!(ids(&daemon.home).len(), 201);
    wait_for("the notice to be cleared", || {
        notices(&daemon).is_empty().then_some(())
    });
    let log = daemon.home.log();
    for event in ["notice_raised", "notice_cleared"] {
        assert_eq!(
            log.matches(&format!("\"event\":\"{event}\"")).count(),
            1,
            "{event}"
        );
    }
    assert_eq!(daemon.metric("pentamer_notices", "fold_behind"), 0.0);
}
