//! What an instance knows of the end of the stream: the newest records, so that nobody fetches them twice, and
//! which messages are in it, so that their copies are known.

use crate::core::fact::JournalPosition;
use crate::journal::{Index, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// Bytes of the records kept.
const RECENT: usize = 32 << 20;
/// Bytes of a record beside its parts, about.
const BESIDE: usize = 128;

/// Shared by writer, follower and readers.
pub(super) struct Tail {
    inside: Mutex<Inside>,
    /// Something was stored: there is more to follow.
    pub stored: Notify,
}

struct Inside {
    index: Option<Index>,
    /// All messages up to here are in the index.
    followed: u64,
    /// Messages beyond that are: this instance stored them itself.
    ahead: BTreeSet<u64>,
    /// When the follower was last known to be at the end of the stream.
    fresh: Option<Instant>,
    recent: BTreeMap<u64, Record>,
    bytes: usize,
    /// The first sequence that the stream keeps.
    first: u64,
}

impl Tail {
    /// Nothing is known behind this position.
    pub(super) fn new(base: JournalPosition) -> Self {
        Self {
            inside: Mutex::new(Inside {
                index: None,
                followed: base.0,
                ahead: BTreeSet::new(),
                fresh: None,
                recent: BTreeMap::new(),
                bytes: 0,
                first: 1,
            }),
            stored: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages up to the base.
    pub(super) fn knows(&self, index: Index) {
        self.lock().index = Some(index);
    }

    /// Asks the index; `None` before it is there.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&Index) -> T) -> Option<T> {
        self.lock().index.as_ref().map(ask)
    }

    /// A record that this instance stored itself.
    pub(super) fn stored(&self, record: Record) {
        let mut inside = self.lock();
        let sequence = record.position.0;
        if sequence > inside.followed && inside.ahead.insert(sequence) {
            inside.note(&record);
        }
        inside.keep(record);
        drop(inside);
        self.stored.notify_one();
    }

    /// The next record in order.
    pub(super) fn followed(&self, sequence: u64, record: Option<Record>) {
        let mut inside = self.lock();
        if let Some(record) = record {
            if !inside.ahead.remove(&sequence) {
                inside.note(&record);
            }
            inside.keep(record);
        }
        inside.followed = inside.followed.max(sequence);
    }

    /// How far the follower is.
    pub(super) fn reached(&self) -> u64 {
        self.lock().followed
    }

    /// The follower is at the end, as it was at this time; the first message kept is this one.
    pub(super) fn is_at_the_end(&self, at: Instant, first: u64) {
        let mut inside = self.lock();
        inside.fresh = Some(at);
        inside.first = first;
        if inside.followed + 1 < first {
            inside.followed = first.saturating_sub(1);
        }
    }

    /// When the follower was last at the end.
    pub(super) fn fresh(&self) -> Option<Instant> {
        self.lock().fresh
    }

    /// The first sequence kept.
    pub(super) fn first(&self) -> u64 {
        self.lock().first
    }

    /// A record, if it is one of the newest.
    pub(super) fn recent(&self, sequence: u64) -> Option<Record> {
        self.lock().recent.get(&sequence).cloned()
    }
}

impl Inside {
    fn note(&mut self, record: &Record) {
        if let Some((fingerprint, at)) = record.fingerprint()
            && let Some(index) = &mut self.index
        {
            index.insert(&fingerprint, at, record.position);
        }
    }

    fn keep(&mut self, record: Record) {
        let size = |one: &Record| one.meta.len() + one.raw.len() + BESIDE;
        self.bytes += size(&record);
        if let Some(same) = self.recent.insert(record.position.0, record) {
            self.bytes -= size(&same);
        }
        while self.bytes > RECENT {
            let Some((_, oldest)) = self.recent.pop_first() else {
                break;
            };
            self.bytes -= size(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn record(position: u64, bytes: usize) -> Record {
        Record {
            position: JournalPosition(position),
            kind: 0,
            version: 1,
            meta: Bytes::new(),
            raw: vec![0; bytes].into(),
        }
    }

    #[test]
    fn the_newest_records_are_kept_within_bounds() {
        let tail = Tail::new(JournalPosition(3));
        for position in 4..=10 {
            tail.followed(position, Some(record(position, RECENT / 4)));
        }
        assert!(tail.recent(4).is_none());
        assert!(tail.recent(10).is_some());
        assert_eq!(tail.reached(), 10);
        tail.stored(record(12, 1));
        assert!(tail.recent(12).is_some(), "before it is followed");
        assert_eq!(tail.reached(), 10);
    }

    #[test]
    fn what_is_no_longer_kept_need_not_be_followed() {
        let tail = Tail::new(JournalPosition(3));
        tail.is_at_the_end(crate::clock::monotonic(), 50);
        assert_eq!((tail.reached(), tail.first()), (49, 50));
    }
}
