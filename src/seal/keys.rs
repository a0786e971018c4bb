//! The keys of a file: the first one seals, all of them open.

use super::{KEY, KeyId, SealFault, Sealer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The word on the first line by which nothing more is sealed.
const PLAIN: &str = "plain";

/// Keys by which files are sealed and opened; clones share them.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: Vec<Sealer>,
    seals: bool,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// Why lines are not keys. No text here holds a byte of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is none.
    #[error("expected a key, but found none")]
    Empty,
    /// A line is not a key.
    #[error(
        "line {line}: expected a key of 32 bytes as 44 characters of base64 or 64 hexadecimal digits, but found {found} characters that are none"
    )]
    NotAKey {
        /// Its number, from 1.
        line: usize,
        /// Its length.
        found: usize,
    },
    /// Base64 or hexadecimal, but of another length.
    #[error("line {line}: expected a key of 32 bytes, but found {found} bytes")]
    Length {
        /// Its number, from 1.
        line: usize,
        /// Its length in bytes.
        found: usize,
    },
    /// A key stands there twice.
    #[error("line {line}: the key {id} is on line {first} already")]
    Repeated {
        /// Its number, from 1.
        line: usize,
        /// The line on which it stands first.
        first: usize,
        /// Which.
        id: KeyId,
    },
    /// `plain` anywhere but before the keys.
    #[error("line {line}: `plain` counts only before all keys")]
    LatePlain {
        /// Its number, from 1.
        line: usize,
    },
}

impl KeyFault {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Empty | Self::NotAKey { .. } | Self::Length { .. } => {
                "write one key a line, made by `openssl rand -base64 32`"
            }
            Self::Repeated { .. } => "remove one of the two lines",
            Self::LatePlain { .. } => {
                "move it to the first line to seal nothing more, or remove it"
            }
        }
    }
}

impl Keyring {
    /// No keys: nothing is sealed, and nothing that is sealed can be opened.
    pub fn none() -> Self {
        Self::default()
    }

    /// The keys in a text: one a line, in base64 or hexadecimal. Blank lines and those that begin with
    /// `#` do not count. With the word `plain` before them they only open.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let mut ring = Self {
            keys: Vec::new(),
            seals: true,
        };
        let mut lines = Vec::new();
        for (line, key) in (1..).zip(text.lines().map(str::trim)) {
            if key.is_empty() || key.starts_with('#') {
                continue;
            }
            if key == PLAIN {
                if !lines.is_empty() || !ring.seals {
                    return Err(KeyFault::LatePlain { line });
                }
                ring.seals = false;
                continue;
            }
            let sealer = Sealer::new(&key_in(line, key)?);
            let before = ring.keys.iter().zip(&lines);
            if let Some((_, first)) = before.clone().find(|(key, _)| key.id() == sealer.id()) {
                return Err(KeyFault::Repeated {
                    line,
                    first: *first,
                    id: sealer.id(),
                });
            }
            ring.keys.push(sealer);
            lines.push(line);
        }
        if ring.keys.is_empty() {
            return Err(KeyFault::Empty);
        }
        Ok(ring)
    }

    /// What new files are sealed with; `None` where they are not.
    pub fn sealer(&self) -> Option<&Sealer> {
        self.keys.first().filter(|_| self.seals)
    }

    /// The key of this id.
    ///
    /// # Errors
    /// [`SealFault::UnknownKey`] where it is not there, [`SealFault::UnknownCipher`] for a cipher that is
    /// not known.
    pub fn opener(&self, cipher: u8, id: KeyId) -> Result<&Sealer, SealFault> {
        if cipher != super::CIPHER {
            return Err(SealFault::UnknownCipher(cipher));
        }
        let found = self.keys.iter().find(|key| key.id() == id);
        found.ok_or_else(|| SealFault::UnknownKey {
            needs: id,
            has: self.ids().collect(),
        })
    }

    /// All keys, the one that seals first.
    pub fn keys(&self) -> impl Iterator<Item = &Sealer> {
        self.keys.iter()
    }

    /// The ids of all keys.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(Sealer::id)
    }
}

fn key_in(line: usize, text: &str) -> Result<Zeroizing<[u8; KEY]>, KeyFault> {
    let found = text.chars().count();
    let bytes = match from_hex(text) {
        Some(bytes) => bytes,
        None => match STANDARD.decode(text) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(_) => return Err(KeyFault::NotAKey { line, found }),
        },
    };
    match <[u8; KEY]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(_) => Err(KeyFault::Length {
            line,
            found: bytes.len(),
        }),
    }
}

/// Only what has the length of a key in hexadecimal: anything shorter may be base64.
fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() != 2 * KEY || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    let bytes = pairs.map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}
