//! `pentamer journal rebuild`: the cache from the journal again, while the daemon is stopped.

use super::super::{Exit, complain, print};
use super::place::{Place, unreadable};
use crate::cache::{self, Opening, Sled};
use crate::core::fact::JournalPosition;
use crate::core::fold;
use crate::core::fold::state::{State as _, StateError};
use crate::core::policy::Policy;
use crate::engine::{extract_caught, read_batch};
use crate::journal::{Damage, Disk as _, Inspection, JournalError, OsDisk};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long sled may take to open an empty directory.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

/// [`Exit::CannotStart`] while a daemon works on the directory, and where a newer version wrote in it;
/// [`Exit::Failed`] where something is damaged: the cache is built of what is whole all the same.
pub(super) fn run(args: &Args) -> Exit {
    match rebuild(args) {
        Ok((text, damage)) => {
            print(&text);
            for one in &damage {
                eprintln!("left out: {one}");
            }
            if damage.is_empty() {
                Exit::Done
            } else {
                Exit::Failed
            }
        }
        Err(exit) => exit,
    }
}

fn rebuild(args: &Args) -> Result<(String, Vec<Damage>), Exit> {
    // The tables are part of what results mean, so the configuration is needed in any case.
    let config = args.place.config()?;
    let dir = args
        .place
        .data
        .clone()
        .unwrap_or(config.storage.dir.clone());
    if !dir.join("journal").is_dir() {
        let missing = JournalError::Io {
            what: "find",
            path: dir.join("journal"),
            source: io::ErrorKind::NotFound.into(),
        };
        return Err(unreadable(&dir, &missing));
    }
    let path = dir.join("lock");
    let _lock = OsDisk.lock(&path).map_err(|source| {
        let what = "lock";
        unreadable(
            &dir,
            &match source.kind() {
                io::ErrorKind::WouldBlock => JournalError::Locked { path },
                _ => JournalError::Io { what, path, source },
            },
        )
    })?;
    let mut journal = args.place.inspect(&dir)?;
    if let Some(newer) = journal.recovery.newer_record(&dir) {
        return Err(unreadable(&dir, &newer));
    }
    let cache = dir.join("cache");
    let failed = |error: StateError| {
        complain(
            &error.to_string(),
            &cache.display().to_string(),
            "see that the directory can be written and has the space",
        );
        Exit::CannotStart
    };
    if cache.exists() {
        cache::set_aside(&cache, "built again by `pentamer journal rebuild`");
    }
    let policy = config.policy();
    let state = cache::fresh(&Opening {
        dir: &cache,
        program: Path::new(""),
        limit: OPEN_WITHIN,
        within: OPEN_WITHIN,
        memory: config.storage.cache_memory,
        policy: &policy.hash(),
        journal_end: journal.recovery.last,
    })
    .map_err(failed)?;
    let folded = fold_all(&args.place, &journal, &state, &policy).map_err(failed)?;
    state.flush().map_err(failed)?;
    let text = format!(
        "folded      {folded} records up to position {}\ncache       {}\n",
        journal.recovery.last,
        cache.display()
    );
    Ok((text, journal.recovery.damage))
}

fn fold_all(
    place: &Place,
    journal: &Inspection,
    state: &Sled,
    policy: &Policy,
) -> Result<u64, StateError> {
    let last = journal.recovery.last;
    let bar = place.bar(last.0, "folding  {bar:40} {pos}/{len} records  {eta} left");
    let mut reader = journal.reader(JournalPosition::START);
    let mut folded = 0;
    loop {
        // What is damaged was found by the inspection, and is told of at the end.
        let facts = read_batch(&mut reader, last, |_| ());
        let facts = facts.map_err(|error| StateError::Store(error.to_string()))?;
        let Some((at, _)) = facts.last() else {
            break;
        };
        let at = *at;
        let applied = fold::apply(&facts, state, policy, &extract_caught)?;
        state.commit(applied.batch, applied.through)?;
        folded += facts.len() as u64;
        bar.set_position(at.0);
    }
    bar.finish_and_clear();
    Ok(folded)
}
