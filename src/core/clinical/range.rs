//! What OBX-7 says (WIRE ): limits in the unit of OBX-6, or nothing.
//!
//! An interval that is guessed wrong makes a false page or hides a true one, so whatever is not
//! clearly one interval is none, and the interval comes from elsewhere (CLINICAL 6.1.4).

use super::number::{read_number, split_number};
use super::observation::{ReportedRange, Sex};
use super::words::Words;
use super::{Comparator, Limits, Unit};
use rust_decimal::Decimal;
use unicode_normalization::UnicodeNormalization;

/// What a reference range was read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeReading {
    /// The range, in the unit of OBX-6.
    pub range: ReportedRange,
    /// What to count: `range_single`, `range_unparsed`.
    pub count: Option<&'static str>,
}

/// Reads OBX-7 (unescaped components of each repetition) for a result in `unit`.
///
/// `decimal` is the feed's decimal mark (V-4).
pub fn read_range(
    repetitions: &[Vec<String>],
    unit: &Unit,
    decimal: Option<char>,
    words: &Words,
) -> RangeReading {
    let reader = Reader {
        unit,
        decimal,
        words,
    };
    only_one(
        repetitions
            .iter()
            .map(|components| reader.read_repetition(components)),
    )
    .into_reading()
}

/// What one text is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Empty,
    Range(ReportedRange),
    /// one number, no telling which limit.
    Single,
    /// understood, and not one interval.
    NotOne,
    ///
    Unparsed,
}

impl Outcome {
    fn into_reading(self) -> RangeReading {
        let (range, count) = match self {
            Self::Range(range) => (range, None),
            Self::Single => (ReportedRange::None, Some("range_single")),
            Self::Unparsed => (ReportedRange::None, Some("range_unparsed")),
            Self::Empty | Self::NotOne => (ReportedRange::None, None),
        };
        RangeReading { range, count }
    }
}

/// the only one that parses; several different ones are none.
fn only_one(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    outcomes.fold(Outcome::Empty, |one, other| match (one, other) {
        // Ages in one part put the whole in doubt; several stay several.
        (Outcome::NotOne, _) | (_, Outcome::NotOne) => Outcome::NotOne,
        (Outcome::Range(one), Outcome::Range(other)) if one == other => Outcome::Range(one),
        (Outcome::Range(_), Outcome::Range(_)) => Outcome::NotOne,
        (Outcome::Range(range), _) | (_, Outcome::Range(range)) => Outcome::Range(range),
        (Outcome::Unparsed, _) | (_, Outcome::Unparsed) => Outcome::Unparsed,
        (Outcome::Single, _) | (_, Outcome::Single) => Outcome::Single,
        (Outcome::Empty, Outcome::Empty) => Outcome::Empty,
    })
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    unit: &'a Unit,
    decimal: Option<char>,
    words: &'a Words,
}

/// What stands before a labelled interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Sex(Sex),
    /// Normal, reference, adult.
    Normal,
    Other,
}

