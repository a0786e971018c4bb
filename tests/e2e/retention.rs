//! Retention: old segments go by age and by size, and their space really returns.

use super::backup::names;
#[cfg(feature = "failpoints")]
use super::backup::padded;
use super::harness::{Home, Pentamer, low_igm, wait_for};
use super::trouble::Mount;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A message of 64 KiB that does not compress.
fn bulky(control_id: &str, patient: &str) -> String {
    let mut text = String::new();
    let mut random = 88_172_645_463_325_252_u64;
    for byte in control_id.bytes() {
        random = random.wrapping_mul(31).wrapping_add(u64::from(byte)) | 1;
    }
    while text.len() < 64 << 10 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        text.push_str(&format!("{:x}", random.wrapping_mul(0x2545_F491_4F6C_DD1D)));
    }
    let message = super::harness::panel(control_id, patient, "1.1", "11.0", "2.0");
    // A segment of the site: nothing of it is kept but the bytes.
    format!("{message}ZBU|{text}\r")
}

/// Bytes that the files of a folder take on the disk.
fn taken(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("listed").flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512))
        .sum()
}

const SMALL: &str =
    "segment_size = \"1 MiB\"\ncheckpoint_after = \"1 MiB\"\nretention_size = \"4 MiB\"";

/// Some five times what may be kept comes in; what is on the disk stays near that.
#[test]
fn what_is_dropped_gives_its_blocks_back() {
    let daemon = Pentamer::start(Home::new("", "").with_storage(SMALL));
    let journal = daemon.home.data().join("journal");
    let mut sender = daemon.connect();
    for n in 0..300 {
        assert_eq!(sender.exchange(&bulky(&n.to_string(), "7")), "AA");
    }
    daemon.settle();
    // The segments kept, the one that is written, the one made ready, and one for the pass to come.
    wait_for("the blocks to come back", || {
        (taken(&journal) <= 8 << 20).then_some(())
    });
    wait_for("the operator to see it", || {
        let kept = daemon.metric("pentamer_journal_bytes", "");
        (kept > 0.0 && kept <= f64::from(8 << 20)).then_some(())
    });
    assert!(daemon.metric("pentamer_journal_oldest_seconds", "") > 0.0);
}

/// The same on a file system that could not hold it: it never fills.
#[test]
fn a_small_file_system_never_fills() {
    let home = Home::new("store_wait = \"2s\"", "").with_storage(SMALL);
    let Some(mount) = Mount::make(&home.data(), "40m") else {
        return;
    };
    let daemon = Pentamer::start(home);
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&low_igm("first", "4711")), "AA");
    let free = || rustix::fs::statvfs(daemon.home.data()).expect("asked");
    for n in 0..700 {
        assert_eq!(sender.exchange(&bulky(&n.to_string(), "7")), "AA");
        // Faster than the passes that drop what is old, it would fill for a moment.
        wait_for("space", || {
            let now = free();
            (now.f_bavail * now.f_frsize > 16 << 20).then_some(())
        });
    }
    daemon.settle();
    assert_eq!(daemon.get("/api/v1/patients/HOSP%3A4711").0, 200);
    assert!(!daemon.home.log().contains("storing_failed"));
    drop(daemon);
    drop(mount);
}

/// By age: what is younger than `retention` stays, what is older goes once two checkpoints passed it.
#[cfg(feature = "failpoints")]
#[test]
fn by_age() {
    let daemon = Pentamer::start(Home::new("", "").with_storage(
        "segment_size = \"64 KiB\"\ncheckpoint_after = \"64 KiB\"\nretention = \"10 days\"",
    ));
    let journal = daemon.home.data().join("journal");
    let begins = || {
        let there = names(&journal);
        there
            .first()
            .map(|name| name[..10].to_owned())
            .expect("a segment")
    };
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&low_igm("first", "4711")), "AA");
    let checkpoints = daemon.home.data().join("checkpoints");
    let mut n = 0;
    let mut send = || {
        n += 1;
        assert_eq!(
            sender.exchange(&padded(&n.to_string(), &n.to_string())),
            "AA"
        );
    };
    wait_for("checkpoints behind several compressed segments", || {
        send();
        let packed = names(&journal)
            .iter()
            .filter(|name| name.ends_with(".segz"))
            .count();
        let taken = names(&checkpoints)
            .iter()
            .filter(|name| name.ends_with(".ckpt"))
            .count();
        (packed >= 4 && taken == 2).then_some(())
    });
    daemon.settle();
    assert_eq!(begins(), "0000000001", "young, however much it is");
    let clock = daemon.home.path().join("faults/clock-seconds");
    let set_clock = |days: i64| {
        let aside = clock.with_extension("new");
        std::fs::write(&aside, (days * 86_400).to_string()).expect("written");
        std::fs::rename(&aside, &clock).expect("renamed");
    };
    set_clock(9);
    let passes = daemon.metric("pentamer_journal_oldest_seconds", "");
    // What is written now is of another day; checkpoints pass all that came before.
    for _ in 0..120 {
        send();
    }
    daemon.settle();
    assert_eq!(begins(), "0000000001", "nine days are not ten");
    set_clock(11);
    wait_for("the old ones to go", || {
        (begins() != "0000000001").then_some(())
    });
    wait_for("the operator to see since when", || {
        let since = daemon.metric("pentamer_journal_oldest_seconds", "");
        (since > passes).then_some(())
    });
    assert_eq!(daemon.get("/api/v1/patients/HOSP%3A4711").0, 200);
    assert_eq!(daemon.home.alerts().len(), 1);
}
