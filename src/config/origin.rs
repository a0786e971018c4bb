//! Where a value was written.

use std::fmt;
use std::path::Path;

/// Where a value was written. Ordered as layers are: defaults, files by path and line, environment.
///
/// It travels through the `config` crate as the text that the crate keeps beside each value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Origin {
    /// Nobody wrote it.
    #[default]
    BuiltIn,
    /// A line (from 1) of a file; 0 is the file or directory as a whole.
    File {
        /// As it was named.
        path: String,
        /// From 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
}

const VARIABLE: &str = "environment variable ";

impl Origin {
    /// A line (from 1) of a file.
    pub fn line(path: &Path, line: usize) -> Self {
        Self::File {
            path: path.display().to_string(),
            line,
        }
    }

    /// A file or directory as a whole.
    pub fn path(path: &Path) -> Self {
        Self::line(path, 0)
    }

    /// From the text that the `config` crate kept, which is that of `Display`.
    pub(super) fn kept(text: Option<&str>) -> Self {
        let Some(text) = text else {
            return Self::BuiltIn;
        };
        if let Some(name) = text.strip_prefix(VARIABLE) {
            return Self::Variable(name.trim_matches('`').to_owned());
        }
        let numbered = text
            .rsplit_once(':')
            .and_then(|(path, line)| Some((path, line.parse().ok()?)));
        let (path, line) = numbered.unwrap_or((text, 0));
        Self::File {
            path: path.to_owned(),
            line,
        }
    }

    /// Whether it is an environment variable, where everything is text.
    pub(super) const fn is_variable(&self) -> bool {
        matches!(self, Self::Variable(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in defaults"),
            Self::File { path, line: 0 } => f.write_str(path),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Variable(name) => write!(f, "{VARIABLE}`{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;
    use std::path::Path;

    #[test]
    fn what_the_config_crate_keeps_comes_back() {
        let origins = [
            Origin::line(Path::new("a:b/pentamer.toml"), 14),
            Origin::Variable("PENTAMER__SITE__NAME".to_owned()),
        ];
        for origin in origins {
            assert_eq!(Origin::kept(Some(&origin.to_string())), origin);
        }
        assert_eq!(Origin::kept(None), Origin::BuiltIn);
    }
}
