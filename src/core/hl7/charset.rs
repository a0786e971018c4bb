//! Which character set a message is in, and its text as Unicode (WIRE C-2 to C-5).
//!
//! The whole content is decoded before anything is split: in GB 18030, Big5, Shift-JIS and
//! ISO-2022-JP the second byte of a character can equal `|`, `\`, `^` or `~`.

use super::tally::Tally;
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, WINDOWS_1252};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The text of a message.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Unicode, without byte order mark and without NUL; borrowed where the bytes were UTF-8 already.
    pub text: Cow<'a, str>,
    /// The set that was used; the bytes of `\X..\` escapes are in it too.
    pub charset: &'static Encoding,
    /// Bytes were not of that set; each bad sequence stands as U+FFFD.
    pub damaged: bool,
    /// `nul_in_body`, `charset_unknown`, `charset_invalid`.
    pub counts: Tally,
}

/// The declared set cannot be read at all: UTF-16 or UTF-32 (WIRE A-40 m).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("MSH-18 declares UTF-16 or UTF-32, which MLLP cannot carry")]
pub struct WideCharset;

/// What a name of a character set stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Use the listener's setting.
    Listener,
    /// Not read.
    Refused,
    /// This decoder.
    Decoder(&'static Encoding),
}

#[derive(serde::Deserialize)]
struct Table {
    charset: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Row {
    decoder: String,
    names: Vec<String>,
}

/// A name in the form in which names are compared (C-3).
fn comparable(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_' | '/' | '\0'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn parse_table(text: &str) -> Option<BTreeMap<String, Meaning>> {
    let table: Table = toml::from_str(text).ok()?;
    let mut names = BTreeMap::new();
    for row in table.charset {
        let meaning = match row.decoder.as_str() {
            "listener" => Meaning::Listener,
            "refused" => Meaning::Refused,
            label => Meaning::Decoder(Encoding::for_label(label.as_bytes())?),
        };
        for name in &row.names {
            names.insert(comparable(name), meaning);
        }
    }
    Some(names)
}

/// `config/charsets.toml`, compiled in; a test holds that it parses.
fn aliases() -> &'static BTreeMap<String, Meaning> {
    static ALIASES: OnceLock<BTreeMap<String, Meaning>> = OnceLock::new();
    ALIASES.get_or_init(|| {
        parse_table(include_str!("../../../config/charsets.toml")).unwrap_or_default()
    })
}

/// True for a value that `[[listener]] charset` may have: `auto` or a name that has a decoder.
pub fn is_known_setting(name: &str) -> bool {
    name.eq_ignore_ascii_case("auto")
        || matches!(
            aliases().get(&comparable(name)),
            Some(Meaning::Decoder(_) | Meaning::Listener)
        )
}

/// A listener's setting; `None` is `auto`.
fn setting_of(name: &str) -> Option<&'static Encoding> {
    match aliases().get(&comparable(name)) {
        Some(Meaning::Decoder(encoding)) => Some(encoding),
        _ => None,
    }
}

/// Valid UTF-8, else windows-1252 (C-4).
fn guess(bytes: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        UTF_8
    } else {
        WINDOWS_1252
    }
}

/// The set declared by MSH-18; `None` leaves it to the listener.
///
/// Only the first repetition counts (C-3), except that a Japanese set in a later one switches ISO
/// 2022 escapes on (C-5): Japanese senders write `~ISO IR87`.
fn declared(msh18: &str, tally: &Tally) -> Result<Option<&'static Encoding>, WideCharset> {
    let mut repetitions = msh18.split('~');
    let first = comparable(repetitions.next().unwrap_or_default());
    let japanese = repetitions.any(|name| {
        matches!(aliases().get(&comparable(name)), Some(Meaning::Decoder(found)) if *found == ISO_2022_JP)
    });
    let of_first = if first.is_empty() {
        Meaning::Listener
    } else {
        aliases().get(&first).copied().unwrap_or_else(|| {
            tally.add("charset_unknown");
            Meaning::Listener
        })
    };
    match of_first {
        Meaning::Refused => Err(WideCharset),
        Meaning::Decoder(encoding) if encoding == UTF_8 => Ok(Some(encoding)),
        _ if japanese => Ok(Some(ISO_2022_JP)),
        Meaning::Decoder(encoding) => Ok(Some(encoding)),
        Meaning::Listener => Ok(None),
    }
}

/// True where a repetition of MSH-18 names UTF-16 or UTF-32, which are refused (C-3).
pub fn is_wide(name: &[u8]) -> bool {
    let name = comparable(&String::from_utf8_lossy(name));
    matches!(aliases().get(&name), Some(Meaning::Refused))
}

