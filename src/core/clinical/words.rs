//! Word lists: no-result words, sexes, comparators, range words (`config/*.toml`).

use serde::Serialize;

/// The word lists in force.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Words {}

impl Words {
    /// The built-in lists.
    pub fn built_in() -> Self {
        Self::default()
    }
}
