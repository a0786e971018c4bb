//! Whether files have changed since they were read: certificates are renewed by putting new files in the
//! place of the old ones.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// What tells one content of a file from another without reading it: inode, length, time of change.
type Stamp = Vec<Option<(u64, u64, i64, i64)>>;

struct Seen {
    read: Stamp,
    last: Stamp,
}

/// Files that are looked at again and again.
pub(super) struct Changes {
    paths: Vec<PathBuf>,
    seen: Mutex<Seen>,
}

impl Changes {
    /// As they are now; to be called before the files are read.
    pub(super) fn of(paths: Vec<PathBuf>) -> Self {
        let now = stamp(&paths);
        let seen = Mutex::new(Seen {
            read: now.clone(),
            last: now,
        });
        Self { paths, seen }
    }

    /// The files are about to be read.
    pub(super) fn read_now(&self) {
        let now = stamp(&self.paths);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.read.clone_from(&now);
        seen.last = now;
    }

    /// The files are others than those that were read, and stand still since the last look: a
    /// certificate is not read while its key is still on its way.
    pub(super) fn are_there(&self) -> bool {
        let now = stamp(&self.paths);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = now == seen.last && now != seen.read;
        seen.last = now;
        settled
    }
}

fn stamp(paths: &[PathBuf]) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    paths.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_when_it_stands_still_and_until_it_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let paths = ["cert", "key"].map(|name| dir.path().join(name));
        let write = |at: usize, text: &str| std::fs::write(&paths[at], text).expect("written");
        write(0, "old");
        let changes = Changes::of(paths.to_vec());
        assert!(!changes.are_there());
        write(0, "newer");
        assert!(!changes.are_there(), "it may still be written");
        write(1, "its key");
        assert!(!changes.are_there(), "it was still being written");
        assert!(changes.are_there() && changes.are_there());
        changes.read_now();
        assert!(!changes.are_there());
        std::fs::remove_file(&paths[1]).expect("removed");
        assert!(!changes.are_there());
        assert!(changes.are_there(), "a file that is gone is a change too");
    }
}
