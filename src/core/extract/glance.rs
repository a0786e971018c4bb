//! The quick look at a whole message: most have no result of ours, and of these nothing is wanted but
//! who the patient is.
//!
//! It works on raw bytes and gives an answer only where reading the message could give no more than
//! demographics; wherever anything is out of the ordinary it says nothing, and the message is to be
//! read by [`extract`](super::extract). A test holds the two against each other.

use super::marks::{Line, Marks};
use super::message::raw_header;
use super::plain::Said;
use crate::core::hl7::time::{Hl7Time, TimeReading, clamp_future, is_too_early};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use jiff::tz::Offset;
use memchr::memchr;

/// A message that says nothing but who its patient is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Routine<'m> {
    /// What reading depends on, besides the times: MSH-4, MSH-12, MSH-18, and the PID. Of two messages
    /// with equal ones here reading gives the same but for [`said`](Self::said) and the feed.
    pub same: [&'m [u8]; 4],
    /// The feed, as sent: MSH-3 and MSH-4.
    pub feed: [&'m [u8]; 2],
    /// It carries results, of others.
    pub has_results: bool,
    /// The header's line.
    pub head: &'m [u8],
    /// All of it is valid UTF-8; part of what reading depends on.
    pub is_utf8: bool,
    /// When it was sent (MSH-7).
    pub sent: Timestamp,
    /// The time of its demographics.
    pub said: Timestamp,
    /// OBX in it.
    pub results: u32,
}

impl<'m> Routine<'m> {
    /// What it says.
    pub const fn what(&self) -> Said<'m> {
        Said {
            same: self.same,
            is_utf8: self.is_utf8,
            sent: self.sent,
            said: self.said,
        }
    }

    /// A message that says as much in fewer bytes: header and patient, and a result that is none. `None`
    /// where what was left out tells the character set.
    pub fn shortened(&self) -> Option<Vec<u8>> {
        let [.., pid] = self.same;
        let plain = self.is_utf8 || (self.head.is_ascii() && pid.is_ascii());
        plain.then(|| [self.head, pid, b"OBX|1\r"].join(&b'\r'))
    }
}

/// MSH-7 as an instant, where it can be read and is no time before results were sent this way.
pub fn sent_at(raw: &[u8], policy: &Policy) -> Option<Timestamp> {
    let (_, header) = raw_header(raw)?;
    let text = std::str::from_utf8(header.component(7, 1)).ok()?;
    let at = Hl7Time::read(text)
        .time()?
        .to_timestamp(&policy.site.zone, None)?;
    (!is_too_early(at)).then_some(at)
}

/// Looks at a message of a listener; `None` where it has to be read. `now` bounds its times.
pub fn glance<'m>(
    raw: &'m [u8],
    listener: &str,
    now: Timestamp,
    policy: &Policy,
) -> Option<Routine<'m>> {
    let may_match = |code: &[u8]| policy.analytes.bytes_may_match(code);
    glance_asking(raw, listener, now, policy, may_match)
}

/// The same for one who looks at many messages, and remembers which codes (OBX-3 as it came) may match the
/// analyte map: `may_match` says what [`bytes_may_match`](crate::core::clinical::analyte::AnalyteMap) says.
pub fn glance_asking<'m>(
    raw: &'m [u8],
    listener: &str,
    now: Timestamp,
    policy: &Policy,
    mut may_match: impl FnMut(&[u8]) -> bool,
) -> Option<Routine<'m>> {
    let mut marks = Marks::new(raw);
    let header = Header::read(marks.line(0))?;
    let kind = Kind::of(header.kind)?;
    let reads_alike = policy.listeners.get(listener).is_none_or(|reading| {
        reading.processing == "P" && reading.charset.eq_ignore_ascii_case("auto")
    });
    // What is escaped is decoded, and counted where it cannot be.
    let escaped = memchr(b'\\', header.behind).is_some();
    if escaped || !reads_alike || header.processing != b"P" || !header.continuation.is_empty() {
        return None;
    }
    let (sent, offset) = instant(header.sent, None, policy)?;
    if sent > now || is_too_early(sent) {
        return None;
    }
    let mut said = sent;
    let mut seen = Seen::default();
    let mut begin = header.next;
    while begin < raw.len() {
        if matches!(raw.get(begin), Some(b'\r' | b'\n')) {
            (_, begin) = marks.line(begin).end();
            continue;
        }
        let name = segment(raw.get(begin..)?)?;
        let mut line = marks.line(begin);
        match name {
            b"OBX" => seen.result(&mut line, &mut may_match)?,
            b"PID" => {
                let identifiers = line.part(3);
                let (whole, next) = line.end();
                seen.person(whole, identifiers)?;
                begin = next;
                continue;
            }
            b"OBR" => seen.order(&mut line)?,
            b"ORC" => seen.control(&mut line)?,
            b"SPM" => {
                let role = line.part(11);
                if !(role.is_empty() || role == b"P" || role.starts_with(b"P^")) {
                    return None;
                }
            }
            b"EVN" => {
                let at = line.part(2);
                if kind == Kind::Results {
                    return None;
                }
                if !at.is_empty() {
                    let (at, _) = instant(at, offset, policy)?;
                    if is_too_early(at) || clamp_future(at, sent).clamped {
                        return None;
                    }
                    said = at;
                }
            }
            b"PV2" if !line.part(3).is_empty() => return None,
            b"MSH" | b"DSC" | b"DG1" | b"RXA" | b"RXE" | b"RXO" | b"MRG" => return None,
            _ => {}
        }
        (_, begin) = line.end();
    }
    // A NUL is dropped before anything is read, so it could stand in the middle of a code.
    if marks.has_nul() {
        return None;
    }
    let charset = header.charset;
    // ASCII, which nearly all are, is seen on the way.
    let is_utf8 = marks.is_ascii() || simdutf8::basic::from_utf8(raw).is_ok();
    match charset {
        b"" | b"ASCII" | b"8859/1" => {}
        b"UNICODE UTF-8" | b"UTF-8" if is_utf8 => {}
        _ => return None,
    }
    if kind == Kind::Results && seen.results == 0 {
        return None;
    }
    let same = [header.facility, header.version, charset, seen.pid?];
    Some(Routine {
        same,
        feed: [header.application, header.facility],
        has_results: kind == Kind::Results,
        head: header.line,
        is_utf8,
        sent,
        said,
        results: seen.results,
    })
}

