//! How keys and values lie in a sealed cache.
//!
//! A value is sealed together with its key, and belongs to its place. Keys that name a patient or an order
//! are replaced by names that only the key can tell; all of one patient still lies together. The other
//! keys (numbers, ids of alerts, names of feeds and sinks) stay as they are, and so does their order.

use crate::core::fold::keys::{self, DIRTY, NOTES, ORDERS, QUIET, RECORDS, REVIEW};
use crate::core::fold::state::{Entry, StateError};
use crate::seal::Sealer;

/// Before each value: its version, then the checksum of what follows.
const HEAD: usize = 5;
const VERSION: u8 = 0xE1;

pub(super) struct Sealing(Sealer);

impl Sealing {
    pub(super) fn new(sealer: &Sealer) -> Self {
        Self(sealer.clone())
    }

    /// Where an entry lies.
    pub(super) fn place(&self, key: &[u8]) -> Vec<u8> {
        if Self::keeps_order(key) {
            return key.to_vec();
        }
        let mut place = self.group(key);
        place.extend_from_slice(&self.0.name(key));
        place
    }

    /// Whether all with this prefix lie in the order of their keys.
    pub(super) fn keeps_order(prefix: &[u8]) -> bool {
        prefix
            .first()
            .is_some_and(|table| ![DIRTY, ORDERS, RECORDS, QUIET, REVIEW, NOTES].contains(table))
    }

    /// With what the places of all begin that have such a prefix.
    pub(super) fn group(&self, prefix: &[u8]) -> Vec<u8> {
        let Some((table, rest)) = prefix.split_first() else {
            return Vec::new();
        };
        let mut group = vec![*table];
        let behind = if *table == ORDERS {
            keys::read_text(rest).map(|(_, behind)| behind)
        } else {
            keys::read_patient(rest).map(|(_, behind)| behind)
        };
        if let Some(behind) = behind {
            let named = prefix.len() - behind.len();
            let identity = prefix.get(..named).unwrap_or_default();
            group.extend_from_slice(&self.0.name(identity));
            if let (RECORDS, Some(kind)) = (*table, behind.first()) {
                group.push(*kind);
            }
        }
        group
    }

    pub(super) fn seal(
        &self,
        place: &[u8],
        key: &[u8],
        value: &[u8],
    ) -> Result<Vec<u8>, StateError> {
        let failed = |why: String| StateError::Store(format!("a value cannot be sealed: {why}"));
        let len = u32::try_from(key.len()).map_err(|error| failed(error.to_string()))?;
        let mut out = vec![VERSION, 0, 0, 0, 0];
        let parts: [&[u8]; 3] = [&len.to_le_bytes(), key, value];
        let sealed = self.0.seal(&belongs_to(place), &parts, &mut out);
        sealed.map_err(|error| failed(error.to_string()))?;
        let sum = crc32c::crc32c(out.get(HEAD..).unwrap_or_default());
        if let Some(room) = out.get_mut(1..HEAD) {
            room.copy_from_slice(&sum.to_le_bytes());
        }
        Ok(out)
    }

    /// The entry at a place.
    pub(super) fn open(&self, place: &[u8], stored: &[u8]) -> Result<Entry, StateError> {
        let fault = |why: &str| StateError::Value {
            table: "sealed values",
            why: why.to_owned(),
        };
        let Some((&[version, a, b, c, d], sealed)) = stored.split_first_chunk::<HEAD>() else {
            return Err(fault("it is too short"));
        };
        if version != VERSION || crc32c::crc32c(sealed) != u32::from_le_bytes([a, b, c, d]) {
            return Err(fault("its version or its checksum is wrong"));
        }
        let mut plain = Vec::new();
        let opened = self.0.open(&belongs_to(place), sealed, &mut plain);
        opened.map_err(|_| fault("its seal is broken"))?;
        let entry = plain.split_first_chunk::<4>().and_then(|(len, rest)| {
            let (key, value) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            Some((key.to_vec(), value.to_vec()))
        });
        entry.ok_or_else(|| fault("it is not understood"))
    }
}

fn belongs_to(place: &[u8]) -> Vec<u8> {
    [b"cache", place].concat()
}
