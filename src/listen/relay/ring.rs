//! What leads from the copy of one direction to its tap: a ring of bytes of fixed size, without locks.
//!
//! The copy writes and never waits here of itself; the tap reads. What finds no room is either kept by
//! the copy until there is some (`on_trouble = "closed"`) or lost to the tap and noted at its place in
//! the stream (`"open"`). Nothing is allocated after the beginning.

use atomic_waker::AtomicWaker;
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

/// Bytes between copy and tap in each direction.
pub(super) const RING: usize = 256 << 10;
/// Losses noted and not yet seen by the tap; more of them become one.
const LOSSES: usize = 16;
/// Measurements not yet taken by the tap; those beyond are left out.
const ADDED: usize = 256;

/// Bytes that passed and were not kept: so many of them, after so many that were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) after: u64,
    pub(super) bytes: u64,
}

/// What copy and tap of one connection share.
#[derive(Default)]
pub(super) struct Shared {
    /// The tap, when it waits for bytes.
    tap: AtomicWaker,
    /// The copy, when it waits for the tap.
    copy: AtomicWaker,
    /// Bytes kept of each direction up to which the tap saw everything complete and answered; one more
    /// than can be, where it is not.
    quiet: [AtomicU64; 2],
}

impl Shared {
    /// Wakes the tap.
    pub(super) fn wake_tap(&self) {
        self.tap.wake();
    }

    /// Wakes the copy.
    pub(super) fn wake_copy(&self) {
        self.copy.wake();
    }

    /// The tap is to be woken by the next bytes.
    pub(super) fn tap_waits(&self, waker: &Waker) {
        self.tap.register(waker);
    }

    /// The copy is to be woken by the tap.
    pub(super) fn copy_waits(&self, waker: &Waker) {
        self.copy.register(waker);
    }

    /// The tap stands here, and no message is under way (P-9).
    pub(super) fn set_quiet(&self, at: Option<[u64; 2]>) {
        let at = at.unwrap_or([u64::MAX; 2]);
        for (place, at) in self.quiet.iter().zip(at) {
            place.store(at, Ordering::Release);
        }
        self.copy.wake();
    }

    /// Where the tap last was quiet.
    pub(super) fn quiet(&self) -> [u64; 2] {
        let [up, down] = &self.quiet;
        [up.load(Ordering::Acquire), down.load(Ordering::Acquire)]
    }
}

/// The copy's end.
pub(super) struct TapIn {
    bytes: Producer<u8>,
    losses: Producer<Loss>,
    added: Producer<Duration>,
    shared: Arc<Shared>,
    kept: u64,
    lost: u64,
}

/// The tap's end.
pub(super) struct TapOut {
    bytes: Consumer<u8>,
    losses: Consumer<Loss>,
    added: Consumer<Duration>,
    shared: Arc<Shared>,
    taken: u64,
}

/// A ring of [`RING`] bytes.
pub(super) fn ring(shared: &Arc<Shared>) -> (TapIn, TapOut) {
    let (bytes, bytes_out) = RingBuffer::new(RING);
    let (losses, losses_out) = RingBuffer::new(LOSSES);
    let (added, added_out) = RingBuffer::new(ADDED);
    (
        TapIn {
            bytes,
            losses,
            added,
            shared: Arc::clone(shared),
            kept: 0,
            lost: 0,
        },
        TapOut {
            bytes: bytes_out,
            losses: losses_out,
            added: added_out,
            shared: Arc::clone(shared),
            taken: 0,
        },
    )
}

impl TapIn {
    /// Gives the tap as much as there is room for; after a loss, nothing until it has caught up.
    pub(super) fn offer(&mut self, bytes: &[u8]) -> usize {
        if self.lost > 0 && !self.note_loss() {
            return 0;
        }
        let (kept, _) = self.bytes.push_partial_slice(bytes);
        self.kept += kept.len() as u64;
        kept.len()
    }

    /// Notes the loss where the tap has caught up.
    fn note_loss(&mut self) -> bool {
        if self.bytes.slots() < RING {
            return false;
        }
        let loss = Loss {
            after: self.kept,
            bytes: self.lost,
        };
        let noted = self.losses.push(loss).is_ok();
        if noted {
            self.lost = 0;
        }
        noted
    }

    /// The tap gets on without so many bytes.
    pub(super) fn lose(&mut self, bytes: usize) {
        self.lost += bytes as u64;
    }

    /// Whether the tap is cut off until it has caught up.
    pub(super) const fn is_cut_off(&self) -> bool {
        self.lost > 0
    }

