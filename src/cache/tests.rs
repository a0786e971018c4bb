//! sled and the `BTreeMap` are oracles for each other; doubts lead to a rebuild.

use super::*;
use crate::core::fact::JournalPosition;
use crate::core::fold::state::{Batch, State};
use crate::core::fold::views;
use crate::seal::Keyring;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const MEMORY: u64 = 4 << 20;

/// Table, key, and a value or a deletion.
type Change = (u8, u8, Option<Vec<u8>>);

fn batches() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..8));
    let change = (0_u8..3, any::<u8>(), value);
    prop::collection::vec(prop::collection::vec(change, 0..8), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sled_and_memory_are_equal(batches in batches()) {
        let dir = tempfile::tempdir().expect("a directory");
        let memory = Memory::new();
        {
            let sled = Sled::open(dir.path(), MEMORY).expect("opened");
            for (at, changes) in (1_u64..).zip(batches) {
                let mut batch = Batch::default();
                for (table, key, value) in changes {
                    batch.changes.insert(vec![b'A' + table, key], value);
                }
                for state in [&memory as &dyn State, &sled] {
                    state.commit(batch.clone(), JournalPosition(at)).expect("committed");
                }
                prop_assert_eq!(memory.position().expect("read"), sled.position().expect("read"));
            }
            for (prefix, from, limit) in [(&b""[..], &b""[..], 99), (b"B", b"B", 99), (b"B", b"B\x40", 2)] {
                prop_assert_eq!(memory.scan(prefix, from, limit).expect("read"), sled.scan(prefix, from, limit).expect("read"));
            }
            sled.flush().expect("flushed");
        }
        let again = Sled::open(dir.path(), MEMORY).expect("opened again");
        prop_assert_eq!(views::dump(&memory).expect("read"), views::dump(&again).expect("read"));
    }
}

/// A stand-in for the child: a program that always agrees, or never ends, or fails.
fn program(dir: &Path, script: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("child.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("set");
    path
}

fn opening(dir: &Path) -> Opening<'_> {
    Opening {
        dir,
        program: Path::new("/bin/true"),
        limit: Duration::from_millis(300),
        within: Duration::from_secs(30),
        memory: MEMORY,
        policy: "one",
        keys: unsealed(),
        key_file: None,
        journal_end: JournalPosition(7),
    }
}

fn unsealed() -> &'static Keyring {
    static NONE: std::sync::OnceLock<Keyring> = std::sync::OnceLock::new();
    NONE.get_or_init(Keyring::none)
}

fn reopened(script: &str, policy: &str, spoil: impl FnOnce(&Path)) -> (Opened, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    let program = program(dir.path(), script);
    let opening = Opening {
        program: &program,
        policy: "one",
        ..opening(&cache)
    };
    let first = open_guarded(&opening).expect("made");
    let Opened::Rebuild {
        state, why: None, ..
    } = first
    else {
        panic!("a new cache: {first:?}")
    };
    state
        .commit(Batch::default(), JournalPosition(7))
        .expect("committed");
    state.flush().expect("flushed");
    drop(state);
    spoil(&cache);
    let again = open_guarded(&Opening { policy, ..opening });
    (again.expect("opened"), dir)
}

#[test]
fn a_good_cache_continues() {
    let (opened, _dir) = reopened("exit 0", "one", |_| {});
    let Opened::Good(state) = opened else {
        panic!("{opened:?}")
    };
    assert_eq!(state.position().expect("read"), JournalPosition(7));
}

