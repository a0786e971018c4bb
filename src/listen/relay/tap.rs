//! The tap of one relayed connection: reads what passed, pairs answers with messages, and hands both
//! over to be journaled (WIRE P-5, P-8). It has no hold on the copy.

use super::Relay;
use super::item::Item;
use super::pairing::{Paired, Pairing};
use super::queue::{DISK_WITHIN, Producer};
use super::ring::{Shared, TapOut};
use super::sight::Sight;
use crate::clock;
use crate::config::OnTrouble;
use crate::core::fact::{LisAck, Origin, Reason};
use crate::core::hl7::envelope::{self, Opened, RawMessage};
use crate::core::hl7::types::MessageKind;
use crate::core::mllp::{Event, Limits, Phase};
use crate::core::time::Timestamp;
use crate::listen::door::Prover;
use crate::listen::memory::Share;
use crate::telemetry::events;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

/// Bytes looked at before what they completed is handed over. Few: the copy sees that the tap moves by
/// these steps, also where the processor is scarce.
const LOOK: usize = 8 << 10;
/// Memory of a frame in assembly that is given up first where all memory for frames is taken (F-52).
const LARGE: usize = 64 << 10;

/// One direction.
struct Side {
    out: TapOut,
    sight: Sight,
    origin: Origin,
    /// The messages of this direction that the other may answer.
    pairing: Pairing,
    last_byte: Instant,
    /// Told of this pause already.
    told: bool,
    is_up: bool,
}

/// The tap.
pub(super) struct Tap {
    relay: Arc<Relay>,
    producer: Producer,
    shared: Arc<Shared>,
    up: Side,
    down: Side,
    /// Until the first byte: then the connection is no longer among the first to go (N-4).
    prover: Option<Prover>,
    /// Until when what was last seen may wait for the disk.
    disk_until: tokio::time::Instant,
}

/// What a frame says about itself.
struct Read {
    /// Place in the frame, MSH-10, and whether an answer must come.
    messages: Vec<(u64, Vec<u8>, bool)>,
    /// MSA-2 and MSA-1.
    answers: Vec<(Vec<u8>, LisAck)>,
    /// Numbers it takes.
    parts: u64,
    /// There is more in it than bare acknowledgements.
    kept: bool,
}

impl Tap {
    pub(super) fn new(
        relay: Arc<Relay>,
        producer: Producer,
        shared: Arc<Shared>,
        prover: Prover,
        (up, up_from): (TapOut, String),
        (down, down_from): (TapOut, String),
    ) -> Self {
        let config = &relay.listener.config;
        let limits = Limits {
            max_message: usize::try_from(config.max_message).unwrap_or(usize::MAX),
            max_junk: 64 << 10,
            commits: true,
            ..Limits::default()
        };
        let side = |out, peer, is_up| Side {
            out,
            sight: Sight::new(limits),
            origin: Origin {
                listener: config.name.clone(),
                peer,
            },
            pairing: Pairing::default(),
            last_byte: clock::monotonic(),
            told: false,
            is_up,
        };
        Self {
            up: side(up, up_from, true),
            down: side(down, down_from, false),
            relay,
            producer,
            shared,
            prover: Some(prover),
            disk_until: tokio::time::Instant::now(),
        }
    }

