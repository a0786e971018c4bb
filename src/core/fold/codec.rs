//! How a value lies in the cache: one version byte, a CRC-32C over version and payload, the payload in postcard.
//!
//! The cache may be lost at any moment, so a value is either exactly what was written or an error,
//! and every error has the same remedy: rebuild from the journal. Raise [`VERSION`] when a stored
//! type changes its shape; an older cache is then rebuilt, never converted.

use super::state::StateError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// The version of all stored shapes together.
pub const VERSION: u8 = 2;

/// Version byte and checksum.
const HEAD: usize = 5;

/// A value ready for the cache. `table` names the place in an error.
pub fn encode<T: Serialize + ?Sized>(
    table: &'static str,
    value: &T,
) -> Result<Vec<u8>, StateError> {
    let payload = postcard::to_stdvec(value).map_err(|error| StateError::Value {
        table,
        why: format!("it cannot be written: {error}"),
    })?;
    let mut bytes = Vec::with_capacity(payload.len().saturating_add(HEAD));
    bytes.push(VERSION);
    bytes.extend_from_slice(&checksum(VERSION, &payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// The value that was encoded; an error for another version, a wrong checksum, or bytes left over.
pub fn decode<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T, StateError> {
    let fault = |why: String| StateError::Value { table, why };
    let Some((&[version, a, b, c, d], payload)) = bytes.split_first_chunk::<HEAD>() else {
        return Err(fault(format!(
            "expected at least {HEAD} bytes, but found {}",
            bytes.len()
        )));
    };
    if version != VERSION {
        return Err(fault(format!(
            "expected version {VERSION}, but found {version}"
        )));
    }
    let (expected, found) = (u32::from_le_bytes([a, b, c, d]), checksum(version, payload));
    if expected != found {
        return Err(fault(format!(
            "expected checksum {expected:08x}, but found {found:08x}"
        )));
    }
    let (value, rest) =
        postcard::take_from_bytes(payload).map_err(|error| fault(error.to_string()))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(fault(format!("{} bytes are left over", rest.len())))
    }
}

/// First 16 bytes of the SHA-256 of a value's postcard form: the name of an item within a set.
pub fn digest<T: Serialize + ?Sized>(
    table: &'static str,
    value: &T,
) -> Result<[u8; 16], StateError> {
    let bytes = postcard::to_stdvec(value).map_err(|error| StateError::Value {
        table,
        why: format!("it cannot be hashed: {error}"),
    })?;
    let hash = Sha256::digest(&bytes);
    Ok(hash.first_chunk::<16>().copied().unwrap_or_default())
}

fn checksum(version: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[version]), payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_written() {
        let value = ("a".to_owned(), Some(7_u64), vec![1_u8, 2]);
        let bytes = encode("test", &value).unwrap();
        assert_eq!(
            decode::<(String, Option<u64>, Vec<u8>)>("test", &bytes).unwrap(),
            value
        );
    }

    #[test]
    fn refuses_every_single_changed_byte() {
        let bytes = encode("test", &("abc".to_owned(), 9_u64)).unwrap();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x40;
            assert!(
                decode::<(String, u64)>("test", &damaged).is_err(),
                "byte {place}"
            );
        }
    }

    #[test]
    fn refuses_another_version_by_name() {
        let payload = postcard::to_stdvec(&5_u64).unwrap();
        let mut bytes = vec![VERSION + 1];
        bytes.extend_from_slice(&checksum(VERSION + 1, &payload).to_le_bytes());
        bytes.extend_from_slice(&payload);
        let text = decode::<u64>("test", &bytes).unwrap_err().to_string();
        assert!(
            text.contains(&format!(
                "expected version {VERSION}, but found {}",
                VERSION + 1
            )),
            "{text}"
        );
    }

    #[test]
    fn refuses_short_values_and_leftovers() {
        assert!(decode::<u64>("test", b"").is_err());
        assert!(decode::<u64>("test", &[VERSION, 0, 0]).is_err());
        let long = encode("test", &(5_u8, 6_u8)).unwrap();
        assert!(decode::<u8>("test", &long).is_err());
    }
}
