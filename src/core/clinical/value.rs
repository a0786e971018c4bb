//! What OBX-5 says (WIRE V-1 to V-8, CLINICAL 4.3): one value, or the reason why there is none.
//!
//! No text is ever turned into a number that it does not wholly consist of.

use super::number::{NumberError, read_number, split_number};
use super::observation::{Flag, ReportedValue};
use super::words::Words;
use super::{Amount, Comparator, Unit};
use crate::core::fact::Reason;
use rust_decimal::Decimal;

/// OBX-2, as far as it changes how OBX-5 is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// NM.
    Nm,
    /// SN.
    Sn,
    /// ST, TX, FT, and an empty or unknown type.
    Text,
    /// CE, CWE, IS.
    Coded,
}

/// OBX-5 with what is needed to read it.
#[derive(Debug, Clone, Copy)]
pub struct ValueText<'a> {
    /// OBX-2.
    pub kind: ValueKind,
    /// The unescaped components of each repetition.
    pub repetitions: &'a [Vec<String>],
    /// The feed's decimal mark, for numbers that can be read in two ways (V-4).
    pub decimal: Option<char>,
    /// Whether OBX-8 has `<`: with an empty value, below the instrument's scale (CLINICAL 6.1.3).
    pub flag_below: bool,
}

/// What a value was read as.
#[derive(Clone, PartialEq, Eq)]
pub struct ValueReading {
    /// The value; of a refused one, [`ReportedValue::Unreadable`] with the same reason.
    pub value: ReportedValue,
    /// The unit that stands in the value's own text.
    pub unit: Option<Unit>,
    /// The flag that stands in the value's own text; it counts where OBX-8 is empty.
    pub flag: Option<Flag>,
    /// Why the result goes to quarantine.
    pub refusal: Option<Reason>,
}

/// Without the value, which is patient data.
impl std::fmt::Debug for ValueReading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueReading")
            .field("unit", &self.unit)
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}

impl ValueReading {
    fn of(value: ReportedValue) -> Self {
        let refusal = match &value {
            ReportedValue::Unreadable(reason) => Some(*reason),
            ReportedValue::Amount(_)
            | ReportedValue::Range(_, _)
            | ReportedValue::BelowScale
            | ReportedValue::Absent
            | ReportedValue::Undetectable => None,
        };
        Self {
            value,
            unit: None,
            flag: None,
            refusal,
        }
    }

    fn refused(reason: Reason) -> Self {
        Self::of(ReportedValue::Unreadable(reason))
    }

    const fn is_number(&self) -> bool {
        matches!(
            self.value,
            ReportedValue::Amount(_) | ReportedValue::Range(_, _)
        )
    }

    /// A refusal that was a number all the same, so that another number beside it is one too many.
    const fn is_refused_number(&self) -> bool {
        matches!(
            self.refusal,
            Some(Reason::AmbiguousNumber | Reason::Implausible)
        )
    }

    /// The same number, in the same unit as far as both name one.
    fn agrees(&self, other: &Self) -> bool {
        let units = match (&self.unit, &other.unit) {
            (Some(one), Some(two)) => one.is_same(two),
            (_, None) | (None, _) => true,
        };
        self.value == other.value && units
    }
}

/// Reads OBX-5 (V-rules). Repetitions: one number is the value, several different ones are refused.
///
/// V-8 is applied here as far as the value alone can tell; see [`is_plausible`] for the rest.
pub fn read_value(text: &ValueText<'_>, words: &Words) -> ValueReading {
    let empty = text
        .repetitions
        .iter()
        .flatten()
        .all(|component| component.trim().is_empty());
    if empty {
        return ValueReading::of(if text.flag_below {
            ReportedValue::BelowScale
        } else {
            ReportedValue::Absent
        });
    }
    let readings: Vec<ValueReading> = text
        .repetitions
        .iter()
        .map(|components| read_repetition(text.kind, components, text.decimal, words))
        .collect();
    one_of(readings)
}

/// Whether an amount can be an immunoglobulin's at all: not negative, not above 10^6 g/L (V-8).
///
/// To be asked again with the unit that the value turns out to have (OBX-6, the feed's default);
/// without a convertible unit the number itself is compared.
pub fn is_plausible(value: &ReportedValue, unit: &Unit) -> bool {
    let possible = |number: Decimal| {
        let compared = if unit.is_mass() {
            unit.to_gram_per_litre(number)
        } else {
            Some(number)
        };
        compared
            .is_some_and(|number| number >= Decimal::ZERO && number <= Decimal::from(1_000_000_u32))
    };
    match value {
        ReportedValue::Amount(amount) => possible(amount.value),
        ReportedValue::Range(low, high) => possible(*low) && possible(*high),
        ReportedValue::BelowScale
        | ReportedValue::Absent
        | ReportedValue::Undetectable
        | ReportedValue::Unreadable(_) => true,
    }
}

