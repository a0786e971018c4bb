//! Recorded delivery: `Attempted` is durable before a send and `Delivered` after it, so that a crash can
//! repeat the send under way, with the same id, and nothing else.

use super::harness::{Home, Pentamer, low_igm, wait_for};
use super::journal::journal;

fn ids(home: &Home) -> Vec<String> {
    home.alerts()
        .iter()
        .map(|alert| alert["id"].as_str().expect("id").to_owned())
        .collect()
}

/// `verify`'s count of a kind of fact.
fn count(home: &Home, kind: &str) -> usize {
    let output = journal(&["verify"], &home.data());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.trim().strip_prefix(kind));
    line.map_or(0, |count| count.trim().parse().expect("a number"))
}

/// Lives that end well add nothing to what was told.
fn says_nothing_more(home: Home) -> Home {
    let told = ids(&home);
    let daemon = Pentamer::start(home);
    daemon.settle();
    let home = daemon.kill();
    let daemon = Pentamer::start(home);
    daemon.settle();
    let (home, _) = daemon.stop();
    assert_eq!(ids(&home), told, "what is delivered is delivered");
    home
}

#[test]
pub fn killed_between_attempted_and_the_send_it_is_sent_once() {
    // Only the file sink: the log's line is no file.
    let daemon = Pentamer::start_default();
    daemon.home.switch_fault("deliver-before-send", true);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    wait_for("`Attempted` to be durable", || {
        (count(&daemon.home, "attempted") >= 1).then_some(())
    });
    assert!(ids(&daemon.home).is_empty(), "durable before the send");
    let home = daemon.kill();
    home.switch_fault("deliver-before-send", false);
    let daemon = Pentamer::start(home);
    daemon.settle();
    let (home, _) = daemon.stop();
    assert_eq!(ids(&home).len(), 1);
    says_nothing_more(home);
}

#[test]
pub fn killed_between_the_send_and_delivered_it_is_repeated_once_with_the_same_id() {
    let daemon = Pentamer::start_default();
    daemon.home.switch_fault("deliver-after-send", true);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    wait_for("the line", || (ids(&daemon.home).len() == 1).then_some(()));
    assert!(count(&daemon.home, "attempted") >= 1);
    assert_eq!(count(&daemon.home, "delivered"), 0, "only after the send");
    let home = daemon.kill();
    home.switch_fault("deliver-after-send", false);
    let attempted = count(&home, "attempted");
    let daemon = Pentamer::start(home);
    daemon.settle();
    let (home, _) = daemon.stop();
    let told = ids(&home);
    assert_eq!(told.len(), 2);
    assert_eq!(
        told[0], told[1],
        "the same id, by which a receiver knows it"
    );
    assert_eq!(
        count(&home, "attempted"),
        attempted.max(count(&home, "delivered"))
    );
    says_nothing_more(home);
}
