//! Opening the cache without trusting it.

use super::sled::Sled;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::core::fold::state::{State, StateError};
use crate::core::fold::views;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Bytes that the child may be expected to look at in a second, on a slow disk.
const VERIFIED_PER_SECOND: u64 = 20 << 20;

/// A cache that may be folded into.
#[derive(Debug)]
pub enum Opened {
    /// It continues where it stood.
    Good(Sled),
    /// It is empty; where it replaces another one, why.
    Rebuild {
        /// The new cache.
        state: Sled,
        /// `None` where there was none before.
        why: Option<String>,
    },
}

/// Opens the cache in `dir`.
///
/// `program` is called as `program verify-cache DIR` and has `limit` (and more for large caches) to
/// look at every value; `policy` is the hash that the state must have been folded with.
///
/// # Errors
/// Where not even an empty cache can be made: the caller works in memory.
pub fn open_guarded(
    dir: &Path,
    program: &Path,
    limit: Duration,
    memory: u64,
    policy: &str,
) -> Result<Opened, StateError> {
    if !dir.exists() {
        return Ok(Opened::Rebuild {
            state: fresh(dir, memory, policy)?,
            why: None,
        });
    }
    match open_known(dir, program, limit, memory, policy) {
        Ok(state) => Ok(Opened::Good(state)),
        Err(why) => {
            set_aside(dir, &why);
            Ok(Opened::Rebuild {
                state: fresh(dir, memory, policy)?,
                why: Some(why),
            })
        }
    }
}

/// Makes an empty cache. Where one could not be moved away, what is found is still the old one: that
/// is an error, not a state to go on with.
pub(super) fn fresh(dir: &Path, memory: u64, policy: &str) -> Result<Sled, StateError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|error| StateError::Store(error.to_string()))?;
    let marker = Marker::set(dir);
    let state = Sled::open(dir, memory)?;
    let is_empty = state.scan(&[], &[], 1)?.is_empty();
    if !is_empty || state.position()? != JournalPosition::START {
        return Err(StateError::Store(
            "the old one cannot be moved away".to_owned(),
        ));
    }
    views::note_policy(&state, policy)?;
    marker.clear();
    Ok(state)
}

fn open_known(
    dir: &Path,
    program: &Path,
    limit: Duration,
    memory: u64,
    policy: &str,
) -> Result<Sled, String> {
    if Marker::path(dir).exists() {
        return Err("the daemon ended while opening it".to_owned());
    }
    let marker = Marker::set(dir);
    let checked = verify_in_child(dir, program, limit);
    let opened = checked.and_then(|()| {
        let state = Sled::open(dir, memory).map_err(|error| error.to_string())?;
        match views::policy(&state).map_err(|error| error.to_string())? {
            Some(found) if found == policy => Ok(state),
            Some(_) => Err("tables or thresholds have changed since".to_owned()),
            None => Err("it does not say what it was folded with".to_owned()),
        }
    });
    marker.clear();
    opened
}

/// A file beside the cache that is there only while it is being opened.
struct Marker(PathBuf);

impl Marker {
    fn path(dir: &Path) -> PathBuf {
        dir.with_extension("opening")
    }

    fn set(dir: &Path) -> Self {
        let path = Self::path(dir);
        // Without it an unclean opening goes unnoticed; the child's look still stands.
        let _ = fs::write(&path, b"");
        Self(path)
    }

    fn clear(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The child's work: opens the cache and looks at every value.
///
/// # Errors
/// What is wrong with it.
pub fn verify(dir: &Path) -> Result<JournalPosition, StateError> {
    const MEMORY: u64 = 16 << 20;
    let state = Sled::open(dir, MEMORY)?;
    views::verify(&state)?;
    state.position()
}

fn verify_in_child(dir: &Path, program: &Path, limit: Duration) -> Result<(), String> {
    let mut child = Command::new(program)
        .arg("verify-cache")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("it cannot be checked: {error}"))?;
    let limit = limit + Duration::from_secs(size(dir) / VERIFIED_PER_SECOND);
    let begun = clock::monotonic();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(_)) => return Err("its check failed".to_owned()),
            Ok(None) if clock::monotonic().saturating_duration_since(begun) < limit => {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("its check did not end in time".to_owned());
            }
            Err(error) => return Err(format!("its check cannot be waited for: {error}")),
        }
    }
}

fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                size(&path)
            } else {
                entry.metadata().map_or(0, |found| found.len())
            }
        })
        .sum()
}

/// Moves a cache out of the way, with the reason beside it; only the last one is kept.
pub fn set_aside(dir: &Path, why: &str) {
    let aside = dir.with_extension("aside");
    let _ = fs::remove_dir_all(&aside);
    if fs::rename(dir, &aside).is_err() {
        // It cannot be kept: then it must at least not be used.
        let _ = fs::remove_dir_all(dir);
        return;
    }
    let _: io::Result<()> = fs::write(aside.join("why.txt"), format!("{why}\n"));
    let _ = fs::remove_file(Marker::path(dir));
}
