//! The fold fact by fact: marks, orders, alerts, cursors, quarantine, and what it tells.

mod decisions;
mod identities;
mod messages;
mod values;

use super::state::{Batch, Entry, State, StateError};
use super::{Effects, apply, decide, keys, views};
use crate::core::clinical::observation::PatientKey;
use crate::core::episode::TransitionKind;
use crate::core::extract::extract;
use crate::core::fact::{Decided, Fact, JournalPosition, Origin, Reason, Received, Refused};
use crate::core::phi::Phi;
use crate::core::policy::Policy;
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);

/// The smallest state there can be.
#[derive(Default)]
struct Table(Mutex<(BTreeMap<Vec<u8>, Vec<u8>>, JournalPosition)>);

impl State for Table {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.lock().expect("not poisoned").0.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Entry>, StateError> {
        let inside = self.0.lock().expect("not poisoned");
        let entries = inside.0.range(from.to_vec()..);
        let mine = entries.take_while(|(key, _)| key.starts_with(prefix));
        Ok(mine
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&self, batch: Batch, through: JournalPosition) -> Result<(), StateError> {
        let mut inside = self.0.lock().expect("not poisoned");
        for (key, value) in batch.changes {
            match value {
                Some(value) => drop(inside.0.insert(key, value)),
                None => drop(inside.0.remove(&key)),
            }
        }
        inside.1 = through;
        Ok(())
    }

    fn position(&self) -> Result<JournalPosition, StateError> {
        Ok(self.0.lock().expect("not poisoned").1)
    }
}

fn at(minute: i64) -> Timestamp {
    // 2026-03-01T13:00:00Z
    Timestamp::from_micros(1_772_370_000_000_000 + minute * 60_000_000)
}

fn origin() -> Origin {
    Origin {
        listener: "lab".to_owned(),
        peer: "192.0.2.1:4000".to_owned(),
    }
}

fn received(text: &str, minute: i64) -> Fact {
    Fact::Received(Received {
        origin: origin(),
        received_at: at(minute),
        part: (0, 1),
        raw: text.as_bytes().to_vec().into(),
    })
}

fn refused(reason: Reason) -> Fact {
    Fact::Refused(Refused {
        origin: origin(),
        received_at: at(0),
        reason,
        total_len: 3,
        raw: b"MSH".to_vec().into(),
    })
}

fn key(id: &str) -> PatientKey {
    PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new(id.to_owned()),
    }
}

fn head(kind: &str, control: &str) -> String {
    format!("MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500+0000||{kind}|{control}|P|2.5.1\r")
}

fn pid(id: &str) -> String {
    format!("PID|1||{id}^^^HOSP^MR||DOE^JANE||19800101|F||||||||||ACC{id}\r")
}

/// IgM of an order, with normal IgG and IgA, collected on a day of February, reported an hour later.
fn panel(id: &str, order: &str, day: u8, igm: &str, status: &str) -> String {
    let control = format!("{order}-{igm}-{status}");
    head("ORU^R01", &control)
        + &pid(id)
        + &format!(
            "ORC|RE||{order}\r\
             OBR|1||{order}|IG^Immunoglobulins^L|||202602{day:02}090000+0000\
             |||||||||||||||202602{day:02}100000+0000|||F\r\
             OBX|1|NM|2472-9^IgM^LN||{igm}|g/L|0.4-2.3||||{status}\r\
             OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0||||F\r\
             OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0||||F\r"
        )
}

fn adt(event: &str, body: &str) -> String {
    head(&format!("ADT^{event}"), event) + "EVN||20260301125000+0000\r" + body
}

fn merge(prior: &str, survivor: &str) -> String {
    adt("A40", &(pid(survivor) + &format!("MRG|{prior}^^^HOSP^MR\r")))
}

/// A state and the facts it was folded from.
#[derive(Default)]
struct Bench {
    state: Table,
    facts: Vec<(JournalPosition, Fact)>,
}

impl Bench {
    /// Folds one more fact.
    fn take(&mut self, fact: Fact) -> Effects {
        self.take_all(vec![fact])
    }

    /// Folds more facts as one batch.
    fn take_all(&mut self, facts: Vec<Fact>) -> Effects {
        let from = self.facts.len() as u64 + 1;
        let numbered: Vec<_> = (from..).map(JournalPosition).zip(facts).collect();
        let effects = fold(&self.state, &numbered);
        self.facts.extend(numbered);
        effects
    }

    fn message(&mut self, text: &str) -> Effects {
        let minute = self.facts.len() as i64;
        self.take(received(text, minute))
    }

    fn decided(&self) -> Option<Decided> {
        decide(&self.state, &POLICY).expect("readable")
    }

    /// Decides and records; the kinds of what came of it.
    fn decide(&mut self) -> Vec<TransitionKind> {
        let Some(decided) = self.decided() else {
            return Vec::new();
        };
        self.take(Fact::Decided(decided.clone()));
        decided
            .transitions
            .into_iter()
            .map(|transition| transition.kind)
            .collect()
    }

    fn dirty(&self) -> usize {
        views::dirty_count(&self.state).expect("readable")
    }

    fn person(&self, id: &str) -> Option<PooledPatient> {
        views::patient(&self.state, &key(id)).expect("readable")
    }
}

fn fold(state: &dyn State, facts: &[(JournalPosition, Fact)]) -> Effects {
    let applied = apply(facts, state, &POLICY, &|received, position, policy| {
        extract(received, position, policy)
    })
    .expect("readable");
    state
        .commit(applied.batch, applied.through)
        .expect("committed");
    applied.effects
}

fn dump(state: &dyn State) -> Vec<Entry> {
    views::dump(state).expect("readable")
}
