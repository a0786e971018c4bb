//! Laws of the fold: the same facts give the same state, however they come to it.

use super::generate::{Happening, damage, damaged, patient_id, story};
use super::{POLICY, cases, facts, received};
use pentamer::cache::{Memory, Sled};
use pentamer::core::clinical::observation::PatientKey;
use pentamer::core::extract::extract;
use pentamer::core::fact::{Decided, Fact, JournalPosition, MergeUndone, Reason, Refused};
use pentamer::core::fold::state::{Entry, State};
use pentamer::core::fold::{self, Effects, views};
use pentamer::core::phi::Phi;
use pentamer::core::record::PooledPatient;
use pentamer::journal::{Draft, ModelDisk, Options, open};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::Arc;

/// Folds facts into a state as one batch.
pub fn fold_into(state: &dyn State, facts: &[(JournalPosition, Fact)]) -> Effects {
    let applied = fold::apply(facts, state, &POLICY, &|received, position, policy| {
        extract(received, position, policy)
    });
    let applied = applied.expect("a readable state");
    state
        .commit(applied.batch, applied.through)
        .expect("committed");
    applied.effects
}

fn dump(state: &dyn State) -> Vec<Entry> {
    views::dump(state).expect("a readable state")
}

fn folded(facts: &[(JournalPosition, Fact)]) -> Memory {
    let state = Memory::new();
    fold_into(&state, facts);
    state
}

/// The key that a patient is reported under.
pub fn key(patient: usize) -> PatientKey {
    PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new(patient_id(patient)),
    }
}

/// A journal and the state folded from it.
#[derive(Default)]
pub struct Desk {
    pub state: Memory,
    pub facts: Vec<(JournalPosition, Fact)>,
}

impl Desk {
    fn append(&mut self, facts: Vec<(JournalPosition, Fact)>) {
        fold_into(&self.state, &facts);
        self.facts.extend(facts);
    }

    fn next(&self) -> u64 {
        self.facts.len() as u64 + 1
    }

    /// Folds messages as one batch.
    pub fn receive(&mut self, raws: &[Vec<u8>]) {
        self.append(facts(raws, self.next()));
    }

    /// Decides, and records what was decided.
    pub fn decide(&mut self) -> Option<Decided> {
        let decided = fold::decide(&self.state, &POLICY).expect("a readable state")?;
        self.append(vec![(
            JournalPosition(self.next()),
            Fact::Decided(decided.clone()),
        )]);
        Some(decided)
    }

    /// Loses the state and folds it again from the facts, in batches.
    pub fn rebuild(&mut self, batch: usize) {
        let lost = std::mem::take(&mut self.state);
        for facts in self.facts.chunks(batch) {
            fold_into(&self.state, facts);
        }
        assert_eq!(
            dump(&self.state),
            dump(&lost),
            "what was lost is there again"
        );
    }

    /// The person that a patient's id belongs to.
    pub fn pooled(&self, patient: usize) -> Option<PooledPatient> {
        views::patient(&self.state, &key(patient)).expect("a readable state")
    }
}

