//! One thing that was read of a patient, as it lies in a pile.

use crate::core::clinical::observation::{
    AssociationSeen, DemographicsReport, GroupWithdrawal, Observation, PatientKey,
};
use crate::core::extract::{Said, who};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;

/// A patient's place in a pile: a hash of the id, the same in every run. Two patients may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

impl Key {
    /// Bits of it.
    pub const BITS: u32 = u64::BITS;

    /// Of a patient.
    pub fn of(patient: &PatientKey) -> Self {
        let mut hasher = DefaultHasher::new();
        patient.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// One thing that was read of a patient.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kept {
    /// One version of a result.
    Observation(Box<Observation>),
    /// An order withdrawn as a whole.
    Withdrawal(PatientKey, GroupWithdrawal),
    /// Who the patient is.
    Demographics(PatientKey, DemographicsReport),
    /// A diagnosis or drug.
    Association(PatientKey, AssociationSeen),
}

/// The first byte of a message that was not read yet; no variant of [`Kept`] has so high a number.
const UNREAD: u8 = u8::MAX;

/// A message of which only is known whose it is: most patients have no result of ours, and of these nobody asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unread {
    /// The place of the patient.
    pub(super) place: Key,
    /// When the first one that said so was sent.
    pub(super) sent: Timestamp,
}

impl Unread {
    /// What messages are alike by: nothing in it is a CR.
    pub(super) fn key_into(key: &mut Vec<u8>, said: &Said<'_>) {
        key.clear();
        for part in said.same {
            key.extend_from_slice(part);
            key.push(b'\r');
        }
        key.push(u8::from(said.is_utf8));
    }

    /// The bytes for a pile: what such messages are alike by, and the last time that one of them was for.
    pub(super) fn encode_into(&self, record: &mut Vec<u8>, key: &[u8], said: Timestamp) {
        record.clear();
        record.push(UNREAD);
        for at in [self.sent, said] {
            record.extend_from_slice(&at.as_micros().to_le_bytes());
        }
        record.extend_from_slice(key);
    }

    fn decode(bytes: &[u8]) -> Option<Said<'_>> {
        let (sent, bytes) = bytes.split_first_chunk()?;
        let (said, bytes) = bytes.split_first_chunk()?;
        let (is_utf8, parts) = bytes.split_last()?;
        let mut parts = parts.split(|byte| *byte == b'\r');
        let mut part = || parts.next();
        Some(Said {
            same: [part()?, part()?, part()?, part()?],
            is_utf8: *is_utf8 == 1,
            sent: Timestamp::from_micros(i64::from_le_bytes(*sent)),
            said: Timestamp::from_micros(i64::from_le_bytes(*said)),
        })
    }
}

impl Kept {
    /// Whose it is.
    pub const fn patient(&self) -> &PatientKey {
        match self {
            Self::Observation(observation) => &observation.id.patient,
            Self::Withdrawal(patient, _)
            | Self::Demographics(patient, _)
            | Self::Association(patient, _) => patient,
        }
    }

    /// Its place in a pile.
    pub fn key(&self) -> Key {
        Key::of(self.patient())
    }

    /// As bytes.
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        postcard::to_stdvec(self).map_err(io::Error::other)
    }

    /// From its bytes, or from those of a message that is read only now; `policy` is that with which it was
    /// glanced at.
    pub(super) fn decode(bytes: &[u8], policy: &Policy) -> io::Result<Self> {
        let Some((&UNREAD, unread)) = bytes.split_first() else {
            return postcard::from_bytes(bytes).map_err(io::Error::other);
        };
        let read = Unread::decode(unread).and_then(|said| who(&said, policy));
        let (patient, report) =
            read.ok_or_else(|| io::Error::other("a record of the pile is damaged"))?;
        Ok(Self::Demographics(patient, report))
    }

    /// True for the bytes of a result, which are not decoded for it.
    pub(super) fn is_observation(bytes: &[u8]) -> bool {
        bytes.first() == Some(&0)
    }
}
