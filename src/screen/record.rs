//! One thing that was read of a patient, as it lies in a pile.

use crate::core::clinical::observation::{
    AssociationSeen, DemographicsReport, GroupWithdrawal, Observation, PatientKey,
};
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

    /// From its bytes.
    pub(super) fn decode(bytes: &[u8]) -> io::Result<Self> {
        postcard::from_bytes(bytes).map_err(io::Error::other)
    }

    /// True for the bytes of a result, which are not decoded for it.
    pub(super) fn is_observation(bytes: &[u8]) -> bool {
        bytes.first() == Some(&0)
    }
}
