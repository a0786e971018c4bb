//! Taking a checkpoint while the fold goes on.
//!
//! It is taken in small steps between the fold's batches, by the fold's own thread, from the state as
//! it was at the first step: before a batch changes entries that no step has reached yet, their old
//! values are put by ([`Taking::preserve`]). So what is written is the state at one position, at no
//! time more than some blocks of it are in memory, and the fold waits for one step at a time.

use super::choose::{Kept, checkpoint_path, checkpoints_dir, remove_others, writing_path};
use super::format::{About, BLOCK, Block, Header, Kind, Known, Sum, TakeError, push_entry};
use super::read::{Checkpoint, Fault};
use crate::core::fact::JournalPosition;
use crate::core::fold::state::{Batch, Entry, State, StateError};
use crate::core::fold::{STATE_VERSION, views};
use crate::core::time::{Span, Timestamp};
use crate::journal::disk::{Disk, DiskFile, write_all_at};
use crate::journal::error::ReadError;
use crate::journal::reader::Reader;
use crate::seal::Keyring;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Entries read from the state at once.
const CHUNK: usize = 1_024;
/// Records of the journal looked at in one step.
const RECORDS: usize = 4_096;
/// Bytes written between two syncs: the disk is the journal's first.
const SYNC_EVERY: u64 = 8 << 20;
/// Old values put by, in bytes, from which on a step goes on until there are fewer.
const PRESERVED: usize = 16 << 20;

/// Of which messages duplicates are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// For so many days (WIRE A-60).
    pub days: u32,
    /// So many at the most.
    pub entries: usize,
}

/// A checkpoint on its way.
pub struct Taking {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The file until it is whole, and its name.
    file: Arc<dyn DiskFile>,
    working: PathBuf,
    header: Header,
    keys: Keyring,
    place: u64,
    synced: u64,
    number: u32,
    sum: Sum,
    block: Vec<u8>,
    window: Window,
    /// The checkpoint before this one.
    before: Option<Checkpoint>,
    stage: Stage,
    /// Entries up to this place are written, in the order in which the state keeps them.
    reached: Vec<u8>,
    /// Entries behind that, as they were: key and value by place.
    preserved: BTreeMap<Vec<u8>, Old>,
    preserved_bytes: usize,
}

/// A key, and what stood under it.
type Old = (Vec<u8>, Option<Vec<u8>>);

enum Stage {
    /// Collecting the messages received since the checkpoint before.
    Known {
        reader: Box<Reader>,
        new: VecDeque<Known>,
    },
    Entries,
    Done,
}

impl Taking {
    /// Begins one of the state as it is now. `reader` must stand behind the checkpoint before, or at
    /// the start where there is none. `turn` is another for each: one that was left behind in a call
    /// into the state must not get hold of the file of the next.
    ///
    /// # Errors
    /// Where the state cannot be read or the file not be made.
    pub(crate) fn begin(
        disk: Arc<dyn Disk>,
        data: &Path,
        state: &dyn State,
        before: Option<Checkpoint>,
        reader: Reader,
        window: Window,
        turn: u64,
    ) -> Result<Self, TakeError> {
        let dir = checkpoints_dir(data);
        let keys = reader.keys().clone();
        let header = Header::new(STATE_VERSION, state.position()?, keys.sealer());
        let policy = views::policy(state)?.unwrap_or_default();
        let working = writing_path(&dir, turn);
        let file = disk.create(&working)?;
        let bytes = header.encode();
        write_all_at(file.as_ref(), &bytes, 0)?;
        let mut taking = Self {
            disk,
            dir,
            file,
            working,
            header,
            keys,
            place: bytes.len() as u64,
            synced: 0,
            number: 0,
            sum: Sum::default(),
            block: Vec::new(),
            window,
            before,
            stage: Stage::Known {
                reader: Box::new(reader),
                new: VecDeque::new(),
            },
            reached: Vec::new(),
            preserved: BTreeMap::new(),
            preserved_bytes: 0,
        };
        let about = serde_json::to_vec(&About { policy }).map_err(io::Error::from)?;
        taking.write(Kind::About, &about)?;
        Ok(taking)
    }

    /// The state is written as it was here.
    pub fn position(&self) -> JournalPosition {
        self.header.position
    }