/// Facts of all kinds: messages, damaged ones, frames refused, decisions, deliveries and undone merges
/// between them.
fn history() -> impl Strategy<Value = Vec<(JournalPosition, Fact)>> {
    let twist = prop_oneof![6 => Just(0_u8), 2 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4), 1 => Just(5)];
    (story(16), vec((twist, damage()), 16)).prop_map(|(story, twists)| {
        let mut desk = Desk::default();
        for (happening, (twist, damage)) in story.iter().zip(twists) {
            let raw = happening.raw();
            match twist {
                1 => desk.receive(&[damaged(raw, &damage)]),
                _ => desk.receive(&[raw]),
            }
            let position = JournalPosition(desk.next());
            match twist {
                2 => drop(desk.decide()),
                3 => {
                    let received = received(b"MSH|");
                    desk.append(vec![(
                        position,
                        Fact::Refused(Refused {
                            origin: received.origin,
                            received_at: received.received_at,
                            reason: Reason::Truncated,
                            total_len: 4,
                            raw: received.raw,
                        }),
                    )]);
                }
                4 => {
                    desk.decide();
                    if let Some(waiting) = views::next_alert(&desk.state, "file").expect("read") {
                        let (sink, alert_id, at) = (
                            "file".to_owned(),
                            waiting.transition.alert_id.0,
                            super::RECEIVED,
                        );
                        let attempted = Fact::Attempted {
                            sink: sink.clone(),
                            alert_id: alert_id.clone(),
                            at,
                        };
                        let delivered = Fact::Delivered { sink, alert_id, at };
                        let next = desk.next();
                        desk.append(vec![
                            (JournalPosition(next), attempted),
                            (JournalPosition(next + 1), delivered),
                        ]);
                    }
                }
                5 => {
                    let [prior, survivor] = [desk.next(), desk.next() / 3].map(|n| n as usize % 3);
                    let undone = MergeUndone {
                        prior: key(prior),
                        survivor: key(survivor),
                        through: super::RECEIVED,
                        by: "local".to_owned(),
                        comment: Phi::new("two persons".to_owned()),
                        at: super::RECEIVED,
                    };
                    desk.append(vec![(position, Fact::MergeUndone(undone))]);
                }
                _ => {}
            }
        }
        desk.facts
    })
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn folding_twice_is_folding_once(facts in history()) {
        let state = folded(&facts);
        let once = dump(&state);
        let effects = fold_into(&state, &facts);
        prop_assert_eq!(effects, Effects::default(), "nothing happens a second time");
        prop_assert_eq!(dump(&state), once);
        prop_assert_eq!(state.position().expect("read").0, facts.len() as u64);
    }

    #[test]
    fn folding_all_is_folding_the_rest_after_the_first_part(facts in history(), cut in any::<Index>()) {
        let (first, rest) = facts.split_at(cut.index(facts.len() + 1));
        let state = folded(first);
        fold_into(&state, rest);
        prop_assert_eq!(dump(&state), dump(&folded(&facts)));
    }

    #[test]
    fn batches_of_any_size_give_the_same_state_and_effects(facts in history(), size in 1_usize..8) {
        let state = Memory::new();
        let (mut alerts, mut refusals, mut counts) = (Vec::new(), 0, 0);
        for batch in facts.chunks(size) {
            let effects = fold_into(&state, batch);
            alerts.extend(effects.new_alerts);
            refusals += effects.refusals.values().sum::<u64>();
            counts += effects.counts.values().sum::<u64>();
        }
        let whole = Memory::new();
        let effects = fold_into(&whole, &facts);
        prop_assert_eq!(dump(&state), dump(&whole));
        prop_assert_eq!(alerts, effects.new_alerts);
        prop_assert_eq!(refusals, effects.refusals.values().sum::<u64>());
        prop_assert_eq!(counts, effects.counts.values().sum::<u64>());
    }

    #[test]
    fn a_batch_that_was_lost_is_folded_again_to_the_same_state(facts in history(), cut in any::<Index>()) {
        let (first, rest) = facts.split_at(cut.index(facts.len() + 1));
        let state = folded(first);
        let lost = fold::apply(rest, &state, &POLICY, &|r, p, policy| extract(r, p, policy)).expect("read");
        drop(lost);
        prop_assert_eq!(dump(&state), dump(&folded(first)), "nothing happens before the commit");
        fold_into(&state, rest);
        prop_assert_eq!(dump(&state), dump(&folded(&facts)));
    }

    #[test]
    fn replaying_facts_with_their_decisions_gives_no_new_decision(facts in history()) {
        let mut desk = Desk::default();
        desk.append(facts);
        desk.decide();
        let again = folded(&desk.facts);
        prop_assert_eq!(fold::decide(&again, &POLICY).expect("read"), None);
        prop_assert_eq!(dump(&again), dump(&desk.state));
        prop_assert!(views::verify(&again).is_ok(), "every value is whole");
    }
}

proptest! {
    #![proptest_config(cases(6))]

    #[test]
    fn a_rebuild_on_sled_from_the_journal_is_the_live_state_in_memory(facts in history(), size in 1_usize..8) {
        let mut options = Options::new("/data", || super::RECEIVED);
        options.reserve = 0;
        let (journal, _) = open(Arc::new(ModelDisk::new()), options).expect("opened");
        let (appender, writer) = journal.start();
        let live = Memory::new();
        for (position, fact) in &facts {
            let draft = Draft { fact: fact.clone(), fingerprint: None };
            let stored = appender.append_blocking(vec![draft]).expect("stored");
            prop_assert_eq!(stored[0].position, *position);
            fold_into(&live, &[(*position, fact.clone())]);
        }
        let through = JournalPosition(facts.len() as u64);
        let mut reader = appender.reader(JournalPosition::START).expect("a reader");
        let mut read = Vec::new();
        while let Some(fact) = reader.next(through).expect("whole") {
            read.push(fact);
        }
        prop_assert_eq!(&read, &facts, "the journal gives back what it was given");
        let dir = tempfile::tempdir().expect("a directory");
        let rebuilt = Sled::open(dir.path(), 4 << 20).expect("opened");
        for batch in read.chunks(size) {
            fold_into(&rebuilt, batch);
        }
        prop_assert_eq!(dump(&rebuilt), dump(&live));
        prop_assert_eq!(rebuilt.position().expect("read"), live.position().expect("read"));
        drop((reader, appender));
        writer.join();
    }
}

/// A story folded as one batch.
pub fn desk(story: &[Happening]) -> Desk {
    let mut desk = Desk::default();
    desk.receive(&story.iter().map(Happening::raw).collect::<Vec<_>>());
    desk
}
