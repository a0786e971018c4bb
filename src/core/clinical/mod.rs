//! Immunoglobulin results and what they mean (CLINICAL.md): amounts, units, intervals, states, classes.

pub mod amount;
pub mod analyte;
pub mod association;
pub mod interval;
pub mod observation;
pub mod range;
pub mod unit;
pub mod value;
pub mod words;

pub use amount::{Amount, Comparator, Limits};
pub use unit::Unit;
