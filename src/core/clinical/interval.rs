//! Reference intervals by age and sex (CLINICAL 5, 6.7).

use serde::Serialize;

/// The interval table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IntervalTable {}

impl IntervalTable {
    /// The built-in rows of `config/intervals.toml`.
    pub fn built_in() -> Self {
        Self::default()
    }
}
