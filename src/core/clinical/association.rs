//! Diagnoses and drugs that matter beside a low IgM (CLINICAL 2).

use crate::core::policy::AgeSpan;
use serde::Serialize;

/// What an association means for a low IgM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A possible secondary cause.
    Secondary,
    /// Raises urgency when severe.
    Urgent,
    /// Prompt.
    Prompt,
    /// Known already.
    Known,
    /// Shown only.
    Context,
}

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A diagnosis or a reason.
    #[default]
    Diagnosis,
    /// A drug.
    Drug,
}

/// One `[[association]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssociationRow {
    /// What people read.
    pub label: String,
    /// The coding system.
    pub system: String,
    /// The code; `*` at the end = all that begin so.
    pub code: String,
    /// What it means.
    pub classes: Vec<Class>,
    /// Diagnosis or drug.
    pub kind: Kind,
    /// Counts only below this age.
    pub max_age: Option<AgeSpan>,
    /// False: listed, never found.
    pub enabled: bool,
    /// Where the row comes from.
    pub source: String,
}

/// The association table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AssociationTable {
    rows: Vec<AssociationRow>,
}

impl AssociationTable {
    /// The built-in rows of `config/associations.toml`.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// The same table with a site's rows before those that it has.
    #[must_use]
    pub fn with_rows(self, rows: Vec<AssociationRow>) -> Self {
        Self {
            rows: rows.into_iter().chain(self.rows).collect(),
        }
    }
}
