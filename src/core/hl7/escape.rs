//! Escape sequences within a leaf (WIRE C-6) and leaves that were cut off (C-7).

use super::delimiters::Delimiters;
use super::tally::Tally;
use encoding_rs::Encoding;
use std::borrow::Cow;

/// More line breaks or blanks than this in one `\.sp n\` or `\.sk n\` are not believed.
const MOST_REPEATED: usize = 64;

/// What one sequence (the text between two escape characters) stands for.
enum Meaning {
    /// This character.
    Char(char),
    /// So many line breaks.
    Breaks(usize),
    /// So many blanks.
    Blanks(usize),
    /// Formatting without text.
    Nothing,
    /// A switch of the character set.
    Switch,
    /// Bytes of the message's character set.
    Bytes(Vec<u8>),
    /// None of the known ones.
    Unknown,
}

/// Resolves the escape sequences of one leaf (WIRE C-6); line ends of all kinds become LF.
///
/// Counts `bad_escape` (kept as it stands) and `charset_switch` (dropped). A leaf without escape
/// character and line end is given back as it is.
pub fn unescape<'t>(
    leaf: &'t str,
    delimiters: &Delimiters,
    charset: &'static Encoding,
    tally: &Tally,
) -> Cow<'t, str> {
    let escape = delimiters.escape;
    let special = |c: char| Some(c) == escape || c == '\r';
    if !leaf.contains(special) {
        return Cow::Borrowed(leaf);
    }
    let mut out = String::with_capacity(leaf.len());
    // Bytes of adjacent \X..\ sequences are decoded together: a character may span several.
    let mut bytes: Vec<u8> = Vec::new();
    let mut rest = leaf;
    while let Some(at) = rest.find(special) {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            flush(&mut bytes, charset, &mut out);
            out.push_str(before);
        }
        let mut chars = from.chars();
        let first = chars.next();
        let after = chars.as_str();
        if first == Some('\r') {
            flush(&mut bytes, charset, &mut out);
            out.push('\n');
            rest = after.strip_prefix('\n').unwrap_or(after);
            continue;
        }
        let Some((sequence, behind)) = escape.and_then(|e| after.split_once(e)) else {
            tally.add("bad_escape");
            flush(&mut bytes, charset, &mut out);
            out.push_str(&line_ends(from));
            return Cow::Owned(out);
        };
        let meaning = read_sequence(sequence, delimiters);
        if let Meaning::Bytes(more) = meaning {
            bytes.extend(more);
            rest = behind;
            continue;
        }
        flush(&mut bytes, charset, &mut out);
        match meaning {
            Meaning::Char(c) => out.push(c),
            Meaning::Breaks(count) => out.extend(std::iter::repeat_n('\n', count)),
            Meaning::Blanks(count) => out.extend(std::iter::repeat_n(' ', count)),
            Meaning::Switch => tally.add("charset_switch"),
            Meaning::Unknown => {
                tally.add("bad_escape");
                let kept = from.len().saturating_sub(behind.len());
                out.push_str(&line_ends(from.get(..kept).unwrap_or_default()));
            }
            Meaning::Nothing | Meaning::Bytes(_) => {}
        }
        rest = behind;
    }
    if !rest.is_empty() {
        flush(&mut bytes, charset, &mut out);
        out.push_str(rest);
    }
    flush(&mut bytes, charset, &mut out);
    Cow::Owned(out)
}

fn line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

fn flush(bytes: &mut Vec<u8>, charset: &'static Encoding, out: &mut String) {
    if !bytes.is_empty() {
        let (text, _) = charset.decode_without_bom_handling(bytes);
        out.push_str(&line_ends(&text));
        bytes.clear();
    }
}

