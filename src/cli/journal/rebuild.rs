//! `pentamer journal rebuild`: the cache from the journal again, while the daemon is stopped.

use super::super::{Exit, complain, print};
use super::place::{Place, unreadable};
use crate::cache::{self, Opening, Sled};
use crate::core::fact::{JournalPosition, Received};
use crate::core::fold;
use crate::core::fold::state::{State as _, StateError};
use crate::core::policy::Policy;
use crate::engine::{Beginning, Source, begin};
use crate::journal::{self, Damage, Disk as _, Inspection, JournalError, OsDisk};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long sled may take to open an empty directory.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// From the first record on, without the checkpoints, which are removed: after a damaged segment
    /// was put back
    #[arg(long)]
    whole: bool,
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
    let keys = args.place.keys()?;
    if let Some(newer) = journal.recovery.newer_record(&dir) {
        return Err(unreadable(&dir, &newer));
    }
    if args.whole && journal.recovery.oldest > JournalPosition::START.next() {
        complain(
            &format!(
                "the records before position {} were dropped; only the checkpoint says what they meant",
                journal.recovery.oldest
            ),
            &dir.display().to_string(),
            "leave out `--whole`, and send the messages of the segment that came back again; see docs/operating.md",
        );
        return Err(Exit::Failed);
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
    let policy = Arc::new(config.policy());
    let state = cache::fresh(&Opening {
        dir: &cache,
        program: Path::new(""),
        limit: OPEN_WITHIN,
        within: OPEN_WITHIN,
        memory: config.storage.cache_memory,
        policy: &policy.hash(),
        keys: &keys,
        key_file: None,
        journal_end: journal.recovery.last,
    })
    .map_err(failed)?;
    let beginning = Beginning {
        synced: journal.recovery.last,
        oldest: journal.recovery.oldest,
        checkpoint: journal.checkpoints.newest().cloned(),
    };
    let beginning = Beginning {
        checkpoint: beginning.checkpoint.filter(|_| !args.whole),
        ..beginning
    };
    let from = begin(&state, &beginning, &policy).map_err(failed)?;
    let folded = fold_all(&args.place, &journal, &state, &policy, from).map_err(failed)?;
    state.flush().map_err(failed)?;
    // What they say is of a journal that lacked something.
    let outdated = args.whole && journal.recovery.damage.is_empty();
    if outdated && let Err(error) = journal::remove_checkpoints(&OsDisk, &dir) {
        return Err(unreadable(&dir, &error));
    }
    let start = match from {
        JournalPosition::START => "the beginning".to_owned(),
        at => format!("the checkpoint at position {at}"),
    };
    let text = format!(
        "folded      {folded} records from {start} up to position {}\ncache       {}\n",
        journal.recovery.last,
        cache.display()
    );
    Ok((text, journal.recovery.damage))
}

fn fold_all(
    place: &Place,
    journal: &Inspection,
    state: &Sled,
    policy: &Arc<Policy>,
    from: JournalPosition,
) -> Result<u64, StateError> {
    let last = journal.recovery.last;
    let bar = place.bar(last.0, "folding  {bar:40} {pos}/{len} records  {eta} left");
    // What is damaged was found by the inspection, and is told of at the end.
    let mut source = Source::new(journal.reader(from), Arc::clone(policy), Arc::new(|_| ()));
    let mut folded = 0;
    let mut at = from;
    loop {
        let batch = source.next(at, last);
        let batch = batch.map_err(|error| StateError::Store(error.to_string()))?;
        let Some((behind, _)) = batch.facts.last() else {
            break;
        };
        at = *behind;
        let extract = |received: &Received, position: JournalPosition, policy: &Policy| {
            batch.extract(received, position, policy, None)
        };
        let applied = fold::apply(&batch.facts, state, policy, &extract)?;
        state.commit(applied.batch, applied.through)?;
        folded += batch.facts.len() as u64;
        bar.set_position(at.0);
    }
    bar.finish_and_clear();
    Ok(folded)
}