    /// Puts by what a batch is about to change: to be called before every commit.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn preserve(&mut self, batch: &Batch, state: &dyn State) -> Result<(), StateError> {
        if matches!(self.stage, Stage::Done) {
            return Ok(());
        }
        for key in batch.changes.keys() {
            let place = state.place(key)?;
            let ahead = self.reached.is_empty() || place > self.reached;
            if ahead && !self.preserved.contains_key(&place) {
                let value = state.get(key)?;
                self.preserved_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
                self.preserved.insert(place, (key.clone(), value));
            }
        }
        Ok(())
    }

    /// Writes about so many bytes more; true when the last are written and synced.
    ///
    /// # Errors
    /// After one it must be given up.
    pub fn step(&mut self, state: &dyn State, bytes: usize) -> Result<bool, TakeError> {
        match &mut self.stage {
            Stage::Known { .. } => {
                if self.collect()? {
                    self.write_known()?;
                    self.stage = Stage::Entries;
                }
                Ok(false)
            }
            Stage::Entries => {
                let mut left = bytes;
                loop {
                    let (written, is_last) = self.entries(state)?;
                    if is_last {
                        self.finish()?;
                        return Ok(true);
                    }
                    left = left.saturating_sub(written);
                    if left == 0 && self.preserved_bytes < PRESERVED {
                        return Ok(false);
                    }
                }
            }
            Stage::Done => Ok(true),
        }
    }

    /// Looks at some more records; true when all since the checkpoint before were looked at.
    fn collect(&mut self) -> Result<bool, TakeError> {
        let through = self.header.position;
        let Stage::Known { reader, new } = &mut self.stage else {
            return Ok(true);
        };
        for _ in 0..RECORDS {
            match reader.next_known(through) {
                Ok(Some(None)) => {}
                Ok(Some(Some(known))) => {
                    new.push_back(known);
                    if new.len() > self.window.entries {
                        new.pop_front();
                    }
                }
                Ok(None) => return Ok(true),
                // Named when it was found; what is lost cannot come again as a duplicate of itself.
                Err(
                    ReadError::Damaged { .. }
                    | ReadError::Dropped { .. }
                    | ReadError::NotUnderstood { .. },
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Writes what the checkpoint before knew and is not too old, then what came since.
    fn write_known(&mut self) -> Result<(), TakeError> {
        let Stage::Known { new, .. } = &mut self.stage else {
            return Ok(());
        };
        let new = std::mem::take(new);
        let oldest = new.back().map_or(Timestamp::from_micros(i64::MIN), |last| {
            last.at.plus(Span::micros(
                -Span::days(i64::from(self.window.days)).as_micros(),
            ))
        });
        if let Some(before) = self.before.clone() {
            let both = before.known_count() + new.len() as u64;
            let mut skip = both.saturating_sub(self.window.entries as u64);
            let mut written = Ok(());
            before.known(|known| {
                if skip > 0 {
                    skip -= 1;
                } else if known.at >= oldest && written.is_ok() {
                    written = self.push_known(&known);
                }
            })?;
            written?;
        }
        for known in new.iter().filter(|known| known.at >= oldest) {
            self.push_known(known)?;
        }
        self.flush(Kind::Known)
    }

    fn push_known(&mut self, known: &Known) -> Result<(), TakeError> {
        if self.block.len() + Known::SIZE > BLOCK {
            self.flush(Kind::Known)?;
        }
        known.encode(&mut self.block);
        self.sum.known += 1;
        Ok(())
    }

    /// Writes the next entries as they were at the beginning; how many bytes, and whether these were
    /// the last.
    fn entries(&mut self, state: &dyn State) -> Result<(usize, bool), TakeError> {
        let behind = Some(self.reached.as_slice()).filter(|place| !place.is_empty());
        let stored = state.walk(behind, CHUNK)?;
        let is_last = stored.len() < CHUNK;
        let rest = match stored.last().filter(|_| !is_last) {
            None => BTreeMap::new(),
            Some((last, _)) => {
                let mut behind = last.clone();
                behind.push(0);
                self.reached.clone_from(last);
                self.preserved.split_off(&behind)
            }
        };
        let old = std::mem::replace(&mut self.preserved, rest);
        let mut old_bytes = 0;
        let mut written = 0;
        let mut stored = stored.into_iter().peekable();
        for (place, (key, value)) in old {
            old_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            while let Some((_, entry)) = stored.next_if(|(stored, _)| *stored < place) {
                written += self.push(&entry)?;
            }
            stored.next_if(|(stored, _)| *stored == place);
            if let Some(value) = value {
                written += self.push(&(key, value))?;
            }
        }
        for (_, entry) in stored {
            written += self.push(&entry)?;
        }
        self.preserved_bytes = self.preserved_bytes.saturating_sub(old_bytes);
        Ok((written, is_last))
    }

    fn push(&mut self, (key, value): &Entry) -> Result<usize, TakeError> {
        let size = key.len() + value.len();
        if !self.block.is_empty() && self.block.len() + size > BLOCK {
            self.flush(Kind::Entries)?;
        }
        push_entry(&mut self.block, key, value)?;
        self.sum.entries += 1;
        Ok(size)
    }

    fn flush(&mut self, kind: Kind) -> Result<(), TakeError> {
        let block = std::mem::take(&mut self.block);
        if !block.is_empty() {
            self.write(kind, &block)?;
        }
        Ok(())
    }

    fn write(&mut self, kind: Kind, raw: &[u8]) -> Result<(), TakeError> {
        let bytes = Block::seal(
            kind,
            self.number,
            self.header.tag(),
            raw,
            self.keys.sealer(),
        )?;
        write_all_at(self.file.as_ref(), &bytes, self.place)?;
        self.place += bytes.len() as u64;
        self.number += 1;
        if self.place - self.synced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.synced = self.place;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), TakeError> {
        self.flush(Kind::Entries)?;
        let sum = serde_json::to_vec(&self.sum).map_err(io::Error::from)?;
        self.write(Kind::End, &sum)?;
        self.file.sync_data()?;
        self.stage = Stage::Done;
        Ok(())
    }

    /// Gives the finished checkpoint its name and removes those that are not kept any more. What is
    /// kept from now on: this one and the one before.
    ///
    /// # Errors
    /// Where the disk refuses, or what was written does not read back.
    pub(crate) fn publish(self) -> Result<Kept, TakeError> {
        let path = checkpoint_path(&self.dir, self.header.position);
        self.disk.rename(&self.working, &path)?;
        self.disk.sync_dir(&self.dir)?;
        let disk = self.disk.as_ref();
        let opened = Checkpoint::open(disk, &path, self.header.position, &self.keys);
        let opened = opened.map_err(|fault| {
            let why = match fault {
                Fault::Unfit(unfit) => unfit.to_string(),
                Fault::Journal(error) => error.to_string(),
            };
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        let before = self.before.filter(|b| b.position < opened.position);
        let good: Vec<_> = std::iter::once(opened).chain(before).collect();
        remove_others(disk, &self.dir, &good);
        Ok(Kept {
            good,
            unfit: Vec::new(),
        })
    }

    /// Gives it up; nothing of it is left.
    pub fn discard(self) {
        let _ = self.disk.remove(&self.working);
    }
}
