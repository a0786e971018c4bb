//! TLS for all who speak it: certificates and keys from files, checked before they are used.
//!
//! TLS 1.2 and 1.3 with ECDHE and AEAD only, as rustls has them (WIRE N-1). [`Server`] is the accepting
//! side, [`Client`] the connecting one; both hold their present settings behind [`Server::reload`] and
//! [`Client::reload`], so that new certificates hold for new connections and end no open one.

mod changes;
mod client;
mod fault;
mod files;
mod server;
#[cfg(test)]
mod tests;
mod trust;

pub use client::{Client, ClientFiles};
pub use fault::TlsFault;
pub use server::{Refusal, Server, ServerFiles, why_refused};
pub use trust::Trust;

use crate::core::time::Timestamp;
use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// Days before its end from which on a certificate is told of.
pub const WARN_DAYS: i64 = 30;

/// When a certificate ends, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First instant of validity.
    pub from: Timestamp,
    /// Last instant of validity.
    pub to: Timestamp,
}

impl Validity {
    /// Seconds from `now` to the end; negative once it is over.
    pub const fn seconds_left(self, now: Timestamp) -> i64 {
        self.to.since(now).as_micros() / 1_000_000
    }

    /// Valid at `now`.
    pub fn holds(self, now: Timestamp) -> bool {
        self.from <= now && now <= self.to
    }
}

/// The provider of all cryptography: `ring`, which builds with a C compiler alone.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
