//! Which instance has which site: rendezvous hashing with bounded loads.
//!
//! Every instance computes the same from the same list, so nothing has to be agreed on but the list. A site wants
//! the instance that its hash ranks highest; one that is full passes it on to the next in that site's ranking. So
//! loads differ by one at the most where sites weigh the same, and when an instance joins or leaves only about
//! the sites move that it gains or had.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A site and what it costs, in any unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weighed {
    /// The site's name.
    pub site: String,
    /// What it costs: facts a second, say. At least 1.
    pub weight: u64,
    /// The instances that serve it; where none is named, every one does.
    pub among: BTreeSet<String>,
}

/// How much more than its even share an instance may have, in hundredths.
const SLACK: u64 = 10;

/// The instance of each site; a site that none of these instances serves has none.
///
/// It depends on the sets alone, not on their order.
pub fn spread(sites: &[Weighed], instances: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut placed = BTreeMap::new();
    let count = instances.len() as u64;
    if count == 0 {
        return placed;
    }
    let total: u64 = sites.iter().map(|one| one.weight.max(1)).sum();
    let share = (total * (100 + SLACK)).div_ceil(100 * count);
    // One that alone weighs more than a share has to be somewhere.
    let heaviest = sites.iter().map(|one| one.weight.max(1)).max();
    let most = share.max(heaviest.unwrap_or(1));
    let mut loads: BTreeMap<&str, u64> = instances.iter().map(|one| (one.as_str(), 0)).collect();
    let mut in_turn: Vec<&Weighed> = sites.iter().collect();
    // The heavy ones first, or none has room for them in the end; else by a hash, which no list changes.
    in_turn.sort_by_cached_key(|one| {
        (
            std::cmp::Reverse(one.weight.max(1)),
            rank(&one.site, ""),
            one.site.clone(),
        )
    });
    for one in in_turn {
        let serves = |instance: &str| one.among.is_empty() || one.among.contains(instance);
        let mut ranked: Vec<(u64, &str)> = instances
            .iter()
            .filter(|instance| serves(instance))
            .map(|instance| (rank(&one.site, instance), instance.as_str()))
            .collect();
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        let weight = one.weight.max(1);
        let has_room = |instance: &str| {
            loads
                .get(instance)
                .is_some_and(|load| load + weight <= most)
        };
        let chosen = ranked.iter().find(|(_, instance)| has_room(instance));
        // Where nobody has room, the one with the least.
        let least = || {
            loads
                .iter()
                .filter(|(instance, _)| serves(instance))
                .min_by_key(|(_, load)| **load)
                .map(|(one, _)| *one)
        };
        let Some(instance) = chosen.map(|(_, instance)| *instance).or_else(least) else {
            continue;
        };
        if let Some(load) = loads.get_mut(instance) {
            *load += weight;
        }
        placed.insert(one.site.clone(), instance.to_owned());
    }
    placed
}

fn rank(site: &str, instance: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update((site.len() as u64).to_le_bytes());
    hash.update(site);
    hash.update(instance);
    let first = hash.finalize();
    first
        .iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
