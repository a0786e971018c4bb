//! A stopped daemon's directory, looked at through the library.

use pentamer::core::fact::{Fact, JournalPosition};
use pentamer::core::fold::state::State;
use pentamer::core::fold::{self, views};
use pentamer::core::policy::Policy;
use pentamer::{cache, journal};
use std::path::Path;
use std::sync::Arc;

/// Every fact of a journal, in order.
pub fn facts(data: &Path) -> Vec<(JournalPosition, Fact)> {
    let out_of_stream = pentamer::cluster::is_of_a_stream(data).then(|| exported(data));
    let data = out_of_stream.as_ref().map_or(data, tempfile::TempDir::path);
    let journal =
        journal::inspect(Arc::new(journal::OsDisk), data).expect("the journal can be read");
    let recovery = &journal.recovery;
    assert!(recovery.damage.is_empty(), "damage: {:?}", recovery.damage);
    let mut reader = journal.reader(JournalPosition::START);
    let mut facts = Vec::new();
    while let Some(fact) = reader.next(recovery.last).expect("whole") {
        facts.push(fact);
    }
    facts
}

/// The facts of the stream that a data directory belongs to, as a journal elsewhere.
fn exported(data: &Path) -> tempfile::TempDir {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let config = data.parent().expect("a home").join("pentamer.toml");
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_pentamer"))
        .args(["cluster", "export", "--config"])
        .arg(config)
        .env("PENTAMER__STORAGE__DIR", elsewhere.path())
        .output()
        .expect("run");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    elsewhere
}

/// Folds a journal from its beginning into memory and holds it against the cache on disk.
pub fn assert_rebuild_equals_cache(data: &Path) {
    let facts = facts(data);
    let sled = cache::Sled::open(&data.join("cache"), 16 << 20).expect("the cache opens");
    let last = facts
        .last()
        .map_or(JournalPosition::START, |(position, _)| *position);
    assert_eq!(
        sled.position().expect("read"),
        last,
        "a clean stop leaves nothing to fold"
    );
    let policy = Policy::built_in();
    let memory = cache::Memory::new();
    for chunk in facts.chunks(7) {
        let applied = fold::apply(chunk, &memory, &policy, &pentamer::core::extract::extract)
            .expect("folded");
        memory
            .commit(applied.batch, applied.through)
            .expect("committed");
    }
    let rebuilt = views::dump(&memory).expect("read");
    let live = views::dump(&sled).expect("read");
    assert_eq!(rebuilt.len(), live.len(), "as many entries");
    for (left, right) in rebuilt.iter().zip(&live) {
        assert_eq!(left, right);
    }
}

/// The raw messages of a journal, in order.
pub fn messages(data: &Path) -> Vec<Vec<u8>> {
    facts(data)
        .into_iter()
        .filter_map(|(_, fact)| match fact {
            Fact::Received(received) => Some(received.raw.to_vec()),
            _ => None,
        })
        .collect()
}
