//! Who is who: identity events (WIRE 4.8) as an alias graph, pure functions of a set of events.
//!
//! Results stay under the id they were reported with; an event only points from the id that gives
//! way to the one that stays. The order in which events arrive cannot matter, because nothing here
//! looks at a journal position.

use super::clinical::observation::PatientKey;
use super::extract::{IdentityEvent, IdentityKind};
use super::fact::MergeUndone;
use super::time::Timestamp;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Why a merge does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inactive {
    /// It would close a cycle of newer merges (I-4).
    Cycle,
    /// The same id was merged into another one later (I-5).
    Conflict,
    /// A person took it back (I-7).
    Undone,
}

/// The merges that were taken back, by the two ids: up to which event time they count no longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undone(BTreeMap<(PatientKey, PatientKey), Timestamp>);

impl Undone {
    /// Of facts in any order.
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a MergeUndone>) -> Self {
        let mut undone = BTreeMap::new();
        for fact in facts {
            let through = undone
                .entry((fact.prior.clone(), fact.survivor.clone()))
                .or_insert(fact.through);
            *through = fact.through.max(*through);
        }
        Self(undone)
    }

    /// True for a merge that one of the facts takes back; moves and links cannot be.
    pub fn covers(&self, event: &IdentityEvent) -> bool {
        // Most patients have none, and cloning ids for nothing is dear.
        !self.0.is_empty()
            && event.kind == IdentityKind::Merge
            && self
                .0
                .get(&(event.prior.clone(), event.survivor.clone()))
                .is_some_and(|through| event.at <= *through)
    }
}

/// The merges of a set of patients, resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Survivor of every id that gives way; an id that is not here survives.
    survivors: BTreeMap<PatientKey, PatientKey>,
    /// Ids that give way, by survivor.
    given_way: BTreeMap<PatientKey, BTreeSet<PatientKey>>,
    /// Merges that do not count, and why; for showing.
    inactive: Vec<(IdentityEvent, Inactive)>,
}

impl Aliases {
    /// Resolves the merges among `events`; links and moves are passed over.
    ///
    /// Newest first, a merge counts unless its prior id has given way to another already (I-5) or
    /// its survivor already resolves to its prior (I-4): so of the merges that form a cycle the
    /// earliest does not count, and of two survivors the latest does. Equal times: the smaller
    /// hash counts as the earlier. Merges of an id with itself are none (I-2).
    pub fn resolve<'a>(events: impl IntoIterator<Item = &'a IdentityEvent>) -> Self {
        Self::resolve_without(events, &Undone::default())
    }

    /// The same; what was taken back is no merge (I-7).
    pub fn resolve_without<'a>(
        events: impl IntoIterator<Item = &'a IdentityEvent>,
        undone: &Undone,
    ) -> Self {
        let mut newest: BTreeMap<(&PatientKey, &PatientKey), &IdentityEvent> = BTreeMap::new();
        let mut taken_back: BTreeMap<(&PatientKey, &PatientKey), &IdentityEvent> = BTreeMap::new();
        for event in events {
            if event.kind != IdentityKind::Merge || event.prior == event.survivor {
                continue;
            }
            // Said twice, a merge counts once, as of the last time.
            let among = if undone.covers(event) {
                &mut taken_back
            } else {
                &mut newest
            };
            let kept = among
                .entry((&event.prior, &event.survivor))
                .or_insert(event);
            if by_time(kept, event).is_lt() {
                *kept = event;
            }
        }
        taken_back.retain(|ids, _| !newest.contains_key(ids));
        let mut merges: Vec<&IdentityEvent> = newest.into_values().collect();
        merges.sort_by(|a, b| by_time(b, a));

        let mut next: BTreeMap<&PatientKey, &PatientKey> = BTreeMap::new();
        let mut shortcuts: BTreeMap<&PatientKey, &PatientKey> = BTreeMap::new();
        let mut inactive = Vec::new();
        for merge in merges {
            if next.contains_key(&merge.prior) {
                inactive.push((merge.clone(), Inactive::Conflict));
            } else if root(&mut shortcuts, &merge.survivor) == &merge.prior {
                inactive.push((merge.clone(), Inactive::Cycle));
            } else {
                next.insert(&merge.prior, &merge.survivor);
                shortcuts.insert(&merge.prior, &merge.survivor);
            }
        }
        inactive.extend(
            taken_back
                .into_values()
                .map(|merge| (merge.clone(), Inactive::Undone)),
        );
        let mut aliases = Self {
            inactive,
            ..Self::default()
        };
        for prior in next.keys() {
            let survivor = root(&mut shortcuts, prior);
            aliases.survivors.insert((*prior).clone(), survivor.clone());
            aliases
                .given_way
                .entry(survivor.clone())
                .or_default()
                .insert((*prior).clone());
        }
        aliases
    }

    /// The id that stands for this one today; itself where nothing is known (I-3).
    pub fn survivor<'a>(&'a self, key: &'a PatientKey) -> &'a PatientKey {
        self.survivors.get(key).unwrap_or(key)
    }

    /// All ids that resolve to the same survivor as this one, the survivor among them.
    pub fn pool(&self, key: &PatientKey) -> BTreeSet<PatientKey> {
        let survivor = self.survivor(key);
        let mut pool = self.given_way.get(survivor).cloned().unwrap_or_default();
        pool.insert(survivor.clone());
        pool
    }

    /// Merges that do not count, newest first, then those that were taken back.
    pub fn inactive(&self) -> &[(IdentityEvent, Inactive)] {
        &self.inactive
    }
}

