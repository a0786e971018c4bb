//! A state on a map and synthetic facts, for the tests of the fold.

use super::apply::apply;
use super::effects::Effects;
use super::state::{Batch, Entry, State, StateError};
use super::{records, views};
use crate::core::alert::{AlertData, AlertPatient};
use crate::core::clinical::observation::*;
use crate::core::clinical::sample;
use crate::core::clinical::{Amount, Comparator, Unit};
use crate::core::episode::*;
use crate::core::extract::*;
use crate::core::fact::*;
use crate::core::fold::overlay::Overlay;
use crate::core::phi::Phi;
use crate::core::policy::Policy;
use crate::core::record::PatientRecord;
use crate::core::time::{Span, Timestamp};
use bytes::Bytes;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

/// The plainest state there is.
#[derive(Debug, Default)]
pub(crate) struct Plain(Mutex<(Entries, JournalPosition)>);

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

impl State for Plain {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.lock().unwrap().0.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Entry>, StateError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .0
            .range(from.max(prefix).to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&self, batch: Batch, through: JournalPosition) -> Result<(), StateError> {
        let mut held = self.0.lock().unwrap();
        for (key, change) in batch.changes {
            match change {
                Some(value) => held.0.insert(key, value),
                None => held.0.remove(&key),
            };
        }
        held.1 = through;
        Ok(())
    }

    fn position(&self) -> Result<JournalPosition, StateError> {
        Ok(self.0.lock().unwrap().1)
    }
}

/// What a synthetic message says; its raw bytes are its place in the test's list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub patients: Vec<PatientPart>,
    pub identity: Vec<IdentityEvent>,
    pub refusals: Vec<Refusal>,
    pub understood: Option<Understood>,
}

/// Messages of a test and what they say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(pub Vec<Said>);

impl Script {
    /// The facts of the messages, received one second after the other from position 1.
    pub fn facts(&self) -> Vec<(JournalPosition, Fact)> {
        self.facts_in_order(&(0..self.0.len()).collect::<Vec<_>>())
    }

    /// The same in another order; positions are those of the new order.
    pub fn facts_in_order(&self, order: &[usize]) -> Vec<(JournalPosition, Fact)> {
        order
            .iter()
            .zip(1..)
            .map(|(index, position)| (JournalPosition(position), received(*index, position)))
            .collect()
    }

    pub fn extract(&self, message: &Received, position: JournalPosition) -> Extraction {
        let index: usize = std::str::from_utf8(&message.raw).unwrap().parse().unwrap();
        let mut said = self.0[index].clone();
        for part in &mut said.patients {
            for observation in &mut part.observations {
                observation.position = position;
                observation.received_at = message.received_at;
            }
            for withdrawal in &mut part.group_withdrawals {
                withdrawal.position = position;
            }
            for association in &mut part.associations {
                association.position = position;
            }
            if let Some(report) = &mut part.demographics {
                report.position = position;
            }
        }
        for event in &mut said.identity {
            event.position = position;
        }
        Extraction {
            understood: said.understood.unwrap_or(Understood::Results),
            patients: said.patients,
            identity: said.identity,
            refusals: said.refusals,
            counts: BTreeMap::from([("obx2_guess", 1)]),
            message_type: "ORU^R01".to_owned(),
            control_id: format!("C{index}"),
            feed: "LAB/HOSP".to_owned(),
            sent_at: Some(at(0)),
            called: Vec::new(),
            processing: None,
        }
    }

    /// Folds onto a state and commits.
    pub fn fold_onto(&self, state: &dyn State, facts: &[(JournalPosition, Fact)]) -> Effects {
        static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);
        let extract = |message: &Received, position: JournalPosition, _: &Policy| {
            self.extract(message, position)
        };
        let applied = apply(facts, state, &POLICY, &extract).unwrap();
        state.commit(applied.batch, applied.through).unwrap();
        applied.effects
    }

    /// A fresh state with these facts folded.
    pub fn fold(&self, facts: &[(JournalPosition, Fact)]) -> Plain {
        let state = Plain::default();
        self.fold_onto(&state, facts);
        state
    }
}

