//! Problems and warnings: what is wrong, where, and what to do about it.

use super::origin::Origin;
use std::fmt;

/// What is wrong with a key, a value or a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// The file cannot be read.
    #[error("cannot read the configuration: {0}")]
    Unreadable(String),
    /// The file is not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// A key that does not exist.
    #[error("unknown key `{key}` (value `{value}`)")]
    UnknownKey {
        /// The key.
        key: String,
        /// Its value as written; `…` for a secret or a table.
        value: String,
        /// The nearest key there is.
        nearest: String,
        /// Whether `nearest` is near enough to be meant.
        meant: bool,
    },
    /// A section that does not exist.
    #[error("unknown section `{name}`")]
    UnknownSection {
        /// Its name.
        name: String,
        /// The nearest section as it is written, e.g. `[[listener]]`.
        nearest: String,
    },
    /// A key, section or value that is planned.
    #[error("{0} is not in this version of pentamer")]
    NotYet(String),
    /// A section written with the wrong brackets, or no section at all.
    #[error("`{name}` must be written as `{right}`")]
    Shape {
        /// The section.
        name: String,
        /// As it must be written.
        right: String,
    },
    /// A value of the wrong type or form.
    #[error("expected {expected}, but found `{found}`")]
    Value {
        /// What would be right.
        expected: String,
        /// As written.
        found: String,
    },
    /// A number, duration or size outside its bounds.
    #[error("`{found}` is {side} the {bound} of {limit}")]
    Bound {
        /// As written.
        found: String,
        /// `below` or `above`.
        side: &'static str,
        /// `minimum` or `maximum`.
        bound: &'static str,
        /// The bound.
        limit: String,
    },
    /// A key that must be there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// A name that must be unique.
    #[error("`{name}` is used twice, first at {first}")]
    Repeated {
        /// The name, address or path.
        name: String,
        /// Where it stands first.
        first: Origin,
    },
    /// Values that cannot stand together.
    #[error("{0}")]
    Conflict(String),
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub wrong: Wrong,
    /// Where.
    pub origin: Origin,
    /// The key as `listener[0].bind` (numbered within its file); empty for a whole file.
    pub key: String,
    /// What to do about it.
    pub help: String,
}

/// All problems of a configuration, never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// In the order of their places. Missing keys are not reported beside broken TOML, which may hide them.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        let broken = |problem: &Problem| matches!(problem.wrong, Wrong::Syntax(_));
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        if problems.iter().any(broken) {
            problems.retain(|problem| !matches!(problem.wrong, Wrong::Missing(_)));
        }
        Self(problems)
    }

    /// Each problem.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many.
    pub const fn count(&self) -> usize {
        self.0.len()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        block(
            f,
            "error",
            &self.wrong.to_string(),
            &self.origin,
            &self.key,
            &self.help,
        )
    }
}

/// Something that works but deserves a second look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What.
    pub what: String,
    /// Where.
    pub origin: Origin,
    /// The key.
    pub key: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        block(
            f,
            "warning",
            &self.what,
            &self.origin,
            &self.key,
            &self.help,
        )
    }
}

/// The three lines of every message; without a line feed at the end.
fn block(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    what: &str,
    origin: &Origin,
    key: &str,
    help: &str,
) -> fmt::Result {
    write!(f, "{label}: {what}\n  where: {origin}")?;
    if !key.is_empty() {
        write!(f, ", key `{key}`")?;
    }
    write!(f, "\n  help: {help}")
}
