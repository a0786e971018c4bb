//! Secrets from files, so that `LoadCredential=` serves: read when they are used, never kept.

use std::io;
use std::path::Path;

/// The secret in a file; one newline at its end is cut.
///
/// # Errors
/// What the system said, with the file's name.
pub fn read_secret(file: &Path) -> io::Result<String> {
    let read = std::fs::read_to_string(file);
    let mut text = read.map_err(|error| {
        let text = format!("cannot read `{}`: {error}", file.display());
        io::Error::new(error.kind(), text)
    })?;
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    if text.is_empty() {
        let text = format!("`{}` is empty", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::read_secret;

    #[test]
    fn one_newline_is_cut_and_nothing_is_no_secret() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("secret");
        for (text, secret) in [("a b\n", "a b"), ("x\n\n", "x\n"), ("y", "y")] {
            std::fs::write(&file, text).expect("written");
            assert_eq!(read_secret(&file).expect("read"), secret);
        }
        std::fs::write(&file, "\n").expect("written");
        assert!(read_secret(&file).is_err());
        let missing = read_secret(&dir.path().join("none")).expect_err("none");
        assert!(missing.to_string().contains("none"));
    }
}
