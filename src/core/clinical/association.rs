//! Diagnoses and drugs that matter beside a low IgM (CLINICAL 2).

use serde::Serialize;

/// The association table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AssociationTable {}

impl AssociationTable {
    /// The built-in rows of `config/associations.toml`.
    pub fn built_in() -> Self {
        Self::default()
    }
}
