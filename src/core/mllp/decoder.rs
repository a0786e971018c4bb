//! The frame machine.

use super::{ACK, BOM, CR, FS, FrameCounts, NAK, VT, skip_blank};
use bytes::Bytes;
use std::fmt;

/// Junk kept for the feeds page.
const JUNK_HEAD: usize = 256;

/// Bounds of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest content in bytes (F-50).
    pub max_message: usize,
    /// Bytes outside frames in a row before the connection is given up (F-12).
    pub max_junk: usize,
    /// How much of a content that is too large is kept (F-50).
    pub kept_head: usize,
    /// How much of a content that is too large is read at all (F-50).
    pub max_discard: u64,
    /// Blocks of one byte 06 or 15 are commits of MLLP release 2 (F-70) and come out as
    /// [`Event::Commit`]; without it they are dropped and counted (F-73).
    pub commits: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 16 << 20,
            max_junk: 64 << 10,
            kept_head: 64 << 10,
            max_discard: 1 << 30,
            commits: false,
        }
    }
}

/// What came out of the bytes, in order.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// A complete frame's content.
    Frame(Bytes),
    /// The content so far of a frame that was broken off (F-21, F-23, F-37, F-38).
    Truncated(Bytes),
    /// A frame larger than `max_message`, at its end: the head of its content, and its whole length.
    TooLarge {
        /// The first `kept_head` bytes.
        head: Bytes,
        /// Length of the whole content.
        len: u64,
    },
    /// A commit block of MLLP release 2: stored (`<ACK>`), or not (`<NAK>`).
    Commit(bool),
    /// Junk beyond `max_junk`: the connection is to be closed.
    JunkLimit,
    /// A frame beyond `max_discard`: the connection is to be closed, after the answer to the
    /// [`Event::TooLarge`] just before.
    DiscardLimit,
}

impl fmt::Debug for Event {
    /// Lengths only: content is about patients (N-5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(content) => write!(f, "Frame({} bytes)", content.len()),
            Self::Truncated(content) => write!(f, "Truncated({} bytes)", content.len()),
            Self::TooLarge { head, len } => {
                write!(f, "TooLarge({} of {len} bytes)", head.len())
            }
            Self::Commit(stored) => write!(f, "Commit({stored})"),
            Self::JunkLimit => f.write_str("JunkLimit"),
            Self::DiscardLimit => f.write_str("DiscardLimit"),
        }
    }
}

/// Where the machine stands; the caller's timers depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Between frames.
    Idle,
    /// Inside a frame.
    Body,
    /// After an `<FS>` that may end the frame: `end_grace` runs.
    End,
    /// Inside a frame that is too large.
    Discarding,
}

/// The machine's states; content and held bytes stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between frames; so many bytes of a BOM were seen.
    Idle(u8),
    Body,
    /// After a `<VT>` in the body: `held` grows until it is clear whether a frame begins there.
    MaybeFrame,
    End,
}

/// Incremental decoder of one direction of one connection.
pub struct Decoder {
    limits: Limits,
    state: State,
    /// Content of the frame in assembly; of one that is too large, its head.
    content: Vec<u8>,
    /// Length of the content; more than `content` holds once it is too large.
    length: u64,
    too_large: bool,
    /// `<VT>` and what follows it, while it is not clear what it is.
    held: Vec<u8>,
    /// Junk since the last `<VT>`.
    junk: usize,
    junk_head: Vec<u8>,
    counts: FrameCounts,
    closed: bool,
}

