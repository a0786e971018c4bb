//! Facts into state. Pure: the same facts on the same state give the same batch.

use super::continuation::{self, Whole};
use super::decide::marks;
use super::effects::{Applied, Effects, NewAlert};
use super::keys;
use super::lookback::is_quiet;
use super::overlay::Overlay;
use super::state::{State, StateError};
use super::values::{
    AlertPointer, DeliveryOutcome, DirtyMark, PolicyMark, QuarantineEntry, StartMark,
};
use super::{answers, records, tables};
use crate::core::clinical::observation::PatientKey;
use crate::core::episode::TransitionKind;
use crate::core::extract::{Extraction, PatientPart, Place, Refusal, Understood};
use crate::core::fact::{Decided, Fact, Gap, JournalPosition, Origin, Reason, Received, Refused};
use crate::core::lookback::PEER;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use std::collections::BTreeSet;

/// Reads one message. The caller wraps `core::extract::extract` so that a panic becomes an
/// extraction with a refusal of reason `internal`: the core itself catches nothing.
pub type Extract<'a> = &'a dyn Fn(&Received, JournalPosition, &Policy) -> Extraction;

/// Folds facts, in journal order, onto a state. Facts that the state already holds are passed over,
/// so a fact delivered twice counts once.
///
/// Nothing is written: commit the batch together with `through`.
pub fn apply(
    facts: &[(JournalPosition, Fact)],
    state: &dyn State,
    policy: &Policy,
    extract: Extract<'_>,
) -> Result<Applied, StateError> {
    let mut through = state.position()?;
    let mut fold = Fold {
        overlay: Overlay::new(state),
        effects: Effects::default(),
        primed_through: None,
        retried_at: None,
        no_part_waits: false,
        is_quiet: false,
    };
    let folded_with = keys::named(keys::META, tables::META_FOLDED_WITH);
    if !facts.is_empty() && fold.overlay.get(&folded_with)?.is_none() {
        fold.overlay
            .store(tables::META, folded_with, &policy.hash())?;
    }
    for (position, fact) in facts {
        if *position <= through {
            continue;
        }
        fold.is_quiet = false;
        fold.fact(*position, fact, policy, extract)?;
        through = *position;
    }
    Ok(Applied {
        batch: fold.overlay.into_batch(),
        through,
        effects: fold.effects,
    })
}

/// Changes and effects so far.
pub(super) struct Fold<'a> {
    pub(super) overlay: Overlay<'a>,
    pub(super) effects: Effects,
    /// Up to where facts are of an archive, once that was asked.
    pub(super) primed_through: Option<JournalPosition>,
    /// Where a message was last read again, once that was asked.
    pub(super) retried_at: Option<Option<JournalPosition>>,
    /// No part of a message waits for others, as was seen in the state; so it is not asked for every message.
    no_part_waits: bool,
    /// What is found in the message at hand pages nobody.
    pub(super) is_quiet: bool,
}

/// The message that is being folded.
pub(super) struct Envelope<'a> {
    pub(super) position: JournalPosition,
    pub(super) message: &'a Received,
}

impl Envelope<'_> {
    /// What the message is as news: its place and its receipt.
    pub(super) const fn news(&self) -> (JournalPosition, Timestamp) {
        (self.position, self.message.received_at)
    }
}

