//! What a state is to the fold: ordered keys and values, written in batches that carry the position.
//!
//! Implementations: `cache::Sled` and `cache::Memory` (a `BTreeMap`), which are oracles for each other.

use crate::core::fact::JournalPosition;

/// Why a state could not be read or written. The remedy is always the same: rebuild from the journal.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store failed.
    #[error("the cache cannot be used: {0}")]
    Store(String),
    /// A value that does not decode.
    #[error("the cache holds a value of table `{table}` that cannot be read: {why}")]
    Value {
        /// The table.
        table: &'static str,
        /// What the decoder said; no content.
        why: String,
    },
}

impl StateError {
    /// What happened, without saying again that the cache cannot be used.
    pub fn why(&self) -> String {
        match self {
            Self::Store(why) => why.clone(),
            Self::Value { .. } => self.to_string(),
        }
    }
}

/// Puts (`Some`) and deletions (`None`), applied together with the position that they bring the state to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// By key.
    pub changes: std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// An entry with its place in its store's order.
pub type Placed = (Vec<u8>, Entry);

/// Ordered bytes to bytes. One writer at a time; readers at any time.
pub trait State: Send + Sync {
    /// The value under a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// Up to `limit` entries with `from <= key` and the given prefix, in order.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Entry>, StateError>;

    /// The place of a key in the order in which the store keeps its entries.
    ///
    /// # Errors
    /// The store cannot be used.
    fn place(&self, key: &[u8]) -> Result<Vec<u8>, StateError> {
        Ok(key.to_vec())
    }

    /// Up to `limit` entries behind a place, in the store's own order, each with its place: for whoever
    /// wants all of them, and does not care for their order.
    ///
    /// # Errors
    /// The store cannot be used.
    fn walk(&self, behind: Option<&[u8]>, limit: usize) -> Result<Vec<Placed>, StateError> {
        let mut from = Vec::new();
        if let Some(behind) = behind {
            from.extend_from_slice(behind);
            from.push(0);
        }
        let entries = self.scan(&[], &from, limit)?;
        Ok(entries
            .into_iter()
            .map(|entry| (entry.0.clone(), entry))
            .collect())
    }

    /// Applies a batch; all of it or nothing, position included.
    fn commit(&self, batch: Batch, through: JournalPosition) -> Result<(), StateError>;

    /// The position that the state stands at.
    fn position(&self) -> Result<JournalPosition, StateError>;
}
