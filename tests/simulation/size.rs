//! How large the state is for each patient with three panels.

use super::message::{Style, immunoglobulin, msh, order, pid};
use super::world::fold_into;
use pentamer::cache::{Memory, Sled};
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold::state::State;
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;

/// Patients folded as one batch.
const BATCH: u64 = 300;

/// Three panels of one patient, a month apart.
fn panels(patient: u64) -> impl Iterator<Item = (JournalPosition, Fact)> {
    (0..3).map(move |panel| {
        let at = super::hospital::YEAR.plus(super::message::days(30 * panel as i64));
        let mut text = msh(0, "ORU^R01^ORU_R01", at, &format!("C{patient}-{panel}"));
        let birth = jiff::civil::date(1970, 1, 1);
        text += &pid(&format!("P{patient:07}"), "MÜLLER^ANNA", birth, "F", "");
        text += &order(
            &format!("I{patient}-{panel}"),
            "IG^Immunoglobulins^L",
            at,
            at,
            "F",
        );
        for (analyte, limits) in [(40, 230), (700, 1_600), (70, 400)].into_iter().enumerate() {
            let value = (limits.0 + limits.1) / 2;
            text += &immunoglobulin(Style::Loinc, analyte + 1, analyte, value, limits, "F");
        }
        let received = Received {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: "192.0.2.1:4000".to_owned(),
            },
            received_at: Timestamp::from_micros(1_767_225_600_000_000),
            part: (0, 1),
            raw: text.into_bytes().into(),
        };
        let batch = patient / BATCH;
        let position = patient * 3 + panel + batch + 1;
        (JournalPosition(position), Fact::Received(received))
    })
}

fn fill(state: &dyn State, patients: u64) {
    let policy = Policy::built_in();
    for first in (0..patients).step_by(BATCH as usize) {
        let facts: Vec<_> = (first..patients.min(first + BATCH))
            .flat_map(panels)
            .collect();
        fold_into(state, &facts, &policy);
        let decided = pentamer::core::fold::decide(state, &policy).expect("a readable state");
        if let Some(decided) = decided {
            let at = state.position().expect("a position").next();
            fold_into(state, &[(at, Fact::Decided(decided))], &policy);
        }
    }
}

/// Keys and values by table, in bytes.
fn bytes(state: &dyn State) -> (usize, u64) {
    let (mut entries, mut bytes) = (0, 0);
    let mut from = Vec::new();
    loop {
        let chunk = state.scan(&[], &from, 10_000).expect("a readable state");
        let Some((last, _)) = chunk.last() else {
            return (entries, bytes);
        };
        from.clone_from(last);
        from.push(0);
        entries += chunk.len();
        bytes += chunk
            .iter()
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum::<u64>();
    }
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}

#[test]
#[ignore = "a measurement: `just state-size`"]
fn state_of_many_patients() {
    let patients = super::asked("PENTAMER_PATIENTS").unwrap_or(1_000_000);
    let before = resident();
    let state = Memory::new();
    fill(&state, patients);
    let (entries, size) = bytes(&state);
    let grown = resident().saturating_sub(before);
    println!(
        "in memory, {patients} patients: {entries} entries; {} bytes of keys and values and {} bytes \
         resident a patient",
        size / patients,
        grown / patients
    );
    drop(state);
    let on_disk = patients / 10;
    let dir = tempfile::tempdir().expect("a directory");
    let state = Sled::open(dir.path(), 64 << 20).expect("opened");
    fill(&state, on_disk);
    state.flush().expect("flushed");
    println!(
        "on sled, {on_disk} patients: {} bytes on disk a patient",
        on_disk_bytes(dir.path()) / on_disk
    );
}

fn on_disk_bytes(dir: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => on_disk_bytes(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
