//! From decoded text to segments (WIRE 1.5), without limits and without copying.

/// One segment as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawSegment<'t> {
    /// Three characters, `[A-Z][A-Z0-9]{2}`.
    pub name: &'t str,
    /// Name and fields. A line that is no segment of its own is part of the one before it (F-61), so
    /// line ends can stand inside; those at the end are cut.
    pub text: &'t str,
}

impl<'t> RawSegment<'t> {
    /// The raw text of a field, found by scanning for the separator; nothing else is parsed.
    ///
    /// Fields are numbered as in HL7, also in `MSH`, whose first field is the separator itself (and
    /// is given as empty here).
    pub fn raw_field(&self, number: usize, separator: char) -> &'t str {
        let skip = if matches!(self.name, "MSH" | "FHS" | "BHS") {
            match number.checked_sub(1) {
                Some(skip) if skip > 0 => skip,
                _ => return "",
            }
        } else {
            number
        };
        nth_part(self.text, separator, skip)
    }
}

/// Part `number` (from 0) of `text` between separators; empty where there are fewer.
pub(super) fn nth_part(text: &str, separator: char, number: usize) -> &str {
    if separator.is_ascii() {
        // One byte: memchr is what makes the scan of an uninteresting OBX cheap.
        let Ok(byte) = u8::try_from(u32::from(separator)) else {
            return "";
        };
        let bytes = text.as_bytes();
        let mut ends = memchr::memchr_iter(byte, bytes);
        let start = match number.checked_sub(1) {
            None => 0,
            Some(before) => match ends.nth(before) {
                Some(end) => end + 1,
                None => return "",
            },
        };
        let end = ends.next().unwrap_or(text.len());
        text.get(start..end).unwrap_or_default()
    } else {
        text.split(separator).nth(number).unwrap_or_default()
    }
}

/// Iterator over the segments of a decoded message; see [`segments`].
#[derive(Debug, Clone)]
pub struct Segments<'t> {
    text: &'t str,
    separator: char,
    /// Where the next segment's name stands; `None` at the end.
    next: Option<usize>,
    bare_cr: u64,
}

/// Splits decoded text into segments (WIRE F-60 to F-63).
///
/// CR, CR LF and LF CR end a segment; LF alone only where a segment name (or the end) follows. Blank
/// lines, blanks before a name and a missing last line end are accepted. What stands before the
/// first segment is skipped. Each byte is looked at a bounded number of times.
pub fn segments(text: &str, separator: char) -> Segments<'_> {
    let next = std::iter::once(0)
        .chain(memchr::memchr2_iter(b'\r', b'\n', text.as_bytes()).map(|end| end + 1))
        .find_map(|start| name_at(text, start, separator));
    Segments {
        text,
        separator,
        next,
        bare_cr: 0,
    }
}

impl Segments<'_> {
    /// Lines that followed a CR and were no segment, so far: `bare_cr_in_text` (F-61).
    pub const fn bare_cr_in_text(&self) -> u64 {
        self.bare_cr
    }
}

impl<'t> Iterator for Segments<'t> {
    type Item = RawSegment<'t>;

    fn next(&mut self) -> Option<RawSegment<'t>> {
        let start = self.next.take()?;
        let rest = self.text.get(start..)?;
        let mut end = rest.len();
        for found in memchr::memchr2_iter(b'\r', b'\n', rest.as_bytes()) {
            let line = start + found + 1;
            if let Some(name) = name_at(self.text, line, self.separator) {
                self.next = Some(name);
                end = found;
                break;
            }
            if ends_with_cr(rest.as_bytes(), found) && !is_blank_line(self.text, line) {
                self.bare_cr += 1;
            }
        }
        let text = without_blank_lines(rest.get(..end).unwrap_or_default());
        Some(RawSegment {
            name: text.get(..3)?,
            text,
        })
    }
}

