//! The quick look at a whole message: most have no result of ours, and of these nothing is wanted but
//! who the patient is.
//!
//! It works on raw bytes and gives an answer only where reading the message could give no more than
//! demographics; wherever anything is out of the ordinary it says nothing, and the message is to be
//! read by [`extract`](super::extract). A test holds the two against each other.

use super::message::raw_header;
use crate::core::hl7::time::{Hl7Time, TimeReading, clamp_future, is_too_early};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use jiff::tz::Offset;
use memchr::{memchr, memchr_iter, memchr2};

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

impl Routine<'_> {
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
    let mut lines = Lines(raw);
    let head = lines.next()?;
    let header = Header::read(head.strip_prefix(b"MSH|^~\\&|")?)?;
    let kind = Kind::of(header.field(9))?;
    let reads_alike = policy.listeners.get(listener).is_none_or(|reading| {
        reading.processing == "P" && reading.charset.eq_ignore_ascii_case("auto")
    });
    // What is escaped is decoded, and counted where it cannot be.
    let escaped = memchr(b'\\', header.line).is_some();
    if escaped || !reads_alike || header.field(11) != b"P" || !header.field(14).is_empty() {
        return None;
    }
    let charset = header.field(18);
    // ASCII, which nearly all are, is seen many times faster.
    let is_utf8 = raw.is_ascii() || std::str::from_utf8(raw).is_ok();
    match charset {
        b"" | b"ASCII" | b"8859/1" => {}
        b"UNICODE UTF-8" | b"UTF-8" if is_utf8 => {}
        _ => return None,
    }
    // A NUL is dropped before anything is read, so it could stand in the middle of a code.
    if memchr(0, raw).is_some() {
        return None;
    }
    let (sent, offset) = instant(header.field(7), None, policy)?;
    if sent > now || is_too_early(sent) {
        return None;
    }
    let mut said = sent;
    let mut seen = Seen::default();
    for line in lines {
        if line.is_empty() {
            continue;
        }
        let (name, fields) = segment(line)?;
        match name {
            b"OBX" => seen.result(fields, &mut may_match)?,
            b"PID" => seen.person(line, fields)?,
            b"OBR" => seen.order(fields)?,
            b"ORC" => seen.control(fields)?,
            b"SPM" => {
                let role = field(fields, 11);
                if !(role.is_empty() || role == b"P" || role.starts_with(b"P^")) {
                    return None;
                }
            }
            b"EVN" => {
                let at = field(fields, 2);
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
            b"PV2" if !field(fields, 3).is_empty() => return None,
            b"MSH" | b"DSC" | b"DG1" | b"RXA" | b"RXE" | b"RXO" | b"MRG" => return None,
            _ => {}
        }
    }
    if kind == Kind::Results && seen.results == 0 {
        return None;
    }
    let same = [header.field(4), header.field(12), charset, seen.pid?];
    Some(Routine {
        same,
        feed: [header.field(3), header.field(4)],
        has_results: kind == Kind::Results,
        head,
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
    fn result(&mut self, fields: &[u8], may_match: &mut impl FnMut(&[u8]) -> bool) -> Option<()> {
        self.pid?;
        self.results = self.results.saturating_add(1);
        (!may_match(field(fields, 3))).then_some(())
    }

    /// The only PID, before any result, with identifiers that do not expire.
    fn person(&mut self, line: &'m [u8], fields: &[u8]) -> Option<()> {
        let expires = field(fields, 3)
            .split(|byte| *byte == b'~')
            .any(|one| memchr_iter(b'^', one).nth(6).is_some());
        // What is escaped is decoded, and counted where it cannot be, not in every field of every type.
        let escaped = memchr(b'\\', line).is_some();
        if self.pid.is_some() || self.results > 0 || expires || escaped {
            return None;
        }
        self.pid = Some(line);
        Some(())
    }

    /// An OBR that withdraws nothing and names no reason (OBR-25, OBR-31).
    fn order(&self, fields: &[u8]) -> Option<()> {
        self.pid?;
        let mut ends = memchr_iter(b'|', fields);
        // `fields` begins behind the name: the separator before field 25 is the 25th.
        let Some(before) = ends.nth(23) else {
            return Some(());
        };
        let end = ends.next().unwrap_or(fields.len());
        let status = fields.get(before + 1..end)?;
        let live = matches!(
            status,
            b"" | [b'F' | b'P' | b'C' | b'R' | b'A' | b'M' | b'S' | b'I' | b'N' | b'O']
        );
        let reason = match ends.nth(4) {
            None => &[][..],
            Some(before) => {
                let end = ends.next().unwrap_or(fields.len());
                fields.get(before + 1..end)?
            }
        };
        (live && reason.is_empty()).then_some(())
    }

    /// An ORC that withdraws nothing and names no reason (ORC-1, ORC-16).
    fn control(&self, fields: &[u8]) -> Option<()> {
        self.pid?;
        let code = field(fields, 1);
        let known = matches!(
            code,
            b"" | b"RE" | b"NW" | b"OK" | b"SC" | b"SN" | b"NA" | b"XO" | b"XR" | b"IP" | b"CM"
        );
        (known && field(fields, 16).is_empty()).then_some(())
    }
}

/// Lines without their ends; behind a CR, LF counts as the end of an empty one.
struct Lines<'m>(&'m [u8]);

impl<'m> Iterator for Lines<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr2(b'\r', b'\n', self.0).unwrap_or(self.0.len());
        let line = self.0.get(..end)?;
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(line)
    }
}

