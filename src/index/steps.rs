//! What facts mean for the index.

use super::Index;
use super::row::{Entry, refused, seen_again};
use crate::core::episode::Delivery;
use crate::core::fact::{Fact, JournalPosition, Origin};
use crate::core::time::Timestamp;
use std::io;

/// What one fact means for the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A message, or a frame that was none.
    Message(Entry),
    /// Another copy of a message.
    Again {
        position: JournalPosition,
        first: JournalPosition,
        origin: Origin,
        at: Timestamp,
    },
    /// Messages that pages rest on.
    Paged(Vec<JournalPosition>),
}

/// Of any fact but a message, which has to be read for it.
pub(super) fn of_fact(position: JournalPosition, fact: &Fact) -> Option<Step> {
    match fact {
        Fact::Refused(one) => Some(Step::Message(refused(position, one))),
        Fact::SeenAgain {
            first,
            origin,
            received_at,
        } => Some(Step::Again {
            position,
            first: *first,
            origin: origin.clone(),
            at: *received_at,
        }),
        Fact::Decided(decided) => {
            let pages = decided.transitions.iter();
            let pages = pages.filter(|step| step.delivery == Delivery::Page);
            let paged: Vec<_> = pages.map(|step| step.evidence_through).collect();
            (!paged.is_empty()).then_some(Step::Paged(paged))
        }
        _ => None,
    }
}

impl Index {
    /// Takes what facts mean that follow what is indexed, up to `through`.
    ///
    /// # Errors
    /// A block cannot be read or written; what was written stands.
    pub(super) fn take(&self, steps: Vec<Step>, through: JournalPosition) -> io::Result<()> {
        let mut entries: Vec<Entry> = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                Step::Message(entry) => entries.push(entry),
                Step::Again {
                    position,
                    first,
                    origin,
                    at,
                } => {
                    let known = entries
                        .iter()
                        .find(|entry| entry.position == first)
                        .cloned();
                    let known = match known {
                        Some(known) => Some(known),
                        None => self.entry(first)?,
                    };
                    entries.push(seen_again(position, &origin, at, known));
                }
                Step::Paged(positions) => self.note_paged(positions),
            }
        }
        self.add(entries, through)
    }
}
