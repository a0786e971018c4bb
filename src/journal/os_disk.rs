//! Real files: readable by the owner only, one lock a data directory.

use super::disk::{Disk, DiskFile, DiskLock};
use crate::failpoints;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// The operating system's file system.
///
/// With the crate feature `failpoints`, the faults `journal-read`, `journal-write` and `journal-sync` make
/// reads, writes and syncs fail with EIO; `journal-read-one` makes some bytes of the segment or checkpoint whose
/// number is in it unreadable; `journal-full` makes writes fail with ENOSPC; `journal-sync-stall` keeps syncs
/// from returning.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

/// With the number in its name, where faults are compiled in.
struct OsFile(File, i64);

struct OsLock {
    _file: File,
}

impl DiskLock for OsLock {}

const EIO: i32 = 5;
/// What a bad sector is where a test wants one.
const BAD: Range<u64> = 1_536..2_048;

/// The number in the name of a segment or checkpoint, where a test may want to know.
fn number(path: &Path) -> i64 {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let number = stem.filter(|_| cfg!(feature = "failpoints"));
    let number = number.and_then(|stem| stem.parse::<u64>().ok());
    number
        .and_then(|number| i64::try_from(number).ok())
        .unwrap_or(0)
}

/// EIO while a test has switched this fault on.
fn fault(name: &str) -> io::Result<()> {
    if failpoints::on(name) {
        return Err(io::Error::from_raw_os_error(EIO));
    }
    Ok(())
}

impl Disk for OsDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        // Removed first: truncating in place would change the bytes under a file still open.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(OsFile(file, 0)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(OsFile(file, 0)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OsFile(File::open(path)?, number(path))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fault("journal-sync")?;
        File::open(dir)?.sync_all()
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(dir)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(OsLock { _file: file })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskFile for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        fault("journal-read")?;
        let bad = BAD.start < offset + buffer.len() as u64 && offset < BAD.end;
        if bad && self.1 > 0 && failpoints::number("journal-read-one") == self.1 {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        fault("journal-write")?;
        if failpoints::on("journal-full") {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(data, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        failpoints::stall("journal-sync-stall");
        fault("journal-sync")?;
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let taken = rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len);
        match taken {
            // Not every file system can; a sparse file is slower and as safe, because a full disk
            // then shows at the write.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.0.set_len(len),
            other => Ok(other?),
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::{read_full_at, write_all_at};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_for_the_owner_only_and_a_lock_holds_once() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("data/journal");
        OsDisk.create_dir(&inner).unwrap();
        let path = inner.join("a");
        let file = OsDisk.create(&path).unwrap();
        file.preallocate(8192).unwrap();
        write_all_at(file.as_ref(), b"hello", 3).unwrap();
        file.sync_data().unwrap();
        OsDisk.sync_dir(&inner).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&path)), (0o700, 0o600));
        assert_eq!(file.len().unwrap(), 8192);
        let mut buffer = [1; 10];
        assert_eq!(read_full_at(file.as_ref(), &mut buffer, 0).unwrap(), 10);
        assert_eq!(&buffer, b"\0\0\0hello\0\0");
        assert_eq!(OsDisk.list(&inner).unwrap(), ["a"]);
        assert!(OsDisk.free_space(&inner).unwrap() > 0);

        let lock = inner.join("lock");
        let held = OsDisk.lock(&lock).unwrap();
        let second = OsDisk.lock(&lock).err().map(|e| e.kind());
        assert_eq!(second, Some(io::ErrorKind::WouldBlock));
        drop(held);
        assert!(OsDisk.lock(&lock).is_ok());
    }
}
