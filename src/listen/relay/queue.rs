//! What waits for the journal, for all connections of one relay (WIRE P-6): in memory, then on the
//! disk, then not at all.
//!
//! Order is kept: `front` is the oldest and in memory, then come the spill files, then `tail`, which is
//! on its way into them. While nothing is on the disk there is only `front`.

mod losses;

use super::item::Item;
use super::spill::Spill;
use crate::core::fact::Gap;
use crate::listen::accept::OnGap;
use crate::telemetry::events;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Journaled together at most.
const BATCH_BYTES: usize = 2 << 20;
const BATCH_ITEMS: usize = 512;
/// Written to the disk, and read from it, at once.
const SPILL_BYTES: usize = 4 << 20;
/// How long the tap waits for the disk, after each look at what passed, before something is given up.
pub(super) const DISK_WITHIN: Duration = Duration::from_millis(25);

#[derive(Default)]
struct State {
    front: VecDeque<Item>,
    tail: VecDeque<Item>,
    /// Of all items in memory, those in hand included.
    bytes: usize,
    /// New items go to `tail`.
    spilling: bool,
    /// Items are being written to the disk.
    writing: bool,
    /// There is something on the disk to be read.
    on_disk: bool,
    disk_bytes: u64,
    /// The disk did not take anything in time, last time.
    disk_is_slow: bool,
    gap: Option<Gap>,
    /// Nobody journals any more.
    closed: bool,
    /// Connections, and the one who accepts them.
    producers: usize,
    ended: bool,
}

/// The queue of one relay.
pub(super) struct Queue {
    listener: String,
    state: Mutex<State>,
    spill: Arc<Mutex<Spill>>,
    on_gap: OnGap,
    /// Bytes in memory, and on the disk.
    limit: usize,
    disk_limit: u64,
    /// Something for the keeper; something for the spiller; room.
    filled: Notify,
    spilled: Notify,
    room: Notify,
}

/// What the keeper journals next.
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    bytes: usize,
}

/// What the keeper does next.
enum Next {
    Batch(Batch),
    Read,
    Wait,
    End,
}

/// Whether there was room.
pub(super) enum Pushed {
    Taken,
    Full(Box<Item>),
}

/// Counts those who may push; the queue ends with the last of them.
pub(in crate::listen) struct Producer(Arc<Queue>);

impl Producer {
    pub(super) fn new(queue: &Arc<Queue>) -> Self {
        queue.lock().producers += 1;
        Self(Arc::clone(queue))
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.0
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.producers -= 1;
        if state.producers == 0 {
            state.ended = true;
            self.0.filled.notify_one();
            self.0.spilled.notify_one();
        }
    }
}

impl Queue {
    /// A queue that goes on with what an earlier run left on the disk.
    pub(super) fn new(
        listener: String,
        limit: u64,
        disk_limit: u64,
        spill: Spill,
        on_gap: OnGap,
    ) -> Self {
        let left = spill.has_more();
        let state = State {
            on_disk: left,
            spilling: left,
            disk_bytes: spill.bytes(),
            ..State::default()
        };
        Self {
            listener,
            state: Mutex::new(state),
            spill: Arc::new(Mutex::new(spill)),
            on_gap,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            disk_limit,
            filled: Notify::new(),
            spilled: Notify::new(),
            room: Notify::new(),
        }
    }

    /// The same with what is missing before anything of it.
    pub(super) fn after(self, gap: Option<Gap>) -> Self {
        self.lock().gap = gap;
        self
    }

    /// Everything that was pushed is journaled.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.lock();
        state.bytes == 0 && !state.on_disk && state.gap.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item in line where there is room.
    pub(super) fn try_push(&self, item: Item) -> Pushed {
        let mut state = self.lock();
        if self.has_room(&mut state, item.size()) {
            self.place(&mut state, item);
            Pushed::Taken
        } else {
            Pushed::Full(Box::new(item))
        }
    }

