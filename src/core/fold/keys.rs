//! Keys of the state: one byte for the table, then parts whose bytes sort as what they stand for.
//!
//! | byte | table | rest of the key | value |
//! |---|---|---|---|
//! | `a` | alert log | place | `AlertPointer` |
//! | `b` | alert index | alert id | place, if it is in the log |
//! | `c` | parts of messages | position of the newest | `Waiting` |
//! | `d` | dirty marks | patient | `DirtyMark` |
//! | `e` | pages nobody acknowledged | episode, place | `OpenPage` |
//! | `f` | feeds | listener, feed | `FeedMark` |
//! | `g` | rhythms of feeds | listener, feed | `Rhythm` |
//! | `h` | quiet marks | patient | nothing |
//! | `j` | acknowledgements to decide about | position | episode |
//! | `k` | acknowledgements | episode | `AckMark` |
//! | `l` | refusals by laboratory systems | position | `LisAck` |
//! | `m` | meta | name | by name |
//! | `n` | mutes | id | `Muted` |
//! | `o` | order index | filler number, patient | nothing |
//! | `p` | records | patient, kind, item | by kind |
//! | `q` | quarantine | position (newest first), number | `QuarantineEntry` |
//! | `r` | to be sent again | sink, place | `AgainMark` |
//! | `s` | sinks | sink | cursor |
//! | `t` | deliveries | sink, place | `DeliveryMark` |
//! | `u` | audit | number | `AuditEntry` |
//! | `i` | episodes that stand | episode | `StandingEpisode` |
//! | `w` | reviews | patient | `ReviewMark` |
//! | `v` | notes | patient, position | `Noted` |
//! | `x` | dead letters | sink, place | nothing |
//! | `y` | sinks that are given the past | sink | place up to which |
//!
//! Byte 0 is left to the stores, for what they keep of their own. Numbers are big-endian. A text
//! ends with `00 01`, and a `00` within it is written `00 ff`: so no text is the beginning of
//! another, and order is that of the texts.

use crate::core::clinical::observation::PatientKey;
use crate::core::fact::JournalPosition;
use crate::core::phi::Phi;

/// Alert log.
pub const ALERTS: u8 = b'a';
/// Alert id to its place in the log.
pub const ALERT_IDS: u8 = b'b';
/// Parts of messages that wait for the rest.
pub const PARTS: u8 = b'c';
/// Patients about whom something is not yet decided.
pub const DIRTY: u8 = b'd';
/// Pages that nobody has acknowledged.
pub const OPEN_PAGES: u8 = b'e';
/// Acknowledgements by episode.
pub const ACKS: u8 = b'k';
/// Acknowledgements that no decision covers yet.
pub const PENDING_ACKS: u8 = b'j';
/// Mutes.
pub const MUTES: u8 = b'n';
/// What a sink is to be given again.
pub const AGAIN: u8 = b'r';
/// Sinks that are given the past.
pub const REPLAYS: u8 = b'y';
/// Dead letters of a sink.
pub const DEAD: u8 = b'x';
/// Patients about whom what is decided pages nobody.
pub const QUIET: u8 = b'h';
/// Feeds seen.
pub const FEEDS: u8 = b'f';
/// The weeks of feeds.
pub const RHYTHMS: u8 = b'g';
/// Refusals of relayed messages by the laboratory system behind.
pub const ANSWERS: u8 = b'l';
/// Single values.
pub const META: u8 = b'm';
/// Filler number to the patients it was reported under.
pub const ORDERS: u8 = b'o';
/// Patient records, one entry an item.
pub const RECORDS: u8 = b'p';
/// Quarantine.
pub const QUARANTINE: u8 = b'q';
/// Cursors of the sinks.
pub const SINKS: u8 = b's';
/// What became of an alert at a sink.
pub const DELIVERIES: u8 = b't';
/// Who looked at what and did what.
pub const AUDIT: u8 = b'u';
/// Episodes that stand.
pub const STANDING: u8 = b'i';
/// Patients whom a person should look at.
pub const REVIEW: u8 = b'w';
/// What people wrote down about patients.
pub const NOTES: u8 = b'v';

/// The part of a patient's record that an entry belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// One version of one result.
    Observation = 1,
    /// An order withdrawn as a whole.
    GroupWithdrawal = 2,
    /// What is known of the person; one value.
    Demographics = 3,
    /// A diagnosis or drug.
    Association = 4,
    /// An identity event in which this id gives way.
    EdgeOut = 5,
    /// An identity event in which this id stays.
    EdgeIn = 6,
    /// A step of an episode filed under this id.
    Transition = 7,
    /// A merge in which this id gave way was taken back.
    Undo = 8,
}

/// A table's prefix with a text after it.
pub fn named(table: u8, name: &str) -> Vec<u8> {
    let mut key = vec![table];
    push_text(&mut key, name);
    key
}

/// A table's prefix with two texts after it.
pub fn named_pair(table: u8, first: &str, second: &str) -> Vec<u8> {
    let mut key = named(table, first);
    push_text(&mut key, second);
    key
}

/// A table's prefix with a patient after it.
pub fn patient(table: u8, patient: &PatientKey) -> Vec<u8> {
    named_pair(table, &patient.authority, patient.id.expose())
}

