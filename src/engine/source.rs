//! Facts for the fold, with what was read of their messages.
//!
//! Reading a message costs more than folding what it says, and needs nothing but the message. So where
//! much is to be folded, another thread reads ahead: journal and messages there, the fold here.

use super::batch::read_batch;
use super::folder::extract_caught;
use super::told::Told;
use crate::core::extract::Extraction;
use crate::core::fact::{Fact, JournalPosition, Received};
use crate::core::policy::Policy;
use crate::journal::{ReadError, Reader};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

/// Reading ahead begins where so many positions are to be read; fewer are read before a thread is.
const FAR: u64 = 4_096;
/// Batches that wait to be folded at most; each holds at most 8 MiB of messages, or one larger one.
const AHEAD: usize = 2;

/// Told of damage that is met.
pub(crate) type OnDamage = Arc<dyn Fn(&ReadError) + Send + Sync>;

/// A batch of facts.
#[derive(Default)]
pub(crate) struct Facts {
    /// In journal order.
    pub facts: Vec<(JournalPosition, Fact)>,
    /// What was read of each, where it was read ahead and not taken yet.
    read: RefCell<Vec<Option<Extraction>>>,
}

impl Facts {
    fn new(facts: Vec<(JournalPosition, Fact)>) -> Self {
        Self {
            facts,
            read: RefCell::default(),
        }
    }

    fn read_ahead(self, policy: &Policy) -> Self {
        let read = self.facts.iter().map(|(position, fact)| match fact {
            Fact::Received(received) => Some(extract_caught(received, *position, policy)),
            _ => None,
        });
        *self.read.borrow_mut() = read.collect();
        self
    }

    /// What the message says: read ahead, or now. `told` hears of it, but where it was joined of parts, which is none
    /// of those read.
    pub(crate) fn extract(
        &self,
        received: &Received,
        position: JournalPosition,
        policy: &Policy,
        told: Option<&dyn Told>,
    ) -> Extraction {
        let place = self.facts.binary_search_by_key(&position, |(at, _)| *at);
        let place = place.ok().filter(|place| {
            let fact = self.facts.get(*place).map(|(_, fact)| fact);
            matches!(fact, Some(Fact::Received(one)) if std::ptr::eq(one, received))
        });
        let ahead = place.and_then(|place| self.read.borrow_mut().get_mut(place)?.take());
        let extraction = ahead.unwrap_or_else(|| extract_caught(received, position, policy));
        if let Some(told) = told.filter(|_| place.is_some()) {
            told.message(position, received, &extraction);
        }
        extraction
    }
}

/// Where the fold gets its facts from.
pub(crate) struct Source {
    policy: Arc<Policy>,
    on_damage: OnDamage,
    reader: Reader,
    ahead: Option<(Receiver<Result<Facts, ReadError>>, JournalPosition)>,
    /// No thread reads ahead any more: one has failed, or could not be started.
    alone: bool,
}

impl Source {
    /// Facts that a reader gives.
    pub(crate) fn new(reader: Reader, policy: Arc<Policy>, on_damage: OnDamage) -> Self {
        Self {
            policy,
            on_damage,
            reader,
            ahead: None,
            alone: false,
        }
    }

    /// The next facts behind `at`, where the last ones ended, up to `through`; none at its end.
    ///
    /// # Errors
    /// A fact that is not understood, or a disk that does not read; it must not be used after that.
    pub(crate) fn next(
        &mut self,
        at: JournalPosition,
        through: JournalPosition,
    ) -> Result<Facts, ReadError> {
        if self.ahead.is_none() && !self.alone && through.0.saturating_sub(at.0) > FAR {
            self.ahead = self.read_ahead(through);
            self.alone = self.ahead.is_none();
        }
        if let Some((batches, end)) = &self.ahead {
            match batches.recv() {
                Ok(Ok(batch)) if batch.facts.is_empty() => self.reader = self.reader.at(*end),
                Ok(batch) => return batch,
                Err(_) => {
                    self.reader = self.reader.at(at);
                    self.alone = true;
                }
            }
            self.ahead = None;
        }
        let facts = read_batch(&mut self.reader, through, |error| (self.on_damage)(error));
        facts.map(Facts::new)
    }

    /// Has another thread read up to `through`; it ends early once nobody wants its batches.
    fn read_ahead(
        &self,
        through: JournalPosition,
    ) -> Option<(Receiver<Result<Facts, ReadError>>, JournalPosition)> {
        let (give, batches) = mpsc::sync_channel(AHEAD);
        let mut reader = self.reader.at(self.reader.position());
        let (policy, on_damage) = (Arc::clone(&self.policy), Arc::clone(&self.on_damage));
        let thread = std::thread::Builder::new().name("fold-ahead".to_owned());
        let begun = thread.spawn(move || {
            loop {
                let facts = read_batch(&mut reader, through, |error| on_damage(error));
                let batch = facts.map(|facts| Facts::new(facts).read_ahead(&policy));
                let is_last = batch.as_ref().map_or(true, |batch| batch.facts.is_empty());
                if give.send(batch).is_err() || is_last {
                    return;
                }
            }
        });
        begun.ok().map(|_| (batches, through))
    }
}
