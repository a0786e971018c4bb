//! The MSH segment as raw bytes: all that is looked at before the acknowledgement.

use crate::core::mllp::{FS, VT};
use std::fmt;

/// A readable header segment (`MSH`, `FHS` or `BHS`): its delimiters and its fields, undecoded.
///
/// Readable is WIRE A-30: the three letters, one byte that is no letter or digit (the field
/// separator), at least one encoding byte, the separator again. The bytes of the frame itself cannot
/// separate fields.
///
/// The fields that every message is asked for are found once, the others when asked for: a header of
/// nothing but separators takes no more memory than any.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawHeader<'a> {
    separator: u8,
    /// From the separator to the end of the segment.
    line: &'a [u8],
    /// Where fields 2 to 18 end in `line`; its length for those that are not there.
    ends: [u32; FOUND],
}

/// MSH-2 to MSH-18.
const FOUND: usize = 17;
const LAST: usize = FOUND + 1;

impl fmt::Debug for RawHeader<'_> {
    /// Length only: header fields can be about patients at odd sites (N-5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawHeader({} bytes)", self.line.len())
    }
}

impl<'a> RawHeader<'a> {
    /// Reads the header at the start of `bytes`. `None` where A-30 fails.
    ///
    /// It ends at the first CR, or at an LF that ends a segment (F-60).
    pub fn read(bytes: &'a [u8], name: &[u8; 3]) -> Option<Self> {
        let rest = bytes.strip_prefix(name.as_slice())?;
        let separator = *rest.first()?;
        if separator.is_ascii_alphanumeric() || matches!(separator, b'\r' | b'\n' | VT | FS) {
            return None;
        }
        let line = rest.get(..segment_end(rest, separator))?;
        let encoding = line.get(1..)?;
        // A frame is not larger than the 32 bits, and what lies beyond them is looked for when asked for.
        let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
        let mut ends = [length; FOUND];
        let separators = memchr::memchr_iter(separator, encoding).zip(&mut ends);
        for (place, end) in separators {
            *end = u32::try_from(place + 1).unwrap_or(u32::MAX);
        }
        (memchr::memchr(separator, encoding)? > 0).then_some(Self {
            separator,
            line,
            ends,
        })
    }

    /// MSH-1.
    pub const fn separator(&self) -> u8 {
        self.separator
    }

    /// Field by its number (MSH-1 is the separator, MSH-2 the encoding characters); empty where absent.
    pub fn field(&self, number: usize) -> &'a [u8] {
        match number {
            0 => None,
            1 => self.line.get(..1),
            2 => self.between(1, self.end(0)),
            3..=LAST => self.between(self.end(number - 3) + 1, self.end(number - 2)),
            _ => self
                .line
                .get(1..)
                .and_then(|fields| fields.split(|byte| *byte == self.separator).nth(number - 2)),
        }
        .unwrap_or_default()
    }

    fn end(&self, place: usize) -> usize {
        let end = self.ends.get(place).copied().unwrap_or(u32::MAX);
        end as usize
    }

    /// Empty where it begins behind the end: the field is absent.
    fn between(&self, start: usize, end: usize) -> Option<&'a [u8]> {
        self.line.get(start..end)
    }

    /// MSH-2 by place: 0 component, 1 repetition, 2 escape, 3 subcomponent, 4 truncation.
    pub fn encoding(&self, place: usize) -> Option<u8> {
        self.field(2).get(place).copied()
    }

    /// True where MSH-2 holds delimiters, not the letters of a text.
    pub fn has_plain_encoding(&self) -> bool {
        self.separator.is_ascii_punctuation()
            && self.field(2).iter().all(|byte| byte.is_ascii_punctuation())
    }

    /// Component `number` (from 1) of the first repetition of a field.
    pub fn component(&self, field: usize, number: usize) -> &'a [u8] {
        let whole = self.field(field);
        let component = self.encoding(0);
        let first = match self.encoding(1) {
            // Equal characters are an odd MSH-2 (C-1), and still answered: components come first.
            Some(repetition) if Some(repetition) != component => whole
                .split(|byte| *byte == repetition)
                .next()
                .unwrap_or_default(),
            _ => whole,
        };
        match component {
            Some(component) => number
                .checked_sub(1)
                .and_then(|index| first.split(|byte| *byte == component).nth(index))
                .unwrap_or_default(),
            None if number == 1 => first,
            None => &[],
        }
    }
}