fn received(index: usize, position: u64) -> Fact {
    Fact::Received(Received {
        origin: origin(),
        received_at: at(i64::try_from(position).unwrap()),
        part: (0, 1),
        raw: Bytes::from(index.to_string()),
    })
}

pub(crate) fn origin() -> Origin {
    Origin {
        listener: "main".to_owned(),
        peer: "10.0.0.1:4000".to_owned(),
    }
}

/// Seconds after a morning 40 days after day 0 of the samples.
pub(crate) fn at(seconds: i64) -> Timestamp {
    sample::at(40).plus(Span::seconds(seconds))
}

pub(crate) fn key(id: &str) -> PatientKey {
    PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new(id.to_owned()),
    }
}

/// One IgM version of an order, with an account.
pub(crate) fn igm(patient: &str, order: &str, version: i64, account: &str) -> Observation {
    Observation {
        id: ResultId {
            patient: key(patient),
            order: OrderNumber::Filler(Phi::new(order.to_owned())),
            analyte: Analyte::IgM,
            specimen: Specimen::Serum,
            sub_id: None,
        },
        status: ResultStatus {
            class: StatusClass::Final,
            letter: "F".to_owned(),
            assumed: false,
        },
        version_at: at(version),
        observed: None,
        value: Phi::new(ReportedValue::Amount(Amount {
            comparator: Comparator::Exactly,
            value: Decimal::new(21, 2),
        })),
        unit: Unit::GramPerLitre,
        range: ReportedRange::None,
        flag: Some(Flag::Low),
        shown: Shown {
            account: Phi::new(account.to_owned()),
            ..Shown::default()
        },
        position: JournalPosition::START,
        received_at: at(0),
        content_hash: (version * 2 + i64::from(account.is_empty())).to_be_bytes(),
    }
}

/// The same as W.
pub(crate) fn withdrawn(mut observation: Observation) -> Observation {
    observation.status.class = StatusClass::Withdrawal;
    observation.status.letter = "W".to_owned();
    observation
}

pub(crate) fn part(patient: &str, observations: Vec<Observation>) -> PatientPart {
    PatientPart {
        key: key(patient),
        demographics: None,
        observations,
        group_withdrawals: Vec::new(),
        associations: Vec::new(),
    }
}

pub(crate) fn results(patient: &str, observations: Vec<Observation>) -> Said {
    Said {
        patients: vec![part(patient, observations)],
        ..Said::default()
    }
}

pub(crate) fn named(patient: &str, report: DemographicsReport) -> Said {
    let mut said = results(patient, Vec::new());
    said.patients[0].demographics = Some(report);
    said
}

pub(crate) fn demographics(seconds: i64, name: Given<&str>, sex: Given<Sex>) -> DemographicsReport {
    DemographicsReport {
        at: at(seconds),
        birth: Given::Absent,
        sex: match sex {
            Given::Value(sex) => Given::Value(Phi::new(sex)),
            Given::Cleared => Given::Cleared,
            Given::Absent => Given::Absent,
        },
        name: match name {
            Given::Value(name) => Given::Value(Phi::new(name.to_owned())),
            Given::Cleared => Given::Cleared,
            Given::Absent => Given::Absent,
        },
        dead: Given::Absent,
        unreliable: Given::Absent,
        deleted: Given::Absent,
        position: JournalPosition::START,
    }
}

pub(crate) fn identity(kind: IdentityKind, prior: &str, survivor: &str, seconds: i64) -> Said {
    Said {
        identity: vec![IdentityEvent {
            kind,
            prior: key(prior),
            survivor: key(survivor),
            at: at(seconds),
            content_hash: [7; 8],
            position: JournalPosition::START,
        }],
        understood: Some(Understood::Identity),
        ..Said::default()
    }
}

