//! Values of the state: a version, a checksum, postcard. What does not decode is a reason to rebuild.

use super::state::StateError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Raised whenever a stored type changes: an older cache is then rebuilt.
const VERSION: u8 = 1;

/// Encodes a value.
pub(super) fn encode<T: Serialize>(table: &'static str, value: &T) -> Result<Vec<u8>, StateError> {
    let body = postcard::to_stdvec(value).map_err(|error| wrong(table, &error.to_string()))?;
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.push(VERSION);
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Decodes a value; its version and checksum are looked at first.
pub(super) fn decode<T: DeserializeOwned>(
    table: &'static str,
    bytes: &[u8],
) -> Result<T, StateError> {
    postcard::from_bytes(checked(table, bytes)?).map_err(|error| wrong(table, &error.to_string()))
}

/// The body of a value whose version and checksum are right.
pub(super) fn checked<'a>(table: &'static str, bytes: &'a [u8]) -> Result<&'a [u8], StateError> {
    let (version, rest) = bytes
        .split_first()
        .ok_or_else(|| wrong(table, "it is empty"))?;
    if *version != VERSION {
        return Err(wrong(table, "it is of another version"));
    }
    let (sum, body) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| wrong(table, "it is too short"))?;
    if u32::from_le_bytes(*sum) != crc32c::crc32c(body) {
        return Err(wrong(table, "its checksum is wrong"));
    }
    Ok(body)
}

fn wrong(table: &'static str, why: &str) -> StateError {
    StateError::Value {
        table,
        why: why.to_owned(),
    }
}
