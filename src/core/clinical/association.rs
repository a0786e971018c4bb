//! Diagnoses and drugs that matter beside a low IgM (CLINICAL 2).

use crate::core::policy::AgeSpan;
use serde::Serialize;

/// The association table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AssociationTable {
    rows: Vec<AssociationRow>,
}

/// What an association means (CLINICAL 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Class {
    /// S: possible secondary cause.
    Secondary,
    /// U: urgent when severe.
    Urgent,
    /// P: prompt.
    Prompt,
    /// K: the diagnosis itself.
    Known,
    /// K (other): another antibody deficiency.
    KnownOther,
    /// C: shown only.
    Context,
}

/// Diagnosis or drug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// A diagnosis.
    Diagnosis,
    /// A drug.
    Drug,
}

/// One row.
#[derive(Debug, Clone, Serialize)]
pub struct AssociationRow {
    /// What to call it.
    pub label: String,
    /// Its classes.
    pub classes: Vec<Class>,
    /// Holds only below this age.
    pub max_age: Option<AgeSpan>,
    /// Diagnosis or drug.
    pub kind: Kind,
    /// Code; `*` at its end = prefix.
    pub code: String,
    /// False: listed, never found.
    pub enabled: bool,
}

impl AssociationRow {
    /// Whether it is human immunoglobulin (ATC J06BA): then IgG is not the patient's own (CLINICAL 6.2).
    pub fn is_immunoglobulin(&self) -> bool {
        self.kind == Kind::Drug && self.code.starts_with("J06BA")
    }
}

impl AssociationTable {
    /// The built-in rows of `config/associations.toml`.
    pub fn built_in() -> Self {
        use Class::{Known, Prompt, Secondary, Urgent};
        let row = |code: &str, label: &str, classes: &[Class], kind, max_age| AssociationRow {
            label: label.to_owned(),
            classes: classes.to_vec(),
            max_age,
            kind,
            code: code.to_owned(),
            enabled: kind == Kind::Diagnosis,
        };
        let below_5 = Some(AgeSpan {
            months: 60,
            days: 0,
        });
        Self {
            rows: vec![
                row(
                    "D804",
                    "selective IgM deficiency",
                    &[Known],
                    Kind::Diagnosis,
                    None,
                ),
                row(
                    "C900*",
                    "multiple myeloma",
                    &[Secondary, Prompt],
                    Kind::Diagnosis,
                    None,
                ),
                row(
                    "M06*",
                    "rheumatoid arthritis",
                    &[Secondary],
                    Kind::Diagnosis,
                    None,
                ),
                row("R161", "splenomegaly", &[Prompt], Kind::Diagnosis, None),
                row("D696", "thrombocytopenia", &[Prompt], Kind::Diagnosis, None),
                row(
                    "A403",
                    "pneumococcal sepsis",
                    &[Urgent],
                    Kind::Diagnosis,
                    None,
                ),
                row(
                    "R6251",
                    "failure to thrive",
                    &[Urgent],
                    Kind::Diagnosis,
                    below_5,
                ),
                row("L01FA01", "rituximab", &[Secondary], Kind::Drug, None),
                row(
                    "J06BA*",
                    "human immunoglobulin",
                    &[Class::Context],
                    Kind::Drug,
                    None,
                ),
            ],
        }
    }

    /// The same table with a site's rows before those that it has.
    #[must_use]
    pub fn with_rows(self, rows: Vec<AssociationRow>) -> Self {
        Self {
            rows: rows.into_iter().chain(self.rows).collect(),
        }
    }

    /// All rows, site rows first, disabled ones among them.
    pub fn rows(&self) -> impl Iterator<Item = &AssociationRow> {
        self.rows.iter()
    }

    /// Rows that hold for a code.
    pub fn lookup(
        &self,
        code: &str,
        _system: &str,
        _default_dx_system: &str,
    ) -> Vec<&AssociationRow> {
        let code = code.replace('.', "").to_uppercase();
        self.rows
            .iter()
            .filter(|row| row.enabled)
            .filter(|row| match row.code.strip_suffix('*') {
                Some(prefix) => code.starts_with(prefix),
                None => code == row.code,
            })
            .collect()
    }
}