#[test]
fn every_doubt_leads_to_a_rebuild_and_the_old_one_is_kept_aside() {
    let nothing = |_: &Path| {};
    let marked =
        |cache: &Path| std::fs::write(cache.with_extension("opening"), "").expect("written");
    for (script, policy, spoil, expected) in [
        ("exit 1", "one", &nothing as &dyn Fn(&Path), "check failed"),
        ("sleep 60", "one", &nothing, "in time"),
        ("exit 0", "two", &nothing, "changed"),
        ("exit 0", "one", &marked, "while opening"),
    ] {
        let (opened, dir) = reopened(script, policy, spoil);
        let Opened::Rebuild {
            state,
            why: Some(why),
            expected: found,
        } = opened
        else {
            panic!("{opened:?}")
        };
        assert!(why.contains(expected), "{why}");
        assert_eq!(
            found,
            expected == "changed",
            "only other tables are no fault: {why}"
        );
        assert_eq!(state.position().expect("read"), JournalPosition::START);
        let kept = std::fs::read_to_string(dir.path().join("cache.aside/why.txt")).expect("kept");
        assert!(kept.contains(expected));
        assert!(!dir.path().join("cache.opening").exists());
    }
}

#[test]
fn the_child_looks_at_every_value() {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    {
        let state = Sled::open(&cache, MEMORY).expect("opened");
        views::note_policy(&state, "one").expect("noted");
        state.flush().expect("flushed");
    }
    assert_eq!(verify(&cache, None).expect("good"), JournalPosition::START);
    {
        let state = Sled::open(&cache, MEMORY).expect("opened");
        let mut batch = Batch::default();
        batch
            .changes
            .insert(b"Pwrong".to_vec(), Some(vec![1, 0, 0, 0, 0, 9]));
        state.commit(batch, JournalPosition(1)).expect("committed");
        state.flush().expect("flushed");
    }
    assert!(verify(&cache, None).is_err());
}

/// Neither moving nor deleting helped: then the old state must not pass for a new one.
#[test]
fn an_old_cache_never_passes_for_a_fresh_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    let state = fresh(&opening(&cache)).expect("made");
    state
        .commit(Batch::default(), JournalPosition(7))
        .expect("committed");
    state.flush().expect("flushed");
    drop(state);
    assert!(fresh(&opening(&cache)).is_err());
}

#[test]
fn files_that_are_not_ours_are_no_cache() {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    std::fs::create_dir(&cache).expect("made");
    for name in ["conf", "db"] {
        std::fs::write(cache.join(name), b"something else").expect("written");
    }
    assert!(verify(&cache, None).is_err());
}

/// A key of each table, of a few patients and orders.
fn key_of(table: u8, number: u8) -> Vec<u8> {
    use crate::core::clinical::observation::PatientKey;
    use crate::core::fold::keys::{self, Kind};
    let patient = PatientKey {
        authority: "HOSP".to_owned(),
        id: crate::core::phi::Phi::new(format!("PLANTED-{}", number % 4)),
    };
    match table {
        0 => keys::patient(keys::DIRTY, &patient),
        1 => keys::order(&format!("PLANTED-{}", number % 3), &patient),
        2 => keys::item(&patient, Kind::Observation, &[&[number]]),
        3 => keys::item(&patient, Kind::EdgeIn, &[&[number]]),
        _ => keys::alert(u64::from(number)),
    }
}

fn ring(byte: &str) -> Keyring {
    Keyring::parse(&byte.repeat(32)).expect("keys")
}

