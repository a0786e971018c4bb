//! Reading a message at which a glance was taken and whose header and patient are as plain as most are: ASCII,
//! UTF-8 or windows-1252, no subcomponents, no escapes, times and dates that can be read.
//!
//! It gives what [`extract_whole`](super::extract_whole) gives of such a message, without decoding or parsing it, or
//! says nothing. A test and a fuzzer hold the two against each other.

use super::marks::Marks;
use super::patient::{Identifier, Identifiers, is_null, name_of, sex_called};
use super::{Extraction, PatientPart, Routine, Understood};
use crate::core::clinical::observation::{BirthDate, DemographicsReport, Given, PatientKey};
use crate::core::fact::{JournalPosition, Received};
use crate::core::hl7::time::{BirthReading, read_birth_date};
use crate::core::phi::Phi;
use crate::core::policy::{Policy, Site};
use crate::core::time::Timestamp;
use encoding_rs::WINDOWS_1252;
use std::borrow::Cow;

/// Fields of a PID that are looked at, with its name.
const FIELDS: usize = 33;
/// Fields of an MSH that are looked at, with its name; the separator itself counts as the first.
const HEADER: usize = 11;

/// Reads it; `None` where it is not as plain as that.
pub(super) fn read_plain(
    routine: &Routine<'_>,
    received: &Received,
    position: JournalPosition,
    policy: &Policy,
) -> Option<Extraction> {
    let said = routine.what();
    let head = plain_head(routine, said.charset())?;
    let mut header = [""; HEADER];
    for (field, found) in header.iter_mut().skip(3).zip(between(&head, b'|')) {
        *field = found;
    }
    let [_, _, _, application, facility, _, _, _, _, kind, control_id] = header;
    let (application, facility) = (named(application), named(facility));
    let mut kinds = between(kind, b'^').map(word);
    let (kind, event) = (kinds.next()?, kinds.next()?);
    let pid = plain(said.pid(), said.charset())?;
    let mut extraction = Extraction {
        understood: match routine.has_results {
            true => Understood::Results,
            false => Understood::Demographics,
        },
        message_type: format!("{kind}^{event}"),
        control_id: word(control_id).to_owned(),
        feed: format!("{application}/{facility}"),
        sent_at: Some(routine.sent),
        ..Extraction::default()
    };
    let fields = fields(&pid);
    let identifiers = Identifiers::plain(&fields)?;
    if identifiers.is_control(&policy.site) {
        extraction.counts.insert("control_material", 1);
        return Some(extraction);
    }
    // Where none can be chosen, reading says why.
    let chosen = identifiers.choose(&policy.site).ok()?;
    let person = Person::read(&fields, received.received_at, &policy.site)?;
    extraction.patients.push(PatientPart {
        key: chosen.key_of(&policy.site, facility),
        demographics: Some(person.report(routine.said, position, policy)),
        observations: Vec::new(),
        group_withdrawals: Vec::new(),
        associations: Vec::new(),
    });
    Some(extraction)
}

/// All that a message that says nothing but who its patient is says, if it is plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'m> {
    /// As [`Routine::same`].
    pub same: [&'m [u8]; 4],
    /// All of the message is valid UTF-8.
    pub is_utf8: bool,
    /// When it was sent, and received.
    pub sent: Timestamp,
    /// The time of its demographics.
    pub said: Timestamp,
}

/// Whose a message is, where reading it would give who that is and nothing else: nothing that is counted, nothing that
/// is refused. What is said of the patient, [`who`] tells, whenever it is wanted.
pub fn whose(routine: &Routine<'_>, policy: &Policy) -> Option<PatientKey> {
    let said = routine.what();
    plain_head(routine, said.charset())?;
    said.read(policy, |key, _| key)
}

/// The patient and what is said of them, of a message of which [`whose`] told the patient.
pub fn who(said: &Said<'_>, policy: &Policy) -> Option<(PatientKey, DemographicsReport)> {
    said.read(policy, |key, person| {
        (
            key,
            person.report(said.said, JournalPosition::START, policy),
        )
    })
}

