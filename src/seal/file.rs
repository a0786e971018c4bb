//! The file of keys.

use super::keys::{KeyFault, Keyring};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// More than any file of keys has.
const LARGEST: u64 = 64 << 10;

/// Why a file gives no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the key file `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error(
        "expected a key file that its owner alone may read, but `{}` has mode {mode:04o}",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What is in it are not keys.
    #[error("the key file `{}`: {fault}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: KeyFault,
    },
}

impl KeyFileError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "name a file with one key a line that the daemon's user may read; without its keys what is sealed is lost".to_owned()
            }
            Self::Open { path, .. } => format!("chmod 0600 {}", path.display()),
            Self::Keys { fault, .. } => fault.remedy().to_owned(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the service manager puts credentials is no configuration"
)]
/// The bits of a mode that a file of keys may not have. One that systemd hands over has its group's bit for
/// reading set where an access list lets in the service's user alone.
fn forbidden(path: &Path) -> u32 {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let handed_over = credentials.is_some_and(|dir| dir.is_absolute() && path.starts_with(dir));
    if handed_over { 0o037 } else { 0o077 }
}

/// The keys of a file; none without a file.
///
/// # Errors
/// See [`KeyFileError`].
pub fn read(path: Option<&Path>) -> Result<Keyring, KeyFileError> {
    let Some(path) = path else {
        return Ok(Keyring::none());
    };
    let unreadable = |source| KeyFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    let mode = about.permissions().mode() & 0o7777;
    if mode & forbidden(path) != 0 {
        return Err(KeyFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    if about.len() > LARGEST {
        let fault = io::Error::other("it is larger than any file of keys");
        return Err(unreadable(fault));
    }
    let mut text = Zeroizing::new(String::with_capacity(
        usize::try_from(about.len()).unwrap_or_default() + 1,
    ));
    let read = file.take(LARGEST).read_to_string(&mut text);
    read.map_err(unreadable)?;
    Keyring::parse(&text).map_err(|fault| KeyFileError::Keys {
        path: path.to_owned(),
        fault,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::OpenOptionsExt as _;

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
        (dir, path)
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_remedy() {
        let (_dir, path) = written(&"ab".repeat(32), 0o640);
        let error = read(Some(&path)).unwrap_err();
        assert!(error.to_string().contains("mode 0640"), "{error}");
        assert_eq!(error.remedy(), format!("chmod 0600 {}", path.display()));
    }

    #[test]
    fn each_fault_names_the_file_and_no_key() {
        let key = "ab".repeat(32);
        for (text, said) in [
            ("", "found none"),
            ("# only this\n\n", "found none"),
            (
                "q83vq83v",
                "line 1: expected a key of 32 bytes, but found 6",
            ),
            ("not a key!", "line 1: expected a key of 32 bytes as 44"),
            (&*format!("{key}\n\n{key}\n"), "line 3: the key"),
            (&*format!("{key}\nplain\n"), "line 2: `plain`"),
        ] {
            let (_dir, path) = written(text, 0o600);
            let error = read(Some(&path)).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(said), "{shown}");
            assert!(shown.contains(&path.display().to_string()), "{shown}");
            assert!(!shown.contains(&key) && !shown.contains("q83v"), "{shown}");
            assert!(!error.remedy().is_empty());
        }
        let missing = read(Some(Path::new("/not/there"))).unwrap_err();
        assert!(missing.to_string().contains("/not/there"), "{missing}");
        assert!(read(None).unwrap().sealer().is_none());
    }
}
