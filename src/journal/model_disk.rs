//! A disk in memory that keeps "written" and "synced" apart, and can fail or lose power at any call.
//!
//! Every changing call has a number, from 0. [`ModelDisk::lose_power_at`] makes all calls from one
//! number on fail without effect; [`ModelDisk::image`] then gives a disk as the crash may have left
//! it: everything synced, and of the rest any part, down to single sectors, chosen by a seed.

use super::disk::{Disk, DiskFile, DiskLock};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Unsynced writes are lost or kept in pieces of this size.
const SECTOR: usize = 512;

/// What a faulty call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Any changing call fails with EIO, nothing is done.
    Eio,
    /// Calls that need space fail with ENOSPC; half of a write is done.
    NoSpace,
    /// A write takes half of the bytes and says so.
    ShortWrite,
    /// Syncs of files and directories fail; what was unsynced in a file can never be synced again
    /// (as Linux does it), though it still reads back.
    Sync,
}

/// The disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct ModelDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    power_off_at: Option<u64>,
    faults: Vec<(u64, u64, Fault)>,
    free_space: Option<u64>,
}

#[derive(Default, Clone)]
struct Inode {
    /// As read back now.
    written: Vec<u8>,
    /// As it is after a crash at the least.
    synced: Vec<u8>,
    /// Not yet synced, in order.
    pending: Vec<Change>,
    /// Never to be synced, after a failed sync; may or may not be on the medium.
    limbo: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Unlink(PathBuf),
}

/// splitmix64: enough to choose which writes survive.
struct Choice(u64);