pub(crate) fn merge(prior: &str, survivor: &str, seconds: i64) -> Said {
    identity(IdentityKind::Merge, prior, survivor, seconds)
}

pub(crate) fn move_account(account: &str, prior: &str, survivor: &str, seconds: i64) -> Said {
    let kind = IdentityKind::MoveAccount(Phi::new(account.to_owned()));
    identity(kind, prior, survivor, seconds)
}

/// A transition about the order of a patient; its alert id is made of the two and the number.
pub(crate) fn transition(patient: &str, order: &str, number: u32) -> Transition {
    let opening = igm(patient, order, 0, "").id;
    let episode = format!("{patient}-{order}");
    let alert_id = format!("{episode}-{number}");
    Transition {
        episode: EpisodeId(episode.clone()),
        number,
        alert_id: AlertId(alert_id.clone()),
        kind: TransitionKind::Detected,
        severity: Severity::Routine,
        delivery: Delivery::Page,
        filed_under: opening.patient.clone(),
        opening: opening.clone(),
        members: vec![opening],
        evidence_through: JournalPosition(1),
        at: at(i64::from(number)),
        alert: Phi::new(AlertData {
            alert_id,
            episode_id: episode,
            kind: TransitionKind::Detected,
            severity: Severity::Routine,
            classification: "isolated_low_igm".to_owned(),
            tier: "complete".to_owned(),
            tier_reason: None,
            qualifiers: Vec::new(),
            patient: AlertPatient {
                id: None,
                authority: None,
                name: None,
                birth_date: None,
                sex: None,
                age: None,
            },
            evidence: Vec::new(),
            missing: Vec::new(),
            associations: Vec::new(),
            delivery: Delivery::Page,
            explanation: String::new(),
            policy: String::new(),
            supersedes: None,
        }),
        listener: "main".to_owned(),
    }
}

pub(crate) fn decided(through: u64, transitions: Vec<Transition>) -> Fact {
    Fact::Decided(Decided {
        through: JournalPosition(through),
        policy: String::new(),
        decided_at: at(0),
        transitions,
    })
}

/// A record as far as it does not say when and where it came in.
pub(crate) fn timeless(state: &dyn State, patient: &str) -> PatientRecord {
    let mut record = records::load(&Overlay::new(state), &key(patient)).unwrap();
    record.observations = record
        .observations
        .into_iter()
        .map(timeless_observation)
        .collect();
    record.group_withdrawals = without(record.group_withdrawals, |w| {
        w.position = JournalPosition::START
    });
    record.demographics = without(record.demographics, |d| d.position = JournalPosition::START);
    record.associations = without(record.associations, |a| a.position = JournalPosition::START);
    record.identity = without(record.identity, |e| e.position = JournalPosition::START);
    record
}

pub(crate) fn timeless_observation(mut observation: Observation) -> Observation {
    observation.position = JournalPosition::START;
    observation.received_at = at(0);
    observation
}

fn without<T: Ord>(
    items: std::collections::BTreeSet<T>,
    cut: impl Fn(&mut T),
) -> std::collections::BTreeSet<T> {
    items
        .into_iter()
        .map(|mut item| {
            cut(&mut item);
            item
        })
        .collect()
}

/// Members and results (without when and where) of the person that an id belongs to.
pub(crate) fn pooled(
    state: &dyn State,
    patient: &str,
) -> (PatientKey, Vec<String>, Vec<Observation>) {
    let view = views::patient(state, &key(patient)).unwrap();
    let Some(view) = view else {
        return (key(patient), Vec::new(), Vec::new());
    };
    let mut results: Vec<Observation> = view
        .observations
        .into_iter()
        .map(timeless_observation)
        .collect();
    results.sort();
    let members = view.members.iter().map(PatientKey::exposed);
    (view.survivor, members.collect(), results)
}