/// Name and what follows its separator, of a line that is plainly a segment.
fn segment(line: &[u8]) -> Option<(&[u8; 3], &[u8])> {
    let (name, after) = line.split_first_chunk::<3>()?;
    let [first, second, third] = name;
    let named = first.is_ascii_uppercase()
        && [second, third]
            .into_iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let (separator, fields) = after.split_first()?;
    (named && *separator == b'|').then_some((name, fields))
}

/// A field by its number, of what follows `NAME|`; empty where absent.
fn field(fields: &[u8], number: usize) -> &[u8] {
    let mut ends = memchr_iter(b'|', fields);
    let start = match number.checked_sub(2) {
        None => 0,
        Some(before) => match ends.nth(before) {
            Some(end) => end + 1,
            None => return &[],
        },
    };
    let end = ends.next().unwrap_or(fields.len());
    fields.get(start..end).unwrap_or_default()
}

/// MSH-3 to MSH-18.
const READ: usize = 16;

/// The fields of an MSH from the third one on.
struct Header<'m> {
    line: &'m [u8],
    ends: [usize; READ],
}

impl<'m> Header<'m> {
    /// `line` begins with MSH-3.
    fn read(line: &'m [u8]) -> Option<Self> {
        let mut ends = [line.len(); READ];
        for (end, found) in ends.iter_mut().zip(memchr_iter(b'|', line)) {
            *end = found;
        }
        Some(Self { line, ends })
    }

    fn field(&self, number: usize) -> &'m [u8] {
        let place = number.saturating_sub(3);
        let end = self.ends.get(place).copied().unwrap_or(self.line.len());
        let start = match place
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
        {
            Some(before) => before.saturating_add(1),
            None => 0,
        };
        self.line.get(start..end).unwrap_or_default()
    }
}

/// A time in HL7's own form, and the offset that it names.
fn instant(
    raw: &[u8],
    default: Option<Offset>,
    policy: &Policy,
) -> Option<(Timestamp, Option<Offset>)> {
    let leaf = raw.split(|byte| *byte == b'^').next()?;
    if !leaf
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'))
    {
        return None;
    }
    let TimeReading::Time(time) = Hl7Time::read(std::str::from_utf8(leaf).ok()?) else {
        return None;
    };
    let at = time.to_timestamp(&policy.site.zone, default)?;
    Some((at, time.offset))
}
