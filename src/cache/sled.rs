//! The state on sled: one tree, the position in the same batch as the changes.

use super::sealing::Sealing;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::core::fold::codec;
use crate::core::fold::state::{Batch, Entry, Placed, State, StateError};
use crate::failpoints;
use crate::seal::Sealer;
use std::fmt::Display;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

/// Where the position is kept; sorts before every table.
const POSITION: &[u8] = b"!position";
/// Its name in an error.
const POSITION_TABLE: &str = "position";
/// Between flushes. A lost tail is folded again from the journal, in less time than it took to
/// come; each flush competes for the disk with the journal's own.
const FLUSH_EVERY_MS: u64 = 5_000;

/// How long an input or output error of an opening may be the lock of one that is being closed.
const UNLOCKED_WITHIN: Duration = Duration::from_secs(2);

/// A state on disk. Values carry their own checksums; sled's word is not taken for them.
pub struct Sled {
    db: sled::Db,
    sealing: Option<Sealing>,
}

impl Sled {
    /// Opens or creates the state in a directory, with at most about so many bytes of page cache.
    ///
    /// # Errors
    /// Whatever sled says, or that it panicked.
    pub fn open(dir: &Path, memory: u64) -> Result<Self, StateError> {
        Self::open_sealed(dir, memory, None)
    }

    /// Like [`open`](Self::open); what is in it is sealed with this key, where there is one.
    ///
    /// # Errors
    /// As there. A cache that is kept in another way shows values that cannot be read.
    pub fn open_sealed(
        dir: &Path,
        memory: u64,
        sealer: Option<&Sealer>,
    ) -> Result<Self, StateError> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(memory)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        // A database that was just closed lets go of its lock from a thread of its own, a little later.
        let until = clock::monotonic() + UNLOCKED_WITHIN;
        loop {
            let locked = |error: &sled::Error| matches!(error, sled::Error::Io(_));
            let opened = guarded(|| match config.open() {
                Err(error) if locked(&error) && clock::monotonic() < until => Ok(None),
                opened => opened.map(Some),
            })?;
            if let Some(db) = opened {
                return Ok(Self {
                    db,
                    sealing: sealer.map(Sealing::new),
                });
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Writes out what is in memory.
    ///
    /// # Errors
    /// Whatever sled says.
    pub fn flush(&self) -> Result<(), StateError> {
        guarded(|| self.db.flush()).map(|_| ())
    }
}

impl Sled {
    /// What is sealed lies in the order of its keys only where these name no patient: else all that can
    /// have the prefix is opened and put in order.
    fn scan_sealed(
        &self,
        sealing: &Sealing,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        let in_order = Sealing::keeps_order(prefix);
        let group = if in_order {
            prefix.to_vec()
        } else {
            sealing.group(prefix)
        };
        let begin = if in_order && from > prefix {
            from.to_vec()
        } else {
            group.clone()
        };
        let most = if in_order { limit } else { usize::MAX };
        let stored = guarded(|| {
            let entries = self.db.range(begin..).take_while(|entry| {
                !entry
                    .as_ref()
                    .is_ok_and(|(key, _)| !key.starts_with(&group))
            });
            let entries = entries.filter(|entry| {
                !entry
                    .as_ref()
                    .is_ok_and(|(key, _)| key.as_ref() == POSITION)
            });
            entries.take(most).collect::<Result<Vec<_>, _>>()
        })?;
        let mut entries = Vec::new();
        for (place, value) in stored {
            let (key, value) = sealing.open(&place, &value)?;
            if key.starts_with(prefix) && key.as_slice() >= from {
                entries.push((key, value));
            }
        }
        entries.sort_unstable();
        entries.truncate(limit);
        Ok(entries)
    }
}

impl std::fmt::Debug for Sled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sled")
    }
}

/// sled may panic on damaged files: that is an error like any other.
fn guarded<T, E: Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, StateError> {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        if failpoints::once("cache-panic") {
            std::panic::panic_any("a fault switched on by a test");
        }
        work()
    }));
    if failpoints::once("cache-error") {
        return Err(StateError::Store("a fault of a test".to_owned()));
    }
    match caught {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(StateError::Store(error.to_string())),
        Err(_) => Err(StateError::Store("sled panicked".to_owned())),
    }
}