impl Fold<'_> {
    fn fact(
        &mut self,
        position: JournalPosition,
        fact: &Fact,
        policy: &Policy,
        extract: Extract<'_>,
    ) -> Result<(), StateError> {
        match fact {
            Fact::Received(received) => {
                self.expire_parts(received.received_at)?;
                let joined = match continuation::take(&mut self.overlay, received, position)? {
                    Whole::AsItCame => None,
                    Whole::Joined(joined) => Some(joined),
                    Whole::Later => {
                        self.no_part_waits = false;
                        return Ok(());
                    }
                };
                let message = joined.as_ref().unwrap_or(received);
                let extraction = extract(message, position, policy);
                self.received(&Envelope { position, message }, &extraction, policy)
            }
            // Who decided is no part of what is known.
            Fact::SeenAgain { .. } | Fact::Held(_) => Ok(()),
            Fact::Refused(refused) => self.refused(position, refused),
            Fact::Decided(decided) => self.decided(decided, policy),
            Fact::Attempted { sink, alert_id, at } => self.delivery(sink, alert_id, |mark| {
                mark.outcome = None;
                mark.attempts = mark.attempts.saturating_add(1);
                mark.last_attempt = Some(*at);
            }),
            Fact::Delivered { sink, alert_id, at } => self.delivery(sink, alert_id, |mark| {
                mark.outcome = Some(DeliveryOutcome::Delivered { at: *at });
            }),
            Fact::Dead {
                sink,
                alert_id,
                at,
                reason,
            } => self.delivery(sink, alert_id, |mark| {
                mark.outcome = Some(DeliveryOutcome::Dead {
                    at: *at,
                    reason: reason.clone(),
                });
            }),
            Fact::PolicyChanged { policy, at } => self.overlay.store(
                tables::META,
                keys::named(keys::META, tables::META_POLICY),
                &PolicyMark {
                    policy: policy.clone(),
                    at: *at,
                    position,
                },
            ),
            Fact::Deadline { at } => self.expire_parts(*at),
            Fact::Started { version, at } => self.overlay.store(
                tables::META,
                keys::named(keys::META, tables::META_STARTED),
                &StartMark {
                    version: version.clone(),
                    at: *at,
                    position,
                },
            ),
            Fact::MergeUndone(undone) => self.merge_undone(position, undone),
            Fact::Gap(gap) => self.gap(position, gap),
            // Shown beside the results of the message; nothing is decided by it (P-5).
            Fact::LisAnswered { message, code, .. } => {
                answers::note(&mut self.overlay, *message, *code)
            }
            Fact::Audited(audited) => self.audited(position, audited),
            Fact::Noted(noted) => self.noted(position, noted),
            Fact::Retried(retried) => self.retried(position, retried),
            Fact::Acknowledged(fact) => self.acknowledged(position, fact),
            Fact::Muted(fact) => self.muted(fact),
            Fact::Unmuted(fact) => {
                self.unmuted(fact);
                Ok(())
            }
            Fact::SinksSeen(fact) => self.sinks_seen(fact),
            Fact::Requeued(fact) => self.requeued(fact),
            Fact::Replayed(fact) => self.replayed(fact),
            Fact::Passed(fact) => self.passed(fact),
            Fact::Escalated(fact) => self.escalated(fact),
            Fact::Primed(fact) => self.primed(position, fact),
            Fact::Reassessed(fact) => self.reassessed(position, fact),
        }
    }

    fn received(
        &mut self,
        envelope: &Envelope<'_>,
        extraction: &Extraction,
        policy: &Policy,
    ) -> Result<(), StateError> {
        let listener = &envelope.message.origin.listener;
        for (name, by) in &extraction.counts {
            self.effects.count(listener, name, *by);
        }
        // An archive says nothing of how a feed is now.
        self.is_quiet = self.is_primed(envelope)?;
        if envelope.message.origin.peer != PEER {
            self.heard(envelope.message, extraction, policy)?;
        }
        let again = !extraction.patients.is_empty() && self.is_again(envelope.position)?;
        for part in &extraction.patients {
            self.part(envelope, part, again)?;
        }
        for event in &extraction.identity {
            self.identity(envelope, event)?;
        }
        // Only now: a withdrawal must see all that came with it in the message.
        let mut refusals = extraction.refusals.clone();
        for (part, occurrence) in extraction.patients.iter().zip(1..) {
            refusals.extend(self.check_withdrawals(envelope, part, occurrence)?);
        }
        for (refusal, number) in refusals.iter().zip(0..) {
            self.quarantine(envelope, extraction, refusal, number)?;
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
            self.effects.message(listener, outcome);
        }
        Ok(())
    }

    fn part(
        &mut self,
        envelope: &Envelope<'_>,
        part: &PatientPart,
        again: bool,
    ) -> Result<(), StateError> {
        let overlay = &mut self.overlay;
        // What a person has read again is decided about, also where it was known already.
        let mut is_new = again;
        for observation in &part.observations {
            is_new |= records::add_observation(overlay, observation)?;
            super::withdrawals::index_order(overlay, observation)?;
        }
        for withdrawal in &part.group_withdrawals {
            is_new |= records::add_group_withdrawal(overlay, &part.key, withdrawal)?;
        }
        for association in &part.associations {
            is_new |= records::add_association(overlay, &part.key, association)?;
        }
        if let Some(report) = &part.demographics {
            is_new |= records::add_demographics(overlay, &part.key, report)?;
        }
        // Of most patients only demographics are known: nothing is to be decided about them.
        if is_new && records::matters(overlay, &part.key)? {
            self.dirty(&part.key, envelope.news(), false)?;
        }
        Ok(())
    }

    /// Marks a patient as one about whom something is to be decided, for news of a fact and its time.
    pub(super) fn dirty(
        &mut self,
        patient: &PatientKey,
        news: (JournalPosition, Timestamp),
        identity: bool,
    ) -> Result<(), StateError> {
        self.mark(patient, news, identity, self.is_quiet)
    }

    /// As [`dirty`](Self::dirty); what is decided pages nobody where all news are quiet.
    pub(super) fn mark(
        &mut self,
        patient: &PatientKey,
        (position, at): (JournalPosition, Timestamp),
        identity: bool,
        quiet: bool,
    ) -> Result<(), StateError> {
        let key = keys::patient(keys::DIRTY, patient);
        let earlier: Option<DirtyMark> = self.overlay.load(tables::DIRTY, &key)?;
        let has_other_news = earlier.is_some() && !is_quiet(&self.overlay, patient)?;
        self.hush(patient, quiet, has_other_news)?;
        let mark = DirtyMark {
            position,
            at,
            identity: identity || earlier.is_some_and(|mark| mark.identity),
        };
        self.overlay.store(tables::DIRTY, key, &mark)?;
        self.effects.patients_touched = self.effects.patients_touched.saturating_add(1);
        Ok(())
    }

    fn quarantine(
        &mut self,
        envelope: &Envelope<'_>,
        extraction: &Extraction,
        refusal: &Refusal,
        number: u32,
    ) -> Result<(), StateError> {
        let Received {
            origin,
            received_at,
            ..
        } = envelope.message;
        self.put_in_quarantine(&QuarantineEntry {
            position: envelope.position,
            number,
            refusal: refusal.clone(),
            listener: origin.listener.clone(),
            peer: origin.peer.clone(),
            received_at: *received_at,
            control_id: extraction.control_id.clone(),
            feed: extraction.feed.clone(),
            message_type: extraction.message_type.clone(),
        })
    }

    fn refused(&mut self, position: JournalPosition, refused: &Refused) -> Result<(), StateError> {
        let refusal = Refusal {
            reason: refused.reason,
            place: Place {
                segment: "MSH".to_owned(),
                occurrence: 1,
                field: 0,
                name: "frame".to_owned(),
            },
            result: false,
            remedy: "look at the sender: what it sent is kept here as it came".to_owned(),
        };
        self.unread(position, refusal, &refused.origin, refused.received_at)
    }

    /// What a relay passed on without keeping it (WIRE P-6): the quarantine shows that it is missing.
    fn gap(&mut self, position: JournalPosition, gap: &Gap) -> Result<(), StateError> {
        let refusal = Refusal {
            reason: Reason::TapGap,
            place: Place {
                segment: "MSH".to_owned(),
                occurrence: 1,
                field: 10,
                name: "message control id".to_owned(),
            },
            result: false,
            remedy: "have the sender or its archive send these messages again".to_owned(),
        };
        self.unread(position, refusal, &gap.origin, gap.from)
    }

    /// Parts of messages whose rest did not come within a day (WIRE A-54).
    fn expire_parts(&mut self, now: Timestamp) -> Result<(), StateError> {
        if self.no_part_waits {
            return Ok(());
        }
        let (over, left) = continuation::expire(&mut self.overlay, now)?;
        self.no_part_waits = left == 0;
        for waiting in over {
            let refusal = Refusal {
                reason: Reason::Continuation,
                place: Place {
                    segment: "DSC".to_owned(),
                    occurrence: 1,
                    field: 1,
                    name: "continuation pointer".to_owned(),
                },
                result: false,
                remedy: "have the sender send all parts of the message again".to_owned(),
            };
            self.unread(waiting.position, refusal, &waiting.origin, waiting.since)?;
        }
        Ok(())
    }

    /// Quarantines what was not read as a message.
    fn unread(
        &mut self,
        position: JournalPosition,
        refusal: Refusal,
        origin: &Origin,
        received_at: Timestamp,
    ) -> Result<(), StateError> {
        self.put_in_quarantine(&QuarantineEntry {
            position,
            number: 0,
            refusal,
            listener: origin.listener.clone(),
            peer: origin.peer.clone(),
            received_at,
            control_id: String::new(),
            feed: String::new(),
            message_type: String::new(),
        })
    }

    fn put_in_quarantine(&mut self, entry: &QuarantineEntry) -> Result<(), StateError> {
        self.effects.refusal(entry.refusal.reason);
        let key = keys::quarantine(entry.position, entry.number);
        self.overlay.store(tables::QUARANTINE, key, entry)
    }

    /// What was decided is appended to the record that the episode is filed under and, as an alert,
    /// to the log of alerts; what it took into account is no longer open. An alert id counts once.
    fn decided(&mut self, decided: &Decided, policy: &Policy) -> Result<(), StateError> {
        let mut episodes = BTreeSet::new();
        for transition in &decided.transitions {
            let id = keys::named(keys::ALERT_IDS, &transition.alert_id.0);
            if self.overlay.get(&id)?.is_some() {
                continue;
            }
            let step = self.next(tables::META_LAST_STEP)?;
            let filed_under = &transition.filed_under;
            self.overlay
                .store(tables::RECORDS, keys::step(filed_under, step), transition)?;
            episodes.insert((filed_under, &transition.episode));
            // A silent reopening is a step of the episode, but nothing to tell.
            let place = match transition.kind {
                TransitionKind::Reopened => None,
                _ => Some(self.next(tables::META_LAST_ALERT)?),
            };
            self.overlay.store(tables::ALERT_IDS, id, &place)?;
            let Some(place) = place else { continue };
            let pointer = AlertPointer {
                filed_under: filed_under.clone(),
                step,
            };
            self.overlay
                .store(tables::ALERTS, keys::alert(place), &pointer)?;
            self.note_page(place, transition)?;
            self.effects.new_alerts.push(NewAlert {
                place,
                alert_id: transition.alert_id.clone(),
                kind: transition.kind,
                severity: transition.severity,
                delivery: transition.delivery,
            });
        }
        let about = marks(&self.overlay, decided.through)?;
        for (patient, _) in &about {
            self.overlay.delete(keys::patient(keys::DIRTY, patient));
            self.overlay.delete(keys::patient(keys::QUIET, patient));
        }
        for (filed_under, episode) in episodes {
            self.list_episode(filed_under, episode)?;
        }
        self.list_reviews(&about, decided.decided_at, policy)?;
        self.acks_told(decided.through)
    }

    /// Counts one further, from 1.
    fn next(&mut self, counter: &str) -> Result<u64, StateError> {
        let key = keys::named(keys::META, counter);
        let last: Option<u64> = self.overlay.load(tables::META, &key)?;
        let next = last.unwrap_or_default().saturating_add(1);
        self.overlay.store(tables::META, key, &next)?;
        Ok(next)
    }
}

/// The newest of two marks decides the time.
pub(super) fn newest(
    marks: impl Iterator<Item = DirtyMark>,
) -> Option<(JournalPosition, Timestamp)> {
    marks.map(|mark| (mark.position, mark.at)).max()
}

#[cfg(test)]
mod tests;
