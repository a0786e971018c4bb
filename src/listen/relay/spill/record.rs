//! One record of a spill file.

use super::{Item, Why};
use crate::seal::{CIPHER, KeyId, Keyring, SealFault};
use std::io::{self, ErrorKind, Read as _};

/// Length and checksum of the payload.
const HEAD: usize = 8;
/// In the length of a record that is sealed: the id of the key, then what is sealed.
const SEALED: u32 = 1 << 31;

/// An item as a record, sealed where there is a key.
pub(super) fn write(item: &Item, name: &str, keys: &Keyring, out: &mut Vec<u8>) -> io::Result<()> {
    let mut payload = postcard::to_stdvec(item).map_err(io::Error::other)?;
    let mut mark = 0;
    if let Some(sealer) = keys.sealer() {
        let mut sealed = sealer.id().0.to_vec();
        sealer.seal(&belongs_to(name), &[&payload], &mut sealed)?;
        (payload, mark) = (sealed, SEALED);
    }
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    if length >= SEALED {
        return Err(ErrorKind::FileTooLarge.into());
    }
    out.extend_from_slice(&(length | mark).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
    out.extend_from_slice(&payload);
    Ok(())
}

/// The next item, and the bytes of its record.
pub(super) fn read(
    reader: &mut impl io::Read,
    name: &str,
    keys: &Keyring,
) -> Result<(Item, usize), Why> {
    let mut four = || {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes)?;
        Ok::<_, io::Error>(u32::from_le_bytes(bytes))
    };
    let (marked, checksum) = (four()?, four()?);
    let length = (marked & !SEALED) as usize;
    let mut payload = Vec::new();
    reader.take(length as u64).read_to_end(&mut payload)?;
    if payload.len() < length || crc32c::crc32c(&payload) != checksum {
        return Err(Why::Damaged);
    }
    if marked & SEALED != 0 {
        payload = opened(&payload, name, keys)?;
    }
    let item = postcard::from_bytes(&payload).map_err(|_| Why::Damaged)?;
    Ok((item, HEAD + length))
}

fn belongs_to(name: &str) -> Vec<u8> {
    [b"spill", name.as_bytes()].concat()
}

/// What is in a sealed payload.
fn opened(payload: &[u8], name: &str, keys: &Keyring) -> Result<Vec<u8>, Why> {
    let (id, sealed) = payload.split_first_chunk().ok_or(Why::Damaged)?;
    let opener = keys.opener(CIPHER, KeyId(*id)).map_err(Why::from)?;
    let mut plain = Vec::new();
    opener.open(&belongs_to(name), sealed, &mut plain)?;
    Ok(plain)
}

impl From<SealFault> for Why {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::Broken => Self::Damaged,
            SealFault::UnknownKey { .. }
            | SealFault::NoKeyOpens(_)
            | SealFault::UnknownCipher(_) => Self::Sealed,
        }
    }
}

impl From<io::Error> for Why {
    /// A file that ends within a record is damaged.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Damaged,
            kind => Self::Disk(kind),
        }
    }
}
