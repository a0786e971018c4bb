//! Opening the cache without trusting it.

use super::sled::Sled;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::core::fold::state::{State, StateError};
use crate::core::fold::views;
use crate::failpoints;
use crate::seal::{Keyring, Sealer};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
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
        /// The old one was good, but of other tables: nothing is wrong.
        expected: bool,
    },
}

/// What opening a cache has to know.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The cache's directory.
    pub dir: &'a Path,
    /// Called as `PROGRAM verify-cache DIR`, with `--key-file FILE` where there is one: looks at every value.
    pub program: &'a Path,
    /// How long that may take; more for a large cache.
    pub limit: Duration,
    /// How long opening it here may take after that.
    pub within: Duration,
    /// Bytes of memory for it.
    pub memory: u64,
    /// Hash of the policy that it must have been folded with.
    pub policy: &'a str,
    /// The first seals what is in it.
    pub keys: &'a Keyring,
    /// Where they come from, for the child.
    pub key_file: Option<&'a Path>,
    /// Where the journal ends: it cannot know of more.
    pub journal_end: JournalPosition,
}

/// Why a cache is not used.
struct Doubt {
    why: String,
    /// Opening it does not return: its files may still be written to.
    hangs: bool,
    /// It is good, but of other tables than those in force, or sealed with another key.
    expected: bool,
    /// It may not be kept: it is not sealed as it should be.
    erase: bool,
}

impl From<String> for Doubt {
    fn from(why: String) -> Self {
        Self {
            why,
            hangs: false,
            expected: false,
            erase: false,
        }
    }
}

/// Opens a cache, or makes an empty one where there is none or the old one cannot be trusted.
///
/// # Errors
/// Where not even an empty cache can be made: the caller works in memory.
pub fn open_guarded(opening: &Opening<'_>) -> Result<Opened, StateError> {
    let dir = opening.dir;
    if !dir.exists() {
        return Ok(Opened::Rebuild {
            state: fresh(opening)?,
            why: None,
            expected: true,
        });
    }
    match open_known(opening) {
        Ok(state) => Ok(Opened::Good(state)),
        Err(doubt) if doubt.hangs => Err(StateError::Store(doubt.why)),
        Err(Doubt {
            why,
            expected,
            erase,
            ..
        }) => {
            if erase {
                let _ = fs::remove_dir_all(dir);
                let _ = fs::remove_file(Marker::path(dir));
            } else {
                set_aside(dir, &why);
            }
            Ok(Opened::Rebuild {
                state: fresh(opening)?,
                why: Some(why),
                expected,
            })
        }
    }
}

/// Opens sled in a thread of its own: it may never return.
fn open_within(opening: &Opening<'_>, within: Duration) -> Result<Sled, Doubt> {
    let (done, opened) = mpsc::channel();
    let (at, memory) = (opening.dir.to_owned(), opening.memory);
    let sealer = opening.keys.sealer().cloned();
    let thread = std::thread::Builder::new().name("cache-open".to_owned());
    let begun = thread.spawn(move || {
        failpoints::stall("cache-open-hang");
        let _ = done.send(Sled::open_sealed(&at, memory, sealer.as_ref()));
    });
    if let Err(error) = begun {
        return Err(format!("no thread to open it in: {error}").into());
    }
    match opened.recv_timeout(within) {
        Ok(opened) => opened.map_err(|error| error.why().into()),
        Err(_) => Err(Doubt {
            why: "opening it does not return".to_owned(),
            hangs: true,
            expected: false,
            erase: false,
        }),
    }
}

/// Makes an empty cache. Where one could not be moved away, what is found is still the old one: that
/// is an error, not a state to go on with.
///
/// # Errors
/// The directory cannot be made, or sled does not open in it.
pub fn fresh(opening: &Opening<'_>) -> Result<Sled, StateError> {
    let dir = opening.dir;
    if SealedWith::of(dir) != SealedWith::by(opening.keys) {
        // What is aside was kept in the same way as what is no more.
        let _ = fs::remove_dir_all(dir.with_extension("aside"));
        SealedWith::note(dir, opening.keys);
    }
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|error| StateError::Store(error.to_string()))?;
    let marker = Marker::set(dir);
    let opened = open_within(opening, opening.within);
    let state = opened.map_err(|doubt| StateError::Store(doubt.why))?;
    let is_empty = state.walk(None, 1)?.is_empty();
    if !is_empty || state.position()? != JournalPosition::START {
        return Err(StateError::Store(
            "the old one cannot be moved away".to_owned(),
        ));
    }
    views::note_policy(&state, opening.policy)?;
    marker.clear();
    Ok(state)
}

