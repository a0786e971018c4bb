//! What the fold has read, on its way to the index: where the index is close behind, it reads no message itself.
//!
//! It is a short cut and no more. What does not come this way, because there is too much of it, because it was folded
//! before the index began, or because a message came in parts, the index reads from the journal.

use super::Index;
use super::row::{self, Entry};
use super::steps::{Step, of_fact};
use crate::core::extract::Extraction;
use crate::core::fact::{Fact, JournalPosition, Received};
use crate::engine::Told;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Messages that wait for the index at most, some hundreds of bytes each.
const MOST: usize = 16_384;

/// From the fold to the index; clones share it.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    index: Index,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Of the batch that is being folded.
    read: VecDeque<Entry>,
    /// Batches in the state, in the order of their positions.
    ready: VecDeque<Batch>,
    /// Messages in them.
    messages: usize,
    /// There is no room, or the index has all of this: nothing is kept of this batch.
    passed: bool,
}

/// What facts say that follow each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    after: JournalPosition,
    pub(super) through: JournalPosition,
    pub(super) steps: Vec<Step>,
}

impl Feed {
    /// One for an index.
    pub fn new(index: Index) -> Self {
        Self(Arc::new(Inner {
            index,
            waiting: Mutex::default(),
        }))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        let waiting = self.0.waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }

    /// The batch that begins where the index stands; else where the first one begins that may be used later.
    pub(super) fn next(&self, indexed: JournalPosition) -> Result<Batch, Option<JournalPosition>> {
        let mut waiting = self.waiting();
        while let Some(first) = waiting.ready.front() {
            if first.after > indexed {
                return Err(Some(first.after));
            }
            let fits = first.after == indexed;
            let Some(first) = waiting.ready.pop_front() else {
                break;
            };
            waiting.messages = waiting.messages.saturating_sub(first.steps.len());
            if fits {
                return Ok(first);
            }
        }
        Err(None)
    }
}

impl Told for Feed {
    fn message(&self, position: JournalPosition, received: &Received, extraction: &Extraction) {
        let mut waiting = self.waiting();
        if !waiting.passed {
            let entry = row::read(position, received, extraction);
            waiting.read.push_back(entry);
        }
    }

    fn folded(&self, after: JournalPosition, facts: &[(JournalPosition, Fact)]) {
        let indexed = self.0.index.through();
        let mut waiting = self.waiting();
        let mut read = std::mem::take(&mut waiting.read);
        let was_passed = waiting.passed;
        let Some((through, _)) = facts.last() else {
            return;
        };
        let mut of_message = |position: JournalPosition| {
            // What was read for a batch that was not stored comes before.
            while read.front().is_some_and(|entry| entry.position < position) {
                read.pop_front();
            }
            read.pop_front().filter(|entry| entry.position == position)
        };
        let mut steps = Vec::with_capacity(facts.len());
        let mut is_whole = !was_passed && after >= indexed;
        for (position, fact) in facts {
            match fact {
                Fact::Received(_) => match of_message(*position) {
                    Some(entry) => steps.push(Step::Message(entry)),
                    None => is_whole = false,
                },
                other => steps.extend(of_fact(*position, other)),
            }
        }
        if is_whole {
            waiting.messages = waiting.messages.saturating_add(steps.len());
            waiting.ready.push_back(Batch {
                after,
                through: *through,
                steps,
            });
        }
        waiting.passed = waiting.messages >= MOST || *through < indexed;
    }
}

#[cfg(test)]
mod tests;
