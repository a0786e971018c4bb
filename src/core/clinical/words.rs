//! Word lists: no-result words, sexes, comparators, range words (`config/*.toml`).

use super::Comparator;
use super::observation::{Flag, Sex};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// The word lists in force.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Words {
    sexes: Sexes,
    lists: Lists,
    /// Every comparator, longest first, so that `<=` is not read as `<`.
    comparators: Vec<(String, Comparator)>,
    /// Words between two limits, longest first; among them those of `up_to`.
    between: Vec<String>,
}

/// `config/sex.toml`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sexes {
    female: Vec<String>,
    male: Vec<String>,
}

/// `config/words.toml`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    no_result: NoResult,
    undetectable: Undetectable,
    comparator: Comparators,
    flag: Flags,
    range: RangeWords,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoResult {
    words: Vec<String>,
    marks: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undetectable {
    words: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Comparators {
    below: Vec<String>,
    at_most: Vec<String>,
    above: Vec<String>,
    at_least: Vec<String>,
    exactly: Vec<String>,
    about: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flags {
    low: Vec<String>,
    very_low: Vec<String>,
    high: Vec<String>,
    very_high: Vec<String>,
    normal: Vec<String>,
    other: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeWords {
    between: Vec<String>,
    up_to: Vec<String>,
    from: Vec<String>,
    normal: Vec<String>,
    age: Vec<String>,
}

static BUILT_IN: LazyLock<Words> = LazyLock::new(|| {
    let sexes = toml::from_str(include_str!("../../../config/sex.toml")).unwrap_or_default();
    let lists = toml::from_str(include_str!("../../../config/words.toml")).unwrap_or_default();
    Words::new(sexes, lists)
});

impl Words {
    /// The built-in lists.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    fn new(sexes: Sexes, lists: Lists) -> Self {
        let listed = &lists.comparator;
        let mut comparators: Vec<(String, Comparator)> = [
            (&listed.below, Comparator::Below),
            (&listed.at_most, Comparator::AtMost),
            (&listed.above, Comparator::Above),
            (&listed.at_least, Comparator::AtLeast),
            (&listed.exactly, Comparator::Exactly),
            (&listed.about, Comparator::About),
        ]
        .into_iter()
        .flat_map(|(words, comparator)| words.iter().map(move |word| (word.clone(), comparator)))
        .collect();
        comparators.sort_by_key(|(word, _)| std::cmp::Reverse(word.chars().count()));
        let mut between: Vec<String> = lists
            .range
            .between
            .iter()
            .chain(&lists.range.up_to)
            .cloned()
            .collect();
        between.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        Self {
            sexes,
            lists,
            comparators,
            between,
        }
    }

    /// The sex that PID-8 or a range's label names; `None` = unknown (WIRE X-15).
    pub fn sex(&self, text: &str) -> Option<Sex> {
        let text = plain(text);
        if self.sexes.female.contains(&text) {
            Some(Sex::Female)
        } else if self.sexes.male.contains(&text) {
            Some(Sex::Male)
        } else {
            None
        }
    }

    /// Whether a value's text says that there is none: empty, `""`, QNS, … (WIRE V-6).
    pub fn no_result(&self, text: &str) -> bool {
        let text = plain(text);
        let marks = &self.lists.no_result.marks;
        text == "\"\""
            || text
                .chars()
                .all(|letter| letter == ' ' || marks.contains(letter))
            || listed(&self.lists.no_result.words, &text)
    }

    /// Whether a value's text says `undetectable`: no value, but highlighted (CLINICAL 4.3).
    pub fn undetectable(&self, text: &str) -> bool {
        listed(&self.lists.undetectable.words, &plain(text))
    }

    /// The flag that a text is, e.g. `LL` or `low`; `None` where it is no flag, `Some(None)` where it
    /// is one that says nothing usable (`*`).
    pub fn flag(&self, text: &str) -> Option<Option<Flag>> {
        let text = plain(text);
        let flags = &self.lists.flag;
        [
            (&flags.low, Some(Flag::Low)),
            (&flags.very_low, Some(Flag::VeryLow)),
            (&flags.high, Some(Flag::High)),
            (&flags.very_high, Some(Flag::VeryHigh)),
            (&flags.normal, Some(Flag::Normal)),
            (&flags.other, None),
        ]
        .into_iter()
        .find_map(|(words, flag)| words.contains(&text).then_some(flag))
    }

    /// The comparator that a text begins with, and the rest (WIRE V-3).
    pub fn split_comparator<'t>(&self, text: &'t str) -> Option<(Comparator, &'t str)> {
        self.comparators
            .iter()
            .find_map(|(word, comparator)| Some((*comparator, strip_word(text, word)?)))
    }

    /// The comparator that the whole of a text is, e.g. SN component 1.
    pub fn comparator(&self, text: &str) -> Option<Comparator> {
        match self.split_comparator(text.trim()) {
            Some((comparator, rest)) if rest.trim().is_empty() => Some(comparator),
            Some(_) | None => None,
        }
    }

    /// The rest of a text that begins with a word for "from one limit to the other".
    pub(super) fn strip_between<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.between.iter().find_map(|word| strip_word(text, word))
    }

    /// The rest of a text that begins with a word for "at most".
    pub(super) fn strip_up_to<'t>(&self, text: &'t str) -> Option<&'t str> {
        strip_longest(&self.lists.range.up_to, text)
    }

    /// The rest of a text that begins with a word for "at least".
    pub(super) fn strip_from<'t>(&self, text: &'t str) -> Option<&'t str> {
        strip_longest(&self.lists.range.from, text)
    }

    /// Whether a label names the range that is meant.
    pub(super) fn is_normal_label(&self, text: &str) -> bool {
        self.lists.range.normal.contains(&plain(text))
    }

    /// Whether a word speaks of ages.
    pub(super) fn is_age_word(&self, word: &str) -> bool {
        self.lists.range.age.contains(&plain(word))
    }
}

