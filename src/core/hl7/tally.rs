//! Named events of one message, counted while it is read (`pentamer_wire_X_total`).

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Counts by name, without the `pentamer_wire_` before it.
///
/// Reading is done through shared references from the message downwards, so the counts are behind a
/// cell. It is never borrowed across a call: counting cannot fail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(RefCell<BTreeMap<&'static str, u64>>);

impl Tally {
    /// One more of `name`.
    pub fn add(&self, name: &'static str) {
        self.add_many(name, 1);
    }

    /// `count` more of `name`; zero leaves no trace.
    pub fn add_many(&self, name: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        if let Ok(mut counts) = self.0.try_borrow_mut() {
            let entry = counts.entry(name).or_default();
            *entry = entry.saturating_add(count);
        }
    }

    /// All counts.
    pub fn into_counts(self) -> BTreeMap<&'static str, u64> {
        self.0.into_inner()
    }

    /// How often `name` was counted so far.
    pub fn count(&self, name: &str) -> u64 {
        self.0
            .try_borrow()
            .ok()
            .and_then(|counts| counts.get(name).copied())
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn counts_add_up_and_zero_leaves_no_trace() {
        let tally = Tally::default();
        tally.add("time_form");
        tally.add_many("time_form", 2);
        tally.add_many("nul_in_body", 0);
        assert_eq!(tally.count("time_form"), 3);
        assert_eq!(tally.into_counts().len(), 1);
    }
}
