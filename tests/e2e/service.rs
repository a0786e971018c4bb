//! As a service of systemd: its protocols, by a manager of ours.

use super::harness::{Home, Sender, framed, low_igm, wait_for};
use super::manager::{Manager, get};
use super::tls;
use rustix::process::Signal;
use std::time::Duration;

/// The manager's patience in tests; a loop may stand still for half of it.
const PATIENCE: Duration = Duration::from_secs(4);

fn watched() -> Manager {
    let home = Home::new("", "").with_storage("cache_wait = \"1s\"");
    Manager::new(home).with("WATCHDOG_USEC", &PATIENCE.as_micros().to_string())
}

#[test]
fn the_manager_is_told_of_start_state_and_end() {
    let manager = Manager::new(Home::new("", ""));
    let service = manager.start();
    let told = manager.wait_for("READY=1");
    assert!(
        told.contains("STATUS=") && told.contains("listeners: 1"),
        "{told}"
    );
    let (mllp, http) = (manager.bound("lab"), manager.bound("http"));
    assert_eq!(
        Sender::new(mllp).exchange(&low_igm("1", "1")),
        "AA",
        "ready is ready"
    );
    manager.wait_for("STATUS=ready; listeners: 1");
    assert_eq!(get(http, "/readyz").0, 200);
    service.signal(Signal::TERM);
    let told = manager.wait_for("STOPPING=1");
    assert!(told.contains("EXTEND_TIMEOUT_USEC=60000000"), "{told}");
    let mut service = service;
    assert!(service.wait().success());
    assert!(
        manager.next(Duration::from_millis(10)).is_none(),
        "nothing after the end"
    );
}

#[test]
fn a_start_that_fails_is_never_said_to_be_ready() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = taken.local_addr().expect("an address");
    let other = format!("[[listener]]\nname = \"other\"\nbind = \"{at}\"\n");
    let manager = Manager::new(Home::new("", &other));
    let mut service = manager.start();
    assert_eq!(service.wait().code(), Some(3));
    while let Some(told) = manager.next(Duration::from_millis(10)) {
        assert!(!told.contains("READY=1"), "{told}");
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn a_long_start_that_goes_on_is_given_more_time() {
    let manager = Manager::new(Home::new("", ""));
    manager.home.switch_fault("start-computes", true);
    let service = manager.start();
    manager.wait_for("EXTEND_TIMEOUT_USEC=120000000");
    manager.home.switch_fault("start-computes", false);
    manager.wait_for("READY=1");
    assert!(service.stop().success());
}

#[test]
fn an_idle_daemon_is_alive() {
    let manager = watched();
    let service = manager.start();
    manager.wait_for("READY=1");
    for _ in 0..4 {
        assert!(manager.is_fed_within(PATIENCE));
        // Longer than any loop may stand still: each of them goes round because it is asked.
        std::thread::park_timeout(PATIENCE / 4);
        manager.drain();
    }
    assert!(
        !manager.home.log().contains("\"stuck\""),
        "{}",
        manager.home.log()
    );
    assert!(service.stop().success());
}

/// Each loop for itself: a daemon that lives but for this is not alive.
#[cfg(feature = "failpoints")]
#[test]
fn a_loop_that_stands_still_starves_the_watchdog() {
    for (fault, part) in [
        ("fold-hang", "fold"),
        ("writer-hang", "journal"),
        ("accept-hang", "listener lab"),
    ] {
        let manager = watched();
        let service = manager.start();
        manager.wait_for("READY=1");
        assert!(manager.is_fed_within(PATIENCE), "{part}");
        manager.home.switch_fault(fault, true);
        let said = format!("\"event\":\"stuck\",\"part\":\"{part}\"");
        wait_for("the loop to be found out", || {
            manager.home.log().contains(&said).then_some(())
        });
        manager.drain();
        assert!(
            !manager.is_fed_within(PATIENCE),
            "{part}: systemd starts it again now"
        );
        manager.home.switch_fault(fault, false);
        assert!(manager.is_fed_within(PATIENCE), "{part} goes on");
        assert!(service.stop().success());
    }
}

/// Another start would wait for the same disk, and cut every connection.
#[cfg(feature = "failpoints")]
#[test]
fn a_disk_that_does_not_answer_is_no_reason_to_be_started_again() {
    let manager = watched();
    let service = manager.start();
    manager.wait_for("READY=1");
    let http = manager.bound("http");
    manager.home.switch_fault("journal-sync-stall", true);
    let mut sender = Sender::new(manager.bound("lab"));
    sender.send_framed(&low_igm("1", "1"));
    wait_for("the notice", || {
        get(http, "/readyz")
            .1
            .contains("disk_failing")
            .then_some(())
    });
    manager.drain();
    for _ in 0..3 {
        assert!(manager.is_fed_within(PATIENCE));
        manager.drain();
    }
    manager.home.switch_fault("journal-sync-stall", false);
    assert!(sender.answer().is_some());
    assert!(service.stop().success());
}

#[test]
fn sockets_that_are_handed_over_are_listened_on() {
    let manager = Manager::new(Home::new("", ""))
        .with_socket("lab")
        .with_socket("http");
    let (lab, http) = (manager.address("lab"), manager.address("http"));
    // Somebody connects, and speaks, before there is a daemon.
    let mut early = Sender::new(lab);
    early.send_framed(&low_igm("1", "1"));
    let service = manager.start();
    manager.wait_for("READY=1");
    assert!(early.answer().is_some());
    assert_eq!(get(http, "/healthz").0, 200);
    assert_eq!(manager.bound("lab"), lab);
    assert!(manager.home.log().contains("\"handed_over\""));
    assert!(service.stop().success());
    // Nobody is there, and nobody is refused.
    let mut late = Sender::new(lab);
    late.send_framed(&low_igm("2", "2"));
    let service = manager.start();
    assert!(late.answer().is_some());
    assert!(service.stop().success());
}

#[test]
fn a_socket_of_an_unknown_name_is_told_with_the_names_that_there_are() {
    let manager = Manager::new(Home::new("", "")).with_socket("default");
    let mut service = manager.start();
    assert_eq!(service.wait().code(), Some(3));
    let log = manager.home.log();
    assert!(
        log.contains("a socket named `default`") && log.contains("`lab`, `http`"),
        "{log}"
    );
}

#[test]
fn two_sockets_of_one_name_are_one_too_many() {
    let manager = Manager::new(Home::new("", ""))
        .with_socket("lab")
        .with_socket("lab");
    let mut service = manager.start();
    assert_eq!(service.wait().code(), Some(3));
    let log = manager.home.log();
    assert!(
        log.contains("two sockets named `lab`") && log.contains("help:"),
        "{log}"
    );
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let manager = Manager::new(Home::new("", ""))
        .with_socket("lab")
        .with("FOREIGN_PID", "1");
    let service = manager.start();
    manager.wait_for("READY=1");
    assert_ne!(manager.bound("lab"), manager.address("lab"));
    assert!(service.stop().success());
}

/// A certificate and its key as credentials: by their names, out of a directory that is the service's.
#[test]
fn keys_of_files_may_name_credentials() {
    let authority = tls::Authority::new();
    let identity = authority.issue("lab.example", 2100);
    let home = Home::new(
        "tls = { cert_file = \"lab-cert\", key_file = \"lab-key\" }",
        "",
    );
    let credentials = home.path().join("credentials");
    std::fs::create_dir(&credentials).expect("made");
    std::fs::write(credentials.join("lab-cert"), &identity.cert).expect("written");
    std::fs::write(credentials.join("lab-key"), &identity.key).expect("written");
    let manager = Manager::new(home).with(
        "CREDENTIALS_DIRECTORY",
        credentials.to_str().expect("a path"),
    );
    let service = manager.start();
    manager.wait_for("READY=1");
    let to = manager.bound("lab");
    let mut sender = tls::connect(to, &authority, None, rustls::ALL_VERSIONS);
    let answer = tls::exchange(&mut sender, &framed(&low_igm("1", "1"))).expect("an answer");
    assert!(String::from_utf8_lossy(&answer).contains("MSA|AA|1\r"));
    drop(sender);
    assert!(service.stop().success());
}

/// The fields of a message of the journal's own protocol: `NAME=value`, or the name, the length as eight
/// bytes, and the value.
fn fields(mut message: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = Vec::new();
    while let Some(end) = message.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = (&message[..end], &message[end + 1..]);
        if line.contains(&b'=') {
            fields.push(text(line));
            message = rest;
            continue;
        }
        let length: [u8; 8] = rest[..8].try_into().expect("eight bytes");
        let length = usize::try_from(u64::from_le_bytes(length)).expect("small");
        fields.push(format!("{}={}", text(line), text(&rest[8..8 + length])));
        message = &rest[8 + length + 1..];
    }
    fields
}

