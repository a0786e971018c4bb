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

/// The key in a file of ours; where there is none, `fresh` is written there first, readable by its owner
/// only.
///
/// # Errors
/// What the system said, with the file's name, or that the file is too short for a key.
pub fn keep_key(file: &Path, fresh: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", file.display()));
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match made {
        Ok(mut made) => {
            made.write_all(fresh).map_err(named)?;
            made.sync_all().map_err(named)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(named(error)),
    }
    let key = std::fs::read(file).map_err(named)?;
    if key.len() < fresh.len() {
        let text = format!("`{}` is too short for a key: remove it", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::{keep_key, read_secret};

    #[test]
    fn a_key_is_made_once_and_read_then() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("key");
        assert_eq!(keep_key(&file, b"one").expect("made"), b"one");
        assert_eq!(keep_key(&file, b"two").expect("read"), b"one");
        let mode = std::fs::metadata(&file)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&file, "x").expect("written");
        assert!(keep_key(&file, b"two").is_err());
    }

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