    /// Bytes kept for the tap so far; `None` while it is cut off.
    pub(super) const fn kept(&self) -> Option<u64> {
        if self.lost > 0 { None } else { Some(self.kept) }
    }

    /// A chunk took so long from our reading it to our having written it.
    pub(super) fn added(&mut self, took: Duration) {
        let _ = self.added.push(took);
    }

    /// Tells the tap that there is something.
    pub(super) fn wake(&self) {
        self.shared.wake_tap();
    }

    /// The copy waits for room.
    pub(super) fn wait_for_room(&self, context: &Context<'_>) {
        self.shared.copy_waits(context.waker());
    }
}

impl Drop for TapIn {
    fn drop(&mut self) {
        if self.lost > 0 {
            let _ = self.losses.push(Loss {
                after: self.kept,
                bytes: self.lost,
            });
        }
        // The tap learns of the end by the ring being abandoned, which is only after this.
        self.shared.wake_tap();
    }
}

impl TapOut {
    /// Bytes that are there.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.slots()
    }

    /// Bytes taken so far.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// The next loss, if it comes before any other byte.
    pub(super) fn next_loss(&mut self) -> Option<u64> {
        let loss = *self.losses.peek().ok()?;
        if loss.after > self.taken {
            return None;
        }
        self.losses.pop().ok().map(|loss| loss.bytes)
    }

    /// Whether a loss is noted.
    pub(super) fn has_loss(&self) -> bool {
        !self.losses.is_empty()
    }

    /// Hands over at most `most` bytes up to the next loss; how many that were.
    pub(super) fn take(&mut self, most: usize, mut to: impl FnMut(&[u8])) -> usize {
        let there = self.bytes.slots().min(most);
        let up_to_loss = self
            .losses
            .peek()
            .map_or(u64::MAX, |loss| loss.after.saturating_sub(self.taken));
        let count = usize::try_from(up_to_loss).unwrap_or(usize::MAX).min(there);
        let Ok(chunk) = self.bytes.read_chunk(count) else {
            return 0;
        };
        let (first, second) = chunk.as_slices();
        to(first);
        if !second.is_empty() {
            to(second);
        }
        chunk.commit_all();
        self.taken += count as u64;
        self.shared.wake_copy();
        count
    }

    /// Measurements since the last call.
    pub(super) fn added(&mut self) -> impl Iterator<Item = Duration> {
        std::iter::from_fn(|| self.added.pop().ok())
    }

    /// Whether the copy has ended and everything is taken.
    pub(super) fn is_over(&mut self) -> bool {
        // In this order: what was pushed before the end is seen after it.
        let abandoned = self.bytes.is_abandoned();
        abandoned && self.bytes.is_empty() && self.losses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(out: &mut TapOut) -> (Vec<u8>, Vec<u64>) {
        let (mut seen, mut losses) = (Vec::new(), Vec::new());
        loop {
            losses.extend(out.next_loss());
            if out.take(usize::MAX, |bytes| seen.extend_from_slice(bytes)) == 0
                && out.next_loss().is_none()
            {
                return (seen, losses);
            }
        }
    }

    #[test]
    fn what_is_lost_is_known_by_its_place() {
        let shared = Arc::new(Shared::default());
        let (mut into, mut out) = ring(&shared);
        assert_eq!(into.offer(&vec![1; RING]), RING);
        assert_eq!(into.offer(b"lost"), 0);
        into.lose(4);
        assert!(into.is_cut_off() && into.kept().is_none());
        assert_eq!(out.take(RING - 1, |_| {}), RING - 1);
        assert_eq!(into.offer(b"lost too"), 0, "not caught up yet");
        into.lose(8);
        assert_eq!(out.take(RING, |_| {}), 1);
        assert_eq!(into.offer(b"seen"), 4);
        assert_eq!(into.kept(), Some(RING as u64 + 4));
        assert_eq!(out.next_loss(), Some(12));
        assert_eq!(drain(&mut out), (b"seen".to_vec(), Vec::new()));
        into.lose(3);
        assert!(!out.is_over());
        drop(into);
        assert_eq!(out.next_loss(), Some(3));
        assert!(out.is_over());
    }

    #[test]
    fn the_ring_wraps_around() {
        let shared = Arc::new(Shared::default());
        let (mut into, mut out) = ring(&shared);
        for round in 0..10_u8 {
            assert_eq!(into.offer(&vec![round; RING / 2 + 1]), RING / 2 + 1);
            let (seen, _) = drain(&mut out);
            assert_eq!(seen, vec![round; RING / 2 + 1]);
        }
    }
}
