//! A state with changes on top that are not yet committed.

use super::state::{Batch, Entry, State, StateError};
use super::{codec, keys};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// How many entries are asked of the store at once when everything under a prefix is wanted.
const CHUNK: usize = 1024;
/// And how many at most, where they are looked at one by one.
const LARGEST_CHUNK: usize = 65_536;

/// Reads through to a state and keeps writes for one [`Batch`]; what was written is seen at once.
pub struct Overlay<'a> {
    base: &'a dyn State,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Overlay<'a> {
    /// No changes yet.
    pub fn new(base: &'a dyn State) -> Self {
        Self {
            base,
            changes: BTreeMap::new(),
        }
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(key),
        }
    }

    /// The decoded value under a key.
    pub fn load<T: DeserializeOwned>(
        &self,
        table: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, StateError> {
        self.get(key)?
            .map(|bytes| codec::decode(table, &bytes))
            .transpose()
    }

    /// Puts an encoded value.
    pub fn store<T: Serialize + ?Sized>(
        &mut self,
        table: &'static str,
        key: Vec<u8>,
        value: &T,
    ) -> Result<(), StateError> {
        let bytes = codec::encode(table, value)?;
        self.changes.insert(key, Some(bytes));
        Ok(())
    }

    /// Puts a value unless the key is taken; true if it was put.
    pub fn store_new<T: Serialize + ?Sized>(
        &mut self,
        table: &'static str,
        key: Vec<u8>,
        value: &T,
    ) -> Result<bool, StateError> {
        if self.get(&key)?.is_some() {
            return Ok(false);
        }
        self.store(table, key, value)?;
        Ok(true)
    }

    /// Removes a key.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// Up to `limit` entries with `from <= key` and the given prefix, in order.
    pub fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Entry>, StateError> {
        let start = from.max(prefix).to_vec();
        let mut changes = self
            .changes
            .range(start.clone()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        if changes.peek().is_none() {
            return self.base.scan(prefix, &start, limit);
        }
        let mut found = Vec::new();
        let mut next_from = start;
        let mut base_is_done = false;
        let mut base = Vec::new().into_iter().peekable();
        while found.len() < limit {
            if base.peek().is_none() && !base_is_done {
                let chunk = self.base.scan(prefix, &next_from, limit)?;
                base_is_done = chunk.len() < limit;
                if let Some((last, _)) = chunk.last() {
                    next_from = keys::after(last);
                }
                base = chunk.into_iter().peekable();
            }
            let change_comes_first = match (base.peek(), changes.peek()) {
                (None, None) => break,
                (Some((stored, _)), Some((changed, _))) => *changed <= stored,
                (stored, _) => stored.is_none(),
            };
            if !change_comes_first {
                found.extend(base.next());
            } else if let Some((key, change)) = changes.next() {
                if base.peek().is_some_and(|(stored, _)| stored == key) {
                    base.next();
                }
                if let Some(value) = change {
                    found.push((key.clone(), value.clone()));
                }
            }
        }
        Ok(found)
    }

    /// All entries with the prefix, in order.
    pub fn scan_all(&self, prefix: &[u8]) -> Result<Vec<Entry>, StateError> {
        let mut all: Vec<Entry> = Vec::new();
        let mut from = prefix.to_vec();
        let mut size = CHUNK;
        loop {
            let chunk = self.scan(prefix, &from, size)?;
            let is_last = chunk.len() < size;
            // A store whose own order is another one looks at all of them each time.
            size = size.saturating_mul(2);
            if let Some((last, _)) = chunk.last() {
                from = keys::after(last);
            }
            all.extend(chunk);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Looks at every entry with the prefix, in order, without holding all of them.
    pub fn visit(
        &self,
        prefix: &[u8],
        mut look: impl FnMut(&[u8], &[u8]) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let mut from = prefix.to_vec();
        let mut size = CHUNK;
        loop {
            let chunk = self.scan(prefix, &from, size)?;
            for (key, value) in &chunk {
                look(key, value)?;
            }
            match chunk.last() {
                Some((last, _)) if chunk.len() == size => from = keys::after(last),
                _ => return Ok(()),
            }
            size = size.saturating_mul(2).min(LARGEST_CHUNK);
        }
    }

    /// All decoded values with the prefix, in order of their keys.
    pub fn load_all<T: DeserializeOwned>(
        &self,
        table: &'static str,
        prefix: &[u8],
    ) -> Result<Vec<T>, StateError> {
        self.scan_all(prefix)?
            .iter()
            .map(|(_, bytes)| codec::decode(table, bytes))
            .collect()
    }

    /// True if there is any entry with the prefix.
    pub fn any(&self, prefix: &[u8]) -> Result<bool, StateError> {
        Ok(!self.scan(prefix, prefix, 1)?.is_empty())
    }

    /// The changes, for [`State::commit`].
    pub fn into_batch(self) -> Batch {
        Batch {
            changes: self.changes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fact::JournalPosition;
    use crate::core::fold::testing::Plain;
    use proptest::prelude::*;

    type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    fn changes() -> impl Strategy<Value = Changes> {
        let key = proptest::collection::vec(0_u8..3, 1..4);
        let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..2));
        proptest::collection::btree_map(key, value, 0..24)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Reading through an overlay is reading the state after its batch.
        #[test]
        fn shows_what_a_commit_would_show(
            stored in changes(), changed in changes(),
            prefix in proptest::collection::vec(0_u8..3, 0..3),
            from in proptest::collection::vec(0_u8..3, 0..4),
            limit in 0_usize..9,
        ) {
            let state = Plain::default();
            state.commit(Batch { changes: stored }, JournalPosition(1)).unwrap();
            let overlay = Overlay { base: &state, changes: changed.clone() };
            let scanned = overlay.scan(&prefix, &from, limit).unwrap();
            let all = overlay.scan_all(&prefix).unwrap();
            let got: Vec<_> = changed.keys().map(|key| overlay.get(key).unwrap()).collect();
            state.commit(Batch { changes: changed.clone() }, JournalPosition(2)).unwrap();
            prop_assert_eq!(scanned, state.scan(&prefix, &from, limit).unwrap());
            prop_assert_eq!(all, state.scan(&prefix, &[], usize::MAX).unwrap());
            let committed: Vec<_> = changed.keys().map(|key| state.get(key).unwrap()).collect();
            prop_assert_eq!(got, committed);
        }
    }
}
