//! Facts into a batch of changes.

use super::continuation::{self, Whole};
use super::keys;
use super::overlay::Overlay;
use super::pool;
use super::state::{Batch, State, StateError};
use super::tables::{Cursor, Dirty, QuarantineEntry};
use crate::core::clinical::observation::{OrderNumber, PatientKey};
use crate::core::episode::{AlertId, Delivery, Severity, TransitionKind};
use crate::core::extract::{Extraction, IdentityEvent, PatientPart, Place, Refusal, Understood};
use crate::core::fact::{Decided, Fact, JournalPosition, Reason, Received, Refused};
use crate::core::identity::Graph;
use crate::core::policy::Policy;
use crate::core::record::PatientRecord;
use crate::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How a message is read: `core::extract::extract`, guarded by the caller as it likes.
pub type Extract<'a> = &'a dyn Fn(&Received, JournalPosition, &Policy) -> Extraction;

/// What folding a batch yields.
#[derive(Debug)]
pub struct Applied {
    /// The changes, to be committed whole.
    pub batch: Batch,
    /// The position they bring the state to.
    pub through: JournalPosition,
    /// What happened, to be told where the facts are folded for the first time.
    pub effects: Effects,
}

/// An alert that exists from this batch on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlert {
    /// Its id.
    pub alert_id: AlertId,
    /// Its kind.
    pub kind: TransitionKind,
    /// Its severity.
    pub severity: Severity,
    /// Page or worklist.
    pub delivery: Delivery,
}

/// Counts of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// Counters of WIRE.md by listener.
    pub counts: BTreeMap<(String, &'static str), u64>,
    /// Quarantine by reason.
    pub refusals: BTreeMap<Reason, u64>,
    /// `quarantined` and `ignored` messages by listener.
    pub messages: BTreeMap<(String, &'static str), u64>,
    /// New alerts.
    pub new_alerts: Vec<NewAlert>,
    /// Last message of a feed (listener, `MSH-3/MSH-4`), and its clock less ours in seconds.
    pub feeds: BTreeMap<(String, String), (Timestamp, Option<f64>)>,
}

/// Folds facts, in order, into changes over `state`.
///
/// # Errors
/// Where the state cannot be read: it is to be rebuilt.
pub fn apply(
    facts: &[(JournalPosition, Fact)],
    state: &dyn State,
    policy: &Policy,
    extract: Extract<'_>,
) -> Result<Applied, StateError> {
    let mut fold = Fold {
        overlay: Overlay::new(state),
        effects: Effects::default(),
    };
    let mut through = state.position()?;
    for (position, fact) in facts {
        // What is folded already changes nothing.
        if *position <= through {
            continue;
        }
        through = *position;
        match fact {
            Fact::Received(received) => {
                fold.expire_parts(received.received_at)?;
                let joined = match continuation::take(&mut fold.overlay, received, *position)? {
                    Whole::AsItCame => None,
                    Whole::Joined(joined) => Some(joined),
                    Whole::Later => continue,
                };
                let whole = joined.as_ref().unwrap_or(received);
                fold.message(whole, *position, extract(whole, *position, policy))?;
            }
            Fact::Refused(refused) => fold.refused(refused, *position)?,
            Fact::Decided(decided) => fold.decided(decided)?,
            Fact::Attempted { sink, alert_id, .. } => fold.attempted(sink, alert_id)?,
            Fact::Delivered { sink, alert_id, .. } | Fact::Dead { sink, alert_id, .. } => {
                fold.dealt_with(sink, alert_id)?;
            }
            Fact::SeenAgain { .. } | Fact::PolicyChanged { .. } | Fact::Started { .. } => {}
        }
    }
    Ok(Applied {
        batch: fold.overlay.into_batch(),
        through,
        effects: fold.effects,
    })
}

struct Fold<'s> {
    overlay: Overlay<'s>,
    effects: Effects,
}

