//! The MSH segment as raw bytes: all that is looked at before the acknowledgement.

/// A readable header segment (`MSH`, `FHS` or `BHS`): its delimiters and its fields, undecoded.
///
/// Readable is WIRE A-30: the three letters, one byte that is no letter or digit (the field
/// separator), at least one encoding byte, the separator again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawHeader<'a> {
    separator: u8,
    /// Fields by number minus one; the separator itself counts as field 1.
    fields: Vec<&'a [u8]>,
}

impl<'a> RawHeader<'a> {
    /// Reads the header at the start of `bytes`; it ends at the first CR or LF. `None` where A-30 fails.
    pub fn read(bytes: &'a [u8], name: &[u8; 3]) -> Option<Self> {
        let rest = bytes.strip_prefix(name.as_slice())?;
        let (separator, _) = rest.split_first()?;
        if separator.is_ascii_alphanumeric() || matches!(separator, b'\r' | b'\n') {
            return None;
        }
        let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end)?;
        let encoding = line.get(1..)?;
        let encoding_len = memchr::memchr(*separator, encoding)?;
        if encoding_len == 0 {
            return None;
        }
        let fields = std::iter::once(line.get(..1)?)
            .chain(encoding.split(|byte| byte == separator))
            .collect();
        Some(Self {
            separator: *separator,
            fields,
        })
    }

    /// MSH-1.
    pub const fn separator(&self) -> u8 {
        self.separator
    }

    /// Field by its number (MSH-1 is the separator, MSH-2 the encoding characters); empty where absent.
    pub fn field(&self, number: usize) -> &'a [u8] {
        number
            .checked_sub(1)
            .and_then(|index| self.fields.get(index))
            .copied()
            .unwrap_or_default()
    }

    /// MSH-2 by place: 0 component, 1 repetition, 2 escape, 3 subcomponent, 4 truncation.
    pub fn encoding(&self, place: usize) -> Option<u8> {
        self.field(2).get(place).copied()
    }

    /// Component `number` (from 1) of the first repetition of a field.
    pub fn component(&self, field: usize, number: usize) -> &'a [u8] {
        let whole = self.field(field);
        let first = match self.encoding(1) {
            Some(repetition) => whole
                .split(|byte| *byte == repetition)
                .next()
                .unwrap_or_default(),
            None => whole,
        };
        match self.encoding(0) {
            Some(component) => number
                .checked_sub(1)
                .and_then(|index| first.split(|byte| *byte == component).nth(index))
                .unwrap_or_default(),
            None if number == 1 => first,
            None => &[],
        }
    }
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
        ] {
            assert_eq!(RawHeader::read(bytes, b"MSH"), None, "{bytes:?}");
        }
    }
}