/// Lower case, outer blanks cut, inner ones run together.
fn plain(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

/// Whether a plain text is in a list; a word with `*` lets more text follow, but no digit: a number
/// behind it must not be lost.
fn listed(words: &[String], text: &str) -> bool {
    words.iter().any(|word| match word.strip_suffix('*') {
        Some(start) => text
            .strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || continues(rest) && !has_digit(text)),
        None => word == text,
    })
}

/// A word that goes on is another word (`cancelledX`), except for what stands apart.
fn continues(rest: &str) -> bool {
    !rest.starts_with(char::is_alphanumeric)
}

fn has_digit(text: &str) -> bool {
    text.chars().any(char::is_numeric)
}

fn strip_longest<'t>(words: &[String], text: &'t str) -> Option<&'t str> {
    words
        .iter()
        .filter_map(|word| strip_word(text, word))
        .min_by_key(|rest| rest.len())
}

/// The rest of `text` behind `word`, without case; a word of letters must end there.
fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let mut rest = text.chars();
    for expected in word.chars() {
        let found = rest.next()?;
        let is_same = match found.is_ascii() && expected.is_ascii() {
            true => found.eq_ignore_ascii_case(&expected),
            false => found == expected || found.to_lowercase().eq(expected.to_lowercase()),
        };
        if !is_same {
            return None;
        }
    }
    let whole =
        !word.ends_with(char::is_alphabetic) || !rest.as_str().starts_with(char::is_alphabetic);
    whole.then_some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Lists, Sexes, Words, strip_word};
    use crate::core::clinical::Comparator;
    use crate::core::clinical::observation::{Flag, Sex};
    use proptest::prelude::*;

    #[test]
    fn the_built_in_files_are_read() {
        toml::from_str::<Sexes>(include_str!("../../../config/sex.toml")).expect("sex.toml");
        let lists: Lists =
            toml::from_str(include_str!("../../../config/words.toml")).expect("words.toml");
        // Words are looked up in lower case, so one with a capital would never be found.
        let text = toml::to_string(&lists).expect("lists");
        let words = text.lines().filter(|line| !line.starts_with('['));
        assert!(words.clone().count() > 10);
        for line in words {
            assert_eq!(line, line.to_lowercase());
        }
    }

    #[test]
    fn words_are_found_without_case_in_any_script() {
        for (text, word, rest) in [
            ("LESS than 5", "less than", Some(" 5")),
            ("lessthan", "less", None),
            ("ÜBER 5", "über", Some(" 5")),
            // The Kelvin sign is a capital k.
            ("\u{212a}lein", "klein", Some("")),
            ("klein", "\u{212a}lein", Some("")),
            ("<5", "<", Some("5")),
            ("kg", "kgs", None),
        ] {
            assert_eq!(strip_word(text, word), rest, "{text} {word}");
        }
    }

    #[test]
    fn sexes_in_several_languages() {
        let words = Words::built_in();
        for text in ["F", "f", "female", "W", "weiblich", "V", "K", " Female "] {
            assert_eq!(words.sex(text), Some(Sex::Female), "{text}");
        }
        for text in ["M", "m", "MALE", "männlich", "Homme"] {
            assert_eq!(words.sex(text), Some(Sex::Male), "{text}");
        }
        for text in ["O", "U", "A", "N", "C", "X", "", "\"\"", "FM"] {
            assert_eq!(words.sex(text), None, "{text}");
        }
    }

    #[test]
    fn no_result_is_no_result() {
        let words = Words::built_in();
        for text in [
            "",
            " ",
            ".",
            " . ",
            "-",
            "--",
            "---",
            "*",
            "****",
            "\"\"",
            "see note",
            "SEE NOTE",
            "see comment",
            "See  Comment below",
            "QNS",
            "insufficient",
            "hemolyzed",
            "HEMOLYSED",
            "lipaemic",
            "pending",
            "PENDING",
            "cancelled",
            "CANCELLED",
            "!!Storno",
            "TNP",
            "NA",
            "N/A",
            "ND",
            "quantity not sufficient for test",
        ] {
            assert!(words.no_result(text), "{text}");
            assert!(!words.undetectable(text), "{text}");
        }
        for text in [
            "0",
            "0.21",
            "haemolysed 0.21",
            "see note 0.3",
            "normal",
            "NAN",
            "pendingx",
        ] {
            assert!(!words.no_result(text), "{text}");
        }
    }

    #[test]
    fn undetectable_is_a_word_of_its_own() {
        let words = Words::built_in();
        for text in [
            "undetectable",
            "Not Detected",
            "below detection",
            "below detection limit",
            "nachweisbar nicht",
            "nicht nachweisbar",
            "ABSENT",
        ] {
            assert!(words.undetectable(text), "{text}");
            assert!(!words.no_result(text), "{text}");
        }
        assert!(!words.undetectable("below detection limit of 0.05"));
        assert!(!words.undetectable("detected"));
    }

    #[test]
    fn the_longest_comparator_wins() {
        let words = Words::built_in();
        for (text, comparator, rest) in [
            ("<0.2", Comparator::Below, "0.2"),
            ("<=0.2", Comparator::AtMost, "0.2"),
            ("=<0.2", Comparator::AtMost, "0.2"),
            ("≤ 0.2", Comparator::AtMost, " 0.2"),
            ("LT 0.2", Comparator::Below, " 0.2"),
            ("less than or equal to 2", Comparator::AtMost, " 2"),
            ("Kleiner als 2", Comparator::Below, " 2"),
            ("inf.2", Comparator::Below, "2"),
            (">=2", Comparator::AtLeast, "2"),
            ("=2", Comparator::Exactly, "2"),
            ("~2", Comparator::About, "2"),
        ] {
            assert_eq!(
                words.split_comparator(text),
                Some((comparator, rest)),
                "{text}"
            );
        }
        assert_eq!(words.split_comparator("understood"), None);
        assert_eq!(words.comparator("<="), Some(Comparator::AtMost));
        assert_eq!(words.comparator("< 2"), None);
    }

    #[test]
    fn flags_with_and_without_meaning() {
        let words = Words::built_in();
        assert_eq!(words.flag("l"), Some(Some(Flag::Low)));
        assert_eq!(words.flag("LL"), Some(Some(Flag::VeryLow)));
        assert_eq!(words.flag("HIGH"), Some(Some(Flag::High)));
        assert_eq!(words.flag("*"), Some(None));
        assert_eq!(words.flag("x"), None);
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in any::<String>()) {
            let words = Words::built_in();
            let _ = (words.sex(&text), words.no_result(&text), words.undetectable(&text));
            let _ = (words.flag(&text), words.comparator(&text));
            if let Some((_, rest)) = words.split_comparator(&text) {
                prop_assert!(text.ends_with(rest));
            }
        }
    }
}
