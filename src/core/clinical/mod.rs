//! Immunoglobulin results and what they mean (CLINICAL.md): amounts, units, intervals, states, classes.

pub mod age;
pub mod amount;
pub mod analyte;
pub mod association;
pub mod chart;
pub mod classify;
pub mod demographics;
pub mod explain;
mod guard;
pub mod interval;
pub mod observation;
pub mod panel;
pub mod reasons;
pub mod related;
#[cfg(test)]
pub(crate) mod sample;
pub mod severity;
pub mod state;
pub mod unit;
pub mod version;
pub mod words;

pub use amount::{Amount, Comparator, Limits};
pub use unit::Unit;