impl fmt::Debug for Decoder {
    /// Without content (N-5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("state", &self.state)
            .field("length", &self.length)
            .field("too_large", &self.too_large)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder between frames.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Idle(0),
            content: Vec::new(),
            length: 0,
            too_large: false,
            held: Vec::new(),
            junk: 0,
            junk_head: Vec::new(),
            counts: FrameCounts::NONE,
            closed: false,
        }
    }

    /// Takes bytes as they were read; appends what they completed to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        let mut rest = bytes;
        while !self.closed {
            if self.state == State::Body {
                rest = self.take_body(rest, out);
            }
            let Some((byte, after)) = rest.split_first() else {
                return;
            };
            rest = after;
            self.step(*byte, out);
        }
    }

    /// `end_grace` is over (F-18).
    pub fn end_grace_over(&mut self, out: &mut Vec<Event>) {
        if self.state == State::End {
            self.counts.fs_without_cr += 1;
            self.complete(out);
        }
    }

    /// The peer closed, or reading failed (F-18, F-23).
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        match self.state {
            State::Idle(bom) => {
                self.state = State::Idle(0);
                self.broken_bom(bom, out);
            }
            State::End => self.end_grace_over(out),
            State::Body | State::MaybeFrame => self.break_off(out),
        }
    }

    /// The caller's timers say that the frame in assembly will not be completed (F-37, F-38).
    pub fn give_up(&mut self, out: &mut Vec<Event>) {
        self.finish(out);
    }

    /// Ten minutes of a frame that is too large are over (F-50): it ends here and is answered, and
    /// the connection is to be closed. Without such a frame nothing happens.
    pub fn discard_over(&mut self, out: &mut Vec<Event>) {
        if self.phase() == Phase::Discarding {
            self.complete(out);
            self.closed = true;
            out.push(Event::DiscardLimit);
        }
    }

    /// Where the machine stands.
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Idle(_) => Phase::Idle,
            State::End => Phase::End,
            State::Body | State::MaybeFrame if self.too_large => Phase::Discarding,
            State::Body | State::MaybeFrame => Phase::Body,
        }
    }

    /// Bytes of memory that the frame in assembly takes.
    pub const fn held(&self) -> usize {
        self.content.capacity()
    }

    /// Content so far of the frame in assembly.
    pub const fn frame_bytes(&self) -> u64 {
        self.length
    }

    /// Counts since the last call.
    pub fn take_counts(&mut self) -> FrameCounts {
        std::mem::take(&mut self.counts)
    }

    /// The first bytes of the last run of junk.
    pub fn junk_head(&self) -> &[u8] {
        &self.junk_head
    }

    /// The fast path: content up to the next byte that may mean something.
    fn take_body<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<Event>) -> &'a [u8] {
        let end = if self.too_large {
            memchr::memchr(FS, bytes)
        } else {
            memchr::memchr2(FS, VT, bytes)
        };
        let (data, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.append(data, out);
        rest
    }

    fn step(&mut self, byte: u8, out: &mut Vec<Event>) {
        match self.state {
            State::Idle(bom) => self.step_idle(byte, bom, out),
            State::Body => match byte {
                FS => self.state = State::End,
                VT if !self.too_large => {
                    self.held.push(VT);
                    self.state = State::MaybeFrame;
                }
                other => self.append(&[other], out),
            },
            State::MaybeFrame => self.step_maybe_frame(byte, out),
            State::End => self.step_end(byte, out),
        }
    }

    fn step_idle(&mut self, byte: u8, bom: u8, out: &mut Vec<Event>) {
        if BOM.get(usize::from(bom)) == Some(&byte) {
            if usize::from(bom) + 1 == BOM.len() {
                self.counts.interframe_padding += BOM.len() as u64;
                self.state = State::Idle(0);
            } else {
                self.state = State::Idle(bom + 1);
            }
            return;
        }
        self.state = State::Idle(0);
        self.broken_bom(bom, out);
        match byte {
            VT => self.begin(),
            b'\r' | b'\n' | 0 | b' ' | b'\t' => self.counts.interframe_padding += 1,
            // A BOM may begin at the very byte that broke another off.
            other if bom > 0 && BOM.first() == Some(&other) => self.state = State::Idle(1),
            other => self.junk(other, out),
        }
    }

    /// What looked like a BOM was junk.
    fn broken_bom(&mut self, seen: u8, out: &mut Vec<Event>) {
        for byte in BOM.iter().take(usize::from(seen)) {
            self.junk(*byte, out);
        }
    }

    fn junk(&mut self, byte: u8, out: &mut Vec<Event>) {
        if self.closed {
            return;
        }
        if self.junk == 0 {
            self.junk_head.clear();
        }
        self.junk += 1;
        self.counts.junk_bytes += 1;
        if self.junk_head.len() < JUNK_HEAD {
            self.junk_head.push(byte);
        }
        if self.junk == 3 && self.junk_head == b"MSH" {
            self.counts.unframed_msh += 1;
        }
        if self.junk > self.limits.max_junk {
            self.counts.junk_closed += 1;
            self.closed = true;
            out.push(Event::JunkLimit);
        }
    }

    fn begin(&mut self) {
        self.state = State::Body;
        self.content = Vec::new();
        self.length = 0;
        self.too_large = false;
        self.junk = 0;
    }

    fn append(&mut self, data: &[u8], out: &mut Vec<Event>) {
        // Beyond `max_discard` nothing counts any more, however much one read brought.
        let most = self.limits.max_discard.saturating_add(1);
        self.length = self.length.saturating_add(data.len() as u64).min(most);
        if !self.too_large {
            let room = self.limits.max_message.saturating_sub(self.content.len());
            self.too_large = data.len() > room;
        }
        if self.too_large {
            self.keep_head(data);
        } else {
            self.content.extend_from_slice(data);
        }
        if self.length > self.limits.max_discard && !self.closed {
            self.complete(out);
            self.closed = true;
            out.push(Event::DiscardLimit);
        }
    }

    /// F-50: of a content that is too large, `kept_head` bytes are kept, beyond a smaller `max_message` too.
    fn keep_head(&mut self, data: &[u8]) {
        let kept = self.limits.kept_head;
        if self.content.len() > kept {
            self.content.truncate(kept);
            self.content.shrink_to_fit();
        }
        let room = kept.saturating_sub(self.content.len());
        self.content
            .extend_from_slice(data.get(..room).unwrap_or(data));
    }

    /// F-21, F-22: is this `<VT>` the begin of another message, or data?
    fn step_maybe_frame(&mut self, byte: u8, out: &mut Vec<Event>) {
        self.held.push(byte);
        match begins_message(self.held.get(1..).unwrap_or_default()) {
            Begins::Yes => {
                let begun = std::mem::take(&mut self.held);
                self.counts.resync += 1;
                self.break_off(out);
                self.begin();
                self.append(begun.get(1..).unwrap_or_default(), out);
            }
            Begins::Perhaps => {}
            Begins::No => {
                let held = std::mem::take(&mut self.held);
                self.data_after_all(&held, out);
            }
        }
    }

    /// The held `<VT>` was data; what followed it is looked at anew.
    fn data_after_all(&mut self, held: &[u8], out: &mut Vec<Event>) {
        let Some((first, rest)) = held.split_first() else {
            return;
        };
        self.counts.vt_in_body += 1;
        self.state = State::Body;
        self.append(&[*first], out);
        for byte in rest {
            if !self.closed {
                self.step(*byte, out);
            }
        }
    }

    fn step_end(&mut self, byte: u8, out: &mut Vec<Event>) {
        match byte {
            CR => self.complete(out),
            VT => {
                self.counts.fs_without_cr += 1;
                self.complete(out);
                self.begin();
            }
            b'\n' => {
                self.counts.fs_lf += 1;
                self.complete(out);
            }
            FS => self.append(&[FS], out),
            other => {
                self.counts.fs_in_body += 1;
                self.state = State::Body;
                self.append(&[FS, other], out);
            }
        }
    }

    /// The frame's end mark was seen.
    fn complete(&mut self, out: &mut Vec<Event>) {
        let content = self.take_content();
        if self.too_large {
            out.push(Event::TooLarge {
                head: content,
                len: self.length,
            });
        } else if skip_blank(&content).is_empty() {
            self.counts.empty_frames += 1;
        } else if let [block @ (ACK | NAK)] = content.as_ref() {
            if self.limits.commits {
                out.push(Event::Commit(*block == ACK));
            } else {
                self.counts.mllp2_block_on_mllp1 += 1;
            }
        } else {
            out.push(Event::Frame(content));
        }
    }

    /// The frame will not be completed.
    fn break_off(&mut self, out: &mut Vec<Event>) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.counts.vt_in_body += 1;
            self.append(&held, out);
        }
        if matches!(self.state, State::Idle(_)) {
            return;
        }
        let content = self.take_content();
        if self.too_large {
            out.push(Event::TooLarge {
                head: content,
                len: self.length,
            });
        } else if !skip_blank(&content).is_empty() {
            out.push(Event::Truncated(content));
        }
    }

    fn take_content(&mut self) -> Bytes {
        self.state = State::Idle(0);
        Bytes::from(std::mem::take(&mut self.content))
    }
}

/// What the bytes after a `<VT>` in the body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    Yes,
    Perhaps,
    No,
}

/// F-21: optionally a BOM or CR/LF, then `MSH`, `FHS` or `BHS` and a byte that is no letter or digit.
fn begins_message(bytes: &[u8]) -> Begins {
    let rest = match bytes {
        [] | [0xef] | [0xef, 0xbb] => return Begins::Perhaps,
        [0xef, 0xbb, 0xbf, rest @ ..] | [b'\r', b'\n', rest @ ..] | [b'\r' | b'\n', rest @ ..] => {
            rest
        }
        rest => rest,
    };
    let name = |name: &[u8; 3]| {
        if rest.len() < 3 {
            name.starts_with(rest)
        } else {
            rest.starts_with(name)
        }
    };
    if ![b"MSH", b"FHS", b"BHS"].into_iter().any(name) {
        return Begins::No;
    }
    match rest.get(3) {
        None => Begins::Perhaps,
        Some(separator) if separator.is_ascii_alphanumeric() => Begins::No,
        Some(_) => Begins::Yes,
    }
}