impl Fold<'_> {
    fn message(
        &mut self,
        received: &Received,
        position: JournalPosition,
        extraction: Extraction,
    ) -> Result<(), StateError> {
        let listener = received.origin.listener.clone();
        for (name, times) in &extraction.counts {
            self.count(&listener, name, *times);
        }
        let skew = extraction
            .sent_at
            .map(|sent| sent.since(received.received_at).as_micros() as f64 / 1e6);
        if !extraction.feed.is_empty() {
            let feed = (listener.clone(), extraction.feed.clone());
            self.effects
                .feeds
                .insert(feed, (received.received_at, skew));
        }
        let mut refusals = extraction.refusals.clone();
        for part in extraction.patients {
            self.patient(
                part,
                position,
                received.received_at,
                &listener,
                &mut refusals,
            )?;
        }
        for event in extraction.identity {
            self.identity(event, position, received.received_at, &listener)?;
        }
        let outcome = match extraction.understood {
            _ if !refusals.is_empty() => Some("quarantined"),
            Understood::Ignored | Understood::NotProduction | Understood::Acknowledgement => {
                Some("ignored")
            }
            Understood::Results
            | Understood::Demographics
            | Understood::Identity
            | Understood::Order => None,
        };
        if let Some(outcome) = outcome {
            *self
                .effects
                .messages
                .entry((listener.clone(), outcome))
                .or_default() += 1;
        }
        for (number, refusal) in (0_u32..).zip(refusals) {
            *self.effects.refusals.entry(refusal.reason).or_default() += 1;
            let entry = QuarantineEntry {
                position,
                received_at: received.received_at,
                listener: listener.clone(),
                peer: received.origin.peer.clone(),
                feed: extraction.feed.clone(),
                control_id: extraction.control_id.clone(),
                refusal,
            };
            self.overlay
                .put("quarantine", keys::quarantine(position, number), &entry)?;
        }
        Ok(())
    }

    /// Parts of messages whose rest did not come within a day (WIRE A-54).
    fn expire_parts(&mut self, now: Timestamp) -> Result<(), StateError> {
        for waiting in continuation::expire(&mut self.overlay, now)? {
            let reason = Reason::Continuation;
            *self.effects.refusals.entry(reason).or_default() += 1;
            let entry = QuarantineEntry {
                position: waiting.position,
                received_at: waiting.since,
                listener: waiting.origin.listener,
                peer: waiting.origin.peer,
                feed: String::new(),
                control_id: String::new(),
                refusal: Refusal {
                    reason,
                    place: Place {
                        segment: "DSC".to_owned(),
                        occurrence: 1,
                        field: 1,
                        name: "continuation pointer".to_owned(),
                    },
                    result: false,
                    remedy: "have the sender send all parts of the message again".to_owned(),
                },
            };
            self.overlay
                .put("quarantine", keys::quarantine(waiting.position, 0), &entry)?;
        }
        Ok(())
    }

    /// Adds what a message says of a patient to the record of the id it was reported under.
    fn patient(
        &mut self,
        part: PatientPart,
        position: JournalPosition,
        received_at: Timestamp,
        listener: &str,
        refusals: &mut Vec<Refusal>,
    ) -> Result<(), StateError> {
        let mut record = self.record(&part.key)?;
        for observation in part.observations {
            let order = &observation.id.order;
            if observation.status.letter == "W" && self.stands_elsewhere(order, &part.key)? {
                self.count(listener, "quarantined_results", 1);
                refusals.push(withdrawal_elsewhere());
                continue;
            }
            self.index_order(order, &part.key)?;
            // Of two copies of one version the first receipt counts (WIRE 9.25).
            let again = record.observations.iter().any(|known| {
                known.content_hash == observation.content_hash
                    && known.id == observation.id
                    && known.version_at == observation.version_at
            });
            if !again {
                record.observations.insert(observation);
            }
        }
        for withdrawal in part.group_withdrawals {
            let again = record.group_withdrawals.iter().any(|known| {
                known.order == withdrawal.order && known.version_at == withdrawal.version_at
            });
            if !again {
                record.group_withdrawals.insert(withdrawal);
            }
        }
        if let Some(report) = part.demographics {
            let again = record.demographics.iter().any(|known| {
                let mut known = known.clone();
                known.position = report.position;
                known == report
            });
            if !again {
                record.demographics.insert(report);
            }
        }
        for association in part.associations {
            let again = record.associations.iter().any(|known| {
                let mut known = known.clone();
                known.position = association.position;
                known == association
            });
            if !again {
                record.associations.insert(association);
            }
        }
        self.keep(&record)?;
        self.dirty(&part.key, position, received_at)
    }

    /// An identity event belongs to both ids; what it changes is seen when they are pooled.
    fn identity(
        &mut self,
        event: IdentityEvent,
        position: JournalPosition,
        received_at: Timestamp,
        listener: &str,
    ) -> Result<(), StateError> {
        let before = Graph::over(&pool::component(&self.overlay, &event.prior)?.events);
        let after_other = Graph::over(&pool::component(&self.overlay, &event.survivor)?.events);
        for key in BTreeSet::from([&event.prior, &event.survivor]) {
            let mut record = self.record(key)?;
            let again = record.identity.iter().any(|known| {
                let mut known = known.clone();
                known.position = event.position;
                known == event
            });
            if !again {
                record.identity.insert(event.clone());
            }
            self.keep(&record)?;
            self.dirty(key, position, received_at)?;
        }
        let after = Graph::over(&pool::component(&self.overlay, &event.prior)?.events);
        let cycles = before.cycles.max(after_other.cycles);
        let conflicts = before.conflicts.max(after_other.conflicts);
        self.count(listener, "merge_cycle", u64::from(after.cycles > cycles));
        self.count(
            listener,
            "merge_conflict",
            u64::from(after.conflicts > conflicts),
        );
        Ok(())
    }

    fn refused(&mut self, refused: &Refused, position: JournalPosition) -> Result<(), StateError> {
        *self.effects.refusals.entry(refused.reason).or_default() += 1;
        let entry = QuarantineEntry {
            position,
            received_at: refused.received_at,
            listener: refused.origin.listener.clone(),
            peer: refused.origin.peer.clone(),
            feed: String::new(),
            control_id: String::new(),
            refusal: Refusal {
                reason: refused.reason,
                place: Place {
                    segment: "MSH".to_owned(),
                    occurrence: 1,
                    field: 0,
                    name: "frame".to_owned(),
                },
                result: false,
                remedy: "look at the sender: what it sent is kept here as it came".to_owned(),
            },
        };
        self.overlay
            .put("quarantine", keys::quarantine(position, 0), &entry)
    }

    /// What was decided is what happened: transitions to the record, alerts to the outbox.
    fn decided(&mut self, decided: &Decided) -> Result<(), StateError> {
        for transition in &decided.transitions {
            let id = keys::alert_id(&transition.alert_id.0);
            if self.overlay.get::<u64>("alert id", &id)?.is_some() {
                continue;
            }
            let mut record = self.record(&transition.filed_under)?;
            record.transitions.push(transition.clone());
            self.keep(&record)?;
            // A silent reopening is a step of the episode, but nothing to tell.
            if transition.kind == TransitionKind::Reopened {
                self.overlay.put("alert id", id, &0_u64)?;
                continue;
            }
            let place = self
                .overlay
                .get::<u64>("alerts", &keys::alert_count())?
                .unwrap_or(0)
                + 1;
            self.overlay.put("alerts", keys::alert_count(), &place)?;
            self.overlay.put("alert", keys::alert(place), transition)?;
            self.overlay.put("alert id", id, &place)?;
            self.effects.new_alerts.push(NewAlert {
                alert_id: transition.alert_id.clone(),
                kind: transition.kind,
                severity: transition.severity,
                delivery: transition.delivery,
            });
        }
        for (key, value) in self.overlay.entries(keys::DIRTY)? {
            let dirty: Dirty = super::codec::decode("dirty", &value)?;
            if dirty.position <= decided.through {
                self.overlay.remove(key);
            }
        }
        Ok(())
    }

    fn attempted(&mut self, sink: &str, alert_id: &str) -> Result<(), StateError> {
        let mut cursor: Cursor = self
            .overlay
            .get("sink", &keys::sink(sink))?
            .unwrap_or_default();
        cursor.attempted = Some(alert_id.to_owned());
        self.overlay.put("sink", keys::sink(sink), &cursor)
    }

    fn dealt_with(&mut self, sink: &str, alert_id: &str) -> Result<(), StateError> {
        let place = self
            .overlay
            .get::<u64>("alert id", &keys::alert_id(alert_id))?
            .unwrap_or(0);
        let mut cursor: Cursor = self
            .overlay
            .get("sink", &keys::sink(sink))?
            .unwrap_or_default();
        cursor.through = cursor.through.max(place);
        cursor.attempted = None;
        self.overlay.put("sink", keys::sink(sink), &cursor)
    }

    fn record(&self, key: &PatientKey) -> Result<PatientRecord, StateError> {
        let known = self.overlay.get("patient", &keys::patient(key))?;
        Ok(known.unwrap_or_else(|| PatientRecord::new(key.clone())))
    }

    fn keep(&mut self, record: &PatientRecord) -> Result<(), StateError> {
        self.overlay
            .put("patient", keys::patient(&record.key), record)
    }

    fn dirty(
        &mut self,
        key: &PatientKey,
        position: JournalPosition,
        received_at: Timestamp,
    ) -> Result<(), StateError> {
        let dirty = Dirty {
            key: key.clone(),
            position,
            received_at,
        };
        self.overlay.put("dirty", keys::dirty(key), &dirty)
    }

    fn index_order(&mut self, order: &OrderNumber, key: &PatientKey) -> Result<(), StateError> {
        let Some(index) = keys::order(order) else {
            return Ok(());
        };
        let mut holders: BTreeSet<PatientKey> =
            self.overlay.get("order", &index)?.unwrap_or_default();
        if holders.insert(key.clone()) {
            self.overlay.put("order", index, &holders)?;
        }
        Ok(())
    }

    /// S-4: results of this order are known, and none of them under this id.
    fn stands_elsewhere(&self, order: &OrderNumber, key: &PatientKey) -> Result<bool, StateError> {
        let Some(index) = keys::order(order) else {
            return Ok(false);
        };
        let holders: BTreeSet<PatientKey> = self.overlay.get("order", &index)?.unwrap_or_default();
        Ok(!holders.is_empty() && !holders.contains(key))
    }

    fn count(&mut self, listener: &str, name: &'static str, times: u64) {
        if times > 0 {
            *self
                .effects
                .counts
                .entry((listener.to_owned(), name))
                .or_default() += times;
        }
    }
}

fn withdrawal_elsewhere() -> Refusal {
    Refusal {
        reason: Reason::WithdrawalOtherPatient,
        place: Place {
            segment: "OBX".to_owned(),
            occurrence: 1,
            field: 11,
            name: "observation result status".to_owned(),
        },
        result: true,
        remedy: "this order's results stand under another patient: decide by hand which are wrong"
            .to_owned(),
    }
}
