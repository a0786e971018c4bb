//! One connection: bytes in, frames to the journal, and the timers that the decoder cannot have.

use super::accept::{Listener, since_failing};
use super::answers::{Answering, Pending};
use super::door::{Seat, shares_of};
use super::intake;
use super::memory::Share;
use crate::clock;
use crate::config::Framing;
use crate::core::fact::{Fact, Origin, Reason, Refused};
use crate::core::mllp::{Decoder, Event, Limits, Phase};
use crate::journal::{Draft, Status, Storing};
use crate::telemetry::events;
use crate::telemetry::peers::Sender;
use bytes::Bytes;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Messages without an answer at which a connection is no longer read (WIRE F-30).
const UNANSWERED_MESSAGES: usize = 64;
/// Under this rate a frame is a drip (WIRE F-38).
const DRIP_BYTES_PER_SECOND: u64 = 256;
/// From this second of a frame on its rate counts.
const DRIP_AFTER: Duration = Duration::from_secs(30);
/// How long a frame that is too large is read on (WIRE F-50).
const DISCARD_WITHIN: Duration = Duration::from_secs(600);
/// How long a frame under way may take when the daemon ends (WIRE A-71).
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// One read: little at first, more from the first read on that this is too little for. Most of many
/// connections only stand there.
const FIRST_READ_BYTES: usize = 1024;
const READ_BYTES: usize = 16 * 1024;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The peer closed.
    Peer,
    /// A read or write failed.
    Error,
    /// A frame stalled or dripped (F-37, F-38).
    Stalled,
    /// Nothing for `idle_timeout`.
    Idle,
    /// Junk or discarded bytes beyond all bounds (F-12, F-50).
    Junk,
    /// Nothing can be stored, or the peer does not read its answers.
    Unanswered,
    /// Its place was needed for another connection (N-4).
    MadeRoom,
    /// The daemon ends.
    Stop,
}

impl Ended {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Error => "error",
            Self::Stalled => "stalled",
            Self::Idle => "idle",
            Self::Junk => "junk",
            Self::Unanswered => "unanswered",
            Self::MadeRoom => "made_room",
            Self::Stop => "stop",
        }
    }
}

pub(super) struct Connection<'a> {
    listener: &'a Listener,
    seat: &'a Seat,
    /// It sent a complete frame.
    proven: bool,
    peer: SocketAddr,
    /// What is seen of the peer is noted there.
    sender: Arc<Sender>,
    origin: Origin,
    decoder: Decoder,
    share: Share<'a>,
    events: Vec<Event>,
    /// When the frame in assembly began, and when its last byte came.
    begun: Option<Instant>,
    last_byte: Instant,
}

impl<'a> Connection<'a> {
    pub(super) fn new(listener: &'a Listener, seat: &'a Seat, peer: SocketAddr) -> Self {
        let config = &listener.config;
        Self {
            listener,
            seat,
            proven: false,
            peer,
            sender: Arc::new(Sender::new(&listener.peers, &config.name, peer)),
            origin: Origin {
                listener: config.name.clone(),
                peer: peer.to_string(),
            },
            decoder: Decoder::new(Limits {
                max_message: size(config.max_message),
                max_junk: size(config.max_junk),
                commits: config.framing == Framing::Mllp2,
                ..Limits::default()
            }),
            share: Share::new(&listener.memory),
            events: Vec::new(),
            begun: None,
            last_byte: clock::monotonic(),
        }
    }