    /// Looks until the copy has ended and everything is seen.
    pub(super) async fn run(mut self) {
        let relay = Arc::clone(&self.relay);
        let marking = Arc::clone(&relay);
        // Not waited for: what passes now does not wait for the disk.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = marking.mark.set(clock::now()) {
                let name = &marking.listener.config.name;
                events::spill_failed(name, "mark", &error.kind().to_string());
            }
        });
        let mut share = Share::new(&relay.listener.memory);
        loop {
            if crate::failpoints::on("tap-stall") {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                continue;
            }
            // Bytes of the other direction that are there now follow, if at all, from those of this one
            // that are there a moment later: an answer is never looked at before its message.
            let down = self.down.out.waiting();
            let up = self.up.out.waiting();
            let seen = self.look(true, up).await + self.look(false, down).await;
            let held = self.up.sight.held() + self.down.sight.held();
            share.set(held);
            if held > LARGE && relay.listener.memory.is_full() {
                self.give_up_largest().await;
            }
            self.publish();
            if seen > 0 {
                if let Some(prover) = self.prover.take() {
                    prover.prove();
                }
                continue;
            }
            if self.up.out.is_over() && self.down.out.is_over() {
                break;
            }
            self.wait().await;
        }
        self.finish().await;
    }

    fn side(&mut self, up: bool) -> &mut Side {
        if up { &mut self.up } else { &mut self.down }
    }

    /// Takes so many bytes of a direction; how many there were, losses included.
    async fn look(&mut self, up: bool, there: usize) -> usize {
        let mut left = there;
        let mut seen = 0;
        let mut completed = Vec::new();
        loop {
            let side = self.side(up);
            if let Some(bytes) = side.out.next_loss() {
                let broken = side.sight.lose(&mut completed);
                let origin = side.origin.clone();
                self.producer
                    .queue()
                    .lost(&origin, clock::now(), bytes, u64::from(broken));
                seen += 1;
            } else {
                let (sight, out) = (&mut side.sight, &mut side.out);
                let mut failed = false;
                let taken = out.take(left.min(LOOK), |bytes| {
                    // Should the frame machine itself fail, the next message is read by a new one (P-8).
                    let push = AssertUnwindSafe(|| sight.push(bytes, &mut completed));
                    failed |= catch_unwind(push).is_err();
                });
                if taken == 0 {
                    return seen;
                }
                side.last_byte = clock::monotonic();
                side.told = false;
                let origin = side.origin.clone();
                left -= taken.min(left);
                seen += taken;
                if failed {
                    let side = self.side(up);
                    side.sight.reset();
                    completed.clear();
                    events::tap_failed(&origin.listener);
                    self.producer
                        .queue()
                        .lost(&origin, clock::now(), taken as u64, 0);
                }
            }
            self.report();
            self.disk_until = tokio::time::Instant::now() + DISK_WITHIN;
            for event in std::mem::take(&mut completed) {
                self.hand_over(up, event).await;
            }
        }
    }

    fn report(&mut self) {
        let name = &self.relay.listener.config.name;
        for side in [&mut self.up, &mut self.down] {
            let (counts, opaque) = side.sight.take_counts();
            for (count, times) in counts.iter() {
                events::wire(name, count, times);
            }
            events::wire(name, "opaque_bytes", opaque);
            for added in side.out.added() {
                events::relay_added(added);
            }
            let (unanswered, unexpected) = side.pairing.take_counts();
            if side.is_up {
                events::lis_ack_missing(name, unanswered);
            }
            events::wire(name, "unexpected_ack", unexpected);
        }
    }

    async fn hand_over(&mut self, up: bool, event: Event) {
        let received_at = clock::now();
        match event {
            Event::Frame(content) => self.frame(up, content, received_at).await,
            Event::Truncated(raw) => {
                let total_len = raw.len() as u64;
                let item = self.refused(up, Reason::Truncated, total_len, raw, received_at);
                self.push(item).await;
            }
            Event::TooLarge { head, len } => {
                let control_id = RawMessage::read(&head)
                    .map(|message| (message.control_id().to_vec(), message.is_always_answered()));
                let item = self.refused(up, Reason::TooLarge, len, head, received_at);
                if let (Item::Refused { number, .. }, Some((id, awaited))) = (&item, control_id) {
                    let now = clock::monotonic();
                    let _ = self.side(up).pairing.message(&id, *number, awaited, now);
                }
                self.push(item).await;
            }
            Event::Commit(_) => events::relay_commit_block(&self.relay.listener.config.name),
            Event::JunkLimit | Event::DiscardLimit => {}
        }
    }

    fn refused(
        &mut self,
        up: bool,
        reason: Reason,
        total_len: u64,
        raw: Bytes,
        received_at: Timestamp,
    ) -> Item {
        Item::Refused {
            number: self.relay.numbers.fetch_add(1, Ordering::Relaxed),
            origin: self.side(up).origin.clone(),
            received_at,
            reason,
            total_len,
            raw,
        }
    }

    async fn frame(&mut self, up: bool, content: Bytes, received_at: Timestamp) {
        let Ok(read) = catch_unwind(AssertUnwindSafe(|| read(&content))) else {
            events::tap_failed(&self.relay.listener.config.name);
            let len = content.len() as u64;
            let item = self.refused(up, Reason::Internal, len, content, received_at);
            return self.push(item).await;
        };
        let now = clock::monotonic();
        let number = self
            .relay
            .numbers
            .fetch_add(read.parts.max(1), Ordering::Relaxed);
        let mut paired: Vec<(Paired, bool)> = Vec::new();
        for (part, control_id, awaited) in read.messages {
            let side = self.side(up);
            let early = side
                .pairing
                .message(&control_id, number + part, awaited, now);
            paired.extend(early.map(|early| (early, up)));
        }
        for (control_id, code) in read.answers {
            let of = !up;
            let found = self.side(of).pairing.answer(&control_id, code);
            paired.extend(found.map(|found| (found, of)));
        }
        if read.kept {
            let origin = self.side(up).origin.clone();
            self.push(Item::Frame {
                number,
                origin,
                received_at,
                content,
            })
            .await;
        }
        for (one, of_sender) in paired {
            let after = now.saturating_duration_since(one.since);
            if of_sender {
                events::lis_ack(&self.relay.listener.config.name, one.code.word(), after);
            }
            self.push(Item::Answer {
                message: one.number,
                code: one.code,
                at: received_at,
                after_micros: u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
            })
            .await;
        }
    }

    async fn push(&mut self, item: Item) {
        match self.relay.listener.config.on_trouble {
            OnTrouble::Open => {
                self.producer
                    .queue()
                    .push_or_lose(item, self.disk_until)
                    .await
            }
            OnTrouble::Closed => self.producer.queue().push_and_wait(item).await,
        }
    }

    /// All memory for frames is taken: the larger of ours is given up, and noted.
    async fn give_up_largest(&mut self) {
        let up = self.up.sight.held() >= self.down.sight.held();
        let mut completed = Vec::new();
        let side = self.side(up);
        side.sight.lose(&mut completed);
        let origin = side.origin.clone();
        self.producer.queue().lost(&origin, clock::now(), 0, 1);
        for event in completed {
            self.hand_over(up, event).await;
        }
    }

    /// Tells the copy where no message is under way (P-9).
    fn publish(&self) {
        let idle = |side: &Side| side.sight.phase() == Phase::Idle && side.pairing.under_way() == 0;
        let quiet = idle(&self.up) && idle(&self.down);
        self.shared
            .set_quiet(quiet.then(|| [self.up.out.taken(), self.down.out.taken()]));
    }

    /// Until there are bytes, the copy has ended, or a timer is due.
    async fn wait(&mut self) {
        let timer = [&self.up, &self.down]
            .into_iter()
            .filter_map(|side| self.due(side))
            .min();
        let shared = Arc::clone(&self.shared);
        let (up, down) = (&mut self.up.out, &mut self.down.out);
        let bytes = std::future::poll_fn(|context| {
            shared.tap_waits(context.waker());
            let over = up.is_over() && down.is_over();
            if up.waiting() > 0 || down.waiting() > 0 || up.has_loss() || down.has_loss() || over {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        tokio::select! {
            () = bytes => return,
            () = async {
                match timer {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
        for up in [true, false] {
            self.timer_over(up).await;
        }
    }

    /// When something is due on a side: the end of a frame without `<CR>`, or a pause to be counted. No
    /// pause ends a relayed connection (P-16).
    fn due(&self, side: &Side) -> Option<Instant> {
        let config = &self.relay.listener.config;
        let timeout = match side.sight.phase() {
            Phase::End => Some(config.end_grace),
            Phase::Body | Phase::Discarding => config.frame_timeout.filter(|_| !side.told),
            Phase::Idle => config.idle_timeout.filter(|_| !side.told),
        };
        timeout.map(|timeout| side.last_byte + timeout)
    }

    async fn timer_over(&mut self, up: bool) {
        let now = clock::monotonic();
        let side = if up { &self.up } else { &self.down };
        if self.due(side).is_none_or(|due| due > now) {
            return;
        }
        let name = self.relay.listener.config.name.clone();
        let side = self.side(up);
        match side.sight.phase() {
            Phase::End => {
                let mut completed = Vec::new();
                side.sight.end_grace_over(&mut completed);
                for event in completed {
                    self.hand_over(up, event).await;
                }
                self.report();
                self.publish();
            }
            Phase::Body | Phase::Discarding => {
                side.told = true;
                events::relay_pause(&name, "frame");
            }
            Phase::Idle => {
                side.told = true;
                events::relay_pause(&name, "idle");
            }
        }
    }

    /// The connection is over.
    async fn finish(mut self) {
        for up in [true, false] {
            let mut completed = Vec::new();
            self.side(up).sight.finish(&mut completed);
            for event in completed {
                self.hand_over(up, event).await;
            }
        }
        self.up.pairing.end();
        self.down.pairing.end();
        self.report();
    }
}

/// What is needed to number a frame's messages and to pair its answers.
fn read(content: &Bytes) -> Read {
    if crate::failpoints::on("tap-panic") {
        std::panic::panic_any("a fault switched on by a test");
    }
    let mut read = Read {
        messages: Vec::new(),
        answers: Vec::new(),
        parts: 1,
        kept: true,
    };
    let Opened::Messages(frame) = envelope::open(content) else {
        return read;
    };
    read.parts = frame.messages.len() as u64;
    read.kept = !frame.unreadable.is_empty();
    for (part, message) in (0..).zip(&frame.messages) {
        let bare = message.kind() == MessageKind::Acknowledgement;
        read.kept |= !bare;
        if message.is_acknowledgement() {
            if let Some((code, control_id)) = message.answered() {
                read.answers.push((control_id.to_vec(), LisAck::read(code)));
            }
        } else {
            let id = message.control_id().to_vec();
            read.messages.push((part, id, message.is_always_answered()));
        }
    }
    read
}