/// Fields of their own in the systemd journal, where stderr leads there.
#[test]
fn the_journal_gets_fields() {
    let home = Home::new("", "");
    let config = home.config();
    let text = std::fs::read_to_string(&config).expect("read");
    std::fs::write(
        &config,
        text.replace("format = \"json\"", "format = \"auto\""),
    )
    .expect("written");
    let journal = home.path().join("journald");
    std::fs::create_dir(&journal).expect("made");
    let socket = std::os::unix::net::UnixDatagram::bind(journal.join("socket")).expect("bound");
    socket
        .set_read_timeout(Some(super::harness::DEADLINE))
        .expect("set");
    // The journal's socket has one fixed place: this one puts ours there, for the daemon alone.
    let inside = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
        mount --bind \"$JOURNALD\" /run/systemd/journal && \
        JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"";
    let can = std::process::Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "none", "/run"])
        .output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine allows no name space of one's own (`unshare -rm`)");
        return;
    }
    let log = std::fs::File::create(home.path().join("log")).expect("a log");
    let child = std::process::Command::new("unshare")
        .args(["-rm", "sh", "-c", inside])
        .arg(env!("CARGO_BIN_EXE_pentamer"))
        .args(["run", "--config"])
        .arg(&config)
        .env("JOURNALD", &journal)
        .current_dir(home.path())
        .stderr(log)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("started");
    let service = super::manager::Service { child };
    let mut seen = Vec::new();
    let listening = "PENTAMER_EVENT=listening".to_owned();
    while !seen.contains(&listening) {
        let mut buffer = [0_u8; 65_536];
        let length = socket
            .recv(&mut buffer)
            .unwrap_or_else(|error| panic!("{error}; so far {seen:?}; the log {}", home.log()));
        seen = fields(&buffer[..length]);
    }
    for field in [
        "PENTAMER_NAME=lab",
        "PRIORITY=6",
        "SYSLOG_IDENTIFIER=pentamer",
        "PENTAMER_KIND=mllp",
    ] {
        assert!(
            seen.iter().any(|one| one == field),
            "{field} is not in {seen:?}"
        );
    }
    let message = seen.iter().find(|one| one.starts_with("MESSAGE="));
    assert!(
        message.is_some_and(|one| one.contains("listening kind=mllp name=lab")),
        "{seen:?}"
    );
    assert_eq!(home.log(), "", "nothing twice");
    assert!(service.stop().success());
}
