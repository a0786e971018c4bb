//! Passwords: argon2id hashes in PHC form, and a check that takes as long for a name that there is not.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use std::sync::OnceLock;

/// An argon2id hash in PHC form, checked for its shape.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(String);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash")
    }
}

impl Hash {
    /// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = PasswordHash::new(text).ok()?;
        let whole = parsed.algorithm.as_str() == "argon2id" && parsed.hash.is_some();
        whole.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is the password. Takes tens of milliseconds and some MiB: not on a thread that serves.
    pub fn is_of(&self, password: &str) -> bool {
        PasswordHash::new(&self.0).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        })
    }

    /// One that no password has, for names that there are not: checking it takes as long as any other.
    pub fn nobody() -> Option<&'static Self> {
        static NOBODY: OnceLock<Option<Hash>> = OnceLock::new();
        NOBODY
            .get_or_init(|| hash(&super::random().ok()?).ok())
            .as_ref()
    }
}

/// The hash of a password with a salt of its own.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn hash(password: &str) -> Result<Hash, argon2::password_hash::Error> {
    let hash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(Hash(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_only() {
        let one = hash("correct horse").unwrap();
        assert!(one.text().starts_with("$argon2id$v=19$"));
        assert!(one.is_of("correct horse") && !one.is_of("correct horse "));
        assert_ne!(one, hash("correct horse").unwrap(), "each has its own salt");
        assert_eq!(Hash::parse(one.text()), Some(one.clone()));
        assert!(!Hash::nobody().unwrap().is_of(""));
        assert_eq!(format!("{one:?}"), "Hash");
    }

    #[test]
    fn what_is_no_argon2id_hash_is_refused() {
        for text in [
            "",
            "secret",
            "$2b$12$abcdefghijklmnopqrstuu",
            "$argon2i$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
            "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHQ",
        ] {
            assert_eq!(Hash::parse(text), None, "{text}");
        }
    }
}