fn read_sequence(sequence: &str, delimiters: &Delimiters) -> Meaning {
    match sequence {
        "F" => return Meaning::Char(delimiters.field),
        "S" => return Meaning::Char(delimiters.component.unwrap_or('^')),
        "T" => return Meaning::Char(delimiters.subcomponent.unwrap_or('&')),
        "R" => return Meaning::Char(delimiters.repetition.unwrap_or('~')),
        "E" => return Meaning::Char(delimiters.escape.unwrap_or('\\')),
        "P" => return Meaning::Char(delimiters.truncation.unwrap_or('#')),
        "H" | "N" => return Meaning::Nothing,
        _ => {}
    }
    let mut chars = sequence.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    let tail = chars.as_str();
    let hexadecimal = !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_hexdigit());
    match first {
        Some('.') => read_format(tail),
        Some('X') if hexadecimal => Meaning::Bytes(read_hex(tail)),
        Some('C') if hexadecimal && tail.len() == 4 => Meaning::Switch,
        Some('M') if hexadecimal && matches!(tail.len(), 4 | 6) => Meaning::Switch,
        // Sequences that two parties agreed on; nobody agreed on one with us.
        Some('Z') if tail.chars().all(char::is_alphanumeric) => Meaning::Nothing,
        _ => Meaning::Unknown,
    }
}

/// HL7 2.5.1 §2.7.6, formatting commands of FT.
fn read_format(command: &str) -> Meaning {
    let lower = command.to_ascii_lowercase();
    let (name, number) = lower
        .split_at_checked(2)
        .map(|(name, number)| (name, number.trim()))
        .unwrap_or((lower.as_str(), ""));
    let digits = number.trim_start_matches(['+', '-']);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Meaning::Unknown;
    }
    let count = digits.parse::<usize>().unwrap_or(1).min(MOST_REPEATED);
    match name {
        "br" | "ce" => Meaning::Breaks(1),
        "sp" => Meaning::Breaks(count),
        "sk" => Meaning::Blanks(count),
        "in" | "ti" | "fi" | "nf" => Meaning::Nothing,
        _ => Meaning::Unknown,
    }
}

/// Pairs of digits; an odd count is padded on the left (`\X00d\`), bytes 00 are dropped.
fn read_hex(digits: &str) -> Vec<u8> {
    let padded = if digits.len() % 2 == 1 {
        Cow::Owned(format!("0{digits}"))
    } else {
        Cow::Borrowed(digits)
    };
    padded
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .filter(|byte| *byte != 0)
        .collect()
}

/// Escapes a text for a leaf: delimiters, line ends (as `\.br\`) and control characters.
///
/// `unescape(escape(x)) = x` for every `x` without NUL whose line ends are LF. Without an escape
/// character in `delimiters`, what cannot be written becomes a blank.
pub fn escape<'t>(text: &'t str, delimiters: &Delimiters) -> Cow<'t, str> {
    let letter = |c: char| {
        if c == delimiters.field {
            Some("F")
        } else if Some(c) == delimiters.component {
            Some("S")
        } else if Some(c) == delimiters.repetition {
            Some("R")
        } else if Some(c) == delimiters.escape {
            Some("E")
        } else if Some(c) == delimiters.subcomponent {
            Some("T")
        } else if Some(c) == delimiters.truncation {
            Some("P")
        } else if matches!(c, '\n' | '\r') {
            Some(".br")
        } else {
            None
        }
    };
    if !text.contains(|c: char| letter(c).is_some() || c.is_ascii_control()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\r' && chars.peek() == Some(&'\n') {
            continue;
        }
        let code = letter(c).map(Cow::Borrowed).or_else(|| {
            c.is_ascii_control()
                .then(|| format!("X{:02X}", u32::from(c)).into())
        });
        match (code, delimiters.escape) {
            (None, _) => out.push(c),
            (Some(_), _) if c == '\0' => {}
            (Some(code), Some(mark)) => {
                out.push(mark);
                out.push_str(&code);
                out.push(mark);
            }
            (Some(_), None) => out.push(' '),
        }
    }
    Cow::Owned(out)
}

