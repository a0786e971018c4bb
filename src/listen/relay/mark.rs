//! Whether a run ended in order. What passed and was not journaled yet when the process was killed or the
//! power went is lost, and nothing else would tell (WIRE P-6).
//!
//! `tap/NAME.passing` is there from the first relayed connection to an orderly end, mode 0600. It holds
//! one line: microseconds since 1970 UTC up to which all that passed was journaled. Who finds it at a start
//! records a gap.

use crate::core::time::Timestamp;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Held {
    file: Option<File>,
    over: bool,
}

/// The mark of one relay. Every method may wait for the disk.
pub(super) struct Mark {
    path: PathBuf,
    held: Mutex<Held>,
}

impl Mark {
    /// The mark, and since when messages may be missing where the last run did not end in order.
    pub(super) fn open(data: &Path, name: &str, now: Timestamp) -> (Self, Option<Timestamp>) {
        let path = data.join("tap").join(format!("{name}.passing"));
        let since = fs::read_to_string(&path).ok().map(|text| {
            let micros = text.trim().parse().ok();
            micros.map_or(now, |micros| Timestamp::from_micros(micros).min(now))
        });
        // Held at once, so that a gap which is recorded is not found again by the next start.
        let file = since.and_then(|_| OpenOptions::new().write(true).open(&path).ok());
        let held = Mutex::new(Held { file, over: false });
        (Self { path, held }, since)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes pass from now on. A mark that is there already keeps its time.
    pub(super) fn set(&self, now: Timestamp) -> io::Result<()> {
        let mut held = self.lock();
        if held.over || held.file.is_some() {
            return Ok(());
        }
        let Some(dir) = self.path.parent() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)?;
        if file.metadata()?.len() == 0 {
            write(&file, now)?;
        }
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
        held.file = Some(file);
        Ok(())
    }

    /// All that passed up to then is journaled.
    pub(super) fn kept_until(&self, at: Timestamp) -> io::Result<()> {
        let held = self.lock();
        held.file.as_ref().map_or(Ok(()), |file| write(file, at))
    }

    /// All that passed is journaled, or waits in the files for the next start.
    pub(super) fn remove(&self) -> io::Result<()> {
        let mut held = self.lock();
        held.over = true;
        held.file = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Always as long, so that none is half of one.
fn write(file: &File, at: Timestamp) -> io::Result<()> {
    file.write_all_at(format!("{:020}\n", at.as_micros()).as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_without_an_orderly_end_leaves_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = Timestamp::from_micros;
        let open = |now| Mark::open(dir.path(), "lab", at(now));
        let (first, since) = open(10);
        assert_eq!(since, None);
        first.kept_until(at(11)).expect("nothing to do");
        assert_eq!(open(12).1, None, "nothing passed yet");
        first.set(at(13)).expect("set");
        first.kept_until(at(20)).expect("noted");
        let (second, since) = open(30);
        assert_eq!(since, Some(at(20)), "killed");
        second.set(at(31)).expect("set");
        assert_eq!(open(40).1, Some(at(20)), "killed again before it was told");
        assert_eq!(open(15).1, Some(at(15)), "the clock was set back");
        second.kept_until(at(41)).expect("noted");
        second.remove().expect("removed");
        second.set(at(42)).expect("not any more");
        assert_eq!(open(50).1, None);
        second.remove().expect("removed again");
    }
}