fn open_known(opening: &Opening<'_>) -> Result<Sled, Doubt> {
    let dir = opening.dir;
    let (found, wanted) = (SealedWith::of(dir), SealedWith::by(opening.keys));
    if found != wanted {
        let why = format!("it is {found}, and is to be {wanted}");
        return Err(Doubt {
            why,
            hangs: false,
            expected: true,
            erase: true,
        });
    }
    if Marker::path(dir).exists() {
        return Err("the daemon ended while opening it".to_owned().into());
    }
    let marker = Marker::set(dir);
    let opened = verify_in_child(opening)
        .map_err(Doubt::from)
        .and_then(|()| open_within(opening, opening.within + time_for(dir)))
        .and_then(|state| is_ours(&state, opening).map(|()| state));
    if !opened.as_ref().is_err_and(|doubt| doubt.hangs) {
        marker.clear();
    }
    opened
}

/// Whether it was folded with these tables, from this journal.
fn is_ours(state: &Sled, opening: &Opening<'_>) -> Result<(), Doubt> {
    let said = |error: StateError| Doubt::from(error.why());
    let (found, end) = (state.position().map_err(said)?, opening.journal_end);
    if found > end {
        let why =
            format!("it knows of facts up to position {found}, but the journal ends at {end}");
        return Err(why.into());
    }
    match views::policy(state).map_err(said)? {
        Some(found) if found == opening.policy => Ok(()),
        Some(_) => Err(Doubt {
            why: "tables or thresholds have changed since".to_owned(),
            hangs: false,
            expected: true,
            erase: false,
        }),
        None => Err("it does not say what it was folded with".to_owned().into()),
    }
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

/// The key that a cache is sealed with, by its id, in a file beside it; no file where it is not sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SealedWith(Option<String>);

impl SealedWith {
    fn path(dir: &Path) -> PathBuf {
        dir.with_extension("key")
    }

    fn of(dir: &Path) -> Self {
        Self(fs::read_to_string(Self::path(dir)).ok())
    }

    fn by(keys: &Keyring) -> Self {
        Self(keys.sealer().map(|sealer| sealer.id().to_string()))
    }

    /// Without the file the cache is built again at the next start: no harm.
    fn note(dir: &Path, keys: &Keyring) {
        let path = Self::path(dir);
        let _ = match Self::by(keys).0 {
            Some(id) => fs::write(path, id),
            None => fs::remove_file(path),
        };
    }
}

impl std::fmt::Display for SealedWith {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(id) => write!(f, "sealed with the key {id}"),
            None => f.write_str("not sealed"),
        }
    }
}

/// The child's work: opens the cache and looks at every value.
///
/// # Errors
/// What is wrong with it.
pub fn verify(dir: &Path, sealer: Option<&Sealer>) -> Result<JournalPosition, StateError> {
    const MEMORY: u64 = 16 << 20;
    failpoints::stall("cache-check-hang");
    let state = Sled::open_sealed(dir, MEMORY, sealer)?;
    let values = views::verify(&state)?;
    let position = state.position()?;
    // The first value says what it is folded with; all others come with a position.
    if position == JournalPosition::START && values > 1 {
        return Err(StateError::Store("its position is lost".to_owned()));
    }
    Ok(position)
}

fn verify_in_child(opening: &Opening<'_>) -> Result<(), String> {
    let mut command = Command::new(opening.program);
    command.arg("verify-cache").arg(opening.dir);
    command.arg("--of").arg(std::process::id().to_string());
    if let Some(file) = opening.key_file {
        command.arg("--key-file").arg(file);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("it cannot be checked: {error}"))?;
    let limit = opening.limit + time_for(opening.dir);
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

/// What a cache of this size may take more.
fn time_for(dir: &Path) -> Duration {
    Duration::from_secs(size(dir) / VERIFIED_PER_SECOND)
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