impl Said<'_> {
    fn read<T>(
        &self,
        policy: &Policy,
        take: impl FnOnce(PatientKey, &Person<'_>) -> T,
    ) -> Option<T> {
        let [facility, ..] = self.same;
        let facility = plain(facility, self.charset())?;
        let pid = plain(self.pid(), self.charset())?;
        let fields = fields(&pid);
        let identifiers = Identifiers::plain(&fields)?;
        if identifiers.is_control(&policy.site) {
            return None;
        }
        let chosen = identifiers.choose(&policy.site).ok()?;
        let person = Person::read(&fields, self.sent, &policy.site)?;
        Some(take(chosen.key_of(&policy.site, named(&facility)), &person))
    }

    fn charset(&self) -> Charset {
        let [_, _, declared, _] = self.same;
        Charset::of(declared, self.is_utf8)
    }

    const fn pid(&self) -> &[u8] {
        let [.., pid] = self.same;
        pid
    }
}

const DELIMITERS: &str = "MSH|^~\\&|";

/// What bytes beyond ASCII mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Windows1252,
    /// To be read as a whole.
    Other,
}

impl Charset {
    /// By MSH-18, and by whether all of the message is UTF-8 (C-4); the listener leaves it to them.
    fn of(declared: &[u8], is_utf8: bool) -> Self {
        match (declared, is_utf8) {
            (b"" | b"8859/1" | b"UNICODE UTF-8" | b"UTF-8", true) => Self::Utf8,
            (b"" | b"8859/1", false) => Self::Windows1252,
            _ => Self::Other,
        }
    }
}

/// What stands behind the delimiters of a header, which a glance has looked at.
fn plain_head<'m>(routine: &Routine<'m>, charset: Charset) -> Option<Cow<'m, str>> {
    let behind = routine.head.get(DELIMITERS.len()..)?;
    let text = plain(behind, charset)?;
    (!behind.contains(&b'~')).then_some(text)
}

/// Text without control characters, subcomponents and escapes.
fn plain(line: &[u8], charset: Charset) -> Option<Cow<'_, str>> {
    // All of it, without a way out on the way: so many bytes are looked at at once.
    let (mut odd, mut beyond) = (false, false);
    for byte in line {
        odd |= matches!(byte, b'&' | b'\\' | 0x7f) | (*byte < b' ');
        beyond |= *byte >= 0x80;
    }
    if odd || beyond && charset == Charset::Other {
        return None;
    }
    match charset {
        Charset::Windows1252 => Some(WINDOWS_1252.decode_without_bom_handling(line).0),
        Charset::Utf8 | Charset::Other => std::str::from_utf8(line).ok().map(Cow::Borrowed),
    }
}

/// The fields of a PID, by their numbers.
fn fields(pid: &str) -> [&str; FIELDS] {
    let mut fields = [""; FIELDS];
    let ends = Marks::new(pid.as_bytes()).bars().chain([pid.len()]);
    let mut begin = 0;
    for (field, end) in fields.iter_mut().zip(ends) {
        *field = pid.get(begin..end).unwrap_or_default();
        begin = end + 1;
    }
    fields
}

/// What stands between delimiters; the parts are so short that looking at each byte is the fastest search.
fn between(text: &str, delimiter: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let all = rest?;
        match all.bytes().position(|byte| byte == delimiter) {
            Some(end) => {
                rest = all.get(end + 1..);
                all.get(..end)
            }
            None => rest.take(),
        }
    })
}

/// A leaf as it is compared (C-8, C-9).
fn word(leaf: &str) -> &str {
    let bytes = leaf.as_bytes();
    let is_tight = [bytes.first(), bytes.last()]
        .iter()
        .all(|end| end.is_none_or(u8::is_ascii_graphic));
    let trimmed = if is_tight { leaf } else { leaf.trim() };
    if trimmed == "\"\"" { "" } else { trimmed }
}

