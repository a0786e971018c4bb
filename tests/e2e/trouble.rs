//! Disk full, read-only, failing, slow; the clock set; a directory from a newer version; files for their
//! owner only and no core dumps.

use super::harness::{Home, Pentamer, Sender, low_igm, spawn, wait_for};
use super::journal::journal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn has_notice(daemon: &Pentamer, kind: &str) -> Option<String> {
    let page: Value = serde_json::from_str(&daemon.get("/api/v1/notices").1).ok()?;
    let items = page["items"].as_array()?.clone();
    let found = items.into_iter().find(|item| item["kind"] == kind)?;
    Some(found["text"].as_str().expect("text").to_owned())
}

fn wait_for_notice(daemon: &Pentamer, kind: &str) -> String {
    wait_for(&format!("the notice {kind}"), || has_notice(daemon, kind))
}

fn wait_for_no_notice(daemon: &Pentamer, kind: &str) {
    wait_for(&format!("the end of {kind}"), || {
        has_notice(daemon, kind).is_none().then_some(())
    });
}

/// What every trouble with the disk looks like from outside (WIRE A-70): no answer, a closed
/// connection, 503, a notice; and when it is over the sender's repetition is accepted.
fn nothing_can_be_stored(daemon: &Pentamer, mend: impl FnOnce(), notice: &str, reason: &str) {
    let before = daemon.stored();
    let mut sender = daemon.connect();
    sender.send_framed(&low_igm("2", "2"));
    assert_eq!(sender.answer(), None, "closed without a byte");
    let (status, body) = daemon.get("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains(&format!("cannot store: {reason}")), "{body}");
    // Its text has the space that is left, which may change between two looks.
    wait_for("the same text at both places", || {
        let text = has_notice(daemon, notice)?;
        daemon.get("/readyz").1.contains(&text).then_some(())
    });
    assert!(daemon.home.log().contains("storing_failed"));
    // New connections are accepted, and closed after a second.
    let mut late = Sender::new(daemon.mllp);
    assert_eq!(late.answer(), None);
    assert_eq!(daemon.get("/healthz").0, 200);
    mend();
    wait_for("storing", || (daemon.get("/readyz").0 == 200).then_some(()));
    wait_for_no_notice(daemon, notice);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    daemon.settle();
    let alerts = daemon.home.alerts();
    let of_patient = |alert: &&Value| alert["data"]["patient"]["id"] == "2";
    assert_eq!(alerts.iter().filter(of_patient).count(), 1);
    assert_eq!(
        daemon.stored(),
        before + 1.0,
        "once, however often it was sent"
    );
}

/// A small file system of its own, where this machine allows that.
pub struct Mount(PathBuf);

impl Mount {
    pub fn make(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).ok()?;
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0700"),
                "pentamer-test",
            ])
            .arg(at)
            .output();
        let done = mounted.is_ok_and(|output| output.status.success());
        if !done {
            eprintln!("skipped: no file system can be mounted here");
        }
        done.then(|| Self(at.to_owned()))
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.0)
            .status();
        assert!(done.expect("ran").success(), "remounted {how}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const IMPATIENT: &str = "store_wait = \"2s\"";

#[test]
fn a_full_file_system() {
    let home = Home::new(IMPATIENT, "").with_storage("segment_size = \"64 KiB\"");
    let Some(mount) = Mount::make(&home.data(), "96m") else {
        return;
    };
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let ballast = mount.0.join("ballast");
    let mut full = std::fs::File::create(&ballast).expect("created");
    while std::io::Write::write(&mut full, &[1; 65_536]).is_ok() {}
    drop(full);
    // What is set aside for the segments under way can still be filled; then nothing more.
    let mut sender = daemon.connect();
    let mut number = 0;
    loop {
        number += 1;
        sender.send_framed(&low_igm(&format!("fill-{number}"), "1"));
        if sender.answer().is_none() {
            break;
        }
    }
    assert!(number > 10, "{number} messages found space");
    nothing_can_be_stored(
        &daemon,
        || std::fs::remove_file(&ballast).expect("removed"),
        "disk_low",
        "disk_full",
    );
    let (home, status) = daemon.stop();
    assert!(status.success());
    assert!(journal(&["verify"], &home.data()).status.success());
    drop(mount);
}

#[test]
fn less_space_than_the_reserve() {
    let home = Home::new(IMPATIENT, "").with_storage("reserve = \"8 MiB\"");
    let Some(mount) = Mount::make(&home.data(), "24m") else {
        return;
    };
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let text = wait_for_notice(&daemon, "disk_low");
    assert!(text.contains("left"), "told before storing stops: {text}");
    assert_eq!(daemon.get("/readyz").0, 200);
    let ballast = mount.0.join("ballast");
    std::fs::write(&ballast, vec![1; 10 << 20]).expect("written");
    let mut sender = daemon.connect();
    sender.send_framed(&low_igm("2", "2"));
    assert_eq!(sender.answer(), None);
    assert!(daemon.get("/readyz").1.contains("cannot store: reserve"));
    std::fs::remove_file(&ballast).expect("removed");
    wait_for("storing", || (daemon.get("/readyz").0 == 200).then_some(()));
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    drop(daemon);
    drop(mount);
}

#[test]
fn a_file_system_that_turns_read_only() {
    let home = Home::new(IMPATIENT, "");
    let Some(mount) = Mount::make(&home.data(), "24m") else {
        return;
    };
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let home = daemon.stop().0;
    // Nothing may be open for writing when it is remounted: so it is at the start.
    mount.remount("ro");
    let (mut child, home) = spawn(home);
    assert_eq!(child.wait().expect("ended").code(), Some(3));
    assert!(home.log().contains("help:"), "{}", home.log());
    let looked = journal(&["verify"], &home.data());
    assert!(looked.status.success(), "looking needs no writing");
    mount.remount("rw");
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    drop(daemon);
    drop(mount);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_disk_that_refuses_to_write() {
    let daemon = Pentamer::start(Home::new(IMPATIENT, ""));
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    daemon.home.switch_fault("journal-write", true);
    let mend = || daemon.home.switch_fault("journal-write", false);
    nothing_can_be_stored(&daemon, mend, "disk_failing", "write");
}

#[cfg(feature = "failpoints")]
#[test]
fn a_disk_that_refuses_to_sync() {
    let daemon = Pentamer::start(Home::new(IMPATIENT, ""));
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    daemon.home.switch_fault("journal-sync", true);
    let mend = || daemon.home.switch_fault("journal-sync", false);
    nothing_can_be_stored(&daemon, mend, "disk_failing", "sync");
}

#[cfg(feature = "failpoints")]
#[test]
fn a_full_disk_by_its_error() {
    let daemon = Pentamer::start(Home::new(IMPATIENT, ""));
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    daemon.home.switch_fault("journal-full", true);
    let mend = || daemon.home.switch_fault("journal-full", false);
    nothing_can_be_stored(&daemon, mend, "disk_low", "disk_full");
}

/// What is stored cannot be read: it is acknowledged all the same, looked at when that is over, and a
/// start is refused until then.
#[cfg(feature = "failpoints")]
#[test]
fn a_disk_that_refuses_to_read() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    daemon.home.switch_fault("journal-read", true);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    wait_for("the fold to be behind", || {
        (daemon.get("/readyz").0 == 503).then_some(())
    });
    assert_eq!(daemon.connect().exchange(&low_igm("3", "3")), "AA");
    daemon.home.switch_fault("journal-read", false);
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 3);
    let home = daemon.stop().0;
    home.switch_fault("journal-read", true);
    let (mut child, home) = spawn(home);
    assert_eq!(child.wait().expect("ended").code(), Some(3));
    let log = home.log();
    assert!(
        log.contains("cannot read `") && log.contains("help:"),
        "{log}"
    );
    home.switch_fault("journal-read", false);
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 3);
}

