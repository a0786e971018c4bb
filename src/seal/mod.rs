//! Encryption at rest: the one place that knows of the cipher.
//!
//! XChaCha20-Poly1305, each sealed piece with a random nonce of 24 bytes before it and a tag of 16 behind
//! it. What a piece belongs to (its position, its place, its key) is authenticated with it, so that none
//! can be moved or taken for another. `docs/journal-format.md` has the pieces.

mod file;
mod keys;

pub use file::{KeyFileError, read};
pub use keys::{KeyFault, Keyring};

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The number of the cipher on the disk.
pub const CIPHER: u8 = 1;
/// Bytes that a sealed piece has more than what is in it.
pub const OVERHEAD: usize = NONCE + TAG;
/// Bytes of a key.
pub const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;

/// By what a key is named in files and messages; nothing of the key can be told from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What is sealed cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// It is sealed with a key that is not there.
    #[error("it is sealed with the key {needs}, but {}", having(has))]
    UnknownKey {
        /// The key's id.
        needs: KeyId,
        /// The ids of the keys that are there.
        has: Vec<KeyId>,
    },
    /// None of the keys opens it, and which one would is lost.
    #[error("it is sealed, with a key that its damaged header does not tell; {}", having(.0))]
    NoKeyOpens(Vec<KeyId>),
    /// A cipher that this version does not know.
    #[error("it is sealed with cipher {0}, which this version does not know")]
    UnknownCipher(u8),
    /// Its bytes are not those that were sealed, or not at their place.
    #[error("its seal is broken: it was changed or moved")]
    Broken,
}

fn having(has: &[KeyId]) -> String {
    let ids: Vec<_> = has.iter().map(ToString::to_string).collect();
    match ids.as_slice() {
        [] => "no key is given".to_owned(),
        [one] => format!("the key given is {one}"),
        _ => format!("the keys given are {}", ids.join(", ")),
    }
}

impl SealFault {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownKey { .. } | Self::NoKeyOpens(_) => {
                "give the file that has this key as `[storage] encryption_key_file`, or put the key on a line below the first of the file that is given; nothing was changed"
            }
            Self::UnknownCipher(_) => {
                "take the version of pentamer that wrote it, or a newer one; nothing was changed"
            }
            Self::Broken => "restore it from a backup",
        }
    }

    /// The fault that an input or output error carries, if it carries one.
    pub fn in_error(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<SealFault> for io::Error {
    fn from(fault: SealFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

/// One key at work; clones share it. It is wiped from memory with the last.
#[derive(Clone)]
pub struct Sealer(Arc<Inner>);

struct Inner {
    id: KeyId,
    /// Wipes its key when it is dropped.
    cipher: XChaCha20Poly1305,
    /// For [`Sealer::name`].
    naming: Zeroizing<[u8; KEY]>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.0.id)
    }
}

impl Sealer {
    fn new(key: &Zeroizing<[u8; KEY]>) -> Self {
        let hash = |label: &[u8]| Sha256::new().chain_update(label).chain_update(**key);
        let id = hash(b"pentamer key id v1").finalize();
        let naming = hash(b"pentamer key of names v1").finalize();
        let id = id.first_chunk::<8>().copied().unwrap_or_default();
        Self(Arc::new(Inner {
            id: KeyId(id),
            cipher: XChaCha20Poly1305::new(Key::cast_from_core(key)),
            naming: Zeroizing::new(naming.into()),
        }))
    }

    /// The id of its key.
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// Appends `parts`, one behind another and sealed, to `out`: [`OVERHEAD`] bytes more than they have.
    ///
    /// # Errors
    /// The system gives no random bytes, or the parts have more bytes than can be sealed.
    pub fn seal(&self, belongs_to: &[u8], parts: &[&[u8]], out: &mut Vec<u8>) -> io::Result<()> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let begin = out.len();
        out.reserve(OVERHEAD + parts.iter().map(|part| part.len()).sum::<usize>());
        out.extend_from_slice(&nonce);
        let body = out.len();
        parts.iter().for_each(|part| out.extend_from_slice(part));
        let plain = out.get_mut(body..).unwrap_or_default();
        let cipher = &self.0.cipher;
        let sealed = cipher.encrypt_inout_detached(&XNonce::from(nonce), belongs_to, plain.into());
        match sealed {
            Ok(tag) => {
                out.extend_from_slice(&tag);
                Ok(())
            }
            Err(_) => {
                // Nothing in the clear may be left behind.
                out.truncate(begin);
                Err(io::ErrorKind::FileTooLarge.into())
            }
        }
    }

    /// What was sealed, in `out`, in the place of what was there.
    ///
    /// # Errors
    /// [`SealFault::Broken`]; then `out` is empty.
    pub fn open(
        &self,
        belongs_to: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealFault> {
        out.clear();
        let Some((nonce, rest)) = sealed.split_first_chunk::<NONCE>() else {
            return Err(SealFault::Broken);
        };
        let Some((body, tag)) = rest.split_last_chunk::<TAG>() else {
            return Err(SealFault::Broken);
        };
        out.extend_from_slice(body);
        let cipher = &self.0.cipher;
        let (nonce, tag) = (XNonce::from(*nonce), Tag::from(*tag));
        let opened =
            cipher.decrypt_inout_detached(&nonce, belongs_to, out.as_mut_slice().into(), &tag);
        opened.map_err(|_| {
            out.clear();
            SealFault::Broken
        })
    }

    /// A name for these bytes, always the same one, from which nobody without the key can tell them.
    pub fn name(&self, of: &[u8]) -> [u8; 16] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0.naming) else {
            // A key of any length is taken.
            return [0; 16];
        };
        mac.update(of);
        let full = mac.finalize().into_bytes();
        full.first_chunk::<16>().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
