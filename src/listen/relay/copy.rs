//! The copy: bytes of two ends both ways, unchanged, from the first one (WIRE P-1 to P-4).
//!
//! One buffer of fixed size a direction and no lock. What is read is offered to the tap and written to
//! the other end; the next read comes when all of it is written, so a slow end stops the reading of the
//! other. How an end closed is passed on: its FIN by a FIN, once everything before it is written, while
//! the other direction goes on; its reset by a reset.

use super::ring::TapIn;
use crate::clock;
use crate::config::OnTrouble;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes in hand in each direction (P-4).
const BUFFER: usize = 64 << 10;
/// A tap that stands still so many times so long with its ring full is left behind (`on_trouble =
/// "open"`). The tap waits for nothing but the processor, so one that moves is only scheduled late; one
/// that stands still delays the feed by this much, once, until it has caught up. In several naps, so
/// that a process that was stopped as a whole does not take it for the tap's fault.
const NAP: Duration = Duration::from_millis(20);
const NAPS: u32 = 10;

/// An end of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Who connected to us.
    Sender,
    /// The laboratory system.
    Lis,
}

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finished {
    /// Both ends closed.
    Closed,
    /// This end was reset or lost: the other one is to be reset, too.
    Broken(End),
}

/// What a direction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Read,
    Write,
    Tap,
}

/// Which side of a direction failed.
enum Failed {
    Reading,
    Writing,
}

struct Direction {
    buffer: Box<[u8]>,
    /// Of the buffer: written, offered to the tap, filled.
    written: usize,
    tapped: usize,
    filled: usize,
    read_at: Instant,
    /// Naps since the tap last moved, and the present one.
    naps: u32,
    nap: Option<Pin<Box<Sleep>>>,
    napping: bool,
    ended: bool,
    unflushed: bool,
    done: bool,
    waits: Waits,
    tap: TapIn,
    on_trouble: OnTrouble,
}

impl Direction {
    fn new(tap: TapIn, on_trouble: OnTrouble) -> Self {
        Self {
            buffer: vec![0; BUFFER].into_boxed_slice(),
            written: 0,
            tapped: 0,
            filled: 0,
            read_at: clock::monotonic(),
            naps: 0,
            nap: None,
            napping: false,
            ended: false,
            unflushed: false,
            done: false,
            waits: Waits::Read,
            tap,
            on_trouble,
        }
    }

