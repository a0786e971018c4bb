//! An account that may do what docs/cluster.md says, and no more; and an instance that never decides.

use super::{cluster, holds};
use crate::e2e::harness::{Home, Pentamer, command, low_igm, wait_for};
use crate::e2e::receivers::broker::Nats;

/// The lines of docs/cluster.md for a server's configuration.
fn account_of_the_paper() -> String {
    let paper = std::fs::read_to_string("docs/cluster.md").expect("the paper");
    let (_, behind) = paper.split_once("accounts {").expect("the account");
    let (lines, _) = behind.split_once("```").expect("its end");
    format!("accounts {{{lines}")
}

#[test]
fn the_account_of_the_paper_is_enough() {
    let dir = tempfile::tempdir().expect("a directory");
    let conf = dir.path().join("account.conf");
    std::fs::write(&conf, account_of_the_paper()).expect("written");
    let nats = Nats::start_with(&["-c".to_owned(), conf.display().to_string()]);
    let password = dir.path().join("password");
    std::fs::write(&password, "change-me\n").expect("written");
    let with = |instance: &str, password: &std::path::Path| {
        let account = format!(
            "username = \"pentamer\"\npassword_file = \"{}\"\nspread = true\n",
            password.display()
        );
        format!("{}{account}", cluster(&nats.url(), instance, 1))
    };
    let storage = "checkpoint_after = \"1 MiB\"\nretention_size = \"1 MiB\"";
    let daemon = Pentamer::start(Home::new("", &with("a", &password)).with_storage(storage));
    wait_for("it to hold", || holds(&daemon).then_some(()));
    let mut sender = daemon.connect();
    for n in 0..80 {
        let message = format!(
            "{}NTE|1||{}\r",
            low_igm(&n.to_string(), "p"),
            "x".repeat(64 << 10)
        );
        assert_eq!(sender.exchange(&message), "AA");
    }
    daemon.settle();
    // Checkpoints are put into the object store, and old facts are dropped: else this one would not begin so.
    let second = wait_for("a checkpoint to be fetched", || {
        let second = Pentamer::start(Home::new("", &with("b", &password)).with_storage(storage));
        second
            .home
            .log()
            .contains("checkpoint_fetched")
            .then_some(second)
    });
    second.settle();
    let status = command()
        .args(["cluster", "status", "--all", "--config"])
        .arg(second.home.config())
        .output()
        .expect("run");
    assert!(status.status.success());
    // With a wrong one nothing is started, and the password is nowhere.
    let wrong = dir.path().join("wrong");
    std::fs::write(&wrong, "PLANTED-PASSWORD").expect("written");
    let home = Home::new("", &with("c", &wrong));
    let status = command()
        .args(["cluster", "status", "--config"])
        .arg(home.config())
        .output()
        .expect("run");
    let said = String::from_utf8_lossy(&status.stderr).into_owned();
    assert!(
        !status.status.success() && !said.contains("PLANTED"),
        "{said}"
    );
}

#[test]
fn a_receiver_acknowledges_and_never_decides() {
    let nats = Nats::start();
    let receiver = format!("{}role = \"receiver\"\n", cluster(&nats.url(), "r", 1));
    let receiver = Pentamer::start(Home::new("", &receiver));
    assert_eq!(receiver.connect().exchange(&low_igm("1", "p1")), "AA");
    let other = Pentamer::start(Home::new("", &cluster(&nats.url(), "a", 1)));
    wait_for("the other one to hold", || holds(&other).then_some(()));
    // The first lease was free for long: it did not take it.
    assert!(!holds(&receiver));
    other.settle();
    assert_eq!(other.home.alerts().len(), 1);
    drop(other);
    assert_eq!(receiver.connect().exchange(&low_igm("2", "p2")), "AA");
    let next = Pentamer::start(Home::new("", &cluster(&nats.url(), "b", 1)));
    wait_for("the next one to hold", || holds(&next).then_some(()));
    next.settle();
    assert!(!holds(&receiver));
    assert!(receiver.get("/api/v1/worklist").1.contains("p2"));
}