impl Reader<'_> {
    fn read_repetition(&self, components: &[String]) -> Outcome {
        let filled: Vec<&str> = components
            .iter()
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
            .collect();
        match filled.as_slice() {
            [] => Outcome::Empty,
            [text] => self.read_text(text),
            [first, second, rest @ ..] => match self.read_text(first) {
                // `0.4^2.3`: the component form of R-1, perhaps with a unit.
                Outcome::Single if read_number(second, self.decimal).is_ok() => {
                    self.read_text(&format!("{first} - {second} {}", rest.join(" ")))
                }
                // `>^0.4` and `^0.4^-^2.3`: the parts of an SN.
                Outcome::Single | Outcome::Unparsed => self.read_text(&filled.join(" ")),
                // A range with a text or a coding system behind it.
                outcome => outcome,
            },
        }
    }

    fn read_text(&self, text: &str) -> Outcome {
        let Some(text) = normalise(text) else {
            return Outcome::Unparsed;
        };
        if text.is_empty() || text == "\"\"" {
            return Outcome::Empty;
        }
        // Before all else: ages look like numbers.
        if text
            .split(|letter: char| !letter.is_alphabetic())
            .any(|word| self.words.is_age_word(word))
        {
            return Outcome::NotOne;
        }
        match self.read_simple(&text) {
            Outcome::Unparsed => {}
            outcome => return outcome,
        }
        if let Some(outcome) = self.read_labelled(&text) {
            return outcome;
        }
        let parts: Vec<&str> = text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        if parts.len() < 2 {
            return Outcome::Unparsed;
        }
        only_one(parts.into_iter().map(|part| self.read_simple(part)))
    }

    /// `M: 0.4-2.3 F: 0.5-2.4`, `Normal: 0.4-2.3 Deficient: <0.2`; `None` without labels.
    fn read_labelled(&self, text: &str) -> Option<Outcome> {
        let parts = self.labelled_parts(text)?;
        let read = |wanted: Label| {
            only_one(
                parts
                    .iter()
                    .filter(|(label, _)| *label == wanted)
                    .map(|(_, part)| self.read_simple(part)),
            )
        };
        let by_sex = (read(Label::Sex(Sex::Male)), read(Label::Sex(Sex::Female)));
        Some(match by_sex {
            (
                Outcome::Range(ReportedRange::Plain(male)),
                Outcome::Range(ReportedRange::Plain(female)),
            ) => Outcome::Range(ReportedRange::BySex { male, female }),
            (Outcome::Empty, Outcome::Empty) => match read(Label::Normal) {
                Outcome::Range(range) => Outcome::Range(range),
                Outcome::Single | Outcome::NotOne | Outcome::Unparsed | Outcome::Empty => {
                    if parts.len() > 1 {
                        Outcome::NotOne
                    } else {
                        Outcome::Unparsed
                    }
                }
            },
            (_, _) => Outcome::Unparsed,
        })
    }

    /// Labels with the text that follows each; `None` where text stands before the first, or none is.
    fn labelled_parts(&self, text: &str) -> Option<Vec<(Label, String)>> {
        let spaced = text.replace(':', ": ").replace([';', '\n'], " ");
        let mut parts: Vec<(Label, String)> = Vec::new();
        for token in spaced.split_whitespace() {
            match (self.label(token), parts.last_mut()) {
                (Some(label), Some((last, part))) if part.is_empty() => {
                    // `Normal range:`, `Adult male:`: one label of several words.
                    *last = stronger(*last, label);
                }
                (Some(label), _) => parts.push((label, String::new())),
                (None, Some((_, part))) => {
                    if !part.is_empty() {
                        part.push(' ');
                    }
                    part.push_str(token);
                }
                (None, None) => return None,
            }
        }
        (!parts.is_empty()).then_some(parts)
    }

    fn label(&self, token: &str) -> Option<Label> {
        let word = token.trim_matches([':', '=', '.', '(', ')', ',']);
        if word.is_empty() {
            // A lone colon or bracket behind a label belongs to it.
            return token.ends_with(':').then_some(Label::Other);
        }
        if let Some(sex) = self.words.sex(word) {
            Some(Label::Sex(sex))
        } else if self.words.is_normal_label(word) {
            Some(Label::Normal)
        } else if token.ends_with(':') && word.starts_with(char::is_alphabetic) {
            Some(Label::Other)
        } else {
            None
        }
    }

    /// one unlabelled interval.
    fn read_simple(&self, text: &str) -> Outcome {
        let text = text.trim().trim_end_matches([',', ';']).trim_end();
        let (inner, outer_unit) = self.without_outer_unit(without_brackets(text));
        let text = without_brackets(inner);
        if split_number(text).is_some_and(|(_, rest)| rest.trim().is_empty()) {
            return match read_number(text, self.decimal) {
                Ok(_) if !text.starts_with(['-', '+']) => Outcome::Single,
                Ok(_) | Err(_) => Outcome::Unparsed,
            };
        }
        let limits = self
            .read_one_sided(text)
            .or_else(|| self.read_two_sided(text))
            .and_then(|(limits, unit)| self.in_result_unit(limits, unit, outer_unit));
        match limits {
            Some(limits) => Outcome::Range(ReportedRange::Plain(limits)),
            None => Outcome::Unparsed,
        }
    }

    /// `(0.4-2.3) g/L`: the unit behind the bracket.
    fn without_outer_unit<'t>(&self, text: &'t str) -> (&'t str, Option<Unit>) {
        text.rfind([')', ']', '}'])
            .and_then(|at| text.split_at_checked(at + 1))
            .and_then(|(inner, tail)| {
                let unit = Unit::parse(tail);
                unit.is_known().then_some((inner, Some(unit)))
            })
            .unwrap_or((text, None))
    }

    /// `<2.0`, `up to 2.0`, `>0.4`, `from 0.4`.
    fn read_one_sided(&self, text: &str) -> Option<(Limits, Option<Unit>)> {
        let (is_high, rest) = if let Some((comparator, rest)) = self.words.split_comparator(text) {
            match comparator {
                Comparator::Below | Comparator::AtMost => (true, rest),
                Comparator::Above | Comparator::AtLeast => (false, rest),
                Comparator::Exactly | Comparator::About => return None,
            }
        } else if let Some(rest) = self.words.strip_up_to(text) {
            (true, rest)
        } else if let Some(rest) = self.words.strip_from(text) {
            (false, rest)
        } else {
            return None;
        };
        let (limit, rest) = self.limit(rest)?;
        let unit = whole_unit(rest)?;
        let limits = if is_high {
            // A high limit of nothing says nothing.
            (limit > Decimal::ZERO).then_some(Limits {
                low: None,
                high: Some(limit),
            })?
        } else {
            Limits {
                low: Some(limit),
                high: None,
            }
        };
        Some((limits, unit))
    }

    /// `0.4-2.3`, `from 0.4 to 2.3`, `0.4 g/L - 2.3 g/L`.
    fn read_two_sided(&self, text: &str) -> Option<(Limits, Option<Unit>)> {
        let text = self.words.strip_from(text).unwrap_or(text);
        let (low, rest) = self.limit(text)?;
        let (first_unit, rest) = self.strip_separator(rest)?;
        let (high, rest) = self.limit(rest)?;
        let unit = whole_unit(rest)?;
        let agree = match (&first_unit, &unit) {
            (Some(one), Some(two)) => one.is_same(two),
            (_, None) | (None, _) => true,
        };
        (low < high && agree).then_some((
            Limits {
                low: Some(low),
                high: Some(high),
            },
            unit.or(first_unit),
        ))
    }

    /// A limit at the start of a text: a number without a sign.
    fn limit<'t>(&self, text: &'t str) -> Option<(Decimal, &'t str)> {
        let text = text.trim_start();
        if text.starts_with(['-', '+']) {
            return None;
        }
        let (number, rest) = split_number(text)?;
        Some((read_number(number, self.decimal).ok()?, rest))
    }

    /// `-` or a word for it, perhaps behind the low limit's own unit.
    fn strip_separator<'t>(&self, text: &'t str) -> Option<(Option<Unit>, &'t str)> {
        let text = text.trim_start();
        let separator = |text: &'t str| {
            let text = text.trim_start();
            text.strip_prefix('-')
                .or_else(|| self.words.strip_between(text))
        };
        if let Some(rest) = separator(text) {
            return Some((None, rest));
        }
        let end = text.find(|letter: char| letter == '-' || letter.is_whitespace())?;
        let (unit, rest) = text.split_at_checked(end)?;
        let unit = Unit::parse(unit);
        unit.is_known()
            .then(|| separator(rest))
            .flatten()
            .map(|rest| (Some(unit), rest))
    }

    /// the limits in the unit of OBX-6; none where the units cannot be brought together.
    fn in_result_unit(
        &self,
        limits: Limits,
        inner: Option<Unit>,
        outer: Option<Unit>,
    ) -> Option<Limits> {
        let unit = match (inner, outer) {
            (Some(inner), Some(outer)) if !inner.is_same(&outer) => return None,
            (inner, outer) => inner.or(outer),
        };
        let Some(unit) = unit else {
            return Some(limits);
        };
        let convert = |limit: Option<Decimal>| match limit {
            Some(limit) => unit.convert(limit, self.unit).map(Some),
            None => Some(None),
        };
        Some(Limits {
            low: convert(limits.low)?,
            high: convert(limits.high)?,
        })
    }
}

