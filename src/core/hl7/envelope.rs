//! What a frame holds: one message, several, a batch, or nothing that can be read (WIRE 2.5, 2.6).
//!
//! Works on raw bytes. Only line starts and headers are looked at, so it is linear and knows nothing
//! of results.

use super::charset;
use super::header::RawHeader;
use super::types::{MessageKind, kind_of};
use crate::core::fact::Reason;
use crate::core::mllp::skip_blank;
use std::fmt;

/// How far into a content a late MSH is looked for.
const LATE_WITHIN: usize = 512;

/// What a frame's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened<'a> {
    /// Nothing but blanks (F-33).
    Empty,
    /// No message can be read (A-32, A-40 m).
    Refused(Reason),
    /// Messages.
    Messages(Envelope<'a>),
}

/// The messages of a frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// In order.
    pub messages: Vec<RawMessage<'a>>,
    /// Parts between messages that begin with `MSH` but have no readable header; whoever stores the
    /// messages keeps these too, as refused.
    pub unreadable: Vec<&'a [u8]>,
    /// The wrapper, where there is one.
    pub batch: Option<BatchFrame<'a>>,
    /// `msh_late`, `batch_count_mismatch`.
    pub counts: Vec<(&'static str, u64)>,
}

impl fmt::Debug for Envelope<'_> {
    /// Without content (N-5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("messages", &self.messages)
            .field("unreadable", &self.unreadable.len())
            .field("batch", &self.batch)
            .field("counts", &self.counts)
            .finish()
    }
}

/// `FHS` and `BHS` around messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFrame<'a> {
    /// FHS.
    pub file: Option<RawHeader<'a>>,
    /// BHS with the range of its messages in `Envelope::messages`. Never empty.
    pub batches: Vec<(Option<RawHeader<'a>>, std::ops::Range<usize>)>,
}

/// One message of a frame: its bytes and its header.
#[derive(Clone, PartialEq, Eq)]
pub struct RawMessage<'a> {
    /// What is stored: the frame's whole content where it holds one message and no wrapper (P-RAW),
    /// else from this `MSH` up to the next message or trailer.
    pub raw: &'a [u8],
    /// The MSH.
    pub header: RawHeader<'a>,
    /// From the MSH on.
    body: &'a [u8],
}

impl fmt::Debug for RawMessage<'_> {
    /// Length only: the content is about a patient (N-5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawMessage({} bytes)", self.raw.len())
    }
}

impl<'a> RawMessage<'a> {
    /// Reads a message that stands alone; `None` where fail.
    pub fn read(raw: &'a [u8]) -> Option<Self> {
        let body = raw.get(start_of(raw, b"MSH")?..)?;
        Some(Self {
            raw,
            header: RawHeader::read(body, b"MSH")?,
            body,
        })
    }

    /// MSH-10, bytes exactly.
    pub fn control_id(&self) -> &'a [u8] {
        self.header.field(10)
    }

    /// MSH-9.1 as text; bytes beyond ASCII are no type of ours.
    pub fn code(&self) -> String {
        String::from_utf8_lossy(self.header.component(9, 1)).into_owned()
    }

    /// MSH-9.2 as text.
    pub fn event(&self) -> String {
        String::from_utf8_lossy(self.header.component(9, 2)).into_owned()
    }

    /// What MSH-9 says.
    pub fn kind(&self) -> MessageKind {
        let word = |number: usize| {
            let bytes = self.header.component(9, number);
            // No type of ours, and not empty.
            std::str::from_utf8(bytes).unwrap_or("?")
        };
        kind_of(word(1), word(2))
    }

    /// Numbers of MSH-12.1; `None` where there are none.
    pub fn version(&self) -> Option<Vec<u32>> {
        let text = std::str::from_utf8(self.header.component(12, 1)).ok()?;
        text.trim()
            .split('.')
            .map(|part| part.parse().ok())
            .collect()
    }

    /// MSH-18 declares UTF-16 or UTF-32.
    fn declares_wide(&self) -> bool {
        let declared = self.header.field(18);
        if declared.is_empty() {
            return false;
        }
        let repetition = self.header.encoding(1);
        let first = declared
            .split(|byte| Some(*byte) == repetition)
            .next()
            .unwrap_or_default();
        charset::is_wide(first)
    }

    /// an acknowledgement by its type, or because MSA is its second segment (SFT aside).
    pub fn is_acknowledgement(&self) -> bool {
        self.kind() == MessageKind::Acknowledgement
            || lines(self.body)
                .skip(1)
                .map(|(_, line)| line)
                .find(|line| {
                    !line.is_empty() && !line.starts_with(b"SFT") && !line.starts_with(b"UAC")
                })
                .is_some_and(|line| {
                    line.strip_prefix(b"MSA").and_then(<[u8]>::first)
                        == Some(&self.header.separator())
                })
    }

    /// MSA-1 and MSA-2 of a message that answers another one, bytes exactly (P-5).
    pub fn answered(&self) -> Option<(&'a [u8], &'a [u8])> {
        let separator = self.header.separator();
        let fields = lines(self.body)
            .skip(1)
            .filter_map(|(_, line)| line.strip_prefix(b"MSA")?.split_first())
            .find_map(|(first, fields)| (*first == separator).then_some(fields))?;
        let mut fields = fields.split(|byte| *byte == separator);
        let code = fields.next().unwrap_or_default();
        Some((code, fields.next().unwrap_or_default()))
    }

    /// Whether a receiver that follows the sender's wish answers this message in every case: in
    /// original mode, or where MSH-15 or MSH-16 asks always.
    pub fn is_always_answered(&self) -> bool {
        let asks = [self.header.field(15), self.header.field(16)];
        let enhanced = asks
            .iter()
            .any(|ask| matches!(*ask, b"AL" | b"NE" | b"ER" | b"SU"));
        !self.is_acknowledgement() && (!enhanced || asks.contains(&b"AL".as_slice()))
    }
}

