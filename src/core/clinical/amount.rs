//! Amounts: a decimal, its comparator, its unit.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What stands before a number. `<0.2` is not 0.2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Comparator {
    /// None, or `=`.
    #[default]
    Exactly,
    /// `<`.
    Below,
    /// `<=`.
    AtMost,
    /// `>`.
    Above,
    /// `>=`.
    AtLeast,
    /// `~`: about.
    About,
}

impl Comparator {
    /// As in the alert's JSON: empty, `<`, `<=`, `>`, `>=`, `~`.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Exactly => "",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::About => "~",
        }
    }
}

/// A number with its comparator, in the unit that stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Amount {
    /// The comparator.
    pub comparator: Comparator,
    /// The number.
    pub value: Decimal,
}

/// Limits of an interval; a missing side cannot be violated (CLINICAL 6.1.6).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Limits {
    /// Low limit; equality with it is Normal.
    pub low: Option<Decimal>,
    /// High limit; equality with it is Normal.
    pub high: Option<Decimal>,
}
