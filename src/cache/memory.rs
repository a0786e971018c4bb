//! The state on a `BTreeMap`.

use crate::core::fact::JournalPosition;
use crate::core::fold::state::{Batch, Entry, State, StateError};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// A state that ends with the process.
#[derive(Debug, Default)]
pub struct Memory(RwLock<Inside>);

#[derive(Debug, Default)]
struct Inside {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    position: JournalPosition,
}

impl Memory {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }
}

impl State for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let inside = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(inside.entries.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Entry>, StateError> {
        let inside = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(inside
            .entries
            .range(from.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&self, batch: Batch, through: JournalPosition) -> Result<(), StateError> {
        let mut inside = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch.changes {
            match value {
                Some(value) => inside.entries.insert(key, value),
                None => inside.entries.remove(&key),
            };
        }
        inside.position = through;
        Ok(())
    }

    fn position(&self) -> Result<JournalPosition, StateError> {
        Ok(self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .position)
    }
}
