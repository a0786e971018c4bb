//! Writes over a state that are not committed yet; reads see them.

use super::codec;
use super::state::{Batch, Entry, State, StateError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A state with changes that only this view sees.
pub struct Overlay<'s> {
    state: &'s dyn State,
    batch: Batch,
}

impl<'s> Overlay<'s> {
    /// No changes yet.
    pub fn new(state: &'s dyn State) -> Self {
        Self {
            state,
            batch: Batch::default(),
        }
    }

    /// The value under a key.
    pub fn get<T: DeserializeOwned>(
        &self,
        table: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, StateError> {
        let bytes = match self.batch.changes.get(key) {
            Some(changed) => changed.clone(),
            None => self.state.get(key)?,
        };
        bytes.map(|bytes| codec::decode(table, &bytes)).transpose()
    }

    /// Puts a value.
    pub fn put<T: Serialize>(
        &mut self,
        table: &'static str,
        key: Vec<u8>,
        value: &T,
    ) -> Result<(), StateError> {
        self.batch
            .changes
            .insert(key, Some(codec::encode(table, value)?));
        Ok(())
    }

    /// Removes a key.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.batch.changes.insert(key, None);
    }

    /// All entries of a table, changes included, in order.
    pub fn entries(&self, prefix: &[u8]) -> Result<Vec<Entry>, StateError> {
        let mut entries: std::collections::BTreeMap<Vec<u8>, Vec<u8>> = self
            .state
            .scan(prefix, prefix, usize::MAX)?
            .into_iter()
            .collect();
        let changed = self
            .batch
            .changes
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix));
        for (key, value) in changed {
            match value {
                Some(value) => entries.insert(key.clone(), value.clone()),
                None => entries.remove(key),
            };
        }
        Ok(entries.into_iter().collect())
    }

    /// The changes.
    pub fn into_batch(self) -> Batch {
        self.batch
    }
}