const fn stronger(one: Label, other: Label) -> Label {
    match (one, other) {
        (Label::Sex(sex), _) | (_, Label::Sex(sex)) => Label::Sex(sex),
        (Label::Normal, _) | (_, Label::Normal) => Label::Normal,
        (Label::Other, Label::Other) => Label::Other,
    }
}

/// The unit that the whole of a text is; `Some(None)` for an empty one, `None` for anything else.
fn whole_unit(text: &str) -> Option<Option<Unit>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    let unit = Unit::parse(text);
    unit.is_known().then_some(Some(unit))
}

/// Outer brackets that belong together removed, as often as there are any.
fn without_brackets(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(inner) = [('(', ')'), ('[', ']'), ('{', '}')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .filter(|inner| is_balanced(inner))
    {
        text = inner.trim();
    }
    text
}

/// Whether no bracket closes before it opened: `a)(b` came from two pairs.
fn is_balanced(text: &str) -> bool {
    let mut depth = 0_usize;
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => {}
        }
    }
    depth == 0
}

/// NFKC, one kind of dash and blank, runs of points as a dash, lines as `;`.
///
/// `None` where small raised or lowered digits would turn into plain ones.
fn normalise(text: &str) -> Option<String> {
    let raised = |letter: char| {
        matches!(
            letter,
            '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{2070}'..='\u{2089}'
        )
    };
    if text.chars().any(raised) {
        return None;
    }
    let mut normal = String::with_capacity(text.len());
    let mut points = 0_u32;
    for letter in text.trim().nfkc() {
        if letter == '.' {
            points += 1;
            continue;
        }
        push_points(&mut normal, points);
        points = 0;
        normal.push(match letter {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => '-',
            '\n' | '\r' => ';',
            other if other.is_whitespace() => ' ',
            other => other,
        });
    }
    push_points(&mut normal, points);
    Some(normal.trim().to_owned())
}

fn push_points(text: &mut String, points: u32) {
    match points {
        0 => {}
        1 => text.push('.'),
        _ => text.push('-'),
    }
}

#[cfg(test)]
mod tests;
