//! Diagnoses and drugs that matter beside a low IgM (CLINICAL 2).

use super::age::parse_age;
use crate::core::policy::AgeSpan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What an association means for a low IgM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// S: a possible secondary cause.
    Secondary,
    /// U: raises urgency when severe.
    Urgent,
    /// P: prompt.
    Prompt,
    /// K: selective IgM deficiency is known.
    Known,
    /// K (other): another antibody deficiency is known.
    KnownOther,
    /// C: shown only.
    Context,
}

impl Class {
    /// The word in the alert's JSON; both kinds of known are `known`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Secondary => "secondary",
            Self::Urgent => "urgent",
            Self::Prompt => "prompt",
            Self::Known | Self::KnownOther => "known",
            Self::Context => "context",
        }
    }
}

/// What a code stands for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A diagnosis or a reason.
    #[default]
    Diagnosis,
    /// A drug.
    Drug,
}

/// One `[[association]]` of the site, or one code of `config/associations.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssociationRow {
    /// What people read.
    pub label: String,
    /// The coding system, by any of its names (`I10`, `ICD-10`, …).
    pub system: String,
    /// The code, without case; dots do not count, `*` at the end = all that begin so.
    pub code: String,
    /// What it means, one or two classes.
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

impl AssociationRow {
    /// Whether it has this class.
    pub fn has(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }

    /// Whether it is human immunoglobulin (ATC J06BA): then IgG is not the patient's own (CLINICAL 6.2).
    pub fn is_immunoglobulin(&self) -> bool {
        self.kind == Kind::Drug && plain_code(&self.code).starts_with("J06BA")
    }
}

/// The association table: site rows before built-in ones.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AssociationTable {
    rows: Vec<AssociationRow>,
    /// Names of systems, upper case, and the one name that each stands for.
    systems: BTreeMap<String, String>,
}

/// `config/associations.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    systems: BTreeMap<String, Vec<String>>,
    association: Vec<FileRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    label: String,
    system: String,
    codes: Vec<String>,
    class: Vec<Class>,
    #[serde(default)]
    kind: Kind,
    max_age: Option<String>,
    #[serde(default = "enabled")]
    enabled: bool,
    source: String,
}

const fn enabled() -> bool {
    true
}

static BUILT_IN: LazyLock<AssociationTable> = LazyLock::new(|| {
    let file: File =
        toml::from_str(include_str!("../../../config/associations.toml")).unwrap_or_default();
    AssociationTable {
        rows: file
            .association
            .into_iter()
            .flat_map(FileRow::read)
            .collect(),
        systems: file
            .systems
            .into_iter()
            .flat_map(|(system, names)| names.into_iter().map(move |name| (name, system.clone())))
            .collect(),
    }
});

impl FileRow {
    /// One row a code; none where the age cannot be read, rather than one without a bound.
    fn read(self) -> Vec<AssociationRow> {
        let max_age = self.max_age.as_deref().map(parse_age);
        if max_age == Some(None) {
            return Vec::new();
        }
        self.codes
            .into_iter()
            .map(|code| AssociationRow {
                label: self.label.clone(),
                system: self.system.clone(),
                code,
                classes: self.class.clone(),
                kind: self.kind,
                max_age: max_age.flatten(),
                enabled: self.enabled,
                source: self.source.clone(),
            })
            .collect()
    }
}

impl AssociationTable {
    /// The built-in rows of `config/associations.toml`.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// The same table with a site's rows before those that it has.
    #[must_use]
    pub fn with_rows(self, rows: Vec<AssociationRow>) -> Self {
        Self {
            rows: rows.into_iter().chain(self.rows).collect(),
            ..self
        }
    }

    /// All rows, site rows first, disabled ones among them.
    pub fn rows(&self) -> impl Iterator<Item = &AssociationRow> {
        self.rows.iter()
    }

    /// The enabled rows that a code matches, in order of the table.
    ///
    /// A code without a system is one of `default_dx_system`, and nothing where that is empty:
    /// ICD-9 and ICD-10 codes look alike. The caller minds `max_age`.
    pub fn lookup(
        &self,
        code: &str,
        system: &str,
        default_dx_system: &str,
    ) -> Vec<&AssociationRow> {
        let system = match self.canonical(system) {
            system if system.is_empty() => self.canonical(default_dx_system),
            system => system,
        };
        let code = plain_code(code);
        if system.is_empty() || code.is_empty() {
            return Vec::new();
        }
        self.rows
            .iter()
            .filter(|row| {
                row.enabled && self.canonical(&row.system) == system && matches(&row.code, &code)
            })
            .collect()
    }

    /// The known name that a system's name differs from only by blanks, hyphens and the like: such a
    /// slip would never match. `None` where it is known itself, or like none.
    pub fn meant_system(&self, system: &str) -> Option<&str> {
        let letters = |name: &str| {
            let kept = name.chars().filter(|letter| letter.is_alphanumeric());
            kept.collect::<String>().to_uppercase()
        };
        let known = self.systems.contains_key(&system.trim().to_uppercase());
        self.systems
            .keys()
            .find(|name| !known && letters(name) == letters(system))
            .map(String::as_str)
    }

    /// The one name of a system; its own, in upper case, where the table does not know it.
    fn canonical(&self, system: &str) -> String {
        let upper = system.trim().to_uppercase();
        self.systems.get(&upper).cloned().unwrap_or(upper)
    }
}

/// Upper case, without dots, outer blanks cut; ICD's dagger, asterisk and the like at the end too.
fn plain_code(code: &str) -> String {
    code.trim()
        .trim_end_matches(['*', '+', '!', '#', '\u{2020}'])
        .chars()
        .filter(|letter| *letter != '.')
        .flat_map(char::to_uppercase)
        .collect()
}

fn matches(row_code: &str, code: &str) -> bool {
    let wanted = plain_code(row_code);
    if wanted.is_empty() {
        return false;
    }
    if row_code.trim_end().ends_with('*') {
        code.starts_with(&wanted)
    } else {
        code == wanted
    }
}

#[cfg(test)]
mod tests;