fn holds(dir: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(dir).expect("read");
    entries
        .map(|entry| entry.expect("an entry").path())
        .any(|path| {
            if path.is_dir() {
                return holds(&path, text);
            }
            let bytes = std::fs::read(path).expect("read");
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Sealed or not, in any order on the disk: every reading is that of a `BTreeMap`.
    #[test]
    fn sealed_and_memory_are_equal(changes in prop::collection::vec((0_u8..5, any::<u8>(), any::<bool>()), 1..80)) {
        let dir = tempfile::tempdir().expect("a directory");
        let ring = ring("ab");
        let sled = Sled::open_sealed(dir.path(), MEMORY, ring.sealer()).expect("opened");
        let memory = Memory::new();
        for (at, (table, number, there)) in (1_u64..).zip(&changes) {
            let mut batch = Batch::default();
            let value = there.then(|| format!("PLANTED value {number}").into_bytes());
            batch.changes.insert(key_of(*table, *number), value);
            for state in [&memory as &dyn State, &sled] {
                state.commit(batch.clone(), JournalPosition(at)).expect("committed");
            }
        }
        for (table, number, _) in &changes {
            let key = key_of(*table, *number);
            prop_assert_eq!(memory.get(&key).expect("read"), sled.get(&key).expect("read"));
            for len in [1, key.len() / 2, key.len() - 1, key.len()] {
                for limit in [1, 3, 99] {
                    let prefix = &key[..len];
                    let scan = |state: &dyn State, from: &[u8]| state.scan(prefix, from, limit).expect("read");
                    prop_assert_eq!(scan(&memory, prefix), scan(&sled, prefix));
                    prop_assert_eq!(scan(&memory, &key), scan(&sled, &key));
                }
            }
        }
        let all = memory.scan(&[], &[], 999).expect("read");
        prop_assert_eq!(&all, &sled.scan(&[], &[], 999).expect("read"));
        // In the store's own order, in steps, nothing is missing and nothing twice.
        let (mut walked, mut behind) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let some = sled.walk(behind.as_deref(), 3).expect("read");
            let Some((place, _)) = some.last() else { break };
            behind = Some(place.clone());
            for (place, (key, value)) in some {
                prop_assert_eq!(&place, &sled.place(&key).expect("told"));
                walked.push((key, value));
            }
        }
        walked.sort();
        prop_assert_eq!(all, walked);
        sled.flush().expect("flushed");
        drop(sled);
        prop_assert!(!holds(dir.path(), "PLANTED"));
        // Under another key, and in the clear, its values cannot be read.
        if memory.scan(&[], &[], 1).expect("read").is_empty() {
            return Ok(());
        }
        let other = self::ring("cd");
        let sled = Sled::open_sealed(dir.path(), MEMORY, other.sealer()).expect("opened");
        prop_assert!(sled.walk(None, 9).is_err());
    }
}

/// A value belongs to its place: another's is not taken for it.
#[test]
fn a_sealed_value_that_was_moved_is_refused() {
    let sealing = super::sealing::Sealing::new(ring("ab").sealer().expect("a key"));
    let (one, two) = (key_of(2, 0), key_of(2, 4));
    let (here, there) = (sealing.place(&one), sealing.place(&two));
    let sealed = sealing.seal(&here, &one, b"value").expect("sealed");
    assert_eq!(
        sealing.open(&here, &sealed).expect("opened"),
        (one, b"value".to_vec())
    );
    let text = sealing
        .open(&there, &sealed)
        .expect_err("moved")
        .to_string();
    assert!(text.contains("seal is broken"), "{text}");
}

/// Turning sealing on or off, or another key, builds the cache again, and leaves nothing of the old one.
#[test]
fn a_cache_that_is_kept_in_another_way_is_not_kept_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    let (off, one, two) = (Keyring::none(), ring("ab"), ring("cd"));
    std::fs::create_dir(dir.path().join("cache.aside")).expect("made");
    std::fs::write(dir.path().join("cache.aside/old"), "PLANTED").expect("written");
    let mut found = Vec::new();
    for keys in [&off, &one, &one, &two, &off] {
        let opening = Opening {
            keys,
            ..opening(&cache)
        };
        let state = match open_guarded(&opening).expect("opened") {
            Opened::Good(state) => {
                found.push("good".to_owned());
                state
            }
            Opened::Rebuild {
                state,
                why,
                expected,
            } => {
                assert!(expected);
                found.push(why.unwrap_or_default());
                state
            }
        };
        let mut batch = Batch::default();
        batch
            .changes
            .insert(key_of(2, 1), Some(b"PLANTED".to_vec()));
        state.commit(batch, JournalPosition(7)).expect("committed");
        state.flush().expect("flushed");
        drop(state);
        assert_eq!(holds(dir.path(), "PLANTED"), keys.sealer().is_none());
    }
    let id = |ring: &Keyring| ring.sealer().expect("a key").id();
    let expected = [
        String::new(),
        format!(
            "it is not sealed, and is to be sealed with the key {}",
            id(&one)
        ),
        "good".to_owned(),
        format!(
            "it is sealed with the key {}, and is to be sealed with the key {}",
            id(&one),
            id(&two)
        ),
        format!(
            "it is sealed with the key {}, and is to be not sealed",
            id(&two)
        ),
    ];
    assert_eq!(found, expected);
}