/// Decodes a whole message (WIRE C-2 to C-5, F-35, F-36).
///
/// `raw` begins at the byte order mark or at `MSH`. `msh18` is the raw field, its repetitions
/// separated by `~` whatever the message's own delimiters are. `listener_setting` is `auto` or a name.
///
/// # Errors
/// [`WideCharset`] where MSH-18 declares UTF-16 or UTF-32.
pub fn decode<'a>(
    raw: &'a [u8],
    msh18: &[u8],
    listener_setting: &str,
) -> Result<Decoded<'a>, WideCharset> {
    let counts = Tally::default();
    let declared = declared(&String::from_utf8_lossy(msh18), &counts)?;
    let raw = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
    let nuls = memchr::memchr_iter(0, raw).count();
    counts.add_many("nul_in_body", nuls as u64);
    let bytes: Cow<'a, [u8]> = if nuls == 0 {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(raw.iter().copied().filter(|byte| *byte != 0).collect())
    };
    let setting = setting_of(listener_setting);
    let charset = match (declared, setting) {
        (None, None) => guess(&bytes),
        (None, Some(explicit)) => explicit,
        // MSH-18 says 8859/1, the bytes say UTF-8: senders do not fill it truthfully (C-4).
        (Some(named), None) if named == WINDOWS_1252 => guess(&bytes),
        (Some(named), _) => named,
    };
    let (text, damaged) = match bytes {
        Cow::Borrowed(bytes) => charset.decode_without_bom_handling(bytes),
        Cow::Owned(bytes) => {
            let (text, damaged) = charset.decode_without_bom_handling(&bytes);
            (Cow::Owned(text.into_owned()), damaged)
        }
    };
    if damaged {
        counts.add("charset_invalid");
    }
    Ok(Decoded {
        text,
        charset,
        damaged,
        counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &[u8], msh18: &str, setting: &str) -> String {
        decode(raw, msh18.as_bytes(), setting)
            .expect("not wide")
            .text
            .into_owned()
    }

    #[test]
    fn the_compiled_table_parses_and_knows_table_0211() {
        assert!(parse_table(include_str!("../../../config/charsets.toml")).is_some());
        for name in [
            "8859/1",
            "8859/2",
            "8859/3",
            "8859/4",
            "8859/5",
            "8859/6",
            "8859/7",
            "8859/8",
            "8859/9",
            "8859/15",
            "UNICODE UTF-8",
            "iso ir87",
            "ISO IR159",
            "GB 18030-2000",
            "BIG-5",
            "KS X 1001",
            "WINDOWS-1252",
            "cp1252",
            "Latin1",
            "UTF-8 ",
            "ISO_8859-1",
            "auto",
            "ASCII",
        ] {
            assert!(is_known_setting(name), "{name}");
        }
        assert!(!is_known_setting("CNS 11643-1992"));
        assert!(!is_known_setting("UTF-16"));
    }

    #[test]
    fn c3_declared_sets_are_used() {
        assert_eq!(text(b"JOS\xE9E", "8859/1", "auto"), "JOSéE");
        assert_eq!(text(b"\xA4", "8859/15", "auto"), "€");
        assert_eq!(text(b"\xF0", "8859/9", "auto"), "ğ");
        assert_eq!(text(b"\x81|^JANE", "GB 18030-2000", "auto"), "亅^JANE");
        assert_eq!(text("é".as_bytes(), "UNICODE", "windows-1252"), "é");
        assert_eq!(text(b"\xB1\xB2", "ISO IR14", "auto"), "ｱｲ");
    }

    #[test]
    fn c3_wide_sets_are_refused() {
        for name in ["UNICODE UTF-16", "utf-16", "UTF-32", "UNICODE UTF-32"] {
            assert_eq!(
                decode(b"x", name.as_bytes(), "auto").err(),
                Some(WideCharset)
            );
        }
    }

    #[test]
    fn c3_unknown_names_are_counted_and_left_to_the_listener() {
        for name in ["8859", "KLINGON", "CNS 11643-1992"] {
            let decoded = decode(b"JOS\xE9", name.as_bytes(), "8859/2").expect("not wide");
            assert_eq!(decoded.counts.count("charset_unknown"), 1);
            assert_eq!(decoded.text, "JOSé");
        }
        let empty = decode(b"x", b"", "auto").expect("not wide");
        assert_eq!(empty.counts.count("charset_unknown"), 0);
    }

    #[test]
    fn c4_auto_is_utf8_if_valid_else_windows_1252() {
        assert_eq!(text("JOSé".as_bytes(), "", "auto"), "JOSé");
        assert_eq!(text(b"JOS\xE9 \x96", "", "auto"), "JOSé –");
        assert_eq!(text("JOSé".as_bytes(), "ASCII", "auto"), "JOSé");
        assert_eq!(text("é".as_bytes(), "8859/1", "auto"), "é");
        assert_eq!(text("é".as_bytes(), "8859/1", "8859/1"), "Ã©");
        assert_eq!(text("é".as_bytes(), "ISO IR6", "8859/1"), "Ã©");
    }

    #[test]
    fn c4_damage_is_marked_and_counted() {
        let decoded = decode(b"a\xFFb\xC3", b"UTF-8", "auto").expect("not wide");
        assert_eq!(decoded.text, "a\u{FFFD}b\u{FFFD}");
        assert!(decoded.damaged);
        assert_eq!(decoded.counts.count("charset_invalid"), 1);
        let whole = decode("a\u{FFFD}".as_bytes(), b"UTF-8", "auto").expect("not wide");
        assert!(!whole.damaged);
    }

    #[test]
    fn c5_a_japanese_set_in_a_later_repetition_switches_escapes_on() {
        let raw = b"YAMADA=\x1B$B;3ED\x1B(B|";
        assert_eq!(text(raw, "~ISO IR87", "auto"), "YAMADA=山田|");
        assert_eq!(
            text(raw, "ISO IR6~ISO IR14~ISO IR87", "auto"),
            "YAMADA=山田|"
        );
        assert_eq!(text("é".as_bytes(), "UTF-8~UNICODE", "auto"), "é");
    }

    #[test]
    fn f35_f36_mark_and_nul_are_dropped() {
        let decoded = decode(b"\xEF\xBB\xBFMSH|JA\0NE", b"", "auto").expect("not wide");
        assert_eq!(decoded.text, "MSH|JANE");
        assert_eq!(decoded.counts.count("nul_in_body"), 1);
        assert!(matches!(
            decode(b"MSH|plain", b"", "auto").expect("not wide").text,
            Cow::Borrowed(_)
        ));
    }
}