/// Looks at a frame's content.
pub fn open(content: &[u8]) -> Opened<'_> {
    let trimmed = skip_blank(content);
    let start = content.len() - trimmed.len();
    if trimmed.is_empty() {
        return Opened::Empty;
    }
    if is_wide(content) {
        return Opened::Refused(Reason::CharsetUtf16);
    }
    if looks_like_xml(trimmed) {
        return Opened::Refused(Reason::Xml);
    }
    let wrapped = [b"FHS", b"BHS"]
        .into_iter()
        .any(|name| RawHeader::read(trimmed, name).is_some());
    let opened = if wrapped {
        open_batch(content, start)
    } else {
        open_plain(content, start)
    };
    match opened {
        // MSH-18 says that nothing here is in a set MLLP can carry (C-3, A-40 m).
        Some(envelope) if envelope.messages.iter().all(RawMessage::declares_wide) => {
            Opened::Refused(Reason::CharsetUtf16)
        }
        Some(envelope) => Opened::Messages(envelope),
        None => Opened::Refused(Reason::UnreadableMsh),
    }
}

/// One message, or several without a wrapper.
fn open_plain(content: &[u8], start: usize) -> Option<Envelope<'_>> {
    let begin = start_of(content, b"MSH")?;
    let late = u64::from(begin > start);
    let starts: Vec<usize> = parts(content, begin).collect();
    let whole = starts.len() == 1;
    let mut envelope = Envelope {
        messages: Vec::with_capacity(starts.len()),
        unreadable: Vec::new(),
        batch: None,
        counts: Vec::new(),
    };
    let ends = starts.iter().skip(1).copied().chain([content.len()]);
    for (from, to) in starts.iter().copied().zip(ends) {
        let body = content.get(from..to).unwrap_or_default();
        envelope.add(if whole { content } else { body }, body);
    }
    if late > 0 {
        envelope.counts.push(("msh_late", late));
    }
    (!envelope.messages.is_empty()).then_some(envelope)
}

impl<'a> Envelope<'a> {
    fn add(&mut self, raw: &'a [u8], body: &'a [u8]) {
        match RawHeader::read(body, b"MSH") {
            Some(header) => self.messages.push(RawMessage { raw, header, body }),
            None => self.unreadable.push(raw),
        }
    }
}

/// `[FHS] {[BHS] {MSH …} [BTS]} [FTS]`, whatever of it is there.
fn open_batch(content: &[u8], start: usize) -> Option<Envelope<'_>> {
    let mut envelope = Envelope {
        messages: Vec::new(),
        unreadable: Vec::new(),
        batch: None,
        counts: Vec::new(),
    };
    let mut frame = BatchFrame {
        file: None,
        batches: Vec::new(),
    };
    let mut mismatches = 0;
    let marks: Vec<(usize, Mark)> = marks(content, start).collect();
    let ends = marks
        .iter()
        .skip(1)
        .map(|(at, _)| *at)
        .chain([content.len()]);
    for ((from, mark), to) in marks.iter().zip(ends) {
        let part = content.get(*from..to).unwrap_or_default();
        match mark {
            Mark::Message => {
                if frame.batches.is_empty() {
                    frame.batches.push((None, 0..0));
                }
                envelope.add(part, part);
            }
            Mark::FileHeader => frame.file = RawHeader::read(part, b"FHS").or(frame.file),
            Mark::BatchHeader => {
                let at = envelope.messages.len();
                frame.batches.push((RawHeader::read(part, b"BHS"), at..at));
            }
            Mark::BatchTrailer => {
                let inside = frame.batches.last().map_or(0, |(_, range)| {
                    envelope.messages.len().saturating_sub(range.start)
                });
                mismatches += u64::from(declared(part).is_some_and(|count| count != inside));
            }
            Mark::FileTrailer => {
                let batches = frame
                    .batches
                    .iter()
                    .filter(|(header, _)| header.is_some())
                    .count();
                mismatches += u64::from(declared(part).is_some_and(|count| count != batches));
            }
        }
        if let Some((_, range)) = frame.batches.last_mut() {
            range.end = envelope.messages.len();
        }
    }
    if envelope.messages.is_empty() {
        return None;
    }
    if mismatches > 0 {
        envelope.counts.push(("batch_count_mismatch", mismatches));
    }
    envelope.batch = Some(frame);
    Some(envelope)
}

