//! The form of a LOINC code: digits, a hyphen, a check digit.

/// Whether `code` has the form `\d{1,5}-\d` and the right check digit (mod 10, LOINC Users' Guide).
pub fn is_loinc(code: &str) -> bool {
    let Some((number, check)) = code.split_once('-') else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=5).contains(&number.len()) || check.len() != 1 || !digits(number) || !digits(check) {
        return false;
    }
    check.bytes().next() == Some(b'0' + check_digit(number))
}

/// From the right, every other digit doubled, beginning with the last; the digits of all that add up
/// with the check digit to a multiple of ten.
fn check_digit(number: &str) -> u8 {
    let sum = number
        .bytes()
        .rev()
        .zip([true, false].into_iter().cycle())
        .fold(0_u8, |sum, (byte, doubled)| {
            let digit = byte.saturating_sub(b'0');
            let weighed = if doubled { digit * 2 } else { digit };
            sum + weighed / 10 + weighed % 10
        });
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::is_loinc;

    #[test]
    fn known_codes_have_the_right_digit() {
        for code in [
            "2472-9", "2465-3", "2458-8", "2466-1", "2467-9", "2468-7", "2469-5", "13950-1",
            "5126-8", "30340-4", "24115-8", "94506-3", "94508-9", "95125-1", "25418-5", "31204-1",
            "11572-5", "3182-3", "14002-0", "19113-0", "36916-5", "33944-0", "48378-4", "33358-3",
            "24351-9", "2885-2", "1751-7", "6886-6", "6939-3",
        ] {
            assert!(is_loinc(code), "{code}");
        }
    }

    #[test]
    fn everything_else_is_no_loinc_code() {
        for code in [
            "2472-8",
            "2472-0",
            "2472",
            "2472-",
            "-9",
            "2472-99",
            "LA12472-9",
            "12472-9-1",
            "102472-9",
            "24 72-9",
            "２472-9",
            "",
            "-",
        ] {
            assert!(!is_loinc(code), "{code}");
        }
        for wrong in [
            "2472-1", "2472-2", "2472-3", "2472-4", "2472-5", "2472-6", "2472-7",
        ] {
            assert!(!is_loinc(wrong), "{wrong}");
        }
    }
}
