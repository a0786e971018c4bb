//! `Pentamer-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>." + body>` (DESIGN, small print).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// The header's value.
pub(super) fn header(secret: &[u8], seconds: i64, body: &[u8]) -> String {
    let mut text = format!("t={seconds},v1=");
    // A key of any length is a key.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::header;

    /// By `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key`.
    #[test]
    fn is_what_openssl_computes() {
        assert_eq!(
            header(b"key", 1_700_000_000, b"{\"a\":1}"),
            "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
        );
    }
}
