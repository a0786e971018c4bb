//! The bytes of a checkpoint: a header, then blocks. Little endian throughout.
//!
//! Every byte on the way to and from the disk passes [`Block::seal`] and [`Block::unseal`].

use crate::core::fact::JournalPosition;
use crate::core::fold::state::StateError;
use crate::core::time::Timestamp;
use crate::journal::duplicates::Fingerprint;
use crate::journal::error::ReadError;
use crate::seal::{CIPHER, KeyId, Sealer};
use serde::{Deserialize, Serialize};
use std::io;

/// The newest version of the format, that of sealed checkpoints.
pub const CHECKPOINT_VERSION: u32 = 2;
/// The version of those that are not sealed.
const PLAIN_VERSION: u32 = 1;
pub(super) const HEADER: usize = 64;
pub(super) const BLOCK_HEADER: usize = 32;
/// Bytes of a block before it is compressed, about; one larger entry has a block of its own size.
pub(super) const BLOCK: usize = 256 << 10;
/// The largest block: a value can hold a message.
pub(super) const LARGEST_BLOCK: u32 = (1 << 30) + (32 << 20);
const MAGIC: [u8; 8] = *b"PENTACKP";
const BLOCK_MAGIC: [u8; 4] = [0xF1, b'P', b'C', 0x9C];
/// Taking a checkpoint competes with the fold, so speed counts most.
const LEVEL: i32 = 1;

/// Why a checkpoint could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// The disk refused.
    #[error("the checkpoint cannot be written: {0}")]
    Io(#[from] io::Error),
}

fn four(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_le_bytes)
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    u64::from(four(bytes, at)) | u64::from(four(bytes, at + 4)) << 32
}

/// What a checkpoint says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub version: u32,
    /// [`STATE_VERSION`](crate::core::fold::STATE_VERSION) of the values in it.
    pub state_version: u8,
    pub position: JournalPosition,
    /// Cipher and key of its blocks, where they are sealed.
    pub sealed: Option<(u8, KeyId)>,
}

impl Header {
    /// That of a new checkpoint, sealed where there is a key.
    pub fn new(state_version: u8, position: JournalPosition, sealer: Option<&Sealer>) -> Self {
        Self {
            version: match sealer {
                Some(_) => CHECKPOINT_VERSION,
                None => PLAIN_VERSION,
            },
            state_version,
            position,
            sealed: sealer.map(|sealer| (CIPHER, sealer.id())),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&[self.state_version, 0, 0, 0]);
        out.extend_from_slice(&self.position.0.to_le_bytes());
        if let Some((cipher, key)) = self.sealed {
            out.push(cipher);
            out.extend_from_slice(&key.0);
        }
        out.resize(HEADER - 4, 0);
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Magic, version and checksum keep their places in every later version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(..HEADER - 4)?;
        let whole = body.starts_with(&MAGIC) && crc32c::crc32c(body) == four(bytes, HEADER - 4);
        let version = four(bytes, 8);
        let sealed = || {
            let key = bytes.get(25..33)?.try_into().ok()?;
            Some((*bytes.get(24)?, KeyId(key)))
        };
        whole.then(|| Self {
            version,
            state_version: bytes.get(12).copied().unwrap_or_default(),
            position: JournalPosition(eight(bytes, 16)),
            sealed: sealed().filter(|_| version > PLAIN_VERSION),
        })
    }

    /// In every block, so that a block of another checkpoint is none of this one.
    pub fn tag(&self) -> u32 {
        crc32c::crc32c(&self.encode())
    }
}

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// [`About`], as JSON.
    About = 1,
    /// [`Known`] messages, by position.
    Known = 2,
    /// Entries of the state, by key.
    Entries = 3,
    /// [`Sum`], as JSON; the last block.
    End = 4,
}

/// The first block. Fields may be added; readers ignore what they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    /// Hash of the policy that the state was folded with.
    pub policy: String,
}

/// The last block: without it a checkpoint is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Sum {
    pub known: u64,
    pub entries: u64,
}

/// The 32 bytes before a block's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub kind: Kind,
    pub number: u32,
    pub raw: u32,
    pub packed: u32,
    checksum: u32,
    tag: u32,
}

/// What a sealed block belongs to: its header up to the length of what is sealed.
fn belongs_to(kind: Kind, number: u32, tag: u32, raw: u32) -> Vec<u8> {
    let mut out = b"block".to_vec();
    out.push(kind as u8);
    for field in [number, tag, raw] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out
}

