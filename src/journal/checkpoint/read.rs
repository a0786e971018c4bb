//! Reading a checkpoint: all of it verified before anything of it is used.

use super::choose::Unfit;
use super::format::{
    About, BLOCK_HEADER, Block, CHECKPOINT_VERSION, HEADER, Header, Kind, Known, Sum, next_entry,
};
use crate::core::fact::JournalPosition;
use crate::core::fold::state::{Batch, State, StateError};
use crate::core::fold::{STATE_VERSION, views};
use crate::journal::disk::{Disk, DiskFile, read_full_at};
use crate::journal::error::JournalError;
use crate::seal::{Keyring, Sealer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of entries that are put into a state at once.
const BATCH: usize = 32 << 10;
/// Why a checkpoint is not used whose checksums are right and whose seals are not.
const BROKEN: &str = "it was changed or moved by somebody: the seal of a block is broken";

/// A checkpoint that was found whole.
#[derive(Clone)]
pub struct Checkpoint {
    /// The state in it stands here.
    pub position: JournalPosition,
    /// Hash of the policy that the state was folded with.
    pub policy: String,
    /// Bytes of its file.
    pub bytes: u64,
    /// Its file.
    pub path: PathBuf,
    file: Arc<dyn DiskFile>,
    header: Header,
    sealer: Option<Sealer>,
    sum: Sum,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checkpoint({})", self.position)
    }
}

/// Why a file is not a checkpoint to be used.
pub(super) enum Fault {
    Unfit(Unfit),
    Journal(JournalError),
}

impl Checkpoint {
    /// Opens and verifies the checkpoint that should be of this position.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        position: JournalPosition,
        keys: &Keyring,
    ) -> Result<Self, Fault> {
        let io = |error| Fault::Journal(JournalError::io("read", path, error));
        let unfit = |why: &str| {
            let why = why.to_owned();
            Fault::Unfit(Unfit {
                path: path.to_owned(),
                position,
                why,
            })
        };
        let file = disk.open_read(path).map_err(io)?;
        let mut bytes = vec![0; HEADER];
        let n = read_full_at(file.as_ref(), &mut bytes, 0).map_err(io)?;
        bytes.truncate(n);
        let header = Header::decode(&bytes).ok_or_else(|| unfit("its header is damaged"))?;
        if header.version > CHECKPOINT_VERSION || header.state_version > STATE_VERSION {
            return Err(Fault::Journal(JournalError::NewerCheckpoint {
                path: path.to_owned(),
                found: (header.version, header.state_version),
                supported: (CHECKPOINT_VERSION, STATE_VERSION),
            }));
        }
        let sealer = match header.sealed {
            None => None,
            Some((cipher, key)) => {
                let opener = keys.opener(cipher, key).map_err(|source| {
                    let path = path.to_owned();
                    Fault::Journal(JournalError::Sealed { path, source })
                })?;
                Some(opener.clone())
            }
        };
        if header.position != position {
            return Err(unfit("its name is not that of the position in it"));
        }
        let mut opened = Self {
            position,
            policy: String::new(),
            bytes: file.len().map_err(io)?,
            path: path.to_owned(),
            file,
            header,
            sealer,
            sum: Sum::default(),
        };
        opened.verify().map_err(|fault| match fault {
            BlockFault::Damaged(why) => unfit(why),
            BlockFault::Io(error) => io(error),
        })?;
        Ok(opened)
    }

    fn verify(&mut self) -> Result<(), BlockFault> {
        const FOREIGN: BlockFault = BlockFault::Damaged("what it says of itself is not understood");
        let mut blocks = Blocks::new(self);
        let mut about: Option<About> = None;
        loop {
            let Some((block, payload)) = blocks.next()? else {
                return Err(BlockFault::Damaged("it is cut off"));
            };
            let foreign = || match self.sealer {
                Some(_) => BlockFault::Damaged(BROKEN),
                None => FOREIGN,
            };
            let json = || {
                block
                    .unseal(payload, self.sealer.as_ref())
                    .ok_or_else(foreign)
            };
            match block.kind {
                Kind::About => {
                    about = Some(serde_json::from_slice(&json()?).map_err(|_| FOREIGN)?);
                }
                Kind::End => {
                    let sum = serde_json::from_slice(&json()?).map_err(|_| FOREIGN)?;
                    if blocks.at != self.bytes {
                        return Err(BlockFault::Damaged("something stands behind its end"));
                    }
                    self.sum = sum;
                    self.policy = about.ok_or(FOREIGN)?.policy;
                    return Ok(());
                }
                // The seal is looked at before anything is used; what is in it, when it is.
                Kind::Known | Kind::Entries => {
                    if self.sealer.is_some() {
                        json()?;
                    }
                }
            }
        }
    }

    /// How many messages it knows the duplicates of.
    pub(crate) fn known_count(&self) -> u64 {
        self.sum.known
    }

    /// How many entries the state in it has.
    pub fn entries(&self) -> u64 {
        self.sum.entries
    }

    /// Hands over every known message, in order.
    pub(crate) fn known(&self, mut take: impl FnMut(Known)) -> io::Result<()> {
        let mut blocks = Blocks::new(self);
        while let Some((block, payload)) = blocks.next()? {
            match block.kind {
                Kind::About => {}
                Kind::Known => {
                    let raw = block.unseal(payload, self.sealer.as_ref());
                    let raw = raw.ok_or(io::ErrorKind::InvalidData)?;
                    for one in raw.chunks_exact(Known::SIZE) {
                        take(Known::decode(one));
                    }
                }
                Kind::Entries | Kind::End => break,
            }
        }
        Ok(())
    }

    /// Puts all of it into an empty state, which is at this position afterwards and counts as folded
    /// with this policy. In between it is at the start: what was interrupted is not taken for done.
    ///
    /// # Errors
    /// Where the state cannot be written, or the file no longer be read.
    pub fn load(&self, state: &dyn State, policy: &str) -> Result<(), StateError> {
        let unreadable = |error: io::Error| StateError::Store(format!("the checkpoint: {error}"));
        let damaged = || unreadable(io::ErrorKind::InvalidData.into());
        let mut blocks = Blocks::new(self);
        let mut batch = Batch::default();
        let (mut bytes, mut entries) = (0, 0_u64);
        while let Some((block, payload)) = blocks.next().map_err(|f| unreadable(f.into()))? {
            if block.kind != Kind::Entries {
                continue;
            }
            let raw = block.unseal(payload, self.sealer.as_ref());
            let raw = raw.ok_or_else(damaged)?;
            let mut rest = raw.as_slice();
            while let Some((key, value)) = next_entry(&mut rest) {
                batch.changes.insert(key.to_vec(), Some(value.to_vec()));
                entries += 1;
                bytes += key.len() + value.len();
                if bytes >= BATCH {
                    state.commit(std::mem::take(&mut batch), JournalPosition::START)?;
                    bytes = 0;
                }
            }
        }
        if entries != self.sum.entries {
            return Err(damaged());
        }
        state.commit(batch, JournalPosition::START)?;
        views::note_policy(state, policy)?;
        state.commit(Batch::default(), self.position)
    }

    pub(crate) fn file(&self) -> &dyn DiskFile {
        self.file.as_ref()
    }
}