/// Frees what sled has replaced in a batch of so many changes.
///
/// Each change replaces a page in memory, and what was there before waits until no thread can look at it any
/// more. sled finds out only as it goes on being used, and not at all within a batch: after a large one as much
/// as a hundred megabytes would stay for as long as the feed is quiet.
fn give_back(changed: usize) {
    // Each round frees some hundred pages, once all threads have moved on by two.
    for _ in 0..4 + changed / 128 {
        crossbeam_epoch::pin().flush();
    }
}

impl State for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let stored = self.place(key)?;
        let found = guarded(|| self.db.get(&stored))?;
        let mut found = match (found, &self.sealing) {
            (Some(value), Some(sealing)) => {
                let (of, value) = sealing.open(&stored, &value)?;
                (of == key).then_some(value)
            }
            (value, _) => value.map(|value| value.to_vec()),
        };
        if let Some(last) = found.as_mut().and_then(|value| value.last_mut())
            && failpoints::once("cache-bad-value")
        {
            *last ^= 1;
        }
        Ok(found)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Entry>, StateError> {
        if let Some(sealing) = &self.sealing {
            return self.scan_sealed(sealing, prefix, from, limit);
        }
        guarded(|| {
            let mut entries = Vec::new();
            for entry in self.db.range(from.to_vec()..) {
                let (key, value) = entry?;
                if !key.starts_with(prefix) || entries.len() >= limit {
                    break;
                }
                if key.as_ref() != POSITION {
                    entries.push((key.to_vec(), value.to_vec()));
                }
            }
            Ok::<_, sled::Error>(entries)
        })
    }

    fn commit(&self, batch: Batch, through: JournalPosition) -> Result<(), StateError> {
        let mut changes = sled::Batch::default();
        let changed = batch.changes.len();
        for (key, value) in batch.changes {
            match (value, &self.sealing) {
                (Some(value), None) => changes.insert(key, value),
                (None, None) => changes.remove(key),
                (Some(value), Some(sealing)) => {
                    let stored = sealing.place(&key);
                    let value = sealing.seal(&stored, &key, &value)?;
                    changes.insert(stored, value);
                }
                (None, Some(sealing)) => changes.remove(sealing.place(&key)),
            }
        }
        // In the clear: it is a number.
        let position = codec::encode(POSITION_TABLE, &through)?;
        changes.insert(POSITION, position);
        guarded(|| self.db.apply_batch(changes))?;
        give_back(changed);
        Ok(())
    }

    fn place(&self, key: &[u8]) -> Result<Vec<u8>, StateError> {
        Ok(match &self.sealing {
            Some(sealing) => sealing.place(key),
            None => key.to_vec(),
        })
    }

    fn walk(&self, behind: Option<&[u8]>, limit: usize) -> Result<Vec<Placed>, StateError> {
        let from = behind.map_or(Bound::Unbounded, |place| Bound::Excluded(place.to_vec()));
        let stored = guarded(|| {
            let range = self.db.range::<Vec<u8>, _>((from, Bound::Unbounded));
            let entries = range.filter(|entry| {
                !entry
                    .as_ref()
                    .is_ok_and(|(key, _)| key.as_ref() == POSITION)
            });
            entries.take(limit).collect::<Result<Vec<_>, _>>()
        })?;
        let placed = stored.into_iter().map(|(place, value)| {
            let entry = match &self.sealing {
                Some(sealing) => sealing.open(&place, &value)?,
                None => (place.to_vec(), value.to_vec()),
            };
            Ok((place.to_vec(), entry))
        });
        placed.collect()
    }

    fn position(&self) -> Result<JournalPosition, StateError> {
        let Some(bytes) = guarded(|| self.db.get(POSITION))? else {
            return Ok(JournalPosition::START);
        };
        codec::decode(POSITION_TABLE, &bytes)
    }
}