/// A sync that takes long: the answer comes late, everything else goes on, and somebody is told.
#[cfg(feature = "failpoints")]
#[test]
fn a_slow_disk_delays_the_answer_and_stops_nothing_else() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    daemon.home.switch_fault("journal-sync-stall", true);
    let mut waiting = daemon.connect();
    waiting.send_framed(&low_igm("2", "2"));
    wait_for_notice(&daemon, "disk_failing");
    let (status, body) = daemon.get("/readyz");
    assert_eq!(
        (
            status,
            body.starts_with("cannot store: the disk does not answer")
        ),
        (503, true)
    );
    assert_eq!(daemon.get("/healthz").0, 200);
    assert!(!daemon.metrics().is_empty());
    assert_eq!(daemon.get("/api/v1/patients/HOSP%3A1").0, 200);
    // Another sender is taken, and its frame is read.
    let mut other = daemon.connect();
    other.send_framed(&low_igm("3", "3"));
    daemon.home.switch_fault("journal-sync-stall", false);
    for sender in [&mut waiting, &mut other] {
        let answer = sender.answer().expect("an answer, late");
        assert!(String::from_utf8_lossy(&answer).contains("MSA|AA|"));
    }
    wait_for_no_notice(&daemon, "disk_failing");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 3);
}

/// The clock is set forward by two days and back again, twice: what waits a day is given up once, and
/// patients are told of once.
#[cfg(feature = "failpoints")]
#[test]
pub fn a_clock_that_jumps_decides_nothing_twice() {
    let daemon = Pentamer::start_default();
    let set_clock = |seconds: i64| {
        let file = daemon.home.path().join("faults/clock-seconds");
        let aside = file.with_extension("new");
        std::fs::write(&aside, seconds.to_string()).expect("written");
        std::fs::rename(&aside, &file).expect("renamed");
    };
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    let part = low_igm("part", "2") + "DSC|more|F\r";
    assert_eq!(daemon.connect().exchange(&part), "AA");
    daemon.settle();
    let deadlines = |daemon: &Pentamer| {
        let output = journal(&["verify"], &daemon.home.data());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said
            .lines()
            .find(|line| line.trim().starts_with("deadline"));
        line.map_or(0, |line| {
            line.split_whitespace()
                .last()
                .and_then(|n| n.parse().ok())
                .expect("a number")
        })
    };
    for (turn, seconds) in [2 * 86_400, 0, 3 * 86_400, -86_400].into_iter().enumerate() {
        set_clock(seconds);
        let text = wait_for_notice(&daemon, "clock_jumped");
        assert!(text.contains("the clock was set"), "{text}");
        let id = format!("t{turn}");
        assert_eq!(
            daemon
                .connect()
                .exchange(&low_igm(&id, &format!("1{turn}"))),
            "AA"
        );
        daemon.settle();
        wait_for("the part to be given up", || {
            (daemon.metric("pentamer_quarantine_total", "continuation") == 1.0).then_some(())
        });
        assert!(deadlines(&daemon) <= 1);
        assert_eq!(daemon.get("/readyz").0, 200);
    }
    // The first message again: it was received long ago by one clock and later by another.
    let told = daemon.home.alerts().len();
    set_clock(0);
    assert_eq!(daemon.connect().exchange(&low_igm("again", "1")), "AA");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), told, "patient 1 was told of");
    assert_eq!(
        daemon.metric("pentamer_quarantine_total", "continuation"),
        1.0
    );
    let (home, _) = daemon.stop();
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

