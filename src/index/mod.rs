//! The index of messages: by time, feed, type, control id, patient and outcome, beside the journal and made
//! from it. It may be deleted at any time: then it is made again, while everything else goes on.
//!
//! Messages stand in blocks of [`BLOCK`], each one file in `index/` that is written once, whole, and never
//! changed. In memory are the block that is being filled and, of every other one, what it takes to pass it
//! over: first and last position and time, feeds, types and outcomes. Control ids and patients are looked up
//! by a hash in a sorted table of each block; a hit is held against the text before it is shown. See
//! `docs/adr/0016-index-of-messages.md`.

mod block;
mod feed;
mod files;
mod follow;
mod row;
mod search;
mod steps;

pub use feed::Feed;
pub use follow::{Follower, Source};
pub use row::{Entry, Outcome, read, seen_again};
pub use search::{Found, Query};

use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use crate::seal::Keyring;
use block::{Filling, Summary};
use files::Files;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// Messages of one block.
pub const BLOCK: usize = 16_384;

/// The index; clones share it.
#[derive(Clone)]
pub struct Index(Arc<Inner>);

struct Inner {
    files: Files,
    held: RwLock<Held>,
}

/// What is in memory.
#[derive(Default)]
struct Held {
    blocks: Vec<Arc<Summary>>,
    filling: Filling,
    /// Messages that a page rests on.
    paged: BTreeSet<u64>,
    /// Everything up to here is indexed.
    through: JournalPosition,
}

impl Index {
    /// What of the files is whole; what is not is removed and made again.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(dir: PathBuf, keys: Keyring) -> io::Result<Self> {
        let files = Files::new(dir, keys)?;
        let blocks = files.load()?;
        let through = blocks
            .last()
            .map_or(JournalPosition::START, |block| block.through);
        let held = Held {
            blocks: blocks.into_iter().map(Arc::new).collect(),
            through,
            ..Held::default()
        };
        Ok(Self(Arc::new(Inner {
            files,
            held: RwLock::new(held),
        })))
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the journal is indexed.
    pub fn through(&self) -> JournalPosition {
        self.held().through
    }

    /// How many messages are indexed.
    pub fn len(&self) -> usize {
        let held = self.held();
        let closed: usize = held.blocks.iter().map(|block| block.count).sum();
        closed.saturating_add(held.filling.entries.len())
    }

    /// Nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes what stands at the next positions up to `through`; a block that is full becomes a file.
    ///
    /// # Errors
    /// The file cannot be written; what was given stays in memory.
    pub fn add(&self, entries: Vec<Entry>, through: JournalPosition) -> io::Result<()> {
        {
            let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
            held.filling.entries.extend(entries);
            held.through = held.through.max(through);
        }
        loop {
            let full = {
                let held = self.held();
                let Some(entries) = held.filling.entries.get(..BLOCK) else {
                    return Ok(());
                };
                // What stands between the last message of the block and the next one is in the block too.
                let next = held.filling.entries.get(BLOCK);
                let through = next.map_or(held.through, |next| {
                    JournalPosition(next.position.0.saturating_sub(1))
                });
                Filling {
                    entries: entries.to_vec(),
                    through,
                }
            };
            // Written without the lock: whoever searches meanwhile finds the same in memory.
            let summary = self.0.files.write(&full)?;
            let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
            held.filling.entries.drain(..BLOCK);
            held.blocks.push(Arc::new(summary));
        }
    }

    /// Notes that a page rests on a message.
    pub fn note_paged(&self, positions: impl IntoIterator<Item = JournalPosition>) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        held.paged
            .extend(positions.into_iter().map(|position| position.0));
    }

    /// Forgets blocks all of whose messages the journal has dropped.
    pub fn drop_before(&self, oldest: JournalPosition) {
        let gone: Vec<Arc<Summary>> = {
            let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
            let keep = held.blocks.partition_point(|block| block.last < oldest);
            held.blocks.drain(..keep).collect()
        };
        for block in gone {
            self.0.files.remove(&block);
        }
    }

    /// Time of the newest message.
    pub fn newest(&self) -> Option<Timestamp> {
        let held = self.held();
        let filling = held.filling.entries.last().map(|entry| entry.at);
        filling.or_else(|| held.blocks.last().map(|block| block.until))
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Index")
    }
}

#[cfg(test)]
mod tests;