/// What several repetitions amount to.
fn one_of(readings: Vec<ValueReading>) -> ValueReading {
    if let Some(number) = readings.iter().find(|reading| reading.is_number()) {
        let alone = readings.iter().all(|other| {
            !other.is_refused_number() && (!other.is_number() || other.agrees(number))
        });
        if !alone {
            return ValueReading::refused(Reason::RepeatedValue);
        }
        let mut one = number.clone();
        for other in readings.into_iter().filter(ValueReading::is_number) {
            one.unit = one.unit.or(other.unit);
            one.flag = one.flag.or(other.flag);
        }
        return one;
    }
    // No number: the reading that a person should see first.
    let weight = |reading: &ValueReading| match &reading.value {
        ReportedValue::Unreadable(Reason::TextValue) => 1,
        ReportedValue::Undetectable => 2,
        ReportedValue::Unreadable(_) => 3,
        ReportedValue::Amount(_)
        | ReportedValue::Range(_, _)
        | ReportedValue::BelowScale
        | ReportedValue::Absent => 0,
    };
    readings
        .into_iter()
        .max_by_key(weight)
        .unwrap_or_else(|| ValueReading::of(ReportedValue::Absent))
}

fn read_repetition(
    kind: ValueKind,
    components: &[String],
    decimal: Option<char>,
    words: &Words,
) -> ValueReading {
    let part = |place: usize| components.get(place).map_or("", |text| text.trim());
    let alone = components.iter().skip(1).all(|text| text.trim().is_empty());
    match kind {
        ValueKind::Nm | ValueKind::Sn | ValueKind::Text if alone => {
            read_text(part(0), decimal, words)
        }
        ValueKind::Sn => read_structured(part, decimal, words),
        ValueKind::Nm | ValueKind::Text if is_structured(part, words) => {
            read_structured(part, decimal, words)
        }
        ValueKind::Nm | ValueKind::Text => read_first(components, decimal, words),
        ValueKind::Coded => read_coded(part, decimal, words),
    }
}

/// NM or text with components that are not those of SN: `85^^Hexokinase` is 85, but two numbers are none.
fn read_first(components: &[String], decimal: Option<char>, words: &Words) -> ValueReading {
    let mut filled = components
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty());
    let reading = filled.next().map_or_else(
        || ValueReading::of(ReportedValue::Absent),
        |first| read_text(first, decimal, words),
    );
    let another =
        filled.any(|text| !matches!(read_number(text, decimal), Err(NumberError::NotANumber)));
    if another {
        ValueReading::refused(Reason::TextValue)
    } else {
        reading
    }
}

/// Whether components are clearly those of SN though OBX-2 says otherwise (CLINICAL 4.3).
fn is_structured<'t>(part: impl Fn(usize) -> &'t str, words: &Words) -> bool {
    let comparator = part(0).is_empty() || words.comparator(part(0)).is_some();
    let separator = matches!(part(2), "" | "-" | "+" | "/" | "." | ":");
    comparator && separator && split_number(part(1)).is_some_and(|(_, rest)| rest.trim().is_empty())
}

/// SN: comparator, number, separator, second number (V-2).
fn read_structured<'t>(
    part: impl Fn(usize) -> &'t str,
    decimal: Option<char>,
    words: &Words,
) -> ValueReading {
    // The escaped form `&lt;` is not a comparator here (V-2).
    let comparator = match part(0) {
        "" => Some(Comparator::Exactly),
        text if text.starts_with('&') => None,
        text => words.comparator(text),
    };
    let (first, separator, second) = (part(1), part(2), part(3));
    if first.is_empty() && second.is_empty() {
        // A mistyped SN: all of it in the first component.
        return match comparator {
            None => read_text(part(0), decimal, words),
            Some(_) => ValueReading::refused(Reason::TextValue),
        };
    }
    if words.no_result(first) && second.is_empty() {
        return ValueReading::of(ReportedValue::Absent);
    }
    // A titre, a ratio or a grade (`2+`) is no amount of mass.
    if matches!(separator, ":" | "/" | "+") {
        return ValueReading::of(ReportedValue::Absent);
    }
    let Some(comparator) = comparator else {
        return ValueReading::refused(Reason::TextValue);
    };
    let low = match number(first, decimal) {
        Ok(low) => low,
        Err(reason) => return ValueReading::refused(reason),
    };
    if separator.is_empty() && second.is_empty() {
        return plausible(ValueReading::of(ReportedValue::Amount(Amount {
            comparator,
            value: low,
        })));
    }
    match number(second, decimal) {
        Ok(high) if separator == "-" && comparator == Comparator::Exactly && low <= high => {
            plausible(ValueReading::of(ReportedValue::Range(low, high)))
        }
        Ok(_) => ValueReading::refused(Reason::TextValue),
        Err(reason) => ValueReading::refused(reason),
    }
}

