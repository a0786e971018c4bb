//! Reference intervals by age and sex (CLINICAL 5, 6.7).

use super::Unit;
use super::observation::{Analyte, Sex};
use crate::core::policy::AgeSpan;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

/// One `[[interval]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IntervalRow {
    /// Of what.
    pub analyte: Analyte,
    /// Low limit, in `unit`.
    pub low: Option<Decimal>,
    /// High limit, in `unit`.
    pub high: Option<Decimal>,
    /// The limits' unit.
    pub unit: Unit,
    /// From this age on.
    pub from_age: Option<AgeSpan>,
    /// Below this age.
    pub to_age: Option<AgeSpan>,
    /// For this sex only.
    pub sex: Option<Sex>,
    /// `MSH-3/MSH-4`; empty = all.
    pub feed: String,
    /// Performing laboratory; empty = all.
    pub laboratory: String,
    /// Method; empty = all.
    pub method: String,
    /// From this day on.
    pub valid_from: Option<Date>,
    /// Up to and with this day.
    pub valid_to: Option<Date>,
    /// Where the numbers come from.
    pub source: String,
    /// Not the site's.
    pub built_in: bool,
}

/// The interval table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IntervalTable {
    rows: Vec<IntervalRow>,
}

impl IntervalTable {
    /// The built-in rows of `config/intervals.toml`.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// The same table with a site's rows before those that it has.
    #[must_use]
    pub fn with_rows(self, rows: Vec<IntervalRow>) -> Self {
        Self {
            rows: rows.into_iter().chain(self.rows).collect(),
        }
    }
}
