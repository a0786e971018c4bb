//! Numbers as laboratories write them (WIRE V-1, V-4; CLINICAL 4.3), for values and ranges alike.

use rust_decimal::Decimal;
use thiserror::Error;

/// Digits that a [`Decimal`] can hold whatever they are.
const SAFE_DIGITS: usize = 28;

/// Why a text is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumberError {
    /// No number, or more digits after the mark than can be held exactly.
    #[error("expected a number")]
    NotANumber,
    /// `1,200`: a decimal comma or thousands, and the feed does not say which (V-4).
    #[error("expected a number with one reading, but its comma may be decimal or of thousands")]
    Ambiguous,
    /// Far beyond any amount.
    #[error("expected a number of a possible size")]
    TooLarge,
}

/// The number at the start of `text` and what follows it, neither of them judged yet.
///
/// Takes a sign, digits, points, commas, blanks and apostrophes that group by three, an exponent.
/// `None` where no digit comes before anything else.
pub fn split_number(text: &str) -> Option<(&str, &str)> {
    let mut end = 0;
    let mut digits = false;
    let mut rest = text.char_indices().peekable();
    if matches!(rest.peek(), Some((_, '+' | '-'))) {
        rest.next();
    }
    for (at, letter) in rest {
        let after = text.get(at + letter.len_utf8()..).unwrap_or_default();
        match letter {
            '0'..='9' => digits = true,
            '.' | ',' => {}
            _ if is_grouping(letter) && digits && starts_with_group(after) => {}
            'e' | 'E' if digits => {
                if let Some(length) = exponent_length(after) {
                    end = at + 1 + length;
                }
                break;
            }
            _ => break,
        }
        end = at + letter.len_utf8();
    }
    digits.then(|| text.split_at_checked(end)).flatten()
}

/// Reads the whole of `text` as one number, outer blanks cut.
///
/// `decimal` is the feed's decimal mark, which decides where the text alone cannot (V-4).
pub fn read_number(text: &str, decimal: Option<char>) -> Result<Decimal, NumberError> {
    match split_number(text.trim()) {
        Some((number, "")) => evaluate(number, decimal),
        Some(_) | None => Err(NumberError::NotANumber),
    }
}

fn is_grouping(letter: char) -> bool {
    matches!(
        letter,
        ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{2007}' | '\'' | '\u{2019}'
    )
}

/// Exactly three digits, then no fourth.
fn starts_with_group(text: &str) -> bool {
    text.chars().take_while(char::is_ascii_digit).count() == 3
}

fn exponent_length(text: &str) -> Option<usize> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.chars().take_while(char::is_ascii_digit).count();
    (digits > 0).then_some(text.len() - unsigned.len() + digits)
}

/// What [`split_number`] found, as a decimal.
fn evaluate(number: &str, decimal: Option<char>) -> Result<Decimal, NumberError> {
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = split_mantissa(mantissa, decimal)?;
    compose(negative, &whole, &fraction, exponent)
}

fn read_exponent(text: &str) -> Result<i64, NumberError> {
    // More than three digits of exponent is no laboratory's number.
    let digits = text.trim_start_matches(['+', '-']).len();
    match text.parse::<i64>() {
        Ok(exponent) if digits <= 3 => Ok(exponent),
        Ok(_) | Err(_) => Err(NumberError::NotANumber),
    }
}

