//! The signed link by which a page is acknowledged without an account: for one alert, until a time, once.
//!
//! `<alert id>.<unix seconds>.<hex HMAC-SHA256>`. Once is kept by the state: an alert whose episode was
//! acknowledged since has no link that works.

use crate::core::time::{Span, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// How long a link works.
const WORKS_FOR: Span = Span::days(7);

/// Signs and checks; the key never leaves it.
#[derive(Clone)]
pub struct Signer(Vec<u8>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// With a key of the data directory.
    pub const fn new(key: Vec<u8>) -> Self {
        Self(key)
    }

    fn mac(&self, alert_id: &str, until: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("acknowledge.{alert_id}.{until}").as_bytes());
        Some(mac)
    }

    /// The token of an alert.
    pub fn token(&self, alert_id: &str, now: Timestamp) -> String {
        let until = now.plus(WORKS_FOR).as_micros().div_euclid(1_000_000);
        let mut token = format!("{alert_id}.{until}.");
        if let Some(mac) = self.mac(alert_id, until) {
            for byte in mac.finalize().into_bytes() {
                let _ = write!(token, "{byte:02x}");
            }
        }
        token
    }

    /// The alert that a token is for; `None` where it is not ours or its time is over.
    pub fn alert(&self, token: &str, now: Timestamp) -> Option<String> {
        let mut parts = token.rsplitn(3, '.');
        let (mac, until, alert_id) = (parts.next()?, parts.next()?, parts.next()?);
        let until: i64 = until.parse().ok()?;
        let mut bytes = Vec::with_capacity(32);
        for pair in mac.as_bytes().chunks(2) {
            let pair = std::str::from_utf8(pair).ok()?;
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
        }
        // In constant time.
        self.mac(alert_id, until)?.verify_slice(&bytes).ok()?;
        let seconds = now.as_micros().div_euclid(1_000_000);
        (seconds < until).then(|| alert_id.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn a_token_is_for_one_alert_until_its_time_and_for_nobody_who_made_it_up() {
        let signer = Signer::new(vec![7; 32]);
        let token = signer.token("ab12", NOW);
        assert_eq!(signer.alert(&token, NOW).as_deref(), Some("ab12"));
        let week = NOW.plus(Span::days(7));
        assert!(signer.alert(&token, week).is_none());
        assert!(signer.alert(&token, week.plus(Span::seconds(-1))).is_some());
        assert!(Signer::new(vec![8; 32]).alert(&token, NOW).is_none());
        for wrong in [
            token.replace("ab12", "ab13"),
            token.replace(".17", ".27"),
            token[..token.len() - 2].to_owned(),
            format!("{token}00"),
            "ab12..".to_owned(),
            "é.1.é".to_owned(),
            String::new(),
        ] {
            assert!(signer.alert(&wrong, NOW).is_none(), "{wrong}");
        }
    }
}
