//! Messages in several parts (HL7 2.5.1 §2.10.2, WIRE A-54): DSC-1 points on, MSH-14 points back.
//!
//! Works on raw bytes: a part may end in the middle of a segment, even of a value.

use super::envelope::RawMessage;
use memchr::memmem;
use serde::{Deserialize, Serialize};

/// One part of a message, or several that were joined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// MSH-14: the earlier part's DSC-1. `None` where the message begins here.
    pub back: Option<Vec<u8>>,
    /// DSC-1: the later part's MSH-14. `None` where the message ends here.
    pub on: Option<Vec<u8>>,
    /// The bytes, DSC left out.
    pub bytes: Vec<u8>,
}

impl Part {
    /// Reads a message as a part; `None` where it is a whole message, as nearly all are.
    pub fn read(message: &RawMessage<'_>) -> Option<Self> {
        let separator = message.header.separator();
        let back = Some(message.header.field(14)).filter(|field| !field.is_empty());
        let dsc = last_segment(message.raw, b"DSC", separator);
        let on = dsc.map(|at| pointer(message.raw.get(at..).unwrap_or_default(), separator));
        let on = on.filter(|pointer| !pointer.is_empty());
        if back.is_none() && on.is_none() {
            return None;
        }
        let end = dsc.unwrap_or(message.raw.len());
        Some(Self {
            back: back.map(<[u8]>::to_vec),
            on: on.map(<[u8]>::to_vec),
            bytes: message.raw.get(..end).unwrap_or_default().to_vec(),
        })
    }

    /// Whether `later` goes on where this part ends.
    pub fn goes_on_in(&self, later: &Self) -> bool {
        self.on.is_some() && self.on == later.back
    }

    /// This part and the one that goes on: the later header is dropped; ADD, where it comes first, goes
    /// on within this part's last field, everything else begins a segment.
    pub fn joined(self, later: Self) -> Self {
        let mut bytes = self.bytes;
        while matches!(bytes.last(), Some(b'\r' | b'\n')) {
            bytes.pop();
        }
        let body = after_first_line(&later.bytes);
        match body.strip_prefix(b"ADD").filter(|rest| !rest.is_empty()) {
            Some(addendum) => bytes.extend_from_slice(addendum.get(1..).unwrap_or_default()),
            None => {
                bytes.push(b'\r');
                bytes.extend_from_slice(body);
            }
        }
        Self {
            back: self.back,
            on: later.on,
            bytes,
        }
    }
}

fn after_first_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
    let rest = bytes.get(end..).unwrap_or_default();
    let breaks = rest
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    rest.get(breaks..).unwrap_or_default()
}

/// Where the last segment of this name begins.
fn last_segment(raw: &[u8], name: &[u8; 3], separator: u8) -> Option<usize> {
    // Forwards and all of them: searching backwards is many times slower, and nearly no message has one.
    memmem::find_iter(raw, name)
        .filter(|at| {
            let begins = at.checked_sub(1).and_then(|before| raw.get(before));
            matches!(begins, Some(b'\r' | b'\n')) && raw.get(at + 3) == Some(&separator)
        })
        .last()
}

/// Field 1 of a segment.
fn pointer(segment: &[u8], separator: u8) -> &[u8] {
    let end = memchr::memchr2(b'\r', b'\n', segment).unwrap_or(segment.len());
    let line = segment.get(..end).unwrap_or_default();
    line.split(|byte| *byte == separator)
        .nth(1)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Option<Part> {
        Part::read(&RawMessage::read(text.as_bytes()).expect("readable"))
    }

    fn header(id: u8, back: &str) -> String {
        format!("MSH|^~\\&|L|H|||20260301||ORU^R01|{id}|P|2.5.1||{back}\r")
    }

    #[test]
    fn whole_messages_are_no_parts() {
        assert_eq!(part(&(header(1, "") + "PID|1\rNTE|1|L|DSC|x\r")), None);
        assert_eq!(part(&(header(1, "") + "PID|1\rDSC|\r")), None);
    }

    #[test]
    fn parts_join_at_segments_and_within_fields() {
        let first = part(&(header(1, "") + "PID|1\rNTE|1|L|one \rDSC|P1|F\r")).expect("a part");
        let within = part(&(header(2, "P1") + "ADD|two\rOBR|1\rDSC|P2\r")).expect("a part");
        let last = part(&(header(3, "P2") + "OBX|1\r")).expect("a part");
        assert!(first.goes_on_in(&within) && within.goes_on_in(&last) && !first.goes_on_in(&last));
        let expected = header(1, "") + "PID|1\rNTE|1|L|one two\rOBR|1\rOBX|1\r";
        let forwards = first.clone().joined(within.clone()).joined(last.clone());
        let backwards = first.joined(within.joined(last));
        assert_eq!(String::from_utf8_lossy(&forwards.bytes), expected);
        assert_eq!(forwards, backwards, "joining is associative");
        assert_eq!((forwards.back, forwards.on), (None, None));
    }
}
