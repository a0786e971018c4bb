//! Which checkpoints there are, and which of them serve.

use super::read::{Checkpoint, Fault};
use crate::core::fact::JournalPosition;
use crate::journal::disk::Disk;
use crate::journal::error::JournalError;
use crate::seal::Keyring;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// How many are kept.
const KEPT: usize = 2;
/// The working name of one that is being written begins so.
const WRITING: &str = "writing";
const SUFFIX: &str = ".ckpt";
const ASIDE: &str = ".damaged";

/// A checkpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Its file, as it was found.
    pub path: PathBuf,
    /// The position in its name.
    pub position: JournalPosition,
    /// Why, in words.
    pub why: String,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint `{}`: {}", self.path.display(), self.why)
    }
}

/// The checkpoints of a data directory.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Whole ones, the newest first.
    pub good: Vec<Checkpoint>,
    /// Others.
    pub unfit: Vec<Unfit>,
}

impl Kept {
    /// The one that serves.
    pub fn newest(&self) -> Option<&Checkpoint> {
        self.good.first()
    }

    /// Up to here no segment is needed any more: both kept checkpoints are past it.
    pub(crate) fn floor(&self) -> JournalPosition {
        let older = self.good.get(KEPT - 1);
        older.map_or(JournalPosition::START, |older| older.position)
    }
}

/// `checkpoints` in a data directory.
pub(crate) fn checkpoints_dir(data: &Path) -> PathBuf {
    data.join("checkpoints")
}

pub(super) fn checkpoint_path(dir: &Path, position: JournalPosition) -> PathBuf {
    dir.join(format!("{:020}{SUFFIX}", position.0))
}

pub(super) fn writing_path(dir: &Path, turn: u64) -> PathBuf {
    dir.join(format!("{WRITING}{turn}"))
}

fn position_in(name: &str) -> Option<JournalPosition> {
    let position = JournalPosition(name.strip_suffix(SUFFIX)?.parse().ok()?);
    let named = checkpoint_path(Path::new(""), position);
    (named.to_str() == Some(name)).then_some(position)
}

/// Looks at every checkpoint, changing nothing.
///
/// # Errors
/// [`JournalError::NewerCheckpoint`] when a newer version wrote one: what it says may not be passed
/// over. [`JournalError::Sealed`] when its key is missing. [`JournalError::Io`] when one cannot be read
/// and no other serves.
pub(crate) fn survey(disk: &dyn Disk, data: &Path, keys: &Keyring) -> Result<Kept, JournalError> {
    let dir = checkpoints_dir(data);
    let names = match disk.list(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|error| JournalError::io("list", &dir, error))?,
    };
    let mut positions: Vec<_> = names.iter().filter_map(|n| position_in(n)).collect();
    positions.sort_unstable_by(|a, b| b.cmp(a));
    let mut kept = Kept::default();
    let mut unreadable = None;
    for position in positions {
        if kept.good.len() == KEPT {
            break;
        }
        match Checkpoint::open(disk, &checkpoint_path(&dir, position), position, keys) {
            Ok(checkpoint) => kept.good.push(checkpoint),
            Err(Fault::Unfit(unfit)) => kept.unfit.push(unfit),
            // One before it, or none, may serve; but it may be all there is, and the disk mend.
            Err(Fault::Journal(JournalError::Io { what, path, source }))
                if source.kind() != io::ErrorKind::NotFound =>
            {
                kept.unfit.push(Unfit {
                    path: path.clone(),
                    position,
                    why: format!("the disk does not give it back: {source}"),
                });
                unreadable = unreadable.or(Some(JournalError::Io { what, path, source }));
            }
            Err(Fault::Journal(error)) => return Err(error),
        }
    }
    match unreadable {
        Some(error) if kept.good.is_empty() => Err(error),
        _ => Ok(kept),
    }
}

/// Chooses what serves at an opening: sets aside what cannot be used, removes what nobody needs.
pub(crate) fn choose(disk: &dyn Disk, data: &Path, keys: &Keyring) -> Result<Kept, JournalError> {
    let dir = checkpoints_dir(data);
    let made = disk.create_dir(&dir);
    made.map_err(|error| JournalError::io("create", &dir, error))?;
    let kept = survey(disk, data, keys)?;
    for unfit in &kept.unfit {
        set_aside(disk, unfit);
    }
    for name in disk.list(&dir).unwrap_or_default() {
        if name.starts_with(WRITING) {
            let _ = disk.remove(&dir.join(name));
        }
    }
    remove_others(disk, &dir, &kept.good);
    Ok(kept)
}

/// Removes every checkpoint of a data directory that nobody works on: for whoever has built the state
/// from a whole journal, of which they know less.
///
/// # Errors
/// Where one cannot be removed.
pub fn remove_checkpoints(disk: &dyn Disk, data: &Path) -> Result<(), JournalError> {
    let dir = checkpoints_dir(data);
    let names = match disk.list(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed.map_err(|error| JournalError::io("list", &dir, error))?,
    };
    // The oldest first: what a crash leaves is as good as both.
    for name in names.iter().filter(|name| position_in(name).is_some()) {
        let path = dir.join(name);
        let removed = disk.remove(&path);
        removed.map_err(|error| JournalError::io("remove", path, error))?;
    }
    let synced = disk.sync_dir(&dir);
    synced.map_err(|error| JournalError::io("sync", dir, error))
}

/// Gives a checkpoint a name that no start looks for.
pub(crate) fn set_aside(disk: &dyn Disk, unfit: &Unfit) {
    let mut aside = unfit.path.clone().into_os_string();
    aside.push(ASIDE);
    // One that keeps its name is looked at and named again at the next start: no harm.
    let _ = disk.rename(&unfit.path, Path::new(&aside));
}

/// Where these are two, removes all others, and all but the last of those set aside.
pub(crate) fn remove_others(disk: &dyn Disk, dir: &Path, kept: &[Checkpoint]) {
    if kept.len() < KEPT {
        return;
    }
    let names = disk.list(dir).unwrap_or_default();
    let last_aside = names.iter().filter(|name| name.ends_with(ASIDE)).max();
    for name in &names {
        let is_other = position_in(name)
            .is_some_and(|position| !kept.iter().any(|kept| kept.position == position));
        let is_old_aside = name.ends_with(ASIDE) && Some(name) != last_aside;
        if is_other || is_old_aside {
            let _ = disk.remove(&dir.join(name));
        }
    }
}