/// Length of the segment at the start of `bytes` (F-60): up to a CR, or an LF with a segment, a line
/// end or nothing after it.
fn segment_end(bytes: &[u8], separator: u8) -> usize {
    memchr::memchr2_iter(b'\r', b'\n', bytes)
        .find(|end| {
            let after = bytes.get(end + 1..).unwrap_or_default();
            bytes.get(*end) == Some(&b'\r')
                || matches!(after.first(), None | Some(b'\r' | b'\n'))
                || begins_segment(after, separator)
        })
        .unwrap_or(bytes.len())
}

/// F-60: `[A-Z][A-Z0-9]{2}` and the field separator or the line's end, blanks before it skipped (F-62).
fn begins_segment(line: &[u8], separator: u8) -> bool {
    let blanks = line
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | 0))
        .count();
    let Some(([first, second, third], after)) = line
        .get(blanks..)
        .and_then(|line| line.split_first_chunk::<3>())
    else {
        return false;
    };
    first.is_ascii_uppercase()
        && [second, third]
            .into_iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && after
            .first()
            .is_none_or(|next| *next == separator || matches!(next, b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::RawHeader;

    #[test]
    fn fields_are_numbered_as_in_the_standard() {
        let header = RawHeader::read(
            b"MSH|^~\\&|LAB|HOSP|||20260301||ORU^R01^ORU_R01|42|P|2.5.1\rPID|1",
            b"MSH",
        )
        .expect("readable");
        assert_eq!(header.field(1), b"|");
        assert_eq!(header.field(2), b"^~\\&");
        assert_eq!(header.field(3), b"LAB");
        assert_eq!(header.component(9, 2), b"R01");
        assert_eq!(header.field(12), b"2.5.1");
        assert_eq!(header.field(18), b"");
    }

    #[test]
    fn a_header_without_its_parts_is_unreadable() {
        for bytes in [
            &b"MSH"[..],
            b"MSH|",
            b"MSH|^~\\&",
            b"MSHA^~\\&A",
            b"MSH||",
            b"MSH\r^|",
            b"PID|1|",
            b"MSH\x1c^~\\&\x1c",
            b"MSH\x0b^~\\&\x0b",
        ] {
            assert_eq!(RawHeader::read(bytes, b"MSH"), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_line_feed_ends_a_header_only_where_a_segment_follows() {
        let header =
            RawHeader::read(b"MSH|^~\\&|a\nb||||||ORU|42|P\nPID|1|x", b"MSH").expect("readable");
        assert_eq!(
            (header.field(3), header.field(10)),
            (&b"a\nb"[..], &b"42"[..])
        );
        assert_eq!(header.field(11), b"P");
        for end in [
            &b"\nPID|1"[..],
            b"\n\nPID|1",
            b"\r\nPID|1",
            b"\n  PID|1",
            b"\n",
            b"\nZZZ\n",
            b"\rtext",
        ] {
            let bytes = [b"MSH|^~\\&|||||||ORU|42", end].concat();
            let header = RawHeader::read(&bytes, b"MSH").expect("readable");
            assert_eq!(header.field(10), b"42", "{end:?}");
        }
    }

    #[test]
    fn equal_delimiters_leave_components_readable() {
        let header = RawHeader::read(b"MSH|^^^^|||||||ORU^R01|42", b"MSH").expect("readable");
        assert_eq!(header.component(9, 2), b"R01");
    }

    #[test]
    fn n5_debug_shows_no_field() {
        let header = RawHeader::read(b"MSH|^~\\&|ZZMARKERZZ|", b"MSH").expect("readable");
        assert!(!format!("{header:?}").contains("MARKER"));
    }
}
