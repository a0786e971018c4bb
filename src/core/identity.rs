//! The alias graph: which ids are one person (WIRE 4.8, I-1 to I-9).
//!
//! Each merge is an immutable edge from the id that gives way to the id that stays. What follows from
//! a set of edges does not depend on the order in which they came.

use super::clinical::observation::PatientKey;
use super::extract::{IdentityEvent, IdentityKind};
use std::collections::{BTreeMap, BTreeSet};

/// What a set of identity events amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    survivors: BTreeMap<PatientKey, PatientKey>,
    /// Cycles among the merges, each broken at its earliest edge (I-4).
    pub cycles: usize,
    /// Ids that were merged into different survivors; the latest merge holds (I-5).
    pub conflicts: usize,
}

impl Graph {
    /// The graph over a set of events.
    pub fn over(events: &BTreeSet<IdentityEvent>) -> Self {
        let mut edges: BTreeMap<&PatientKey, &IdentityEvent> = BTreeMap::new();
        let mut targets: BTreeMap<&PatientKey, BTreeSet<&PatientKey>> = BTreeMap::new();
        let merges = events
            .iter()
            .filter(|event| event.kind == IdentityKind::Merge && event.prior != event.survivor);
        for event in merges {
            targets
                .entry(&event.prior)
                .or_default()
                .insert(&event.survivor);
            let latest = edges.entry(&event.prior).or_insert(event);
            if order(event) > order(latest) {
                *latest = event;
            }
        }
        let cycles = break_cycles(&mut edges);
        let survivors = edges
            .keys()
            .map(|prior| ((*prior).clone(), follow(&edges, prior).clone()))
            .collect();
        let conflicts = targets
            .values()
            .filter(|survivors| survivors.len() > 1)
            .count();
        Self {
            survivors,
            cycles,
            conflicts,
        }
    }

    /// The id that an id resolves to; itself where nothing is known of it.
    pub fn survivor<'a>(&'a self, key: &'a PatientKey) -> &'a PatientKey {
        self.survivors.get(key).unwrap_or(key)
    }
}

/// Event time, then the hash, smaller first: a total order that receipt has no part in (I-4).
const fn order(event: &IdentityEvent) -> (super::time::Timestamp, [u8; 8]) {
    (event.at, event.content_hash)
}

/// Every id has at most one edge, so a cycle is found by walking; its earliest edge goes.
fn break_cycles(edges: &mut BTreeMap<&PatientKey, &IdentityEvent>) -> usize {
    let mut cycles = 0;
    let mut settled: BTreeSet<PatientKey> = BTreeSet::new();
    let starts: Vec<&PatientKey> = edges.keys().copied().collect();
    for start in starts {
        let mut path: Vec<&IdentityEvent> = Vec::new();
        let mut on_path: BTreeSet<&PatientKey> = BTreeSet::new();
        let mut at = start;
        while let Some(edge) = edges.get(at).copied() {
            if settled.contains(at) {
                break;
            }
            if !on_path.insert(at) {
                cycles += 1;
                let earliest = path
                    .iter()
                    .skip_while(|edge| &edge.prior != at)
                    .min_by_key(|edge| order(edge))
                    .map(|edge| &edge.prior);
                if let Some(earliest) = earliest {
                    edges.remove(earliest);
                }
                break;
            }
            path.push(edge);
            at = &edge.survivor;
        }
        settled.extend(path.iter().map(|edge| edge.prior.clone()));
    }
    cycles
}

/// To the end of the chain (I-3); without cycles it has one.
fn follow<'a>(
    edges: &BTreeMap<&'a PatientKey, &'a IdentityEvent>,
    from: &'a PatientKey,
) -> &'a PatientKey {
    let mut at = from;
    while let Some(edge) = edges.get(at) {
        at = &edge.survivor;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fact::JournalPosition;
    use crate::core::phi::Phi;
    use crate::core::time::Timestamp;
    use proptest::prelude::*;

    fn key(id: &str) -> PatientKey {
        PatientKey {
            authority: "HOSP".into(),
            id: Phi::new(id.to_owned()),
        }
    }

    fn merge(prior: &str, survivor: &str, at: i64) -> IdentityEvent {
        IdentityEvent {
            kind: IdentityKind::Merge,
            prior: key(prior),
            survivor: key(survivor),
            at: Timestamp::from_micros(at),
            content_hash: [prior.as_bytes()[0]; 8],
            position: JournalPosition(1),
        }
    }

    fn survivors(events: &[IdentityEvent], ids: &[&str]) -> Vec<String> {
        let graph = Graph::over(&events.iter().cloned().collect());
        ids.iter()
            .map(|id| graph.survivor(&key(id)).id.expose().clone())
            .collect()
    }

    #[test]
    fn i3_chains_resolve_to_their_end() {
        let events = [merge("B", "C", 2), merge("A", "B", 1)];
        assert_eq!(
            survivors(&events, &["A", "B", "C", "D"]),
            ["C", "C", "C", "D"]
        );
    }

    #[test]
    fn i4_of_a_cycle_the_earliest_edge_is_inactive() {
        let events = [merge("A", "B", 1), merge("B", "A", 2)];
        assert_eq!(survivors(&events, &["A", "B"]), ["A", "A"]);
        let three = [
            merge("A", "B", 3),
            merge("B", "C", 1),
            merge("C", "A", 2),
            merge("D", "A", 9),
        ];
        assert_eq!(
            survivors(&three, &["A", "B", "C", "D"]),
            ["B", "B", "B", "B"]
        );
        assert_eq!(Graph::over(&three.into_iter().collect()).cycles, 1);
    }

    #[test]
    fn i5_of_two_survivors_the_latest_holds() {
        let events = [merge("A", "B", 1), merge("A", "C", 2)];
        assert_eq!(survivors(&events, &["A", "B"]), ["C", "B"]);
        assert_eq!(Graph::over(&events.into_iter().collect()).conflicts, 1);
    }

    proptest! {
        #[test]
        fn every_id_resolves_to_an_end_in_any_order(
            edges in prop::collection::vec((0_u8..6, 0_u8..6, 0_i64..5), 0..14)
        ) {
            let name = |n: u8| ["A", "B", "C", "D", "E", "F"][usize::from(n)];
            let events: Vec<_> = edges.iter().map(|(a, b, at)| merge(name(*a), name(*b), *at)).collect();
            let graph = Graph::over(&events.iter().cloned().collect());
            for n in 0..6 {
                let id = key(name(n));
                let end = graph.survivor(&id).clone();
                prop_assert_eq!(graph.survivor(&end), &end, "an end resolves to itself");
            }
            let reversed: BTreeSet<_> = events.iter().rev().cloned().collect();
            prop_assert_eq!(Graph::over(&reversed), graph);
        }
    }
}