/// All of one kind in a patient's record.
pub fn record(patient_key: &PatientKey, kind: Kind) -> Vec<u8> {
    let mut key = patient(RECORDS, patient_key);
    key.push(kind as u8);
    key
}

/// One item of a patient's record.
pub fn item(patient_key: &PatientKey, kind: Kind, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = record(patient_key, kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// The entry of one patient under a filler number.
pub fn order(filler: &str, holder: &PatientKey) -> Vec<u8> {
    let mut key = named(ORDERS, filler);
    push_text(&mut key, &holder.authority);
    push_text(&mut key, holder.id.expose());
    key
}

/// An alert's place in the log.
pub fn alert(place: u64) -> Vec<u8> {
    let mut key = vec![ALERTS];
    key.extend_from_slice(&place.to_be_bytes());
    key
}

/// An entry of the audit.
pub fn audit(number: u64) -> Vec<u8> {
    let mut key = vec![AUDIT];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// A part of a message, by the newest fact in it.
pub fn part(position: JournalPosition) -> Vec<u8> {
    let mut key = vec![PARTS];
    key.extend_from_slice(&position.0.to_be_bytes());
    key
}

/// A refusal of the message at that position.
pub fn answer(message: JournalPosition) -> Vec<u8> {
    let mut key = vec![ANSWERS];
    key.extend_from_slice(&message.0.to_be_bytes());
    key
}

/// What became of an alert at a sink.
pub fn delivery(sink: &str, place: u64) -> Vec<u8> {
    sink_place(DELIVERIES, sink, place)
}

/// An alert at a sink, in one of the tables that are kept by sink.
pub fn sink_place(table: u8, sink: &str, place: u64) -> Vec<u8> {
    let mut key = named(table, sink);
    key.extend_from_slice(&place.to_be_bytes());
    key
}

/// A page that nobody has acknowledged.
pub fn open_page(episode: &str, place: u64) -> Vec<u8> {
    let mut key = named(OPEN_PAGES, episode);
    key.extend_from_slice(&place.to_be_bytes());
    key
}

/// An acknowledgement that no decision covers yet.
pub fn pending_ack(position: JournalPosition) -> Vec<u8> {
    let mut key = vec![PENDING_ACKS];
    key.extend_from_slice(&position.0.to_be_bytes());
    key
}

/// A step of an episode, by its number among all steps.
pub fn step(filed_under: &PatientKey, step: u64) -> Vec<u8> {
    item(filed_under, Kind::Transition, &[&step.to_be_bytes()])
}

/// A quarantine entry; the newest sorts first, within a fact the first.
pub fn quarantine(position: JournalPosition, number: u32) -> Vec<u8> {
    let mut key = vec![QUARANTINE];
    key.extend_from_slice(&(!position.0).to_be_bytes());
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The key right after this one.
pub fn after(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

/// The text at the start of `bytes`, and what follows it.
pub fn read_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut text = Vec::new();
    let mut rest = bytes;
    loop {
        match rest {
            [0, 1, tail @ ..] => return Some((String::from_utf8(text).ok()?, tail)),
            [0, 0xff, tail @ ..] => {
                text.push(0);
                rest = tail;
            }
            [0, ..] | [] => return None,
            [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
        }
    }
}

/// The patient at the start of `bytes`, and what follows.
pub fn read_patient(bytes: &[u8]) -> Option<(PatientKey, &[u8])> {
    let (authority, rest) = read_text(bytes)?;
    let (id, rest) = read_text(rest)?;
    let id = Phi::new(id);
    Some((PatientKey { authority, id }, rest))
}

/// The big-endian number that is all of `bytes`.
pub fn read_number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn push_text(key: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend_from_slice(&[0, 1]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(authority: &str, id: &str) -> PatientKey {
        PatientKey {
            authority: authority.to_owned(),
            id: Phi::new(id.to_owned()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn patients_sort_as_they_are_and_come_back(
            a in "[a\u{0}\u{1}\u{ff}é]{0,4}", b in "[a\u{0}\u{1}\u{ff}é]{0,4}",
            c in "[a\u{0}\u{1}\u{ff}é]{0,4}", d in "[a\u{0}\u{1}\u{ff}é]{0,4}",
        ) {
            let (one, two) = (key(&a, &b), key(&c, &d));
            let (left, right) = (patient(DIRTY, &one), patient(DIRTY, &two));
            prop_assert_eq!(one.cmp(&two), left.cmp(&right));
            let (read, rest) = read_patient(&left[1..]).unwrap();
            prop_assert_eq!(read, one.clone());
            prop_assert!(rest.is_empty());
            // No patient's records lie among another's.
            prop_assert!(one == two || !right.starts_with(&left));
        }

        #[test]
        fn newer_quarantine_sorts_first(a: u64, b: u64, n: u32) {
            let (left, right) = (quarantine(JournalPosition(a), n), quarantine(JournalPosition(b), n));
            prop_assert_eq!(b.cmp(&a), left.cmp(&right));
        }
    }

    #[test]
    fn broken_keys_are_no_patients() {
        assert!(read_patient(b"abc").is_none());
        assert!(read_patient(&[b'a', 0, 2]).is_none());
        assert!(read_text(&[0xff, 0, 1]).is_none());
    }
}
