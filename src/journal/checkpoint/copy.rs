//! Copies of checkpoints: one as it is, byte for byte, and one that arrives from elsewhere.

use super::choose::{checkpoint_path, checkpoints_dir, writing_path};
use super::read::Checkpoint;
use crate::core::fact::JournalPosition;
use crate::journal::disk::{Disk, DiskFile, read_full_at, write_all_at};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Checkpoint {
    /// Bytes of its file; the number read, 0 at its end.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn bytes_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_full_at(self.file(), buffer, offset)
    }
}

/// A checkpoint that is being brought into a data directory that nobody works on. What is in it is looked at when the
/// directory is opened, like that of any other.
pub struct Arriving {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    dir: PathBuf,
    working: PathBuf,
    position: JournalPosition,
    at: u64,
}

impl Arriving {
    /// Begins one that stands at this position.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn begin(disk: Arc<dyn Disk>, data: &Path, position: JournalPosition) -> io::Result<Self> {
        let dir = checkpoints_dir(data);
        disk.create_dir(&dir)?;
        let working = writing_path(&dir, position.0);
        Ok(Self {
            file: disk.create(&working)?,
            disk,
            dir,
            working,
            position,
            at: 0,
        })
    }

    /// Its next bytes.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_all_at(self.file.as_ref(), bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// All of it is there: it gets its name.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_data()?;
        let path = checkpoint_path(&self.dir, self.position);
        self.disk.rename(&self.working, &path)?;
        self.disk.sync_dir(&self.dir)
    }
}
