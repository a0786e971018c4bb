//! The one thread that stores: take what is queued, publish all of it, await all acknowledgements, answer all.
//!
//! It never ends by an error (WIRE A-70). What was not acknowledged is published again with the same id, at once
//! the first time and then every `retry`.

mod aside;
mod lanes;
mod pending;

pub(super) use pending::HOLDER;

use super::link::{Ack, Acknowledging, DUPLICATES_FOR, Expects, Link, LinkError};
use super::message::Going;
use super::right::Right;
use super::spool::{Spool, Spooling};
use super::tail::Tail;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::journal::{
    Encoded, Inlet, KnownBy, Options, Preview, Record, Stored, Storing, Verdict, seen_again,
};
use crate::pulse::Pulse;
use pending::{FREE, Item, Pending};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long the follower is waited for before that counts as trouble.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(2);
/// While things are kept aside, whether JetStream answers is looked at so often.
const ASIDE_EVERY: Duration = Duration::from_millis(50);
/// Between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) struct Writer {
    link: Arc<Link>,
    tail: Arc<Tail>,
    inlet: Inlet,
    right: Arc<Right>,
    retry: Duration,
    on_sync: Option<Arc<dyn Fn(Duration) + Send + Sync>>,
    pulse: Pulse,
    runtime: Handle,
    pending: VecDeque<Pending>,
    /// Of this start of this instance.
    from: String,
    number: u64,
    archive_at: Option<u64>,
    spool: Spool,
    /// What of the spool is on its way, and where each fact stood there.
    forwarding: Option<(Vec<JournalPosition>, VecDeque<Pending>)>,
}

/// Since when nothing can be stored, and when that is tried again.
struct Failing {
    since: Instant,
    retry_at: Instant,
    probe: Option<JoinHandle<bool>>,
}

