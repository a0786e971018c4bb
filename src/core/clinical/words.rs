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

impl Words {
    /// Stand-in.
    pub fn sex(&self, text: &str) -> Option<super::observation::Sex> {
        match text {
            "F" | "f" | "female" => Some(super::observation::Sex::Female),
            "M" | "m" => Some(super::observation::Sex::Male),
            _ => None,
        }
    }

    /// Stand-in.
    pub fn no_result(&self, text: &str) -> bool {
        matches!(text, "" | "\"\"" | "QNS" | "PENDING" | "SEE NOTE")
    }
}
