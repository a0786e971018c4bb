//! From the pile to persons: what belongs to one is put together, one part of the pile after the other.

use super::Input;
use super::findings::Findings;
use super::gather::Gathered;
use super::person::{Judging, Person};
use super::pile::{PARTS, Pile};
use super::record::{Kept, Key};
use crate::cache::Memory;
use crate::core::clinical::observation::PatientKey;
use crate::core::extract::{IdentityEvent, IdentityKind};
use crate::core::fact::JournalPosition;
use crate::core::fold::overlay::Overlay;
use crate::core::fold::pool::Component;
use crate::core::fold::records;
use crate::core::fold::state::StateError;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Judges everyone, as read with one policy, under each of others; the findings come in the order of the policies. `None` where it
/// was asked to stop.
pub(super) fn judge(
    input: &Input,
    gathered: &Gathered,
    read_with: &Policy,
    policies: &[&Policy],
) -> io::Result<Option<Vec<Findings>>> {
    let connected = Connected::of(&gathered.identity);
    let joined = Pile::new(input.memory / 4, &input.spill);
    let work = Work {
        input,
        read_with,
        policies,
        connected: &connected,
        joined: &joined,
        sum: Mutex::new(policies.iter().map(|_| Findings::default()).collect()),
    };
    // First those that no identity event names; what is of the others goes to the second pile, where
    // all ids of one person lie together.
    work.on_all_cores(|place| work.part(&gathered.pile, place, true))?;
    work.on_all_cores(|place| work.part(&joined, place, false))?;
    if input.stopped() {
        return Ok(None);
    }
    let found = work
        .sum
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(Some(found))
}

struct Work<'w> {
    input: &'w Input,
    read_with: &'w Policy,
    policies: &'w [&'w Policy],
    connected: &'w Connected,
    joined: &'w Pile,
    sum: Mutex<Vec<Findings>>,
}

