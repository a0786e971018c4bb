//! Protected health information as a type.
//!
//! Names, identifiers, birth dates and results travel inside [`Phi`], whose `Debug` and `Display`
//! print `[phi]`: a log line, a metric label, a panic or an error text that tries to show one
//! shows nothing. Whoever needs the value says so with [`Phi::expose`], which is easy to search for.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A value about a patient that must not reach logs, metrics or error texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; every caller must keep it out of logs, metrics and errors.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value, under the same duty as [`Phi::expose`].
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

impl<T> fmt::Display for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

#[cfg(test)]
mod tests {
    use super::Phi;

    #[test]
    fn shows_nothing_of_its_value() {
        let name = Phi::new("ZZMARKERZZ".to_owned());
        assert_eq!(
            format!("{name} {name:?} {:?}", Some(&name)),
            "[phi] [phi] Some([phi])"
        );
        assert_eq!(name.expose(), "ZZMARKERZZ");
    }
}
