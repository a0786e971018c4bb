//! TLS on accepted connections (WIRE N-1).

use crate::core::mllp::VT;
use crate::tls::{Refusal, Server, why_refused};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// How long a client may take until it is through the handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// The first byte of a TLS record with a handshake.
const HANDSHAKE: u8 = 0x16;

/// Why there is no TLS connection: the counter, and the reason for the log.
pub(super) struct Refused {
    pub(super) counter: &'static str,
    pub(super) why: String,
}

impl Refused {
    fn new(counter: &'static str, why: impl Into<String>) -> Self {
        Self {
            counter,
            why: why.into(),
        }
    }
}

/// Shakes hands. A sender that does not speak TLS is recognised by its first byte and gets none from
/// us (WIRE 12.10).
pub(super) async fn shake_hands(
    tls: &Server,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Refused> {
    let within = tokio::time::timeout(HANDSHAKE_WITHIN, async {
        let mut first = [0_u8];
        match stream.peek(&mut first).await {
            Ok(0) => Err(Refused::new("tls_failed", "closed before the handshake")),
            Ok(_) if first == [VT] => Err(Refused::new(
                "tls_plaintext",
                "the sender does not use TLS: it began with an MLLP frame",
            )),
            Ok(_) if first != [HANDSHAKE] => {
                Err(Refused::new("tls_failed", "the sender does not use TLS"))
            }
            Ok(_) => tls.accept(stream).await.map_err(|error| {
                let counter = match why_refused(&error) {
                    Refusal::Certificate => "tls_denied",
                    Refusal::Protocol | Refusal::Gone => "tls_failed",
                };
                Refused::new(counter, error.to_string())
            }),
            Err(error) => Err(Refused::new("tls_failed", error.kind().to_string())),
        }
    });
    within
        .await
        .unwrap_or_else(|_| Err(Refused::new("tls_failed", "no handshake in time")))
}