/// Segment header and record kinds of a version to come: refused with the reason and the remedy, and
/// nothing is changed.
#[test]
fn a_directory_of_a_newer_version_is_refused() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    let (home, _) = daemon.stop();
    let segment = home.data().join("journal/0000000001.seg");
    let whole = std::fs::read(&segment).expect("read");
    let newer_header = {
        let mut bytes = whole.clone();
        bytes[8] = 9;
        let sum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    let newer_record = {
        // The first record gets a kind that is not known yet, with its checksum.
        let mut bytes = whole.clone();
        let length = u32::from_le_bytes(bytes[72..76].try_into().expect("four")) as usize;
        bytes[96] = 200;
        let sum = crc32c::crc32c(&bytes[72..64 + 40 + length]);
        bytes[68..72].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    let mut home = home;
    for (bytes, named) in [
        (newer_header, "format version 2"),
        (newer_record, "newer version"),
    ] {
        std::fs::write(&segment, &bytes).expect("written");
        std::fs::remove_file(home.path().join("log")).expect("removed");
        let (mut child, back) = spawn(home);
        home = back;
        assert_eq!(child.wait().expect("ended").code(), Some(3));
        let log = home.log();
        assert!(
            log.contains(named) && log.contains("0000000001.seg"),
            "{log}"
        );
        assert!(
            log.contains("help: start the version that wrote it"),
            "{log}"
        );
        let rebuilt = super::journal::journal(&["rebuild"], &home.data());
        assert_eq!(rebuilt.status.code(), Some(3));
        assert!(home.data().join("cache").exists(), "the cache is as it was");
        assert!(!home.data().join("cache.aside").exists());
        assert_eq!(
            std::fs::read(&segment).expect("read"),
            bytes,
            "nothing is changed"
        );
    }
    std::fs::write(&segment, whole).expect("written");
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
}

#[test]
fn everything_in_the_data_directory_is_for_its_owner_only_and_there_are_no_core_dumps() {
    use std::os::unix::fs::PermissionsExt;
    fn look(path: &Path, seen: &mut usize) {
        let found = std::fs::symlink_metadata(path).expect("there");
        let wanted = if found.is_dir() { 0o700 } else { 0o600 };
        let mode = found.permissions().mode() & 0o777;
        assert_eq!(mode, wanted, "{}: {mode:o}", path.display());
        *seen += 1;
        if found.is_dir() {
            for entry in std::fs::read_dir(path).expect("listed") {
                look(&entry.expect("an entry").path(), seen);
            }
        }
    }
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let home = daemon.stop().0;
    // With a cache that was set aside, and a damaged segment that was kept.
    std::fs::write(home.data().join("cache.opening"), "").expect("written");
    std::fs::set_permissions(
        home.data().join("cache.opening"),
        PermissionsExt::from_mode(0o600),
    )
    .expect("set");
    let segment = home.data().join("journal/0000000001.seg");
    let mut bytes = std::fs::read(&segment).expect("read");
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    daemon.settle();
    let mut seen = 0;
    look(&daemon.home.data(), &mut seen);
    assert!(seen > 10, "{seen} files");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.id())).expect("read");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a limit");
    let words: Vec<_> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
}

/// The files of a process that may not be dumped belong to root, whoever runs it.
#[test]
fn the_memory_of_the_process_is_for_nobody() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let is_root = rustix::process::getuid().is_root();
    let mut command = super::harness::command();
    command.args(["explain", "-"]);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::null());
    if is_root {
        // As root everything belongs to root, which would prove nothing.
        command.uid(NOBODY);
    }
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: the program cannot be started as another user here");
        return;
    };
    let memory = format!("/proc/{}/mem", child.id());
    let ours = if is_root {
        NOBODY
    } else {
        rustix::process::getuid().as_raw()
    };
    wait_for("its memory to be closed", || {
        let owner = std::fs::metadata(&memory).ok()?.uid();
        (owner != ours).then_some(())
    });
    child.kill().expect("killed");
    child.wait().expect("waited");
}
