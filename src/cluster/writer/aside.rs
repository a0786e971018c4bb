//! What is kept aside while JetStream does not answer, and how it comes into the stream afterwards.

use super::pending::{FREE, Pending};
use super::{Failing, Writer};
use crate::cluster::link::LinkError;
use crate::cluster::spool::{SpoolError, Spooling};
use crate::core::fact::JournalPosition;
use crate::journal::{Encoded, Group, Stored, kind};
use std::collections::VecDeque;

impl Writer {
    /// Keeps aside what listeners received: while nothing can be stored, and while what was received before is
    /// still to be.
    pub(super) async fn set_aside(&mut self, failing: Option<&Failing>) {
        if !self.spool.wanted || failing.is_none() && self.spool.is_empty() {
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        let kept = self.keep(&mut pending).await;
        self.answer(pending);
        let Some(failing) = failing else { return };
        match kept {
            Ok(()) => self.inlet.aside(failing.since),
            Err(error) => {
                (self.spool.tell)(Spooling::Damaged(error.to_string()));
                self.inlet.failing(failing.since, "stream");
            }
        }
    }

    async fn keep(&mut self, pending: &mut VecDeque<Pending>) -> Result<(), SpoolError> {
        let received = pending
            .iter_mut()
            .filter(|one| one.group.received && one.lane == FREE);
        let mut items: Vec<_> = received
            .flat_map(|one| &mut one.items)
            .filter(|item| item.done.is_none())
            .collect();
        if items.is_empty() {
            return Ok(());
        }
        let facts: Vec<Encoded> = items.iter().map(|item| item.encoded.clone()).collect();
        let kept = self.spool.keep(facts).await?;
        for (item, stored) in items.iter_mut().zip(kept) {
            item.done = Some(stored);
        }
        Ok(())
    }

    /// Puts some of what was kept aside into the stream.
    pub(super) async fn forward(&mut self) -> Result<(), LinkError> {
        let away = |error: SpoolError| LinkError::away(error);
        if self.spool.is_empty() {
            return Ok(());
        }
        if self.forwarding.is_none() {
            let mut positions = Vec::new();
            let mut queued = Vec::new();
            for kept in self.spool.next().map_err(away)? {
                positions.push(kept.position);
                queued.push(kept.queued);
            }
            let group =
                Group::unanswered(queued).ok_or_else(|| LinkError::away("it cannot be queued"))?;
            self.forwarding = Some((positions, VecDeque::from([Pending::of(group)])));
        }
        let Some((positions, mut pending)) = self.forwarding.take() else {
            return Ok(());
        };
        let stored = async {
            // An earlier run may have got as far as that.
            self.recall(&mut pending, |_| true).await?;
            self.store(&mut pending).await
        };
        let stored = stored.await;
        let items = pending.iter().flat_map(|one| &one.items);
        let places: Option<Vec<(JournalPosition, JournalPosition)>> = positions
            .iter()
            .zip(items)
            .map(|(from, item)| Some((*from, item.done?.position)))
            .collect();
        match (stored, places) {
            (Ok(()), Some(places)) => {
                self.spool.forwarded(&places).map_err(away)?;
                if self.spool.is_empty() {
                    (self.spool.tell)(Spooling::Emptied);
                }
                Ok(())
            }
            // The copy of one that is on its way with it goes next.
            (stored, _) => {
                self.forwarding = Some((positions, pending));
                stored
            }
        }
    }

    /// Answers of laboratory systems to what was kept aside say where that stands now.
    pub(super) fn resolve(&self, pending: &mut VecDeque<Pending>) {
        let received = pending.iter_mut().filter(|one| one.group.received);
        let items = received.flat_map(|one| &mut one.items);
        for item in items.filter(|item| item.encoded.kind == kind::LIS_ANSWERED) {
            if item.going.is_none() && !self.spool.resolve(&mut item.encoded) {
                (self.spool.tell)(Spooling::Unrelated);
                item.done = Some(Stored {
                    position: JournalPosition::START,
                    duplicate_of: None,
                    control_id_reused: false,
                });
            }
        }
    }
}