/// An HD: its namespace, else its universal id.
fn named(field: &str) -> &str {
    let mut parts = between(field, b'^').map(word);
    let namespace = parts.next().unwrap_or_default();
    match namespace {
        "" => parts.next().unwrap_or_default(),
        named => named,
    }
}

impl<'p> Identifiers<'p> {
    /// Of a plain PID.
    fn plain(fields: &[&'p str; FIELDS]) -> Option<Self> {
        let [_, _, external, list, alternate, ..] = fields;
        Some(Self {
            list: identifiers(list)?,
            external: identifiers(external)?,
            alternate: identifiers(alternate)?,
        })
    }
}

/// The identifiers of a field, none of which may have a day on which it ends (CX.8).
fn identifiers(field: &str) -> Option<Vec<Identifier<'_>>> {
    let mut found = Vec::new();
    if field.is_empty() {
        return Some(found);
    }
    for cx in between(field, b'~') {
        let mut parts = [""; 8];
        for (part, at) in parts.iter_mut().zip(between(cx, b'^')) {
            *part = at;
        }
        let [id, _, _, authority, kind, _, _, ends] = parts;
        if !ends.is_empty() {
            return None;
        }
        let id = word(id);
        if !id.is_empty() {
            found.push(Identifier::of_parts(id, word(authority), word(kind)));
        }
    }
    Some(found)
}

/// Who somebody is: the fields that are plainly read, and the birth date, which may be none.
struct Person<'p> {
    name: &'p str,
    sex: &'p str,
    birth: Given<Phi<BirthDate>>,
}