/// The types that are worth a glance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Results,
    Demographics,
}

impl Kind {
    fn of(msh9: &[u8]) -> Option<Self> {
        let mut parts = msh9.split(|byte| *byte == b'^');
        match (parts.next()?, parts.next()?) {
            (b"ORU", b"R01") => Some(Self::Results),
            (
                b"ADT",
                b"A01" | b"A02" | b"A03" | b"A04" | b"A05" | b"A08" | b"A11" | b"A28" | b"A31",
            ) => Some(Self::Demographics),
            _ => None,
        }
    }
}

/// What was seen of the body.
#[derive(Default)]
struct Seen<'m> {
    pid: Option<&'m [u8]>,
    results: u32,
}

impl<'m> Seen<'m> {
    /// One OBX that the analyte map cannot know.
    fn result(
        &mut self,
        line: &mut Line<'_, 'm>,
        may_match: &mut impl FnMut(&[u8]) -> bool,
    ) -> Option<()> {
        self.pid?;
        self.results = self.results.saturating_add(1);
        (!may_match(line.part(3))).then_some(())
    }

    /// The only PID, before any result, with identifiers (PID-3) that do not expire.
    fn person(&mut self, line: &'m [u8], identifiers: &[u8]) -> Option<()> {
        let expires = identifiers
            .split(|byte| *byte == b'~')
            .any(|one| one.iter().filter(|byte| **byte == b'^').count() > 6);
        // What is escaped is decoded, and counted where it cannot be, not in every field of every type.
        let escaped = memchr(b'\\', line).is_some();
        if self.pid.is_some() || self.results > 0 || expires || escaped {
            return None;
        }
        self.pid = Some(line);
        Some(())
    }

    /// An OBR that withdraws nothing and names no reason (OBR-25, OBR-31).
    fn order(&self, line: &mut Line<'_, 'm>) -> Option<()> {
        self.pid?;
        let live = matches!(
            line.part(25),
            b"" | [b'F' | b'P' | b'C' | b'R' | b'A' | b'M' | b'S' | b'I' | b'N' | b'O']
        );
        (live && line.part(31).is_empty()).then_some(())
    }

    /// An ORC that withdraws nothing and names no reason (ORC-1, ORC-16).
    fn control(&self, line: &mut Line<'_, 'm>) -> Option<()> {
        self.pid?;
        let known = matches!(
            line.part(1),
            b"" | b"RE" | b"NW" | b"OK" | b"SC" | b"SN" | b"NA" | b"XO" | b"XR" | b"IP" | b"CM"
        );
        (known && line.part(16).is_empty()).then_some(())
    }
}

/// The name of what is plainly a segment.
fn segment(line: &[u8]) -> Option<&[u8; 3]> {
    let (name, behind) = line.split_first_chunk::<3>()?;
    let [first, second, third] = name;
    let named = first.is_ascii_uppercase()
        && [second, third]
            .into_iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (named && behind.first() == Some(&b'|')).then_some(name)
}

/// What of an MSH is looked at.
struct Header<'m> {
    line: &'m [u8],
    /// From MSH-3 on.
    behind: &'m [u8],
    /// Where the next line begins.
    next: usize,
    application: &'m [u8],
    facility: &'m [u8],
    sent: &'m [u8],
    kind: &'m [u8],
    processing: &'m [u8],
    version: &'m [u8],
    continuation: &'m [u8],
    charset: &'m [u8],
}

impl<'m> Header<'m> {
    /// One with the delimiters that nearly all have.
    fn read(mut line: Line<'_, 'm>) -> Option<Self> {
        // MSH-1 is the separator behind the name itself.
        let mut field = |number: usize| line.part(number - 1);
        let (application, facility) = (field(3), field(4));
        let (sent, kind) = (field(7), field(9));
        let (processing, version) = (field(11), field(12));
        let (continuation, charset) = (field(14), field(18));
        let (line, next) = line.end();
        Some(Self {
            behind: line.strip_prefix(b"MSH|^~\\&|")?,
            line,
            next,
            application,
            facility,
            sent,
            kind,
            processing,
            version,
            continuation,
            charset,
        })
    }
}

/// A time in HL7's own form, and the offset that it names.
fn instant(
    raw: &[u8],
    default: Option<Offset>,
    policy: &Policy,
) -> Option<(Timestamp, Option<Offset>)> {
    let time = match Hl7Time::read_usual(raw) {
        Some(time) => time,
        None => other_time(raw)?,
    };
    let at = time.to_timestamp(&policy.site.zone, default)?;
    Some((at, time.offset))
}

fn other_time(raw: &[u8]) -> Option<Hl7Time> {
    let leaf = raw.split(|byte| *byte == b'^').next()?;
    if !leaf
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'))
    {
        return None;
    }
    match Hl7Time::read(std::str::from_utf8(leaf).ok()?) {
        TimeReading::Time(time) => Some(time),
        _ => None,
    }
}