/// CE, CWE, IS: component 1 or 2 by V-3; coded text gives no amount (V-5).
fn read_coded<'t>(
    part: impl Fn(usize) -> &'t str,
    decimal: Option<char>,
    words: &Words,
) -> ValueReading {
    // With a coding system component 1 is a code, though it be all digits, as SNOMED's are.
    let code = (part(2).is_empty() && !part(0).is_empty()).then(|| part(0));
    let text = (!part(1).is_empty()).then(|| part(1));
    let readings = code
        .into_iter()
        .chain(text)
        .map(|text| match read_text(text, decimal, words) {
            reading if reading.refusal == Some(Reason::TextValue) && !has_digit(text) => {
                ValueReading::of(ReportedValue::Absent)
            }
            reading => reading,
        })
        .collect();
    one_of(readings)
}

fn has_digit(text: &str) -> bool {
    text.chars().any(char::is_numeric)
}

/// `[flag] [comparator] number [unit] [flag]`, and nothing else (V-3).
fn read_text(text: &str, decimal: Option<char>, words: &Words) -> ValueReading {
    let text = text.trim();
    if words.no_result(text) {
        return ValueReading::of(ReportedValue::Absent);
    }
    if words.undetectable(text) {
        return ValueReading::of(ReportedValue::Undetectable);
    }
    let (flag_before, rest) = strip_leading_flag(text, words);
    let (comparator, rest) = words
        .split_comparator(rest)
        .unwrap_or((Comparator::Exactly, rest));
    let Some((digits, tail)) = split_number(rest.trim_start()) else {
        return ValueReading::refused(Reason::TextValue);
    };
    let Some((unit, flag_behind)) = read_tail(tail, words) else {
        return ValueReading::refused(Reason::TextValue);
    };
    if is_grade(digits, tail) {
        return ValueReading::refused(Reason::TextValue);
    }
    match number(digits, decimal) {
        Ok(value) => plausible(ValueReading {
            unit,
            flag: flag_behind.or(flag_before),
            ..ValueReading::of(ReportedValue::Amount(Amount { comparator, value }))
        }),
        Err(reason) => ValueReading::refused(reason),
    }
}

fn number(text: &str, decimal: Option<char>) -> Result<Decimal, Reason> {
    read_number(text, decimal).map_err(|error| match error {
        NumberError::NotANumber => Reason::TextValue,
        NumberError::Ambiguous => Reason::AmbiguousNumber,
        NumberError::TooLarge => Reason::Implausible,
    })
}

/// V-8 as far as the value's own text allows: without a unit, what is too much in the smallest one.
fn plausible(reading: ValueReading) -> ValueReading {
    let unit = reading.unit.as_ref().unwrap_or(&Unit::MicrogramPerLitre);
    if is_plausible(&reading.value, unit) {
        reading
    } else {
        ValueReading::refused(Reason::Implausible)
    }
}

/// `1+` to `4+`: a grade of a strip test, not one to four of anything.
fn is_grade(digits: &str, tail: &str) -> bool {
    matches!(digits, "1" | "2" | "3" | "4") && tail.starts_with('+')
}

/// A flag before the number: a word or mark that stands apart, `(L)`, or `*` and `!` at the number.
fn strip_leading_flag<'t>(text: &'t str, words: &Words) -> (Option<Flag>, &'t str) {
    let apart = text.split_once(char::is_whitespace);
    let glued = text
        .strip_prefix(['*', '!'])
        .map(|rest| (text.get(..1).unwrap_or_default(), rest));
    apart
        .into_iter()
        .chain(glued)
        .find_map(|(first, rest)| {
            let flag = words.flag(without_brackets(first))?;
            Some((flag, rest.trim_start()))
        })
        .unwrap_or((None, text))
}

/// What stands behind a number: a unit, flags, both or nothing; `None` where anything else does.
fn read_tail(tail: &str, words: &Words) -> Option<(Option<Unit>, Option<Flag>)> {
    let mut rest = tail.trim();
    let mut flag = None;
    // Bounded: more than a few flags are no flags.
    for _ in 0..4 {
        if rest.is_empty() {
            return Some((None, flag));
        }
        let unit = Unit::parse(rest);
        if unit.is_mass() {
            return Some((Some(unit), flag));
        }
        let Some((before, found)) = strip_trailing_flag(rest, words) else {
            return unit.is_known().then_some((Some(unit), flag));
        };
        flag = found.or(flag);
        rest = before;
    }
    None
}

fn strip_trailing_flag<'t>(text: &'t str, words: &Words) -> Option<(&'t str, Option<Flag>)> {
    if let Some(flag) = words.flag(without_brackets(text)) {
        return Some(("", flag));
    }
    let apart = text.rsplit_once(char::is_whitespace);
    let bracketed = text
        .rfind(['(', '['])
        .and_then(|at| text.split_at_checked(at));
    let glued = text
        .strip_suffix(['*', '!'])
        .and_then(|before| text.split_at_checked(before.len()));
    apart
        .into_iter()
        .chain(bracketed)
        .chain(glued)
        .find_map(|(before, last)| {
            let flag = words.flag(without_brackets(last))?;
            Some((before.trim_end(), flag))
        })
}

fn without_brackets(text: &str) -> &str {
    [('(', ')'), ('[', ']')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .unwrap_or(text)
        .trim()
}

#[cfg(test)]
mod tests;