impl<'p> Person<'p> {
    fn read(fields: &[&'p str; FIELDS], received_at: Timestamp, site: &Site) -> Option<Self> {
        let [_, _, _, _, _, name, _, birth, sex, rest @ ..] = fields;
        let [.., dead_at, dead, doubted, doubts] = rest;
        let says_more = [dead_at, dead, doubted, doubts]
            .iter()
            .any(|field| !field.is_empty());
        // What is repeated, or seldom said, is read as a whole.
        let repeated = |field: &&str| field.bytes().any(|byte| byte == b'~');
        if says_more || [*name, *birth, *sex].iter().any(repeated) {
            return None;
        }
        let first = |field: &'p str| between(field, b'^').next().unwrap_or_default();
        Some(Self {
            name,
            sex: first(sex),
            birth: born(first(birth), received_at, site)?,
        })
    }

    fn report(
        &self,
        at: Timestamp,
        position: JournalPosition,
        policy: &Policy,
    ) -> DemographicsReport {
        DemographicsReport {
            at,
            birth: self.birth.clone(),
            sex: match is_null(self.sex) {
                true => Given::Cleared,
                false => sex_called(word(self.sex), policy),
            },
            name: match is_null(self.name) {
                true => Given::Cleared,
                false => {
                    let mut parts = between(self.name, b'^').map(word);
                    name_of(std::array::from_fn(|_| parts.next().unwrap_or_default()))
                }
            },
            dead: Given::Absent,
            unreliable: Given::Absent,
            deleted: Given::Absent,
            position,
        }
    }
}

fn born(leaf: &str, received_at: Timestamp, site: &Site) -> Option<Given<Phi<BirthDate>>> {
    if is_null(leaf) {
        return Some(Given::Cleared);
    }
    let today = site.zone.to_datetime(received_at.to_jiff()).date();
    match read_birth_date(word(leaf), &site.placeholder_birth_dates, today) {
        BirthReading::Empty => Some(Given::Absent),
        BirthReading::Date(date) => Some(Given::Value(Phi::new(date))),
        // That is counted.
        BirthReading::Invalid => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::extract::{extract_whole, glance};
    use crate::core::fact::Origin;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    /// What is read of a message with this header behind MSH-2 and this PID; it is what reading the whole gives.
    fn read(head: &str, pid: &str) -> Option<Extraction> {
        read_bytes(head, pid.as_bytes())
    }

    fn read_bytes(head: &str, pid: &[u8]) -> Option<Extraction> {
        let before = format!("MSH|^~\\&|{head}\rPID|");
        let behind = b"\rOBR|1|||GLU\rOBX|1|NM|GLU||5|mmol/L|||||F\r";
        let raw = [before.as_bytes(), pid, behind].concat();
        let policy = Policy::built_in();
        let routine = glance(&raw, "lab", NOW, &policy).expect("a glance is enough");
        let received = Received {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: String::new(),
            },
            received_at: NOW,
            part: (0, 1),
            raw: raw.clone().into(),
        };
        let position = JournalPosition(7);
        let found = read_plain(&routine, &received, position, &policy);
        if let Some(found) = &found {
            assert_eq!(
                *found,
                extract_whole(&received, position, &policy),
                "{head} {}",
                String::from_utf8_lossy(pid)
            );
        }
        found
    }

    const HEAD: &str = "LAB^1.2^ISO|HOSP|||20261130100000+0100||ORU^R01^ORU_R01|7|P|2.5";

    #[test]
    fn what_is_plain_is_read_as_the_whole() {
        for pid in [
            "1||4711^^^HOSP^MR||DOE^JANE^A||19800101|F",
            "1|9^^^X|4711~12^^^B^PI~3^^^C^SS||DOE||198001|M|||a^b^c~d^e",
            "||  4711 ^^^ HOSP ||\"\"||\"\"|\"\"|",
            "1|2||3^^^A|^JANE^^^^^L||19000101|U",
            "1||4711||DOE^ ^X||20260101123000|X",
            "1||QC-1^^^HOSP||QC^LEVEL1",
            "1||\"\"|77^^^ALT",
            "1||4711^^^HOSP||M\u{dc}LLER^J\u{d6}RG||19800101|M",
        ] {
            let found = read(HEAD, pid);
            assert!(found.is_some() || pid.contains("\"\"|77"), "{pid}");
        }
        for head in [
            "LAB|HOSP|||202611301000||ADT^A08|x y |P|2.3",
            "^1.2|^2.16.840|||20261130100000||ORU^R01||P|2.5.1||||||UNICODE UTF-8",
        ] {
            assert!(
                read(head, "1||4711||DOE^JANE||19800101|F").is_some(),
                "{head}"
            );
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_reading() {
        for pid in [
            // A subcomponent, a control character, a birth date that is none.
            "1||4711||DOE\tJANE",
            "1||4711^^^HOSP&1.2&ISO||DOE",
            "1||4711||DOE||19801399|F",
            // Nobody to be chosen, which is told.
            "1||^^^HOSP||DOE",
            "1||3^^^C^SS||DOE",
            // Said seldom: repeated names, death, doubt.
            "1||4711||DOE^JANE~ROE^JANE^^^^^L||19800101|F",
            "1||4711||DOE||19800101|F|||||||||||||||||||||20260101|Y",
            "1||4711||DOE||19800101|F||||||||||||||||||||||||AL",
        ] {
            assert!(read(HEAD, pid).is_none(), "{pid}");
        }
        // What is declared does not hold.
        let utf8 = format!("{HEAD}||||||8859/1");
        assert!(read(&utf8, "1||4711||D\u{d6}E").is_some());
        for charset in ["", "8859/1"] {
            let head = format!("{HEAD}||||||{charset}");
            let found = read_bytes(&head, b"1||4711||D\xd6E^\xa0J\x85\x81||19800101|F");
            assert!(found.is_some(), "{charset}");
        }
        let ascii = format!("{HEAD}||||||ASCII");
        assert!(read(&ascii, "1||4711||DOE").is_some());
        assert!(read(&ascii, "1||4711||D\u{d6}E").is_none());
    }
}