/// The place of a segment name at the start of the line at `start`, past blanks before it (F-62).
fn name_at(text: &str, start: usize, separator: char) -> Option<usize> {
    let line = text.get(start..)?;
    let trimmed = line.trim_start_matches([' ', '\t']);
    let (name, after) = trimmed.split_at_checked(3)?;
    let mut letters = name.bytes();
    let named = letters.next().is_some_and(|b| b.is_ascii_uppercase())
        && letters.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let bounded = after.is_empty()
        || after.starts_with(separator)
        || after.starts_with('\r')
        || after.starts_with('\n');
    (named && bounded).then(|| start + (line.len() - trimmed.len()))
}

/// Cuts line ends and blank lines off the end; blanks of the last line itself stay.
fn without_blank_lines(text: &str) -> &str {
    let line_ends = ['\r', '\n'];
    let mut text = text.trim_end_matches(line_ends);
    loop {
        let line = text.trim_end_matches([' ', '\t']);
        if !line.ends_with(line_ends) {
            return text;
        }
        text = line.trim_end_matches(line_ends);
    }
}

/// True where the line end at `found` is a CR, or the LF of a CR LF; a CR whose LF follows waits for it.
fn ends_with_cr(bytes: &[u8], found: usize) -> bool {
    match bytes.get(found) {
        Some(b'\r') => bytes.get(found + 1) != Some(&b'\n'),
        _ => found
            .checked_sub(1)
            .is_some_and(|before| bytes.get(before) == Some(&b'\r')),
    }
}

