//! Who may open the pages: users and tokens as configured, passwords as argon2id hashes, sessions, and
//! the lock after failed tries. Time is an argument; nothing here touches a socket.

mod lock;
mod password;
mod sessions;

pub use lock::{Lock, Locked};
pub use password::{Hash, hash};
pub use sessions::{Session, Sessions, Terms};

use crate::core::time::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use subtle::ConstantTimeEq as _;

/// What somebody may do beside looking (DESIGN.md, "Promised: HTTP"). Everybody who may sign in may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Acknowledge, mute, note, take back a merge.
    Clinician,
    /// Queue, quarantine, send through again.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Clinician, Self::Operator];

    /// As in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Clinician => "clinician",
            Self::Operator => "operator",
        }
    }
}

/// One of `[http] users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As typed at sign-in and as recorded with every act.
    pub name: String,
    /// argon2id; `None` where a proxy says who it is.
    pub password_hash: Option<Hash>,
    /// What it may do.
    pub roles: BTreeSet<Role>,
}

/// One of `[http] tokens`: a program that asks the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As recorded with every act.
    pub name: String,
    /// SHA-256 of the token: it has 256 bits of chance, so a slow hash gains nothing.
    pub hash: TokenHash,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// From then on it opens nothing; `None` is never.
    pub expires: Option<Timestamp>,
}

/// SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// From 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether this is the token; in constant time.
    pub fn is_of(&self, token: &str) -> bool {
        self.0.ct_eq(&Self::of(token).0).into()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// As recorded: a user's or a token's name, `local` where there are none.
    pub name: String,
    /// What may be done.
    pub roles: BTreeSet<Role>,
}

impl Who {
    /// The one who sits at this machine while no users are configured.
    pub fn local() -> Self {
        Self {
            name: "local".to_owned(),
            roles: Role::ALL.into(),
        }
    }

    /// Whether this may be done. Looking may everybody.
    pub fn may(&self, role: Role) -> bool {
        role == Role::Viewer || self.roles.contains(&role)
    }
}

/// A random word of 256 bits in hexadecimal digits.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two texts are the same; in a time that does not tell where they differ.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_only() {
        let token = random().unwrap();
        let hash = TokenHash::of(&token);
        assert!(hash.is_of(&token) && !hash.is_of("other"));
        assert_eq!(TokenHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(TokenHash::parse("00"), None);
        assert_eq!(TokenHash::parse(&"g".repeat(64)), None);
        assert_ne!(random().unwrap(), token);
    }

    #[test]
    fn everybody_looks_and_nobody_does_more_than_his_roles() {
        let viewer = Who {
            name: "v".to_owned(),
            roles: BTreeSet::from([Role::Viewer]),
        };
        assert!(viewer.may(Role::Viewer));
        assert!(!viewer.may(Role::Clinician) && !viewer.may(Role::Operator));
        let clinician = Who {
            name: "c".to_owned(),
            roles: BTreeSet::from([Role::Clinician]),
        };
        assert!(clinician.may(Role::Viewer) && clinician.may(Role::Clinician));
        assert!(!clinician.may(Role::Operator));
        assert!(Role::ALL.iter().all(|role| Who::local().may(*role)));
    }
}
