//! The one thread that stores: take what is queued, publish all of it, await all acknowledgements, answer all.
//!
//! It never ends by an error (WIRE A-70). What was not acknowledged is published again with the same id, at once
//! the first time and then every `retry`.

use super::lease::Right;
use super::link::{Ack, Acknowledging, DUPLICATES_FOR, Expects, Link, LinkError};
use super::message::Going;
use super::tail::Tail;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::core::lookback::Primed;
use crate::journal::{
    Encoded, Group, Inlet, KnownBy, Options, Preview, Queued, Record, Stored, Storing, kind,
    seen_again,
};
use crate::pulse::Pulse;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long the follower is waited for before that counts as trouble.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What must stand side by side is tried so often between what others store.
const TRIES: u32 = 1_000;

/// The subjects of facts. All but the first are published one by one.
const FREE: &str = "fact";
/// What decides and delivers.
pub(super) const HOLDER: &str = "holder";
/// What was brought in from archives.
const ARCHIVE: &str = "archive";
/// The audit, each entry behind the one that it is linked to.
const AUDIT: &str = "audit";

/// A fact on its way.
struct Item {
    /// As it goes; `None` until it was looked at, or where it must be looked at again.
    going: Option<Going>,
    encoded: Encoded,
    known_by: Option<KnownBy>,
    duplicate_of: Option<JournalPosition>,
    control_id_reused: bool,
    tried: Option<Instant>,
    done: Option<Stored>,
}

/// A group on its way.
struct Pending {
    group: Group,
    items: Vec<Item>,
    lane: &'static str,
    /// It can no longer be stored, and nobody is to be answered.
    void: bool,
}

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
}

impl Writer {
    pub(super) fn new(
        link: Arc<Link>,
        tail: Arc<Tail>,
        inlet: Inlet,
        right: Arc<Right>,
        options: &Options,
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
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let runtime = self.runtime.clone();
        let mut failing: Option<(Instant, Instant)> = None;
        loop {
            self.pulse.beat();
            let ending = match failing {
                None => {
                    let mut taken = VecDeque::new();
                    let patience = match self.pending.is_empty() {
                        true => self.retry,
                        false => Duration::ZERO,
                    };
                    let ending = self.inlet.take(patience, &mut taken);
                    self.pending.extend(taken.into_iter().map(Pending::of));
                    ending
                }
                Some((_, retry_at)) => {
                    let left = retry_at.saturating_duration_since(clock::monotonic());
                    let ending = self.inlet.rest(left);
                    self.pending.retain(|one| !one.group.answer.is_closed());
                    self.inlet.drop_abandoned();
                    ending
                }
            };
            let outside = self.pulse.clone();
            let outside = outside.outside();
            let attempted = runtime.block_on(self.attempt(failing.is_some()));
            drop(outside);
            match attempted {
                Ok(()) => {
                    if failing.take().is_some() {
                        self.inlet.storing(Storing::Good);
                        continue;
                    }
                    if ending && self.pending.is_empty() {
                        break;
                    }
                }
                Err(_) => {
                    let now = clock::monotonic();
                    let since = failing.map_or(now, |(since, _)| since);
                    self.inlet.failing(since, "stream");
                    if ending && failing.is_some() {
                        break;
                    }
                    let patience = failing.map_or(Duration::ZERO, |_| self.retry);
                    failing = Some((since, now + patience));
                }
            }
        }
        self.inlet.close();
        self.pending.clear();
        self.inlet.clear();
    }

    /// Stores what is pending; a probe asks the stream even with nothing pending.
    async fn attempt(&mut self, probe: bool) -> Result<(), LinkError> {
        if self.pending.is_empty() {
            return match probe {
                true => self.link.ends().await.map(drop),
                false => Ok(()),
            };
        }
        self.be_fresh().await?;
        let begun = clock::monotonic();
        let mut pending = std::mem::take(&mut self.pending);
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
        self.recall(pending).await?;
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

    /// What was tried so long ago that JetStream does not know its id any more may have been stored all the same.
    async fn recall(&mut self, pending: &mut VecDeque<Pending>) -> Result<(), LinkError> {
        let items = pending.iter_mut().flat_map(|one| &mut one.items);
        for item in items.filter(|item| item.done.is_none() && item.is_old()) {
            let (Some(known), Some(going)) = (&item.known_by, &item.going) else {
                continue;
            };
            let look_up =
                |index: &_| Preview::new(index).look_up(&known.fingerprint, known.received_at);
            let Some(first) = self.tail.ask(look_up).and_then(|known| known.duplicate_of) else {
                continue;
            };
            let there = self.link.get(first.0).await?;
            if there.is_some_and(|there| there.from == going.from) {
                let ack = Ack {
                    sequence: first.0,
                    duplicate: true,
                };
                self.believe(item, ack).await?;
            }
        }
        Ok(())
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
            let look_up = |index: &_| {
                let preview = Preview::new(index);
                preview.look_up(&known.fingerprint, known.received_at)
            };
            let verdict = self.tail.ask(look_up).unwrap_or_default();
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
            if there.from != going.from {
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

    async fn store_in_turn(&mut self, one: &mut Pending) -> Result<(), LinkError> {
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

impl Pending {
    fn of(mut group: Group) -> Self {
        let facts = std::mem::take(&mut group.facts);
        let first = facts.first().map(|fact| fact.encoded.kind);
        let lane = match first {
            _ if group.hold.is_some() => HOLDER,
            Some(kind::PRIMED) => ARCHIVE,
            Some(kind::AUDITED) => AUDIT,
            Some(kind::RETRIED) => "side by side",
            _ => FREE,
        };
        let items = facts.into_iter().map(Item::of).collect();
        Self {
            group,
            items,
            lane,
            void: false,
        }
    }
}

impl Item {
    fn is_old(&self) -> bool {
        self.tried
            .is_some_and(|at| at.elapsed() >= DUPLICATES_FOR / 2)
    }

    fn of(fact: Queued) -> Self {
        let Queued { encoded, known_by } = fact;
        let encoded = match encoded.kind {
            kind::PRIMED => up_to_the_next(encoded),
            _ => encoded,
        };
        Self {
            going: None,
            encoded,
            known_by,
            duplicate_of: None,
            control_id_reused: false,
            tried: None,
            done: None,
        }
    }
}

/// Other instances' facts stand between those of an archive: what it says holds until the next of its kind.
fn up_to_the_next(encoded: Encoded) -> Encoded {
    let Ok(mut primed) = serde_json::from_slice::<Primed>(&encoded.meta) else {
        return encoded;
    };
    if primed.facts > 0 {
        primed.facts = u32::MAX;
    }
    match serde_json::to_vec(&primed) {
        Ok(meta) => Encoded { meta, ..encoded },
        Err(_) => encoded,
    }
}
