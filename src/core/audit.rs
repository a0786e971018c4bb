//! Who looked at what and did what, as facts that form a chain: each holds the hash of the one before it,
//! so that none can be changed, taken out or put between without all later ones showing it.

use super::phi::Phi;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// One entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// 1, 2, 3, … over the life of a data directory.
    pub number: u64,
    /// Hash of the entry before this one; 64 zeros before the first.
    pub previous: String,
    /// When.
    pub at: Timestamp,
    /// A user's or a token's name; `local` where the daemon knows no users.
    pub by: String,
    /// Address that it was asked from, without the port.
    pub from: String,
    /// `view_patient`, `view_alert`, `search`, `export`, `acknowledge`, `sign_in`, …
    pub act: String,
    /// What it was about: a patient's key, an alert's id, a search.
    pub subject: Phi<String>,
}

/// What stands before the first entry.
pub const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Audited {
    /// SHA-256 over all fields, each with its length before it, in hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.number.to_be_bytes());
        digest.update(self.at.as_micros().to_be_bytes());
        let texts = [&self.previous, &self.by, &self.from, &self.act];
        for text in texts.into_iter().chain([self.subject.expose()]) {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            digest.update(length.to_be_bytes());
            digest.update(text.as_bytes());
        }
        let mut hex = String::with_capacity(64);
        for byte in digest.finalize() {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// Whether this entry comes right after the one with this number and hash.
    pub fn follows(&self, number: u64, hash: &str) -> bool {
        self.number == number.saturating_add(1) && self.previous == hash
    }
}

/// A person wrote something down about a patient; it changes nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Noted {
    /// The patient.
    pub patient: super::clinical::observation::PatientKey,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// In the person's words.
    pub text: Phi<String>,
}

/// A person had a message read again: its bytes follow as a message of their own, right behind this fact
/// or before it, and what the quarantine holds of the first reading is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// The fact that holds the message.
    pub message: super::fact::JournalPosition,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, previous: &str) -> Audited {
        Audited {
            number,
            previous: previous.to_owned(),
            at: Timestamp::from_micros(7),
            by: "ward".to_owned(),
            from: "127.0.0.1".to_owned(),
            act: "view_patient".to_owned(),
            subject: Phi::new("HOSP:1".to_owned()),
        }
    }

    #[test]
    fn every_field_is_in_the_hash() {
        let one = entry(1, START);
        let change: [fn(&mut Audited); 7] = [
            |it| it.number = 2,
            |it| it.previous.replace_range(..1, "1"),
            |it| it.at = Timestamp::from_micros(8),
            |it| it.by = "other".to_owned(),
            |it| it.from = "127.0.0.2".to_owned(),
            |it| it.act = "view_alert".to_owned(),
            |it| it.subject = Phi::new("HOSP:2".to_owned()),
        ];
        for change in change {
            let mut other = one.clone();
            change(&mut other);
            assert_ne!(one.hash(), other.hash());
        }
        // Texts do not run into each other.
        let (mut a, mut b) = (one.clone(), one.clone());
        (a.by, a.from) = ("ab".to_owned(), "c".to_owned());
        (b.by, b.from) = ("a".to_owned(), "bc".to_owned());
        assert_ne!(a.hash(), b.hash());
    }

    #[test]
    fn the_next_one_follows_and_no_other() {
        let one = entry(1, START);
        assert!(one.follows(0, START));
        assert!(entry(2, &one.hash()).follows(1, &one.hash()));
        assert!(!entry(3, &one.hash()).follows(1, &one.hash()));
        assert!(!entry(2, START).follows(1, &one.hash()));
    }
}