    /// Copies as far as both ends allow; ready when the FIN was passed on.
    fn poll<R, W>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<Result<(), Failed>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            self.offer();
            ready!(self.poll_write(context, to)).map_err(|_| Failed::Writing)?;
            self.offer();
            ready!(self.poll_tap(context, to)).map_err(|_| Failed::Writing)?;
            (self.written, self.tapped, self.filled) = (0, 0, 0);
            if self.ended {
                self.waits = Waits::Write;
                ready!(Pin::new(&mut *to).poll_shutdown(context)).map_err(|_| Failed::Writing)?;
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            self.waits = Waits::Read;
            let mut room = ReadBuf::new(&mut self.buffer);
            match Pin::new(&mut *from).poll_read(context, &mut room) {
                Poll::Ready(Ok(())) => {
                    self.filled = room.filled().len();
                    self.ended = self.filled == 0;
                    self.read_at = clock::monotonic();
                }
                // TLS without its own farewell: the end of the stream all the same.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.ended = true;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Failed::Reading)),
                Poll::Pending => {
                    ready!(self.poll_flush(context, to)).map_err(|_| Failed::Writing)?;
                    self.waits = Waits::Read;
                    return Poll::Pending;
                }
            }
        }
    }

    fn offer(&mut self) {
        let untapped = self.buffer.get(self.tapped..self.filled);
        let taken = self.tap.offer(untapped.unwrap_or_default());
        if taken > 0 {
            self.tapped += taken;
            self.naps = 0;
            self.napping = false;
        }
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        if self.written == self.filled {
            return Poll::Ready(Ok(()));
        }
        self.waits = Waits::Write;
        while self.written < self.filled {
            let rest = self.buffer.get(self.written..self.filled);
            match Pin::new(&mut *to).poll_write(context, rest.unwrap_or_default()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(length)) => {
                    self.written += length;
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => {
                    self.tap.wake();
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    self.tap.wake();
                    return Poll::Pending;
                }
            }
        }
        // Only now: the tap's waking costs the message nothing.
        let took = clock::monotonic().saturating_duration_since(self.read_at);
        self.tap.added(took);
        self.tap.wake();
        Poll::Ready(Ok(()))
    }

    /// What the tap has no room for waits for it (`closed`), or is lost to it (`open`).
    fn poll_tap<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        if self.tapped == self.filled {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_flush(context, to))?;
        self.waits = Waits::Tap;
        while !self.tap.is_cut_off() && self.naps < NAPS {
            self.tap.wait_for_room(context);
            // Once more: room may have come between the last look and the registration.
            self.offer();
            self.tap.wake();
            if self.tapped == self.filled {
                return Poll::Ready(Ok(()));
            }
            if self.on_trouble == OnTrouble::Closed {
                return Poll::Pending;
            }
            let nap = self
                .nap
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(NAP)));
            if !std::mem::replace(&mut self.napping, true) {
                nap.as_mut().reset(tokio::time::Instant::now() + NAP);
            }
            ready!(nap.as_mut().poll(context));
            self.napping = false;
            self.naps += 1;
        }
        self.tap.lose(self.filled - self.tapped);
        self.tapped = self.filled;
        self.naps = 0;
        Poll::Ready(Ok(()))
    }

    /// TLS holds back what is written until it is flushed.
    fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        if self.unflushed {
            self.waits = Waits::Write;
            ready!(Pin::new(to).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Direction {
    /// What passed and did not reach the tap any more is noted as lost.
    fn drop(&mut self) {
        self.offer();
        self.tap.lose(self.filled - self.tapped);
    }
}

/// Both directions of one connection.
pub(super) struct Copy {
    up: Direction,
    down: Direction,
    broken: Option<End>,
}

impl Copy {
    /// `up` is from the sender to the laboratory system.
    pub(super) fn new(up: TapIn, down: TapIn, on_trouble: OnTrouble) -> Self {
        Self {
            up: Direction::new(up, on_trouble),
            down: Direction::new(down, on_trouble),
            broken: None,
        }
    }

    /// Copies until both ends have closed or one is lost.
    pub(super) fn poll<S, L>(
        &mut self,
        context: &mut Context<'_>,
        sender: &mut S,
        lis: &mut L,
    ) -> Poll<Finished>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        L: AsyncRead + AsyncWrite + Unpin,
    {
        let up_blocked = self.broken == Some(End::Lis) || self.up.done;
        if !up_blocked && let Poll::Ready(Err(failed)) = self.up.poll(context, sender, lis) {
            self.up.done = true;
            self.broken = self.broken.or(Some(match failed {
                Failed::Reading => End::Sender,
                Failed::Writing => End::Lis,
            }));
        }
        let down_blocked = self.broken == Some(End::Sender) || self.down.done;
        if !down_blocked && let Poll::Ready(Err(failed)) = self.down.poll(context, lis, sender) {
            self.down.done = true;
            self.broken = self.broken.or(Some(match failed {
                Failed::Reading => End::Lis,
                Failed::Writing => End::Sender,
            }));
        }
        let Some(broken) = self.broken else {
            return if self.up.done && self.down.done {
                Poll::Ready(Finished::Closed)
            } else {
                Poll::Pending
            };
        };
        // What the broken end had sent before is still for the other one, as far as it is here (P-3).
        let rest = match broken {
            End::Sender => &self.up,
            End::Lis => &self.down,
        };
        if rest.done || rest.waits != Waits::Write {
            Poll::Ready(Finished::Broken(broken))
        } else {
            Poll::Pending
        }
    }

    /// Bytes kept for the tap of each direction, where nothing is in our hands and the tap is not cut off.
    pub(super) fn kept(&self) -> Option<[u64; 2]> {
        let idle = |direction: &Direction| direction.filled == 0;
        if !idle(&self.up) || !idle(&self.down) {
            return None;
        }
        Some([self.up.tap.kept()?, self.down.tap.kept()?])
    }
}
