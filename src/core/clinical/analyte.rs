//! Which codes are which analyte (CLINICAL 3, WIRE 4.4 field 3).

use super::Unit;
use super::observation::{Analyte, Specimen};
use serde::Serialize;

/// One `[[analyte]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnalyteRow {
    /// What the code means.
    pub analyte: Analyte,
    /// The coding system; empty = any.
    pub system: String,
    /// The code; empty where only `match_text` serves.
    pub code: String,
    /// `MSH-3/MSH-4`; empty = all.
    pub feed: String,
    /// The specimen that the code implies.
    pub specimen: Option<Specimen>,
    /// The unit where none is sent.
    pub default_unit: Option<Unit>,
    /// The text that serves without the code.
    pub match_text: Option<String>,
    /// False takes this code out.
    pub enabled: bool,
    /// Where the row comes from.
    pub source: String,
}

/// The analyte map.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AnalyteMap {
    rows: Vec<AnalyteRow>,
}

impl AnalyteMap {
    /// The built-in rows of `config/analytes.toml`.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// The same map with a site's rows before those that it has.
    #[must_use]
    pub fn with_rows(self, rows: Vec<AnalyteRow>) -> Self {
        Self {
            rows: rows.into_iter().chain(self.rows).collect(),
        }
    }
}