/// Follows shortcuts to their end and shortens the way for the next walker.
fn root<'a>(
    shortcuts: &mut BTreeMap<&'a PatientKey, &'a PatientKey>,
    start: &'a PatientKey,
) -> &'a PatientKey {
    let mut end = start;
    while let Some(further) = shortcuts.get(end) {
        end = further;
    }
    let mut walker = start;
    while walker != end {
        match shortcuts.insert(walker, end) {
            Some(further) => walker = further,
            None => break,
        }
    }
    end
}

/// The order of events in their own time, without the position: equal times by the content's hash,
/// and where even that is equal by the ids.
fn by_time(a: &IdentityEvent, b: &IdentityEvent) -> Ordering {
    let rank = |event: &IdentityEvent| (event.at, event.content_hash);
    rank(a)
        .cmp(&rank(b))
        .then_with(|| (&a.kind, &a.prior, &a.survivor).cmp(&(&b.kind, &b.prior, &b.survivor)))
}

/// Account and visit moves (A44, A45), ready to be asked where a result belongs.
#[derive(Debug, Clone, Default)]
pub struct Moves<'a> {
    accounts: BTreeMap<&'a str, Vec<&'a IdentityEvent>>,
    visits: BTreeMap<&'a str, Vec<&'a IdentityEvent>>,
}

impl<'a> Moves<'a> {
    /// Takes the moves among `events`.
    pub fn among(events: impl IntoIterator<Item = &'a IdentityEvent>) -> Self {
        let mut moves = Self::default();
        for event in events {
            match &event.kind {
                IdentityKind::MoveAccount(account) => moves
                    .accounts
                    .entry(account.expose().as_str())
                    .or_default()
                    .push(event),
                IdentityKind::MoveVisit(visit) => moves
                    .visits
                    .entry(visit.expose().as_str())
                    .or_default()
                    .push(event),
                IdentityKind::Merge | IdentityKind::Link { .. } => {}
            }
        }
        for list in moves.accounts.values_mut().chain(moves.visits.values_mut()) {
            list.sort_by(|a, b| by_time(a, b));
        }
        moves
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.visits.is_empty()
    }

    /// The id that a result reported under `reported` with this account and visit belongs to after
    /// all moves, taken in the order of their own times. An empty account or visit is never moved.
    pub fn attribute(&self, reported: &PatientKey, account: &str, visit: &str) -> PatientKey {
        let of = |map: &BTreeMap<&'a str, Vec<&'a IdentityEvent>>, name: &str| {
            let list = map.get(name).filter(|_| !name.is_empty());
            list.cloned().unwrap_or_default()
        };
        let mut steps = of(&self.accounts, account);
        steps.extend(of(&self.visits, visit));
        steps.sort_by(|a, b| by_time(a, b));
        steps.into_iter().fold(reported.clone(), |current, step| {
            if step.prior == current {
                step.survivor.clone()
            } else {
                current
            }
        })
    }
}

#[cfg(test)]
mod tests;