/// True where nothing but blanks stands before the next line end.
fn is_blank_line(text: &str, start: usize) -> bool {
    text.get(start..)
        .unwrap_or_default()
        .trim_start_matches([' ', '\t'])
        .chars()
        .next()
        .is_none_or(|c| matches!(c, '\r' | '\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Vec<&str> {
        segments(text, '|').map(|s| s.text).collect()
    }

    fn bare(text: &str) -> u64 {
        let mut all = segments(text, '|');
        while all.next().is_some() {}
        all.bare_cr_in_text()
    }

    #[test]
    fn f60_f62_line_ends_of_all_kinds() {
        let want = vec!["MSH|^~\\&|A", "PID|1", "OBX|1"];
        for text in [
            "MSH|^~\\&|A\rPID|1\rOBX|1\r",
            "MSH|^~\\&|A\rPID|1\rOBX|1",
            "MSH|^~\\&|A\nPID|1\nOBX|1",
            "MSH|^~\\&|A\r\nPID|1\r\nOBX|1\r\n",
            "MSH|^~\\&|A\n\rPID|1\n\rOBX|1\n\r",
            "MSH|^~\\&|A\rPID|1\nOBX|1\r\n",
            "\r\nMSH|^~\\&|A\r\r\r\nPID|1\r   \rOBX|1\r\r",
            "MSH|^~\\&|A\r  PID|1\r\tOBX|1",
            "log line\rMSH|^~\\&|A\rPID|1\rOBX|1",
        ] {
            assert_eq!(split(text), want, "{text:?}");
            assert_eq!(bare(text), 0, "{text:?}");
        }
    }

    #[test]
    fn f60_a_bare_lf_before_anything_else_is_text() {
        let text = "NTE|1|L|one\ntwo\nthree|x\rOBX|1";
        assert_eq!(split(text), vec!["NTE|1|L|one\ntwo\nthree|x", "OBX|1"]);
        assert_eq!(bare(text), 0);
    }

    #[test]
    fn f61_a_line_that_is_no_segment_continues_the_one_before() {
        let text = "NTE|1|L|line one\rline two\rOBXX|\robx|1\rOBX|1";
        assert_eq!(
            split(text),
            vec!["NTE|1|L|line one\rline two\rOBXX|\robx|1", "OBX|1"]
        );
        assert_eq!(bare(text), 3);
        assert_eq!(bare("NTE|1|L|one\r\ntwo"), 1, "CR LF is one line end");
        assert_eq!(bare("NTE|1|L|one\r"), 0);
    }

    #[test]
    fn f61_a_name_alone_is_a_segment() {
        assert_eq!(split("MSH|x\rOBX\rZ12|1"), vec!["MSH|x", "OBX", "Z12|1"]);
    }

    #[test]
    fn the_separator_of_the_message_bounds_the_name() {
        let all: Vec<_> = segments("MSH#^~\\&#A\rPID|1\rPID#1", '#')
            .map(|s| s.text)
            .collect();
        assert_eq!(all, vec!["MSH#^~\\&#A\rPID|1", "PID#1"]);
        let wide: Vec<_> = segments("MSH§^~\\&§A\rPID§1", '§')
            .map(|s| s.name)
            .collect();
        assert_eq!(wide, vec!["MSH", "PID"]);
    }

    #[test]
    fn raw_fields_are_numbered_as_in_the_standard() {
        let obx = RawSegment {
            name: "OBX",
            text: "OBX|1|NM|2472-9^IgM^LN||0.21",
        };
        assert_eq!(obx.raw_field(0, '|'), "OBX");
        assert_eq!(obx.raw_field(3, '|'), "2472-9^IgM^LN");
        assert_eq!(obx.raw_field(5, '|'), "0.21");
        assert_eq!(obx.raw_field(6, '|'), "");
        let msh = RawSegment {
            name: "MSH",
            text: "MSH|^~\\&|LAB|HOSP",
        };
        assert_eq!(msh.raw_field(1, '|'), "");
        assert_eq!(msh.raw_field(2, '|'), "^~\\&");
        assert_eq!(msh.raw_field(4, '|'), "HOSP");
        let wide = RawSegment {
            name: "OBX",
            text: "OBX§1§NM",
        };
        assert_eq!(wide.raw_field(2, '§'), "NM");
    }

    #[test]
    fn f63_a_hundred_thousand_segments() {
        let text = "OBX|1|NM|x\r".repeat(100_000);
        assert_eq!(segments(&text, '|').count(), 100_000);
        let lines = "\rno segment".repeat(100_000);
        assert_eq!(segments(&format!("NTE|{lines}"), '|').count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_text_is_split_without_loss_or_overlap(text in "[\\r\\n |A-Z0-9a-z\u{80}-\u{2FF}]{0,200}") {
            let mut end = 0;
            for segment in segments(&text, '|') {
                let start = segment.text.as_ptr() as usize - text.as_ptr() as usize;
                prop_assert!(start >= end);
                prop_assert_eq!(segment.name.len(), 3);
                prop_assert!(segment.text.starts_with(segment.name));
                end = start + segment.text.len();
            }
            prop_assert!(end <= text.len());
        }

        #[test]
        fn splitting_decoded_text_equals_splitting_bytes(
            fields in proptest::collection::vec("[a-zA-Z0-9 \u{A0}-\u{FF}]{0,12}", 1..8),
        ) {
            let line = format!("OBX|{}", fields.join("|"));
            let text = format!("MSH|^~\\&|A\r{line}\rNTE|1");
            for (bytes, charset) in [
                (text.clone().into_bytes(), "UTF-8"),
                (text.chars().map(|c| c as u32 as u8).collect::<Vec<u8>>(), "8859/1"),
            ] {
                let decoded = super::super::charset::decode(&bytes, charset.as_bytes(), "8859/1")
                    .expect("not wide");
                let by_bytes: Vec<String> = bytes
                    .split(|b| *b == b'\r')
                    .map(|part| {
                        super::super::charset::decode(part, charset.as_bytes(), "8859/1")
                            .expect("not wide")
                            .text
                            .into_owned()
                    })
                    .collect();
                let by_text: Vec<String> =
                    segments(&decoded.text, '|').map(|s| s.text.to_owned()).collect();
                prop_assert_eq!(by_text, by_bytes);
            }
        }
    }
}