/// The count of a BTS or FTS; `None` where it is empty or no number.
fn declared(trailer: &[u8]) -> Option<usize> {
    let separator = trailer.get(3)?;
    let end = memchr::memchr2(b'\r', b'\n', trailer).unwrap_or(trailer.len());
    let count = trailer
        .get(4..end)?
        .split(|byte| byte == separator)
        .next()?;
    std::str::from_utf8(count).ok()?.trim().parse().ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    FileHeader,
    BatchHeader,
    Message,
    BatchTrailer,
    FileTrailer,
}

/// Every line that begins a message or belongs to the wrapper.
///
/// A line is one of these only with the field separator after its name (F-61: else it is text, as in
/// a note that begins with `MSH-7`). Each header may bring a separator of its own, if it is readable
/// and does not look like words.
fn marks(content: &[u8], start: usize) -> impl Iterator<Item = (usize, Mark)> + '_ {
    let mut separator = None;
    let content = content.get(start..).unwrap_or_default();
    lines(content).filter_map(move |(at, line)| {
        let (name, after) = line.split_first_chunk::<3>()?;
        let mark = match name {
            b"FHS" => Mark::FileHeader,
            b"BHS" => Mark::BatchHeader,
            b"MSH" => Mark::Message,
            b"BTS" => Mark::BatchTrailer,
            b"FTS" => Mark::FileTrailer,
            _ => return None,
        };
        let same = after.first().is_some_and(|next| Some(*next) == separator);
        let is_mark = match mark {
            Mark::BatchTrailer | Mark::FileTrailer => same || after.is_empty(),
            Mark::FileHeader | Mark::BatchHeader | Mark::Message => {
                let header = RawHeader::read(content.get(at..)?, name)
                    .filter(|header| separator.is_none() || same || header.has_plain_encoding());
                separator = header.map(|header| header.separator()).or(separator);
                same || header.is_some()
            }
        };
        is_mark.then_some((start + at, mark))
    })
}

/// Where messages begin, from `begin` on.
fn parts(content: &[u8], begin: usize) -> impl Iterator<Item = usize> + '_ {
    marks(content, begin)
        .filter(|(_, mark)| *mark == Mark::Message)
        .map(|(at, _)| at)
}

/// Lines with their offset, blanks and a byte order mark before them cut (F-60, F-62).
fn lines(content: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let ends = memchr::memchr2_iter(b'\r', b'\n', content).chain([content.len()]);
    let mut from = 0;
    ends.map(move |end| {
        let line = skip_blank(content.get(from..end).unwrap_or_default());
        from = end + 1;
        (end - line.len(), line)
    })
}

/// Where the message begins: past byte order marks and blanks, or at a line start within the first
/// 512 bytes.
pub fn start_of(content: &[u8], name: &[u8; 3]) -> Option<usize> {
    let first = content.len() - skip_blank(content).len();
    let readable = |at: &usize| {
        content
            .get(*at..)
            .is_some_and(|rest| RawHeader::read(rest, name).is_some())
    };
    if readable(&first) {
        return Some(first);
    }
    lines(content)
        .map(|(at, _)| at)
        .take_while(|at| *at < LATE_WITHIN)
        .find(readable)
}

/// UTF-16 or UTF-32, by its BOM or by the zeros in a header (F-35).
fn is_wide(content: &[u8]) -> bool {
    let marked = content.starts_with(b"\xff\xfe")
        || content.starts_with(b"\xfe\xff")
        || content.starts_with(b"\0\0\xfe\xff");
    marked
        || matches!(
            content,
            [b'M', 0, b'S', 0, b'H', 0, ..] | [0, b'M', 0, b'S', 0, b'H', ..]
        )
        || matches!(
            content,
            [b'M', 0, 0, 0, b'S', ..] | [0, 0, 0, b'M', 0, 0, 0, b'S', ..]
        )
}

fn looks_like_xml(content: &[u8]) -> bool {
    matches!(content, [b'<', b'?' | b'!' | b'A'..=b'Z' | b'a'..=b'z', ..])
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