impl Writer {
    pub(super) fn new(
        link: Arc<Link>,
        tail: Arc<Tail>,
        inlet: Inlet,
        right: Arc<Right>,
        options: &Options,
        spool: Spool,
        runtime: Handle,
    ) -> Self {
        let from = right.instance().to_owned();
        Self {
            link,
            tail,
            inlet,
            right,
            retry: options.retry,
            on_sync: options.on_sync.clone(),
            pulse: options.pulse.clone(),
            runtime,
            pending: VecDeque::new(),
            from,
            number: 0,
            archive_at: None,
            spool,
            forwarding: None,
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let runtime = self.runtime.clone();
        let mut failing: Option<Failing> = None;
        loop {
            self.pulse.beat();
            let ending = self.take(failing.as_ref());
            let outside = self.pulse.clone();
            let outside = outside.outside();
            runtime.block_on(self.set_aside(failing.as_ref()));
            let mut attempted = None;
            if failing.as_mut().is_none_or(|failing| self.may_try(failing)) {
                attempted = Some(runtime.block_on(self.attempt(failing.is_some())));
            }
            drop(outside);
            match attempted {
                Some(Ok(())) => {
                    if failing.take().is_some() {
                        self.inlet.storing(Storing::Good);
                        continue;
                    }
                    if ending && self.pending.is_empty() && self.spool.is_empty() {
                        break;
                    }
                }
                Some(Err(error)) => {
                    if ending && failing.is_some() {
                        break;
                    }
                    failing = Some(self.failed(failing, &error));
                }
                None if ending => break,
                None => {}
            }
        }
        self.inlet.close();
        self.spool.close();
        self.pending.clear();
        self.inlet.clear();
    }

    /// Takes up what is queued, or waits until there is something to do. Whether the queue is closed and empty.
    fn take(&mut self, failing: Option<&Failing>) -> bool {
        let patience = match failing {
            None if self.pending.is_empty() && self.spool.is_empty() => self.retry,
            None => Duration::ZERO,
            Some(_) if self.spool.wanted => ASIDE_EVERY,
            Some(failing) => {
                let left = failing
                    .retry_at
                    .saturating_duration_since(clock::monotonic());
                let ending = self.inlet.rest(left);
                self.drop_abandoned();
                self.inlet.drop_abandoned();
                return ending;
            }
        };
        let mut taken = VecDeque::new();
        let ending = self.inlet.take(patience, &mut taken);
        self.pending.extend(taken.into_iter().map(Pending::of));
        if failing.is_some() {
            self.drop_abandoned();
        }
        ending
    }

    fn drop_abandoned(&mut self) {
        self.pending.retain(|one| !one.group.answer.is_closed());
    }

    fn failed(&mut self, failing: Option<Failing>, error: &LinkError) -> Failing {
        let now = clock::monotonic();
        let patience = failing.as_ref().map_or(Duration::ZERO, |_| self.retry);
        let since = failing.map_or(now, |failing| failing.since);
        if self.spool.wanted {
            self.inlet.aside(since);
            if since == now {
                (self.spool.tell)(Spooling::Begun(error.to_string()));
            }
        } else {
            self.inlet.failing(since, "stream");
        }
        Failing {
            since,
            retry_at: now + patience,
            probe: None,
        }
    }

    /// Whether it is time to try again. Who keeps things aside does not wait for JetStream: it is asked aside, too.
    fn may_try(&self, failing: &mut Failing) -> bool {
        if !self.spool.wanted {
            return true;
        }
        match &failing.probe {
            None if clock::monotonic() < failing.retry_at => false,
            None => {
                let link = Arc::clone(&self.link);
                let probe = async move { link.ends().await.is_ok() };
                failing.probe = Some(self.runtime.spawn(probe));
                false
            }
            Some(probe) if !probe.is_finished() => false,
            Some(_) => {
                let probe = failing.probe.take();
                let answered = probe.map(|probe| self.runtime.block_on(probe));
                failing.retry_at = clock::monotonic() + self.retry;
                matches!(answered, Some(Ok(true)))
            }
        }
    }

    /// Stores what is pending; a probe asks the stream even with nothing pending.
    async fn attempt(&mut self, probe: bool) -> Result<(), LinkError> {
        if self.pending.is_empty() && self.spool.is_empty() {
            return match probe {
                true => self.link.ends().await.map(drop),
                false => Ok(()),
            };
        }
        self.be_fresh().await?;
        self.forward().await?;
        let begun = clock::monotonic();
        let mut pending = std::mem::take(&mut self.pending);
        self.resolve(&mut pending);
        let stored = self.store(&mut pending).await;
        self.answer(pending);
        stored?;
        if let Some(on_sync) = &self.on_sync {
            on_sync(begun.elapsed());
        }
        Ok(())
    }

    /// Copies of what was stored longer ago than JetStream itself knows are known here only while the stream is
    /// followed.
    async fn be_fresh(&self) -> Result<(), LinkError> {
        let until = clock::monotonic() + FOLLOWED_WITHIN;
        loop {
            let fresh = self.tail.fresh();
            if fresh.is_some_and(|at| at.elapsed() < DUPLICATES_FOR / 2) {
                return Ok(());
            }
            if clock::monotonic() >= until {
                return Err(LinkError::away("it is not followed to its end yet"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn store(&mut self, pending: &mut VecDeque<Pending>) -> Result<(), LinkError> {
        self.recall(pending, Item::is_old).await?;
        self.render(pending);
        let mut handed = Vec::new();
        let mut failed = None;
        let free = pending.iter_mut().enumerate();
        for (place, one) in free.filter(|(_, one)| one.lane == FREE) {
            for (number, item) in one.items.iter_mut().enumerate() {
                let Some(going) = item.going.as_ref().filter(|_| item.done.is_none()) else {
                    continue;
                };
                item.tried.get_or_insert_with(clock::monotonic);
                match self.link.publish(FREE, Expects::Nothing, going).await {
                    Ok(ack) => handed.push((place, number, ack)),
                    Err(error) => failed = Some(error),
                }
            }
        }
        for (place, number, ack) in handed {
            let item = pending
                .get_mut(place)
                .and_then(|one| one.items.get_mut(number));
            let Some(item) = item else { continue };
            if let Err(error) = self.settle(item, ack).await {
                failed = Some(error);
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        for one in pending.iter_mut().filter(|one| one.lane != FREE) {
            self.store_in_turn(one).await?;
        }
        Ok(())
    }

    /// Finds those messages in the stream that were stored although nobody knows of it: tried so long ago that
    /// JetStream does not know their ids any more, or by an earlier run.
    async fn recall(
        &mut self,
        pending: &mut VecDeque<Pending>,
        doubted: fn(&Item) -> bool,
    ) -> Result<(), LinkError> {
        let items = pending.iter_mut().flat_map(|one| &mut one.items);
        for item in items.filter(|item| item.done.is_none() && doubted(item)) {
            let Some(known) = &item.known_by else {
                continue;
            };
            let Some(first) = self.verdict(known).duplicate_of else {
                continue;
            };
            let there = self.link.get(first.0).await?;
            // Of the same receipt: another copy of it came at another time, or to another instance.
            if there.is_some_and(|there| there.record.meta == item.encoded.meta) {
                item.done = Some(Stored {
                    position: first,
                    duplicate_of: None,
                    control_id_reused: item.control_id_reused,
                });
            }
        }
        Ok(())
    }

    /// What is known of copies of a message.
    fn verdict(&self, known: &KnownBy) -> Verdict {
        let look_up =
            |index: &_| Preview::new(index).look_up(&known.fingerprint, known.received_at);
        self.tail.ask(look_up).unwrap_or_default()
    }

    /// What each fact is published as: a message that is known already as "seen again". One whose other copy is
    /// on its way with it waits for that.
    fn render(&mut self, pending: &mut VecDeque<Pending>) {
        let mut on_their_way = HashSet::new();
        let mut controls = HashSet::new();
        for one in pending.iter_mut() {
            for item in &mut one.items {
                if item.done.is_some() {
                    continue;
                }
                let content = item
                    .known_by
                    .as_ref()
                    .map(|known| known.fingerprint.content);
                if let Some(content) = content
                    && !on_their_way.insert(content)
                {
                    item.going = None;
                    continue;
                }
                if item.going.is_some() && !item.is_old() {
                    continue;
                }
                self.look_at(item, one.group.hold.map(|hold| hold.epoch));
                let control = item
                    .known_by
                    .as_ref()
                    .and_then(|known| known.fingerprint.control);
                if let Some(control) = control.filter(|_| item.duplicate_of.is_none()) {
                    item.control_id_reused |= !controls.insert(control);
                }
            }
        }
    }

    fn look_at(&mut self, item: &mut Item, epoch: Option<u64>) {
        let from = self.next_from();
        let mut encoded = item.encoded.clone();
        let mut id = from.clone();
        if let Some(known) = &item.known_by {
            let verdict = self.verdict(known);
            item.duplicate_of = verdict.duplicate_of;
            item.control_id_reused = verdict.control_id_reused;
            match verdict.duplicate_of {
                Some(first) => {
                    if let Ok(again) = seen_again(known, first) {
                        encoded = again;
                    }
                }
                None => id = format!("m{:032x}", known.fingerprint.content),
            }
        }
        item.tried = None;
        item.going = Some(Going {
            encoded,
            id,
            from,
            epoch,
        });
    }

    fn next_from(&mut self) -> String {
        self.number += 1;
        format!("{}.{}", self.from, self.number)
    }

    /// Awaits an acknowledgement and takes note of what it says.
    async fn settle(&mut self, item: &mut Item, ack: Acknowledging) -> Result<u64, LinkError> {
        let ack = ack.done().await?;
        self.believe(item, ack).await
    }

    async fn believe(&mut self, item: &mut Item, ack: Ack) -> Result<u64, LinkError> {
        let Some(going) = &item.going else {
            return Ok(ack.sequence);
        };
        let position = JournalPosition(ack.sequence);
        if ack.duplicate {
            let there = self.link.get(ack.sequence).await?;
            let there = there.filter(|there| there.id == going.id);
            let Some(there) = there else {
                return Err(LinkError::away("it was acknowledged as another message"));
            };
            let is_the_same_receipt = there.record.meta == going.encoded.meta;
            if there.from != going.from && !is_the_same_receipt {
                // Another instance was given a copy of it and was faster.
                let Some(known) = &item.known_by else {
                    return Err(LinkError::away("its id was given twice"));
                };
                let again = seen_again(known, position)
                    .map_err(|_| LinkError::away("it cannot be encoded"))?;
                let from = self.next_from();
                item.duplicate_of = Some(position);
                item.control_id_reused = false;
                item.going = Some(Going {
                    encoded: again,
                    id: from.clone(),
                    from,
                    epoch: None,
                });
                return Ok(ack.sequence);
            }
        }
        let Encoded {
            kind, version, raw, ..
        } = &going.encoded;
        let record = Record {
            position,
            kind: *kind,
            version: *version,
            meta: going.encoded.meta.clone().into(),
            raw: raw.clone(),
        };
        self.inlet.stored(1, going.encoded.payload());
        self.tail.stored(record);
        self.inlet.synced(position);
        item.done = Some(Stored {
            position,
            duplicate_of: item.duplicate_of,
            control_id_reused: item.control_id_reused,
        });
        Ok(ack.sequence)
    }

    /// Answers the groups that are stored whole; the others stay.
    fn answer(&mut self, pending: VecDeque<Pending>) {
        for one in pending {
            let stored: Option<Vec<Stored>> = one.items.iter().map(|item| item.done).collect();
            match stored {
                _ if one.void => {}
                Some(stored) => {
                    drop(one.group.slots);
                    let _ = one.group.answer.send(stored);
                }
                None => self.pending.push_back(one),
            }
        }
    }
}
