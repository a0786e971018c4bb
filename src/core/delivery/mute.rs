//! Mutes: who need not be paged for now. What is muted stays on the worklist, in the log and in files.

use super::Muted;
use crate::core::alert::kind_word;
use crate::core::clinical::observation::PatientKey;
use crate::core::episode::{Severity, Transition};
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a mute covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every alert about this patient, urgent ones too.
    Patient(PatientKey),
    /// Alerts of this classification or kind, e.g. `other_pattern`; urgent ones are never muted by it.
    Rule(String),
}

impl Muted {
    /// Whether this mute covers a page at a time.
    pub fn covers(&self, transition: &Transition, now: Timestamp) -> bool {
        if now >= self.until {
            return false;
        }
        let alert = transition.alert.expose();
        match &self.scope {
            Scope::Patient(key) => {
                let reported = transition.filed_under == *key;
                let survived = alert.patient.authority.as_ref() == Some(&key.authority)
                    && alert.patient.id.as_ref() == Some(key.id.expose());
                reported || survived
            }
            Scope::Rule(word) => {
                transition.severity < Severity::Urgent
                    && (*word == alert.classification || *word == kind_word(transition.kind))
            }
        }
    }
}
