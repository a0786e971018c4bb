//! The right to decide, as the writer knows it: which epoch, and the message that the next one has to follow.

use crate::journal::Inlet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What the writer knows of the right to decide.
pub(super) struct Right {
    /// This start of this instance.
    pub(super) instance: String,
    pub(super) chain: Mutex<Option<Chain>>,
    pub(super) inlet: Inlet,
    pub(super) lost: Notify,
}

#[derive(Clone, Copy)]
pub(super) struct Chain {
    pub(super) epoch: u64,
    /// The newest message on the holder's subject.
    pub(super) last: u64,
}

impl Right {
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn chain(&self) -> MutexGuard<'_, Option<Chain>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next message of this epoch has to follow; `None` where the epoch is over.
    pub(super) fn last(&self, epoch: u64) -> Option<u64> {
        let chain = self.chain();
        chain
            .filter(|chain| chain.epoch == epoch)
            .map(|chain| chain.last)
    }

    pub(super) fn stored(&self, epoch: u64, sequence: u64) {
        if let Some(chain) = self.chain().as_mut().filter(|chain| chain.epoch == epoch) {
            chain.last = chain.last.max(sequence);
        }
    }

    /// Somebody else has it.
    pub(super) fn lose(&self, epoch: u64) {
        let mut chain = self.chain();
        if chain.is_some_and(|chain| chain.epoch == epoch) {
            *chain = None;
            self.inlet.set_hold(None);
            self.lost.notify_one();
        }
    }

    pub(super) fn end(&self) {
        *self.chain() = None;
        self.inlet.set_hold(None);
    }
}