impl Choice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(place) = bytes.get_mut(offset..end) {
        place.copy_from_slice(data);
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, data) => put(bytes, *offset, data),
        Change::Length(len) => bytes.resize(*len, 0),
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, usize>, change: &NameChange) {
    match change {
        NameChange::Link(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameChange::Rename(from, to, inode) => {
            if names.get(from) == Some(inode) {
                names.remove(from);
            }
            names.insert(to.clone(), *inode);
        }
        NameChange::Unlink(path) => {
            names.remove(path);
        }
    }
}

impl State {
    /// Counts a changing call; what is to go wrong with it.
    fn begin(&mut self) -> io::Result<Option<Fault>> {
        let number = self.operations;
        self.operations += 1;
        if self.power_off_at.is_some_and(|at| number >= at) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let fault = self
            .faults
            .iter()
            .find(|(from, until, _)| (*from..*until).contains(&number))
            .map(|(_, _, fault)| *fault);
        if fault == Some(Fault::Eio) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(fault)
    }

    fn begin_needing_space(&mut self) -> io::Result<()> {
        match self.begin()? {
            Some(Fault::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn change(&mut self, inode: usize, change: Change) {
        if let Some(inode) = self.inodes.get_mut(inode) {
            apply(&mut inode.written, &change);
            inode.pending.push(change);
        }
    }

    fn inode_of(&self, path: &Path) -> io::Result<usize> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl ModelDisk {
    /// An empty disk that never fails.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many changing calls there were (failed ones count).
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// From call `number` on nothing changes any more.
    pub fn lose_power_at(&self, number: u64) {
        self.state().power_off_at = Some(number);
    }

    /// Calls `from..until` have this fault.
    pub fn fail(&self, from: u64, until: u64, fault: Fault) {
        self.state().faults.push((from, until, fault));
    }

    /// No call is faulty any more.
    pub fn repair(&self) {
        self.state().faults.clear();
    }

    /// What [`Disk::free_space`] answers; boundless until set.
    pub fn set_free_space(&self, bytes: u64) {
        self.state().free_space = Some(bytes);
    }

    /// All files, as they read now.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let read = |(path, inode): (&PathBuf, &usize)| {
            let bytes = state.inodes.get(*inode)?.written.clone();
            Some((path.clone(), bytes))
        };
        state.names.iter().filter_map(read).collect()
    }

    /// Puts a whole durable file there, as a bad disk or hand would.
    pub fn replace(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        let inode = state.inodes.len();
        state.inodes.push(Inode {
            written: bytes.clone(),
            synced: bytes,
            ..Inode::default()
        });
        state.names.insert(path.to_owned(), inode);
        state.synced_names.insert(path.to_owned(), inode);
    }

    /// Removes a file for good.
    pub fn delete(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path);
        state.synced_names.remove(path);
    }

    /// A disk as a crash now may leave it. Seed 0 keeps only what was synced, seed 1 everything.
    pub fn image(&self, seed: u64) -> Self {
        let state = self.state();
        let mut choice = Choice(seed);
        let mut keep = |pieces: usize| -> bool {
            match seed {
                0 => false,
                1 => true,
                // A write of many sectors often loses only a few.
                _ => !choice.next().is_multiple_of(if pieces > 4 { 6 } else { 2 }),
            }
        };
        let mut inodes = Vec::new();
        for inode in &state.inodes {
            let mut bytes = inode.synced.clone();
            for change in inode.limbo.iter().chain(&inode.pending) {
                match change {
                    Change::Length(_) => {
                        if keep(1) {
                            apply(&mut bytes, change);
                        }
                    }
                    Change::Write(offset, data) => {
                        let mut at = 0;
                        let pieces = data.len() / SECTOR;
                        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
                            let to_boundary = SECTOR - (offset + at) % SECTOR;
                            let piece = rest.get(..to_boundary.min(rest.len())).unwrap_or(rest);
                            if keep(pieces) {
                                put(&mut bytes, offset + at, piece);
                            }
                            at += piece.len();
                        }
                    }
                }
            }
            inodes.push(Inode {
                written: bytes.clone(),
                synced: bytes,
                ..Inode::default()
            });
        }
        let mut names = state.synced_names.clone();
        for change in &state.pending_names {
            if keep(1) {
                apply_name(&mut names, change);
            }
        }
        Self(Arc::new(Mutex::new(State {
            inodes,
            synced_names: names.clone(),
            names,
            ..State::default()
        })))
    }
}

struct ModelFile {
    disk: ModelDisk,
    inode: usize,
}

struct ModelLock {
    disk: ModelDisk,
    path: PathBuf,
}

impl DiskLock for ModelLock {}

impl Drop for ModelLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

impl Disk for ModelDisk {
    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
        Ok(inside.filter_map(name).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.begin_needing_space()?;
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        let change = NameChange::Link(path.to_owned(), inode);
        apply_name(&mut state.names, &change);
        state.pending_names.push(change);
        let disk = self.clone();
        Ok(Arc::new(ModelFile { disk, inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.state().inode_of(path)?;
        let disk = self.clone();
        Ok(Arc::new(ModelFile { disk, inode }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin_needing_space()?;
        let inode = state.inode_of(from)?;
        let change = NameChange::Rename(from.to_owned(), to.to_owned(), inode);
        apply_name(&mut state.names, &change);
        state.pending_names.push(change);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        state.inode_of(path)?;
        let change = NameChange::Unlink(path.to_owned());
        apply_name(&mut state.names, &change);
        state.pending_names.push(change);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.begin()? == Some(Fault::Sync) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let pending = std::mem::take(&mut state.pending_names);
        for change in pending {
            let (NameChange::Link(path, _)
            | NameChange::Unlink(path)
            | NameChange::Rename(path, _, _)) = &change;
            if path.parent() == Some(dir) {
                apply_name(&mut state.synced_names, &change);
            } else {
                state.pending_names.push(change);
            }
        }
        Ok(())
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.state().free_space.unwrap_or(u64::MAX))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        if !self.state().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let disk = self.clone();
        let path = path.to_owned();
        Ok(Box::new(ModelLock { disk, path }))
    }
}

impl DiskFile for ModelFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let bytes = state.inodes.get(self.inode).map(|inode| &inode.written);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let there = bytes.and_then(|b| b.get(start..)).unwrap_or_default();
        let n = there.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), there.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let fault = state.begin()?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let half = data.get(..data.len().div_ceil(2)).unwrap_or_default();
        match fault {
            Some(Fault::NoSpace) => {
                state.change(self.inode, Change::Write(offset, half.to_vec()));
                Err(io::ErrorKind::StorageFull.into())
            }
            Some(Fault::ShortWrite) => {
                state.change(self.inode, Change::Write(offset, half.to_vec()));
                Ok(half.len())
            }
            _ => {
                state.change(self.inode, Change::Write(offset, data.to_vec()));
                Ok(data.len())
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.begin()?;
        let Some(inode) = state.inodes.get_mut(self.inode) else {
            return Ok(());
        };
        let pending = std::mem::take(&mut inode.pending);
        if fault == Some(Fault::Sync) {
            inode.limbo.extend(pending);
            return Err(io::Error::from_raw_os_error(5));
        }
        for change in &pending {
            apply(&mut inode.synced, change);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin()?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        state.change(self.inode, Change::Length(len));
        Ok(())
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin_needing_space()?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let longer = state
            .inodes
            .get(self.inode)
            .is_some_and(|i| i.written.len() < len);
        if longer {
            state.change(self.inode, Change::Length(len));
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        Ok(state
            .inodes
            .get(self.inode)
            .map_or(0, |i| i.written.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_keeps_the_synced_and_perhaps_the_rest() {
        let disk = ModelDisk::new();
        let path = Path::new("/d/a");
        let file = disk.create(path).unwrap();
        file.write_at(b"one", 0).unwrap();
        file.sync_data().unwrap();
        assert!(disk.image(0).files().is_empty(), "the name is not durable");
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_at(b"two", 3).unwrap();
        assert_eq!(disk.image(0).files()[path], b"one");
        assert_eq!(disk.image(1).files()[path], b"onetwo");
        assert_eq!(disk.files()[path], b"onetwo");
    }

    #[test]
    fn a_failed_sync_is_never_made_good_by_a_second() {
        let disk = ModelDisk::new();
        let path = Path::new("/d/a");
        let file = disk.create(path).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_at(b"one", 0).unwrap();
        let now = disk.operations();
        disk.fail(now, now + 1, Fault::Sync);
        assert!(file.sync_data().is_err());
        assert!(file.sync_data().is_ok());
        assert_eq!(disk.image(0).files()[path], b"");
    }
}