    /// Serves the connection to its end. What was stored is answered before it is closed.
    pub(super) async fn serve<R, W>(mut self, mut read: R, write: W) -> Ended
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (mut answering, answerer) = Answering::new(
            Arc::clone(&self.listener.terms),
            (self.peer, Arc::clone(&self.sender)),
            UNANSWERED_MESSAGES,
            size(self.listener.config.max_message).saturating_mul(2),
        );
        let answers = tokio::spawn(answerer.run(write));
        let ended = self.read_frames(&mut read, &mut answering).await;
        self.report_counts();
        self.share.set(0);
        drop(answering);
        // The answerer ends when it has answered all that is pending, or cannot any more.
        let Ok(answered) = answers.await else {
            return Ended::Error;
        };
        let Some(mut write) = answered else {
            return Ended::Unanswered;
        };
        // What the peer sent after we stopped reading must not turn our answers into a reset.
        let _ = write.shutdown().await;
        ended
    }

    async fn read_frames<R: AsyncRead + Unpin>(
        &mut self,
        read: &mut R,
        answering: &mut Answering,
    ) -> Ended {
        let mut buffer = vec![0_u8; FIRST_READ_BYTES];
        let mut stop_by: Option<Instant> = None;
        // Its own part of what all connections are told by, so that they do not meet at one lock for
        // every message; and waited for by one and the same future.
        let stop = self.listener.stop.child_token();
        let mut stopped = pin!(stop.cancelled());
        let seat = self.seat;
        let mut left = pin!(seat.leave().cancelled());
        let line_broken = answering.line_broken();
        let mut broken = pin!(line_broken.cancelled());
        let mut status = self.listener.appender.status();
        loop {
            if let Some(ended) = self.wait_for_room(answering, &mut status).await {
                return ended;
            }
            if stop.is_cancelled() {
                let by = *stop_by.get_or_insert_with(|| clock::monotonic() + FINISH_WITHIN);
                if self.decoder.phase() == Phase::Idle || clock::monotonic() >= by {
                    return Ended::Stop;
                }
            }
            let timer = self.next_timer(stop_by);
            let got = tokio::select! {
                () = &mut stopped, if stop_by.is_none() => continue,
                () = &mut broken => return Ended::Unanswered,
                () = &mut left => return Ended::MadeRoom,
                () = sleep_until(timer), if timer.is_some() => None,
                got = read.read(&mut buffer) => Some(got),
            };
            match got {
                None => {
                    if let Some(ended) = self.timer_over(stop_by) {
                        let _ = self.hand_over(answering).await;
                        return ended;
                    }
                }
                Some(Ok(0)) => {
                    self.decoder.finish(&mut self.events);
                    return self.hand_over(answering).await.err().unwrap_or(Ended::Peer);
                }
                Some(Ok(length)) => {
                    self.last_byte = clock::monotonic();
                    self.decoder
                        .push(buffer.get(..length).unwrap_or_default(), &mut self.events);
                    if length == buffer.len() && length < READ_BYTES {
                        buffer = vec![0; READ_BYTES];
                    }
                }
                Some(Err(_)) => {
                    self.decoder.finish(&mut self.events);
                    return self
                        .hand_over(answering)
                        .await
                        .err()
                        .unwrap_or(Ended::Error);
                }
            }
            self.note_phase();
            if let Err(ended) = self.hand_over(answering).await {
                return ended;
            }
        }
    }

    /// Back-pressure: while answers are outstanding, storing fails, or memory is full, nothing is read.
    async fn wait_for_room(
        &mut self,
        answering: &Answering,
        status: &mut watch::Receiver<Status>,
    ) -> Option<Ended> {
        if answering.wait_for_room().await.is_err() {
            return Some(Ended::Unanswered);
        }
        while matches!(status.borrow_and_update().storing, Storing::Failing { .. }) {
            let left = self
                .listener
                .config
                .store_wait
                .saturating_sub(since_failing(self.listener).unwrap_or_default());
            tokio::select! {
                () = answering.broken() => return Some(Ended::Unanswered),
                () = self.listener.stop.cancelled() => return Some(Ended::Stop),
                () = tokio::time::sleep(left) => return Some(Ended::Unanswered),
                changed = status.changed() => if changed.is_err() { return Some(Ended::Stop) },
            }
        }
        while self.decoder.phase() == Phase::Idle && self.listener.memory.is_full() {
            tokio::select! {
                () = self.listener.stop.cancelled() => return Some(Ended::Stop),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
        None
    }

    fn note_phase(&mut self) {
        self.share.set(self.decoder.held());
        match self.decoder.phase() {
            Phase::Idle => self.begun = None,
            Phase::Body | Phase::End | Phase::Discarding => {
                // Frames that follow each other in one read begin anew.
                if self.begun.is_none() || !self.events.is_empty() {
                    self.begun = Some(self.last_byte);
                }
            }
        }
    }

    /// When the next timer of this connection is due.
    fn next_timer(&self, stop_by: Option<Instant>) -> Option<Instant> {
        let config = &self.listener.config;
        let own = match self.decoder.phase() {
            Phase::Idle => config.idle_timeout.map(|timeout| self.last_byte + timeout),
            Phase::End => Some(self.last_byte + config.end_grace),
            Phase::Body | Phase::Discarding => {
                config.frame_timeout.map(|timeout| self.last_byte + timeout)
            }
        };
        own.into_iter()
            .chain(stop_by)
            .chain(self.discard_due())
            .chain(self.drip_due())
            .min()
    }

    /// When a frame that is too large has been read on for long enough.
    fn discard_due(&self) -> Option<Instant> {
        let begun = self.begun?;
        (self.decoder.phase() == Phase::Discarding).then(|| begun + DISCARD_WITHIN)
    }

    /// When the frame in assembly is old enough for its rate to count, and counts as a drip.
    fn drip_due(&self) -> Option<Instant> {
        let begun = self.begun?;
        (self.decoder.phase() == Phase::Body).then(|| {
            let earned = Duration::from_secs(self.decoder.frame_bytes() / DRIP_BYTES_PER_SECOND);
            begun
                + earned.max(
                    self.listener
                        .config
                        .frame_timeout
                        .map_or(DRIP_AFTER, |timeout| DRIP_AFTER.min(timeout)),
                )
                + Duration::from_millis(1)
        })
    }

    /// A timer is due: which one, and does it end the connection?
    fn timer_over(&mut self, stop_by: Option<Instant>) -> Option<Ended> {
        let now = clock::monotonic();
        let config = &self.listener.config;
        let last_byte = self.last_byte;
        let over =
            |timeout: Option<Duration>| timeout.is_some_and(|timeout| now >= last_byte + timeout);
        match self.decoder.phase() {
            Phase::End if now >= self.last_byte + config.end_grace => {
                self.decoder.end_grace_over(&mut self.events);
                None
            }
            Phase::Idle if over(config.idle_timeout) => Some(Ended::Idle),
            Phase::Body | Phase::Discarding if over(config.frame_timeout) => {
                self.decoder.give_up(&mut self.events);
                Some(Ended::Stalled)
            }
            Phase::Discarding if self.discard_due().is_some_and(|due| now >= due) => {
                self.decoder.discard_over(&mut self.events);
                Some(Ended::Junk)
            }
            Phase::Body if self.drip_due().is_some_and(|due| now >= due) => {
                events::wire(&config.name, "slow_frame", 1);
                self.decoder.give_up(&mut self.events);
                Some(Ended::Stalled)
            }
            _ if stop_by.is_some_and(|by| now >= by) => {
                self.decoder.give_up(&mut self.events);
                Some(Ended::Stop)
            }
            _ => None,
        }
    }

    /// Frames and fragments go to the journal, in order; their answers wait in line.
    async fn hand_over(&mut self, answering: &mut Answering) -> Result<(), Ended> {
        self.report_counts();
        for event in std::mem::take(&mut self.events) {
            let taken = match event {
                Event::Frame(content) => intake::take_frame(self.listener, &self.origin, content),
                Event::TooLarge { head, len } => {
                    let refused = self.refuse(Reason::TooLarge, head.clone(), len);
                    intake::Taken {
                        drafts: vec![refused],
                        answer: intake::Answer::TooLarge(head),
                    }
                }
                Event::Truncated(bytes) => {
                    let len = bytes.len() as u64;
                    let refused = self.refuse(Reason::Truncated, bytes, len);
                    intake::Taken {
                        drafts: vec![refused],
                        answer: intake::Answer::Nothing,
                    }
                }
                Event::Commit(stored) => {
                    answering.commit(stored);
                    continue;
                }
                Event::JunkLimit | Event::DiscardLimit => return Err(Ended::Junk),
            };
            if taken.drafts.is_empty() {
                continue;
            }
            let complete = !matches!(taken.answer, intake::Answer::Nothing);
            if complete && !std::mem::replace(&mut self.proven, true) {
                self.seat.prove();
            }
            let bytes = taken.answer.bytes();
            let complete_at = clock::monotonic();
            let shares = self.take_shares(bytes, answering).await?;
            let stored = self
                .listener
                .appender
                .submit_received(taken.drafts)
                .await
                .map_err(|_| Ended::Stop)?;
            answering
                .push(Pending {
                    answer: taken.answer,
                    stored,
                    complete_at,
                    bytes,
                    shares: Some(shares),
                })
                .map_err(|()| Ended::Unanswered)?;
            // A read may hold many small frames; each may be the one that fills the line.
            answering
                .wait_for_room()
                .await
                .map_err(|()| Ended::Unanswered)?;
        }
        Ok(())
    }

    /// A peer's part of the journal's queue is bounded: its next message waits until earlier ones are
    /// stored, and those of other peers do not wait for it.
    async fn take_shares(
        &self,
        bytes: usize,
        answering: &Answering,
    ) -> Result<OwnedSemaphorePermit, Ended> {
        let shares = self.seat.shares().clone();
        tokio::select! {
            biased;
            shares = shares.acquire_many_owned(shares_of(bytes)) => shares.map_err(|_| Ended::Stop),
            () = answering.broken() => Err(Ended::Unanswered),
        }
    }

    fn refuse(&self, reason: Reason, raw: Bytes, total_len: u64) -> Draft {
        events::frame_refused(&self.origin.listener, self.peer, reason.word(), total_len);
        Draft::from(Fact::Refused(Refused {
            origin: self.origin.clone(),
            received_at: clock::now(),
            reason,
            total_len,
            raw,
        }))
    }

    fn report_counts(&mut self) {
        let counts = self.decoder.take_counts();
        for (name, times) in counts.iter() {
            events::wire(&self.origin.listener, name, times);
            self.sender.lenient(name, times);
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