/// Digits before and after the decimal mark, grouping removed (V-4).
fn split_mantissa(mantissa: &str, decimal: Option<char>) -> Result<(String, String), NumberError> {
    let grouped = mantissa.chars().any(is_grouping);
    let points = mantissa.matches('.').count();
    let commas = mantissa.matches(',').count();
    let mark = match (points, commas) {
        (0, 0) => None,
        (1, 0) => Some('.'),
        (0, 1) if !grouped && could_be_thousands(mantissa) => match decimal {
            Some(',') => Some(','),
            Some('.') => None,
            Some(_) | None => return Err(NumberError::Ambiguous),
        },
        (0, 1) => Some(','),
        (_, 0) | (0, _) => None,
        // Both: the last one is the decimal mark if it stands once and the other groups by three.
        (_, _) => match mantissa.rfind(['.', ',']).and_then(|at| mantissa.get(at..)) {
            Some(tail) if tail.starts_with('.') && points == 1 => Some('.'),
            Some(tail) if tail.starts_with(',') && commas == 1 => Some(','),
            Some(_) | None => return Err(NumberError::Ambiguous),
        },
    };
    let (whole, fraction) = mark
        .and_then(|mark| mantissa.split_once(mark))
        .unwrap_or((mantissa, ""));
    let irregular = if points > 0 && commas > 0 {
        NumberError::Ambiguous
    } else {
        NumberError::NotANumber
    };
    if !fraction.chars().all(|letter| letter.is_ascii_digit()) {
        return Err(irregular);
    }
    Ok((ungroup(whole).ok_or(irregular)?, fraction.to_owned()))
}

/// `\d{1,3},\d{3}` with a first digit other than 0.
fn could_be_thousands(mantissa: &str) -> bool {
    mantissa.split_once(',').is_some_and(|(whole, fraction)| {
        (1..=3).contains(&whole.len()) && !whole.starts_with('0') && fraction.len() == 3
    })
}

/// Digits of a whole part; one kind of grouping mark, by three, or none.
fn ungroup(whole: &str) -> Option<String> {
    let Some(mark) = whole.chars().find(|letter| !letter.is_ascii_digit()) else {
        return Some(whole.to_owned());
    };
    let mut groups = whole.split(mark);
    let first = groups.next()?;
    let regular = (1..=3).contains(&first.len())
        && groups
            .all(|group| group.len() == 3 && group.chars().all(|letter| letter.is_ascii_digit()));
    regular.then(|| whole.split(mark).collect())
}

fn compose(
    negative: bool,
    whole: &str,
    fraction: &str,
    exponent: i64,
) -> Result<Decimal, NumberError> {
    let mut digits: String = [whole, fraction].concat();
    if digits.is_empty() {
        return Err(NumberError::NotANumber);
    }
    let length = i64::try_from(fraction.len()).map_err(|_| NumberError::NotANumber)?;
    let mut scale = length.saturating_sub(exponent);
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        let kept = u32::try_from(scale.clamp(0, 28)).unwrap_or_default();
        return Ok(Decimal::new(0, kept));
    }
    digits = significant.to_owned();
    // Zeros at the end of a fraction are shown as sent, unless there is no room for them.
    while digits.ends_with('0') && (scale > 28 || digits.len() > SAFE_DIGITS) && scale > 0 {
        digits.pop();
        scale -= 1;
    }
    let size = i64::try_from(digits.len()).map_err(|_| NumberError::TooLarge)?;
    if size.saturating_sub(scale) > 28 {
        return Err(NumberError::TooLarge);
    }
    while scale < 0 {
        digits.push('0');
        scale += 1;
    }
    if digits.len() > SAFE_DIGITS {
        return Err(NumberError::NotANumber);
    }
    let magnitude: i128 = digits.parse().map_err(|_| NumberError::NotANumber)?;
    let signed = if negative { -magnitude } else { magnitude };
    let scale = u32::try_from(scale).map_err(|_| NumberError::NotANumber)?;
    Decimal::try_from_i128_with_scale(signed, scale).map_err(|_| NumberError::NotANumber)
}

#[cfg(test)]
mod tests {
    use super::{NumberError, read_number, split_number};
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    fn shown(text: &str, decimal: Option<char>) -> Result<String, NumberError> {
        read_number(text, decimal).map(|number| number.to_string())
    }