impl Block {
    /// A block as it goes to the disk.
    pub fn seal(
        kind: Kind,
        number: u32,
        tag: u32,
        raw: &[u8],
        sealer: Option<&Sealer>,
    ) -> io::Result<Vec<u8>> {
        let mut payload = zstd::bulk::compress(raw, LEVEL)?;
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let size = u32::try_from(raw.len()).map_err(too_large)?;
        if let Some(sealer) = sealer {
            let mut sealed = Vec::new();
            let belongs_to = belongs_to(kind, number, tag, size);
            sealer.seal(&belongs_to, &[&payload], &mut sealed)?;
            payload = sealed;
        }
        let packed = u32::try_from(payload.len()).map_err(too_large)?;
        let mut out = Vec::with_capacity(BLOCK_HEADER + payload.len());
        out.extend_from_slice(&BLOCK_MAGIC);
        out.extend_from_slice(&[kind as u8, 0, 0, 0]);
        for field in [number, tag, size, packed, crc32c::crc32c(&payload)] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&payload);
        Ok(out)
    }

    /// The header of the block that has this number; why it is not one.
    pub fn decode(bytes: &[u8], number: u32, tag: u32) -> Result<Self, &'static str> {
        let Some(body) = bytes.get(..BLOCK_HEADER - 4) else {
            return Err("it is cut off");
        };
        if !body.starts_with(&BLOCK_MAGIC) || crc32c::crc32c(body) != four(bytes, BLOCK_HEADER - 4)
        {
            return Err("the header of a block is damaged");
        }
        let block = Self {
            kind: match body.get(4) {
                Some(1) => Kind::About,
                Some(2) => Kind::Known,
                Some(3) => Kind::Entries,
                Some(4) => Kind::End,
                _ => return Err("a block is of an unknown kind"),
            },
            number: four(body, 8),
            raw: four(body, 16),
            packed: four(body, 20),
            checksum: four(body, 24),
            tag,
        };
        if four(body, 12) != tag || block.number != number || block.raw > LARGEST_BLOCK {
            return Err("a block is not the one that belongs there");
        }
        Ok(block)
    }

    /// Whether these bytes are its payload.
    pub fn is_whole(&self, payload: &[u8]) -> bool {
        payload.len() == self.packed as usize && crc32c::crc32c(payload) == self.checksum
    }

    /// What was sealed.
    pub fn unseal(&self, payload: &[u8], sealer: Option<&Sealer>) -> Option<Vec<u8>> {
        if !self.is_whole(payload) {
            return None;
        }
        let mut opened = Vec::new();
        let payload = match sealer {
            Some(sealer) => {
                let belongs_to = belongs_to(self.kind, self.number, self.tag, self.raw);
                sealer.open(&belongs_to, payload, &mut opened).ok()?;
                &opened
            }
            None => payload,
        };
        let raw = zstd::bulk::decompress(payload, self.raw as usize).ok()?;
        (raw.len() == self.raw as usize).then_some(raw)
    }
}

/// A message by which its duplicates are known (WIRE A-60).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub position: JournalPosition,
    pub at: Timestamp,
    pub fingerprint: Fingerprint,
}

impl Known {
    pub const SIZE: usize = 41;

    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.position.0.to_le_bytes());
        out.extend_from_slice(&self.at.as_micros().to_le_bytes());
        out.extend_from_slice(&self.fingerprint.content.to_le_bytes());
        out.push(u8::from(self.fingerprint.control.is_some()));
        let control = self.fingerprint.control.unwrap_or_default();
        out.extend_from_slice(&control.to_le_bytes());
    }

    pub fn decode(bytes: &[u8]) -> Self {
        let content = u128::from(eight(bytes, 16)) | u128::from(eight(bytes, 24)) << 64;
        let control = (bytes.get(32) == Some(&1)).then(|| eight(bytes, 33));
        Self {
            position: JournalPosition(eight(bytes, 0)),
            at: Timestamp::from_micros(eight(bytes, 8).cast_signed()),
            fingerprint: Fingerprint { content, control },
        }
    }
}

/// Appends an entry of the state.
pub(super) fn push_entry(out: &mut Vec<u8>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    for part in [key, value] {
        let len = u32::try_from(part.len()).map_err(too_large)?;
        out.extend_from_slice(&len.to_le_bytes());
    }
    out.extend_from_slice(key);
    out.extend_from_slice(value);
    Ok(())
}

/// Takes the next entry off the front; `None` at the end and where the bytes are not entries.
pub(super) fn next_entry<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (key, value) = (four(bytes.get(..8)?, 0) as usize, four(bytes, 4) as usize);
    let (key, rest) = bytes.get(8..)?.split_at_checked(key)?;
    let (value, rest) = rest.split_at_checked(value)?;
    *bytes = rest;
    Some((key, value))
}