    /// Puts an item in line; where there is no room, the oldest are given up for it (`open`). A disk that
    /// is being written to has until `until` first, unless it had such a moment in vain.
    pub(super) async fn push_or_lose(&self, item: Item, until: Instant) {
        let mut item = item;
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.try_push(item) {
                Pushed::Taken => return,
                Pushed::Full(back) => item = *back,
            }
            let hopeful = {
                let state = self.lock();
                state.spilling && state.disk_bytes < self.disk_limit && !state.disk_is_slow
            };
            if !hopeful {
                break;
            }
            if tokio::time::timeout_at(until, room).await.is_err() {
                self.lock().disk_is_slow = true;
            }
        }
        self.push_for_the_oldest(item);
    }

    fn push_for_the_oldest(&self, item: Item) {
        let mut state = self.lock();
        if state.closed {
            return self.lose(&mut state, &item);
        }
        let size = item.size();
        while !self.has_room(&mut state, size) {
            let oldest = state.front.pop_front().or_else(|| state.tail.pop_front());
            match oldest {
                Some(oldest) => {
                    state.bytes = state.bytes.saturating_sub(oldest.size());
                    self.lose(&mut state, &oldest);
                }
                // All the rest is being written: this one is all that can be given up.
                None => return self.lose(&mut state, &item),
            }
        }
        self.place(&mut state, item);
    }

    /// Waits until there is room (`closed`).
    pub(super) async fn push_and_wait(&self, item: Item) {
        let mut item = item;
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.try_push(item) {
                Pushed::Taken => return,
                Pushed::Full(back) => item = *back,
            }
            {
                let mut state = self.lock();
                if state.closed {
                    return self.lose(&mut state, &item);
                }
            }
            room.await;
        }
    }

    fn has_room(&self, state: &mut State, size: usize) -> bool {
        // One item of any size may be alone.
        if state.closed {
            return false;
        }
        let empty = state.front.is_empty() && state.tail.is_empty();
        let front_limit = self.limit / 2;
        if !state.spilling
            && self.disk_limit > 0
            && !empty
            && state.bytes.saturating_add(size) > front_limit
        {
            state.spilling = true;
        }
        empty || state.bytes.saturating_add(size) <= self.limit
    }

    fn place(&self, state: &mut State, item: Item) {
        state.bytes += item.size();
        if state.spilling {
            state.tail.push_back(item);
            self.spilled.notify_one();
        } else {
            state.front.push_back(item);
        }
        self.filled.notify_one();
    }

    /// Nobody will push any more.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// The next items to be journaled; `None` when all is journaled and nobody can push any more.
    pub(super) async fn next(&self) -> Option<Batch> {
        loop {
            match self.look() {
                Next::Batch(batch) => return Some(batch),
                Next::End => return None,
                Next::Read => self.read_back().await,
                Next::Wait => self.filled.notified().await,
            }
        }
    }

    fn look(&self) -> Next {
        let mut state = self.lock();
        if state.front.is_empty() && !state.on_disk && state.spilling && !state.writing {
            // The disk has given back everything: what came since is next.
            state.front = std::mem::take(&mut state.tail);
            state.spilling = false;
        }
        if let Some(batch) = take(&mut state) {
            Next::Batch(batch)
        } else if state.on_disk {
            Next::Read
        } else if state.ended && !state.writing {
            Next::End
        } else {
            Next::Wait
        }
    }

    async fn read_back(&self) {
        let spill = Arc::clone(&self.spill);
        let read = tokio::task::spawn_blocking(move || {
            let mut spill = spill.lock().unwrap_or_else(PoisonError::into_inner);
            let items = spill.read_batch(SPILL_BYTES);
            (items, spill.has_more(), spill.bytes())
        })
        .await;
        let Ok((back, more, bytes)) = read else {
            return;
        };
        let mut state = self.lock();
        state.bytes += back.items.iter().map(Item::size).sum::<usize>();
        state.front.extend(back.items);
        if let Some(unreadable) = back.unreadable {
            events::spill_failed(&self.listener, "read", &unreadable.why.text());
            self.note(&mut state, unreadable.gap(&self.listener));
        }
        state.on_disk = more;
        state.disk_bytes = bytes;
        drop(state);
        self.spilled.notify_one();
    }

    /// A batch is journaled.
    pub(super) fn done(&self, batch: &Batch) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(batch.bytes);
        drop(state);
        self.room.notify_waiters();
    }

    /// Writes to the disk what memory cannot hold, until the queue has ended.
    pub(super) async fn spill(&self) {
        let mut told = false;
        loop {
            let batch = {
                let mut state = self.lock();
                if state.ended {
                    return;
                }
                let disk_full = state.disk_bytes >= self.disk_limit;
                if state.spilling && !state.tail.is_empty() && !disk_full {
                    state.writing = true;
                    Some(some_of(&mut state.tail, SPILL_BYTES, usize::MAX))
                } else {
                    None
                }
            };
            let Some(items) = batch else {
                self.spilled.notified().await;
                continue;
            };
            let bytes: usize = items.iter().map(Item::size).sum();
            let spill = Arc::clone(&self.spill);
            let written = tokio::task::spawn_blocking(move || {
                let mut spill = spill.lock().unwrap_or_else(PoisonError::into_inner);
                let result = spill.append(&items);
                (result, items, spill.has_more(), spill.bytes())
            })
            .await;
            let failed = {
                let mut state = self.lock();
                state.writing = false;
                match written {
                    Ok((Ok(()), _, more, on_disk)) => {
                        state.bytes = state.bytes.saturating_sub(bytes);
                        state.disk_is_slow = false;
                        state.on_disk = more;
                        state.disk_bytes = on_disk;
                        None
                    }
                    Ok((Err(error), items, more, on_disk)) => {
                        items
                            .into_iter()
                            .rev()
                            .for_each(|item| state.tail.push_front(item));
                        state.on_disk = more;
                        state.disk_bytes = on_disk;
                        Some(error.kind())
                    }
                    Err(_) => Some(io::ErrorKind::Other),
                }
            };
            self.filled.notify_one();
            self.room.notify_waiters();
            match failed {
                None => told = false,
                Some(kind) => {
                    if !std::mem::replace(&mut told, true) {
                        events::spill_failed(&self.listener, "write", &kind.to_string());
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// The daemon ends and nothing can be stored: what is in memory goes to the disk for the next run.
    /// How many messages could not be kept there either.
    pub(super) async fn keep_for_next_run(&self, batch: Batch) -> u64 {
        let (mut first, last) = {
            let mut state = self.lock();
            state.closed = true;
            let mut first = batch.items;
            first.extend(state.gap.take().map(Item::Gap));
            first.extend(std::mem::take(&mut state.front));
            (first, Vec::from(std::mem::take(&mut state.tail)))
        };
        self.room.notify_waiters();
        let spill = Arc::clone(&self.spill);
        let kept = tokio::task::spawn_blocking(move || {
            let mut spill = spill.lock().unwrap_or_else(PoisonError::into_inner);
            let mut lost = 0;
            if !spill.has_more() {
                first.extend(last);
                lost += lost_by(spill.append(&first), &first);
            } else {
                lost += lost_by(spill.append(&last), &last);
                lost += lost_by(spill.prepend(&first), &first);
            }
            lost
        });
        kept.await.unwrap_or(0)
    }
}

fn lost_by(written: io::Result<()>, items: &[Item]) -> u64 {
    let frames = items
        .iter()
        .filter(|item| matches!(item, Item::Frame { .. }));
    if written.is_ok() {
        0
    } else {
        frames.count() as u64
    }
}

/// The next batch of what is in `front`, with what was lost before it.
fn take(state: &mut State) -> Option<Batch> {
    let mut items = some_of(&mut state.front, BATCH_BYTES, BATCH_ITEMS);
    let bytes = items.iter().map(Item::size).sum();
    // A gap goes with the next items that are journaled, or alone when nothing else is left.
    items.extend(state.gap.take().map(Item::Gap));
    (!items.is_empty()).then_some(Batch { items, bytes })
}

fn some_of(from: &mut VecDeque<Item>, most_bytes: usize, most_items: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let mut bytes = 0_usize;
    while let Some(item) = from.front() {
        bytes = bytes.saturating_add(item.size());
        if !items.is_empty() && (bytes > most_bytes || items.len() >= most_items) {
            break;
        }
        items.extend(from.pop_front());
    }
    items
}

#[cfg(test)]
mod tests;
