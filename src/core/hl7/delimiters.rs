//! MSH-1 and MSH-2: the characters that structure a message (WIRE C-1).

/// The delimiters of one message. Those that MSH-2 does not give are not special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// MSH-1.
    pub field: char,
    /// First of MSH-2.
    pub component: Option<char>,
    /// Second.
    pub repetition: Option<char>,
    /// Third.
    pub escape: Option<char>,
    /// Fourth.
    pub subcomponent: Option<char>,
    /// Fifth (2.7 and later): marks a leaf that was cut off.
    pub truncation: Option<char>,
}

/// MSH-1 or MSH-2 cannot be used (WIRE C-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelimiterError {
    /// No MSH, no separator, or MSH-2 empty or not closed.
    #[error("MSH-1 or MSH-2 is missing")]
    Missing,
    /// More than five encoding characters.
    #[error("MSH-2 has more than five characters")]
    TooMany,
    /// Two are the same.
    #[error("two delimiters are the same character")]
    Repeated,
    /// A letter, a digit or a line end.
    #[error("a delimiter is a letter, a digit or a line end")]
    Unusable,
}

impl Default for Delimiters {
    /// `|^~\&`.
    fn default() -> Self {
        Self {
            field: '|',
            component: Some('^'),
            repetition: Some('~'),
            escape: Some('\\'),
            subcomponent: Some('&'),
            truncation: None,
        }
    }
}

impl Delimiters {
    /// Reads them from the decoded text of a message, which begins with `MSH` (or `FHS`, `BHS`).
    ///
    /// Blanks after the encoding characters are ignored. A shifted MSH-2 such as `|~\&|` is read as it
    /// stands: only the sender could say what is missing.
    ///
    /// # Errors
    /// [`DelimiterError`] where C-1 sends the message to the quarantine.
    pub fn read(text: &str) -> Result<Self, DelimiterError> {
        let mut chars = text.chars().skip(3);
        let field = chars.next().ok_or(DelimiterError::Missing)?;
        let mut encoding = String::new();
        let mut closed = false;
        for c in chars {
            if c == field {
                closed = true;
                break;
            }
            if matches!(c, '\r' | '\n') {
                break;
            }
            encoding.push(c);
            if encoding.len() > 64 {
                return Err(DelimiterError::TooMany);
            }
        }
        let encoding: Vec<char> = encoding.trim_end_matches(' ').chars().collect();
        if !closed || encoding.is_empty() {
            return Err(DelimiterError::Missing);
        }
        if encoding.len() > 5 {
            return Err(DelimiterError::TooMany);
        }
        let all = || std::iter::once(&field).chain(&encoding);
        if all().any(|c| c.is_alphanumeric() || matches!(c, '\r' | '\n')) {
            return Err(DelimiterError::Unusable);
        }
        if all()
            .enumerate()
            .any(|(place, c)| all().skip(place + 1).any(|other| other == c))
        {
            return Err(DelimiterError::Repeated);
        }
        let mut given = encoding.into_iter();
        Ok(Self {
            field,
            component: given.next(),
            repetition: given.next(),
            escape: given.next(),
            subcomponent: given.next(),
            truncation: given.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_the_usual_and_the_unusual() {
        assert_eq!(Delimiters::read("MSH|^~\\&|LAB"), Ok(Delimiters::default()));
        let own = Delimiters::read("MSH#$~\\@%#LAB").expect("usable");
        assert_eq!(own.field, '#');
        assert_eq!(own.component, Some('$'));
        assert_eq!(own.subcomponent, Some('@'));
        assert_eq!(own.truncation, Some('%'));
        assert_eq!(Delimiters::read("MSH§^~\\&§").map(|d| d.field), Ok('§'));
        assert_eq!(
            Delimiters::read("MSH|^~\\& |x"),
            Ok(Delimiters::default()),
            "blanks are no delimiter"
        );
    }

    #[test]
    fn c1_fewer_given_are_not_special() {
        let two = Delimiters::read("MSH|^~|LAB").expect("usable");
        assert_eq!((two.repetition, two.escape), (Some('~'), None));
        let one = Delimiters::read("MSH|^|LAB").expect("usable");
        assert_eq!((one.component, one.repetition), (Some('^'), None));
        let shifted = Delimiters::read("MSH|~\\&|LAB").expect("usable");
        assert_eq!((shifted.component, shifted.subcomponent), (Some('~'), None));
    }

    #[test]
    fn c1_the_unusable() {
        for (text, error) in [
            ("MSH", DelimiterError::Missing),
            ("MSH|", DelimiterError::Missing),
            ("MSH||LAB", DelimiterError::Missing),
            ("MSH|^~\\&", DelimiterError::Missing),
            ("MSH|^~\\&\rPID|", DelimiterError::Missing),
            ("MSH|^~\\&#!|", DelimiterError::TooMany),
            ("MSH^~\\&|LAB|HOSP^", DelimiterError::TooMany),
            ("MSH|&&&&|", DelimiterError::Repeated),
            ("MSH|^~\\1|", DelimiterError::Unusable),
            ("MSHA^~\\&A", DelimiterError::Unusable),
            ("MSH|^é|", DelimiterError::Unusable),
        ] {
            assert_eq!(Delimiters::read(text), Err(error), "{text}");
        }
    }
}
