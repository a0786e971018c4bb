//! Immunoglobulin results and what they mean (CLINICAL.md): amounts, units, intervals, states, classes.

pub mod age;
pub mod amount;
pub mod analyte;
pub mod association;
pub mod chart;
pub mod classify;
mod decimal;
pub mod demographics;
pub mod explain;
mod guard;
pub mod interval;
mod judged;
mod laboratory;
pub mod number;
pub mod observation;
pub mod panel;
pub mod range;
pub mod reasons;
pub mod related;
pub mod results;
#[cfg(test)]
pub(crate) mod sample;
pub mod severity;
pub mod state;
pub mod unit;
pub mod value;
pub mod version;
pub mod words;

pub use amount::{Amount, Comparator, Limits};
pub use unit::Unit;

#[cfg(test)]
mod tests {
    use super::analyte::AnalyteMap;
    use super::association::AssociationTable;
    use super::interval::IntervalTable;
    use crate::core::policy::Policy;

    #[test]
    fn every_table_is_part_of_the_hash_of_the_policy() {
        let whole = Policy::built_in();
        let mut hashes = vec![whole.hash(), Policy::built_in().hash()];
        hashes.dedup();
        assert_eq!(hashes.len(), 1);
        let without = [
            Policy {
                analytes: AnalyteMap::default().into(),
                ..whole.clone()
            },
            Policy {
                intervals: IntervalTable::default().into(),
                ..whole.clone()
            },
            Policy {
                associations: AssociationTable::default().into(),
                ..whole.clone()
            },
            Policy {
                words: super::words::Words::default().into(),
                ..whole
            },
        ];
        hashes.extend(without.iter().map(Policy::hash));
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 5);
    }
}
