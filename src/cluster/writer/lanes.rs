//! What cannot go all at once: each fact of such a group waits for the one before it.

use super::Writer;
use super::pending::{ARCHIVE, AUDIT, FREE, HOLDER, Item, Pending};
use crate::clock;
use crate::cluster::link::{Expects, LinkError};
use crate::cluster::message::Going;

/// What must stand side by side is tried so often between what others store.
const TRIES: u32 = 1_000;

impl Writer {
    pub(super) async fn store_in_turn(&mut self, one: &mut Pending) -> Result<(), LinkError> {
        if one.void {
            return Ok(());
        }
        match one.lane {
            HOLDER => self.store_held(one).await,
            ARCHIVE => self.store_archive(one).await,
            AUDIT => self.store_linked(one).await,
            _ => self.store_side_by_side(one).await,
        }
    }

    /// What only the holder may store: each expects the one before it on its subject.
    async fn store_held(&mut self, one: &mut Pending) -> Result<(), LinkError> {
        let Some(hold) = one.group.hold else {
            return Ok(());
        };
        for item in one.items.iter_mut().filter(|item| item.done.is_none()) {
            let last = self.right.last(hold.epoch);
            let (Some(last), Some(going)) = (last, item.going.clone()) else {
                one.void = true;
                return Ok(());
            };
            match self
                .publish_one(HOLDER, Expects::OnSubject(last), item, &going)
                .await
            {
                Ok(sequence) => self.right.stored(hold.epoch, sequence),
                Err(LinkError::Overtaken) => {
                    self.right.lose(hold.epoch);
                    one.void = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The audit: an entry that is linked to another one than the newest is not stored.
    async fn store_linked(&mut self, one: &mut Pending) -> Result<(), LinkError> {
        let mut last = one.group.after.map_or(0, |after| after.0);
        for item in &mut one.items {
            if let Some(done) = item.done {
                last = done.position.0;
                continue;
            }
            let Some(going) = item.going.clone() else {
                continue;
            };
            match self
                .publish_one(AUDIT, Expects::OnSubject(last), item, &going)
                .await
            {
                Ok(sequence) => last = sequence,
                Err(LinkError::Overtaken) => {
                    one.void = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Messages of an archive: nobody else's may come between them and the fact that says what they are.
    async fn store_archive(&mut self, one: &mut Pending) -> Result<(), LinkError> {
        let mut last = match self.archive_at {
            Some(last) => last,
            None => self.link.newest(ARCHIVE).await?.0,
        };
        self.archive_at = None;
        let mut number = 0;
        while let Some(item) = one.items.get_mut(number) {
            if item.done.is_some() {
                number += 1;
                continue;
            }
            if item.going.is_none() {
                // Another copy of it was on its way before; by now that is known.
                self.look_at(item, None);
            }
            let Some(going) = item.going.clone() else {
                break;
            };
            match self
                .publish_one(ARCHIVE, Expects::OnSubject(last), item, &going)
                .await
            {
                // One that was known already is at another place.
                Ok(sequence) if item.done.is_some() && sequence > last => last = sequence,
                Ok(_) => {}
                Err(LinkError::Overtaken) => {
                    last = self.link.newest(ARCHIVE).await?.0;
                    let from = self.next_from();
                    if let Some(first) = one.items.first_mut().filter(|_| number > 0) {
                        first.done = None;
                        if let Some(going) = &mut first.going {
                            (going.id, going.from) = (from.clone(), from);
                        }
                        number = 0;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.archive_at = Some(last);
        Ok(())
    }

    /// Facts of which each has to stand right behind the one before.
    async fn store_side_by_side(&mut self, one: &mut Pending) -> Result<(), LinkError> {
        for _ in 0..TRIES {
            let mut last = None;
            let mut torn = false;
            for item in &mut one.items {
                if let Some(done) = item.done {
                    last = Some(done.position.0);
                    continue;
                }
                let Some(going) = item.going.clone() else {
                    continue;
                };
                let expects = last.map_or(Expects::Nothing, Expects::InStream);
                match self.publish_one(FREE, expects, item, &going).await {
                    Ok(sequence) => last = Some(sequence),
                    Err(LinkError::Overtaken) => {
                        torn = true;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            if !torn {
                return Ok(());
            }
            for item in &mut one.items {
                item.done = None;
                self.look_at(item, None);
            }
        }
        one.void = true;
        Ok(())
    }

    async fn publish_one(
        &mut self,
        lane: &str,
        expects: Expects,
        item: &mut Item,
        going: &Going,
    ) -> Result<u64, LinkError> {
        item.tried.get_or_insert_with(clock::monotonic);
        let ack = self.link.publish(lane, expects, going).await?;
        self.settle(item, ack).await
    }
}