/// Every value is read as what its key says, not only by its checksum.
#[test]
fn values_of_another_version_or_place_do_not_pass() {
    use crate::core::fold::{codec, keys};
    let number = codec::encode("test", &7_u64).expect("encoded");
    let mut older = number.clone();
    older[0] = 0;
    let sink = || keys::named(keys::SINKS, "log");
    for (key, value, good) in [
        (sink(), number.clone(), true),
        (sink(), older, false),
        (
            keys::quarantine(JournalPosition(1), 0),
            number.clone(),
            false,
        ),
        (b"\xffforeign".to_vec(), number, false),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let state = Sled::open(dir.path(), MEMORY).expect("opened");
        let batch = Batch {
            changes: [(key, Some(value))].into(),
        };
        state.commit(batch, JournalPosition(1)).expect("committed");
        state.flush().expect("flushed");
        drop(state);
        assert_eq!(verify(dir.path(), None).is_ok(), good);
    }
}

/// One of another journal, or a journal that was put back: it would never be folded on.
#[test]
fn a_cache_that_knows_more_than_the_journal_is_not_used() {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    let state = fresh(&opening(&cache)).expect("made");
    let ahead = JournalPosition(8);
    state.commit(Batch::default(), ahead).expect("committed");
    drop(state);
    let Opened::Rebuild { why: Some(why), .. } = open_guarded(&opening(&cache)).expect("opened")
    else {
        panic!("it was trusted");
    };
    assert!(
        why.contains("position 8") && why.contains("ends at 7"),
        "{why}"
    );
}

#[test]
fn a_cache_without_its_position_is_damaged() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = fresh(&opening(&dir.path().join("cache"))).expect("made");
    let sink = crate::core::fold::keys::named(crate::core::fold::keys::SINKS, "log");
    let value = crate::core::fold::codec::encode("test", &7_u64).expect("encoded");
    let batch = Batch {
        changes: [(sink, Some(value))].into(),
    };
    state
        .commit(batch, JournalPosition::START)
        .expect("committed");
    drop(state);
    assert!(verify(&dir.path().join("cache"), None).is_err());
}

/// What was given up fails at once, whatever it would say, and lets go of its files.
#[test]
fn a_state_that_is_given_up_says_so_and_closes() {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    let state = Guarded::new(fresh(&opening(&cache)).expect("made"));
    assert!(state.get(b"key").expect("read").is_none());
    assert!(state.waiting_longer_than(Duration::ZERO).is_empty());
    state.give_up("it hangs");
    let said = state.position().expect_err("given up").to_string();
    assert!(said.contains("it hangs"), "{said}");
    assert!(state.close(Duration::from_secs(30)));
    assert!(state.close(Duration::ZERO), "it is closed already");
    Sled::open(&cache, MEMORY).expect("nobody holds it");
}

/// What sled has replaced is freed by the collector of `crossbeam-epoch`, of which there must be one.
#[test]
fn what_a_batch_has_replaced_is_freed_behind_it() {
    let lock = include_str!("../../Cargo.lock");
    assert_eq!(lock.matches("name = \"crossbeam-epoch\"").count(), 1);
    let dir = tempfile::tempdir().expect("a directory");
    let sled = Sled::open(dir.path(), MEMORY).expect("opened");
    let freed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&freed);
    crossbeam_epoch::pin().defer(move || told.store(true, Ordering::Release));
    // One is enough but where a thread of sled is held up while it looks; by itself it takes 254.
    let freed = (1..=100).any(|at| {
        let mut batch = Batch::default();
        batch.changes.insert(b"A".to_vec(), Some(vec![1]));
        sled.commit(batch, JournalPosition(at)).expect("committed");
        freed.load(Ordering::Acquire)
    });
    assert!(freed);
}
