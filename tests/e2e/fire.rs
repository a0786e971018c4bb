//! The real binary under fire: killed, stopped and let go on, with a cache that vanishes, is damaged or
//! comes from an earlier time; counted is what was lost and what came twice.
//!
//! `just kill ROUNDS` runs as many rounds as one asks for; a few are always run.

use super::harness::{DEADLINE, Home, Pentamer, spawn, wait_for, wait_within};
use super::load::Load;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const SENDERS: usize = 4;

fn rounds() -> usize {
    let asked = std::env::var("PENTAMER_ROUNDS").ok();
    asked.map_or(5, |text| text.parse().expect("PENTAMER_ROUNDS is a number"))
}

/// A small generator, so that the round is all it takes to see a failure again.
fn scramble(seed: usize) -> usize {
    let mut z = (seed as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) as usize
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// What happens to the cache between two lives.
fn spoil_cache(home: &Home, round: usize) {
    let cache = home.data().join("cache");
    let earlier = home.path().join("earlier");
    if !cache.exists() {
        return;
    }
    match round % 4 {
        // The check of a cache ends with the daemon that began it, a moment later.
        0 => wait_for("the cache to be left alone", || {
            std::fs::remove_dir_all(&cache).ok()
        }),
        1 => {
            for entry in std::fs::read_dir(&cache).expect("listed") {
                let path = entry.expect("an entry").path();
                let Ok(mut bytes) = std::fs::read(&path) else {
                    continue;
                };
                for number in 0..64 {
                    let length = bytes.len();
                    let at = scramble(round * 64 + number) % length.max(1);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 0xff;
                    }
                }
                std::fs::write(&path, bytes).expect("written");
            }
        }
        2 if earlier.exists() => {
            wait_for("the cache to be left alone", || {
                std::fs::remove_dir_all(&cache).ok()
            });
            copy(&earlier, &cache);
        }
        _ => {
            let _ = std::fs::remove_dir_all(&earlier);
            copy(&cache, &earlier);
        }
    }
}

/// One life: until so many more messages are acknowledged; then SIGKILL, in some after a SIGSTOP and
/// SIGCONT, in some while it is still starting.
fn live(home: Home, load: &Load, round: usize) -> Home {
    if round % 5 == 4 {
        let (mut child, home) = spawn(home);
        let before = home.log().len();
        wait_for("the start", || (home.log().len() > before).then_some(()));
        child.kill().expect("killed");
        child.wait().expect("waited");
        return home;
    }
    let daemon = Pentamer::begin(home);
    load.point_at(Some(daemon.mllp));
    let until = |more: usize| {
        let wanted = load.acknowledged() + more;
        wait_for("acknowledgements", || {
            (load.acknowledged() >= wanted).then_some(())
        });
    };
    until(10 + scramble(round) % 60);
    if round.is_multiple_of(3) {
        daemon.pause();
        // Until nothing is under way any more that could still be answered.
        let mut last = usize::MAX;
        wait_for("silence", || {
            std::thread::park_timeout(Duration::from_millis(100));
            let now = load.acknowledged();
            (std::mem::replace(&mut last, now) == now).then_some(())
        });
        daemon.signal(Signal::CONT);
        until(10);
    }
    load.point_at(None);
    daemon.kill()
}

fn under_fire(what: &str, rounds: usize, between: fn(&Home, usize)) {
    let mut home = Home::new("", "[[sink]]\nname = \"none\"\nkind = \"log\"\n");
    let load = Load::start(SENDERS, 1_000_000, 1, Duration::ZERO);
    for round in 0..rounds {
        home = live(home, &load, round);
        between(&home, round);
    }
    let (sent, counted) = (load.sent(), load.acknowledged());
    let acknowledged = load.end();
    assert!(acknowledged.len() >= counted);
    let daemon = Pentamer::begin(home);
    // Few lives were long enough to look at all that they were sent.
    let limit = DEADLINE + Duration::from_secs(2) * u32::try_from(rounds).expect("few");
    wait_within(limit, "the fold to come up", || {
        (daemon.get("/readyz").0 == 200).then_some(())
    });
    daemon.settle();
    let (home, status) = daemon.stop();
    assert!(status.success());

    let messages = crate::offline::messages(&home.data());
    let mut stored: BTreeMap<String, usize> = BTreeMap::new();
    let mut to_page = BTreeSet::new();
    for raw in &messages {
        let text = String::from_utf8_lossy(raw);
        let field = |number: usize| text.split('|').nth(number).unwrap_or_default();
        *stored.entry(field(9).to_owned()).or_default() += 1;
        let patient = text.split('\r').nth(1).unwrap_or_default();
        let patient = patient.split('|').nth(3).unwrap_or_default();
        let patient = patient.split('^').next().unwrap_or_default();
        if patient.starts_with("low-") {
            to_page.insert(patient.to_owned());
        }
    }
    let mut alerts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let lines = home.alerts();
    for alert in &lines {
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        let patient = text(&alert["data"]["patient"]["id"]);
        alerts
            .entry(patient)
            .or_default()
            .insert(text(&alert["id"]));
    }
    let ids: usize = alerts.values().map(BTreeSet::len).sum();
    let lost = acknowledged
        .iter()
        .filter(|id| !stored.contains_key(*id))
        .count();
    let unpaged = to_page
        .iter()
        .filter(|patient| !alerts.contains_key(*patient))
        .count();
    let duplicated = stored.values().filter(|times| **times > 1).count();
    let paged_twice = alerts.values().filter(|ids| ids.len() > 1).count();
    println!(
        "{what}: {rounds} rounds, sent {sent}, acknowledged {}, stored {}, paged {}; \
         lost {lost} messages and {unpaged} pages, duplicated {duplicated} messages and {paged_twice} pages; \
         sends repeated with the same id: {}",
        acknowledged.len(),
        messages.len(),
        alerts.len(),
        lines.len() - ids,
    );
    assert_eq!((lost, unpaged, duplicated, paged_twice), (0, 0, 0, 0));
    // A kill can repeat the send under way; nothing else can.
    assert!(
        lines.len() - ids <= rounds,
        "{} lines for {ids} alerts",
        lines.len()
    );
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

#[test]
fn killed_and_stopped_under_load() {
    under_fire("killed", rounds(), |_, _| {});
}

#[test]
fn killed_with_a_cache_that_cannot_be_trusted() {
    under_fire("killed, cache spoilt", rounds(), spoil_cache);
}