    #[test]
    fn numbers_of_v1_and_v4() {
        for (text, number) in [
            ("0.21", "0.21"),
            (" 0.21 ", "0.21"),
            (".21", "0.21"),
            ("+0.21", "0.21"),
            ("-0.21", "-0.21"),
            ("21.", "21"),
            ("21", "21"),
            ("0.40", "0.40"),
            ("2.1e-1", "0.21"),
            ("2.1E+1", "21"),
            ("21e1", "210"),
            ("0,21", "0.21"),
            (",21", "0.21"),
            ("0,210", "0.210"),
            ("12,1", "12.1"),
            ("1,21", "1.21"),
            ("1234,567", "1234.567"),
            ("1.210", "1.210"),
            ("1,210.5", "1210.5"),
            ("1.210,5", "1210.5"),
            ("1,234,567.5", "1234567.5"),
            ("1,234,567", "1234567"),
            ("1.234.567", "1234567"),
            ("1 210", "1210"),
            ("1\u{a0}210,5", "1210.5"),
            ("1\u{2009}210", "1210"),
            ("1\u{202f}210,500", "1210.500"),
            ("1'210.5", "1210.5"),
            ("12\u{2019}345", "12345"),
            ("007", "7"),
            ("0", "0"),
            ("0.00", "0.00"),
            ("0e9", "0"),
            (
                "0.21000000000000000000000000000000000000",
                "0.2100000000000000000000000000",
            ),
        ] {
            assert_eq!(shown(text, None).as_deref(), Ok(number), "{text}");
        }
    }

    #[test]
    fn a_comma_before_three_digits_asks_the_feed() {
        for text in ["1,200", "12,345", "999,000", "+1,200"] {
            assert_eq!(shown(text, None), Err(NumberError::Ambiguous), "{text}");
        }
        assert_eq!(shown("1,200", Some(',')).as_deref(), Ok("1.200"));
        assert_eq!(shown("1,200", Some('.')).as_deref(), Ok("1200"));
        assert_eq!(shown("0,200", Some('.')).as_deref(), Ok("0.200"));
    }

    #[test]
    fn points_and_commas_in_disorder_are_ambiguous() {
        for text in ["1,21.5", "1.2,3.4", "1,2.3,4", "0.21,", "12,3456.7"] {
            assert_eq!(shown(text, None), Err(NumberError::Ambiguous), "{text}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "",
            " ",
            ".",
            ",",
            "-",
            "+",
            "e5",
            "abc",
            "1.2.3",
            "1 21",
            "1 2100",
            "--1",
            "+-1",
            "1-2",
            "0x10",
            "1e",
            "1e9999",
            "٣",
            "½",
            "1,23,456",
            "1' 210",
            "1 210'500",
            "NaN",
            "inf",
            "1_000",
            "1 000.000 000",
        ] {
            assert_eq!(shown(text, None), Err(NumberError::NotANumber), "{text}");
        }
        assert_eq!(shown("1e40", None), Err(NumberError::TooLarge));
        assert_eq!(shown(&"9".repeat(40), None), Err(NumberError::TooLarge));
    }

    #[test]
    fn a_number_ends_where_other_text_begins() {
        assert_eq!(split_number("0.21 g/L"), Some(("0.21", " g/L")));
        assert_eq!(split_number("2.1e-1x"), Some(("2.1e-1", "x")));
        assert_eq!(split_number("3 eu"), Some(("3", " eu")));
        assert_eq!(split_number("40 23"), Some(("40", " 23")));
        assert_eq!(split_number("g 1"), None);
    }

    proptest! {
        #[test]
        fn reading_what_was_formatted_gives_the_number(units in any::<i64>(), scale in 0_u32..12) {
            let number = Decimal::new(units, scale);
            prop_assert_eq!(read_number(&number.to_string(), Some('.')), Ok(number));
        }

        #[test]
        fn a_decimal_comma_reads_as_a_decimal_point(units in 0_i64..1_000_000, scale in 1_u32..6) {
            let number = Decimal::new(units, scale);
            let text = number.to_string().replace('.', ",");
            prop_assert_eq!(read_number(&text, Some(',')), Ok(number));
        }

        #[test]
        fn any_text_is_a_number_or_is_not(text in any::<String>()) {
            let _ = read_number(&text, None);
        }

        #[test]
        fn any_number_like_text_is_a_number_or_is_not(text in "[-+0-9., 'eE\u{a0}]{0,48}") {
            let _ = read_number(&text, None);
            if let Some((number, rest)) = split_number(&text) {
                prop_assert_eq!([number, rest].concat(), text);
            }
        }
    }
}
