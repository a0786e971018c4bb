//! Two policies on the same archive: whom the other one would find, and whom it would not.

use super::findings::Findings;
use super::person::Case;
use std::collections::BTreeMap;

/// What another policy changes. Cases are named by their place in each list of cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Found by the other policy only, by their place among its cases.
    pub more: Vec<usize>,
    /// Not found by the other policy, by their place among the first one's cases.
    pub fewer: Vec<usize>,
    /// Found by both, with another severity, or persistent by one of them only: places in both.
    pub changed: Vec<(usize, usize)>,
}

impl Comparison {
    /// Of the findings of two policies.
    pub fn of(one: &Findings, other: &Findings) -> Self {
        let places = |findings: &Findings| -> BTreeMap<String, usize> {
            let cases = findings.cases.iter().enumerate();
            cases
                .map(|(place, case)| (case.key.expose().clone(), place))
                .collect()
        };
        let (before, after) = (places(one), places(other));
        let mut comparison = Self::default();
        let mut more: Vec<usize> = after
            .iter()
            .filter(|(key, _)| !before.contains_key(*key))
            .map(|(_, place)| *place)
            .collect();
        more.sort_unstable();
        comparison.more = more;
        let verdict = |case: &Case| (case.severity, case.persistent);
        for (key, place) in &before {
            let Some(later) = after.get(key) else {
                comparison.fewer.push(*place);
                continue;
            };
            let pair = one.cases.get(*place).zip(other.cases.get(*later));
            if pair.is_some_and(|(a, b)| verdict(a) != verdict(b)) {
                comparison.changed.push((*place, *later));
            }
        }
        comparison.fewer.sort_unstable();
        comparison.changed.sort_unstable();
        comparison
    }
}