/// True where a leaf was cut off by its sender (WIRE C-7): five delimiters, and it ends in the fifth.
pub fn is_truncated(raw_leaf: &str, delimiters: &Delimiters) -> bool {
    delimiters
        .truncation
        .is_some_and(|mark| raw_leaf.ends_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{UTF_8, WINDOWS_1252};
    use proptest::prelude::*;

    fn read(leaf: &str) -> (String, u64) {
        let tally = Tally::default();
        let text = unescape(leaf, &Delimiters::default(), UTF_8, &tally).into_owned();
        (text, tally.count("bad_escape"))
    }

    #[test]
    fn c6_each_row_of_the_table() {
        for (leaf, want) in [
            (r"a\F\b\S\c\T\d\R\e\E\f\P\g", r"a|b^c&d~e\f#g"),
            (
                r"a\.br\b\.sp\c\.sp 2\d\.sp+2\e\.BR\f",
                "a\nb\nc\n\nd\n\ne\nf",
            ),
            (r"\.in+4\a\.ti-2\b\.fi\c\.nf\d\.sk 3\e\.ce\f", "abcd   e\nf"),
            (r"\H\bold\N\", "bold"),
            (r"\X0D\\X0A\a\X0D0A\b\X0A\c\X00\d\X41\", "\na\nb\ncdA"),
            (r"\X000d\\X00d\", "\n\n"),
            (r"\xC3\\XA9\ \XC3A9\", "é é"),
            (r"\Zxx\a\ZPDF1\", "a"),
            (r"\E\F\E\", r"\F\"),
        ] {
            assert_eq!(read(leaf), (want.to_owned(), 0), "{leaf}");
        }
    }

    #[test]
    fn c6_bytes_are_of_the_messages_set() {
        let tally = Tally::default();
        let latin = unescape(r"\XE9\", &Delimiters::default(), WINDOWS_1252, &tally);
        assert_eq!(latin, "é");
    }

    #[test]
    fn c6_what_is_unknown_stays() {
        for (leaf, bad) in [
            (r"C:\temp", 1),
            (r"\Q1\x", 1),
            (r"\f\ \XGG\", 2),
            (r"\\", 1),
            (r"end\", 1),
            (r"\.xx\", 1),
            (r"é\X41", 1),
        ] {
            assert_eq!(read(leaf), (leaf.to_owned(), bad), "{leaf}");
        }
        assert_eq!(read(r"a\F\b\c"), (r"a|b\c".to_owned(), 1));
        let tally = Tally::default();
        assert_eq!(
            unescape(
                r"\C2842\x\M2442\y\M244242\",
                &Delimiters::default(),
                UTF_8,
                &tally
            ),
            "xy"
        );
        assert_eq!(tally.count("charset_switch"), 3);
    }

    #[test]
    fn c6_without_an_escape_character_nothing_is_resolved() {
        let plain = Delimiters {
            escape: None,
            ..Delimiters::default()
        };
        assert_eq!(
            unescape(r"a\F\b", &plain, UTF_8, &Tally::default()),
            r"a\F\b"
        );
        assert_eq!(escape("a|b", &plain), "a b");
    }

    #[test]
    fn f61_line_ends_in_a_leaf_are_line_breaks() {
        assert_eq!(read("one\rtwo\r\nthree\nfour").0, "one\ntwo\nthree\nfour");
        assert_eq!(read("one\\x\rtwo").0, "one\\x\ntwo");
    }

    #[test]
    fn c6_repetition_counts_are_bounded() {
        assert!(read(r"\.sp99999999999999999999\").0.len() <= MOST_REPEATED);
        assert_eq!(read(r"\.sk 4000000\").0.len(), MOST_REPEATED);
    }

    #[test]
    fn c7_truncation_needs_five_delimiters() {
        let five = Delimiters {
            truncation: Some('#'),
            ..Delimiters::default()
        };
        assert!(is_truncated("0.2#", &five));
        assert!(!is_truncated(r"0.2\P\", &five));
        assert!(!is_truncated("0.2#", &Delimiters::default()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn escaping_is_undone_by_unescaping(text in "[ -~\n\u{1}-\u{9}\u{B}\u{1C}\u{7F}\u{80}-\u{2FFF}]{0,60}") {
            for delimiters in [
                Delimiters::default(),
                Delimiters { truncation: Some('#'), ..Delimiters::default() },
                Delimiters { escape: Some('@'), component: Some('$'), ..Delimiters::default() },
            ] {
                let tally = Tally::default();
                let escaped = escape(&text, &delimiters);
                let want: &[_] = &['|', '~', '&', '\r', '\n', '\u{B}', '\u{1C}'];
                prop_assert!(!escaped.contains(want));
                prop_assert_eq!(unescape(&escaped, &delimiters, UTF_8, &tally), text.as_str());
                prop_assert_eq!(tally.count("bad_escape"), 0);
            }
        }

        #[test]
        fn any_leaf_is_read(leaf in "[\\\\FSTREX.brsp0-9a-fZé\r\n ]{0,60}") {
            read(&leaf);
        }
    }
}