/// The blocks of a checkpoint, one after another.
struct Blocks {
    file: Arc<dyn DiskFile>,
    tag: u32,
    at: u64,
    end: u64,
    number: u32,
    ended: bool,
    payload: Vec<u8>,
}

#[derive(Debug)]
enum BlockFault {
    Damaged(&'static str),
    Io(io::Error),
}

impl From<io::Error> for BlockFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BlockFault> for io::Error {
    fn from(fault: BlockFault) -> Self {
        match fault {
            BlockFault::Damaged(why) => Self::new(io::ErrorKind::InvalidData, why),
            BlockFault::Io(error) => error,
        }
    }
}

impl Blocks {
    fn new(of: &Checkpoint) -> Self {
        Self {
            file: Arc::clone(&of.file),
            tag: of.header.tag(),
            at: HEADER as u64,
            end: of.bytes,
            number: 0,
            ended: false,
            payload: Vec::new(),
        }
    }

    /// The next block with its payload, verified; `None` behind the last one.
    fn next(&mut self) -> Result<Option<(Block, &[u8])>, BlockFault> {
        if self.ended {
            return Ok(None);
        }
        let mut header = [0; BLOCK_HEADER];
        let n = read_full_at(self.file.as_ref(), &mut header, self.at)?;
        let header = header.get(..n).unwrap_or_default();
        let block = Block::decode(header, self.number, self.tag).map_err(BlockFault::Damaged)?;
        let place = self.at + BLOCK_HEADER as u64;
        let end = place + u64::from(block.packed);
        if end > self.end {
            return Err(BlockFault::Damaged("it is cut off"));
        }
        self.payload.resize(block.packed as usize, 0);
        let n = read_full_at(self.file.as_ref(), &mut self.payload, place)?;
        self.payload.truncate(n);
        if !block.is_whole(&self.payload) {
            return Err(BlockFault::Damaged("a block is damaged"));
        }
        self.at = end;
        self.number += 1;
        self.ended = block.kind == Kind::End;
        Ok(Some((block, &self.payload)))
    }
}
