//! Which codes are which analyte (CLINICAL 3, WIRE 4.4 field 3).

use serde::Serialize;

/// The analyte map.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AnalyteMap {}

impl AnalyteMap {
    /// The built-in rows of `config/analytes.toml`.
    pub fn built_in() -> Self {
        Self::default()
    }
}