impl Work<'_> {
    fn on_all_cores(&self, part: impl Fn(usize) -> io::Result<()> + Sync) -> io::Result<()> {
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<io::Error>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..self.input.jobs {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        if place >= PARTS || self.input.stopped() {
                            break;
                        }
                        if let Err(error) = part(place) {
                            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            next.store(PARTS, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// One part of a pile; of `first` the connected ids are only moved on.
    fn part(&self, pile: &Pile, place: usize, first: bool) -> io::Result<()> {
        if let Some(divided) = pile.divided(place)? {
            return (0..PARTS).try_for_each(|place| self.part(&divided, place, first));
        }
        let mut wanted: HashSet<Key> = HashSet::new();
        pile.each(place, |key, record| {
            if first && let Some(person) = self.connected.persons.get(&key) {
                return self.joined.push(*person, record);
            }
            if Kept::is_observation(record) {
                wanted.insert(key);
            }
            Ok(())
        })?;
        // Of all others nothing can come: without a result there is nothing to judge.
        let mut people: BTreeMap<Key, Vec<Kept>> = BTreeMap::new();
        pile.each(place, |key, record| {
            if wanted.contains(&key) {
                let kept = Kept::decode(record, self.read_with)?;
                people.entry(key).or_default().push(kept);
            }
            Ok(())
        })?;
        pile.clear(place);
        let mut found: Vec<Findings> = self.policies.iter().map(|_| Findings::default()).collect();
        for (key, kept) in people {
            let events = self.connected.events.get(&key).filter(|_| !first);
            let events = events.map(Vec::as_slice).unwrap_or_default();
            self.group(kept, events, &mut found)
                .map_err(io::Error::other)?;
        }
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        for (sum, found) in sum.iter_mut().zip(found) {
            sum.add(found);
        }
        Ok(())
    }

    /// Ids that lie together; usually one person's, perhaps several persons'.
    fn group(
        &self,
        kept: Vec<Kept>,
        events: &[IdentityEvent],
        found: &mut [Findings],
    ) -> Result<(), StateError> {
        let ids: BTreeSet<PatientKey> = kept.iter().map(|one| one.patient().clone()).collect();
        let state = Memory::new();
        let mut overlay = Overlay::new(&state);
        fill(&mut overlay, kept, events)?;
        let mut done: BTreeSet<PatientKey> = BTreeSet::new();
        for id in &ids {
            if done.contains(id) {
                continue;
            }
            let component = Component::around(&overlay, id)?;
            done.extend(component.keys.iter().cloned());
            for survivor in component.survivors() {
                let pooled = component.pooled(&overlay, &survivor)?;
                for (policy, found) in self.policies.iter().zip(found.iter_mut()) {
                    let judging = Judging {
                        policy,
                        now: self.input.now,
                    };
                    if let Some(person) = Person::judge(&pooled, &component, &judging) {
                        found.take(person, policy);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Puts records into a state as the fold does. Their order decides nothing: they are sorted, and what
/// was said several times counts from the first time that it was sent.
fn fill(
    overlay: &mut Overlay<'_>,
    mut kept: Vec<Kept>,
    events: &[IdentityEvent],
) -> Result<(), StateError> {
    kept.sort_by(|a, b| (received(a), a).cmp(&(received(b), b)));
    let (mut place, mut last) = (JournalPosition::START, None);
    for one in kept {
        match one {
            Kept::Observation(mut observation) => {
                // What was sent at one time came at one time.
                if last != Some(observation.received_at) {
                    last = Some(observation.received_at);
                    place = place.next();
                }
                observation.position = place;
                records::add_observation(overlay, &observation)?;
            }
            Kept::Withdrawal(patient, withdrawal) => {
                records::add_group_withdrawal(overlay, &patient, &withdrawal)?;
            }
            Kept::Demographics(patient, report) => {
                records::add_demographics(overlay, &patient, &report)?;
            }
            Kept::Association(patient, association) => {
                records::add_association(overlay, &patient, &association)?;
            }
        }
    }
    for event in events {
        records::add_identity(overlay, event)?;
    }
    Ok(())
}

fn received(kept: &Kept) -> Option<Timestamp> {
    match kept {
        Kept::Observation(observation) => Some(observation.received_at),
        Kept::Withdrawal(..) | Kept::Demographics(..) | Kept::Association(..) => None,
    }
}

/// Which ids identity events connect: one place for all ids of a person.
struct Connected {
    /// By the place of each id.
    persons: HashMap<Key, Key>,
    /// Events by that place.
    events: HashMap<Key, Vec<IdentityEvent>>,
}

impl Connected {
    fn of(events: &BTreeSet<IdentityEvent>) -> Self {
        let mut roots: HashMap<Key, Key> = HashMap::new();
        let counted = || {
            let kinds = |event: &&IdentityEvent| !matches!(event.kind, IdentityKind::Link { .. });
            events.iter().filter(kinds)
        };
        for event in counted() {
            let one = root(&mut roots, Key::of(&event.prior));
            let other = root(&mut roots, Key::of(&event.survivor));
            roots.insert(one.max(other), one.min(other));
        }
        let ids: Vec<Key> = roots.keys().copied().collect();
        let persons: HashMap<Key, Key> = ids
            .into_iter()
            .map(|id| (id, root(&mut roots, id)))
            .collect();
        let mut by_person: HashMap<Key, Vec<IdentityEvent>> = HashMap::new();
        for event in counted() {
            if let Some(person) = persons.get(&Key::of(&event.prior)) {
                by_person.entry(*person).or_default().push(event.clone());
            }
        }
        Self {
            persons,
            events: by_person,
        }
    }
}

/// The least of all that are connected, and shorter ways to it.
fn root(roots: &mut HashMap<Key, Key>, id: Key) -> Key {
    let mut end = id;
    while let Some(further) = roots.get(&end).filter(|further| **further != end) {
        end = *further;
    }
    let mut walker = id;
    while walker != end {
        match roots.insert(walker, end) {
            Some(further) => walker = further,
            None => break,
        }
    }
    roots.entry(end).or_insert(end);
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::phi::Phi;

    fn id(text: &str) -> PatientKey {
        PatientKey {
            authority: "HOSP".to_owned(),
            id: Phi::new(text.to_owned()),
        }
    }

    fn merge(prior: &str, survivor: &str) -> IdentityEvent {
        IdentityEvent {
            kind: IdentityKind::Merge,
            prior: id(prior),
            survivor: id(survivor),
            at: Timestamp::default(),
            content_hash: [0; 8],
            position: JournalPosition::START,
        }
    }

    #[test]
    fn all_ids_of_a_chain_have_one_place() {
        let events = BTreeSet::from([
            merge("a", "b"),
            merge("c", "d"),
            merge("b", "c"),
            merge("x", "y"),
        ]);
        let connected = Connected::of(&events);
        let places: BTreeSet<Key> = ["a", "b", "c", "d"]
            .iter()
            .map(|one| connected.persons[&Key::of(&id(one))])
            .collect();
        assert_eq!(places.len(), 1);
        let place = places.first().unwrap();
        assert_eq!(connected.events[place].len(), 3);
        assert_ne!(connected.persons[&Key::of(&id("x"))], *place);
        assert!(!connected.persons.contains_key(&Key::of(&id("z"))));
    }
}
