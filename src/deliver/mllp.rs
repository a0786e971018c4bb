//! The `mllp` sink: an ORU^R01 a letter, and its acknowledgement, on one connection.
//!
//! Delivered is AA or CA whose MSA-2 is our MSH-10. Permanent is AR and CR (WIRE 2.9: sending the same
//! again is pointless). AE, CE, an answer for another message, no answer in time, junk or no connection
//! are tried again; after each of them the connection is dropped, so that a late answer meets nobody.

use super::oru::{self, Header};
use super::{Letter, Sending, Sink, SinkError, tls};
use crate::config;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes of an answer at most.
const LARGEST_ANSWER: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// Sends HL7 messages.
pub(super) struct MllpSink {
    config: config::Mllp,
    site: String,
    connection: Option<Box<dyn Stream>>,
}

impl MllpSink {
    pub(super) fn new(config: config::Mllp, site: &str) -> Self {
        Self {
            config,
            site: site.to_owned(),
            connection: None,
        }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, SinkError> {
        let (host, port) = (self.config.host.as_str(), self.config.port);
        let failed = |error: std::io::Error| SinkError::later(format!("no connection: {error}"));
        let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        if !self.config.tls {
            return Ok(Box::new(stream));
        }
        let client = tls::client(self.config.ca_file.as_deref())?;
        let name = rustls_pki_types::ServerName::try_from(host.to_owned())
            .map_err(|_| SinkError::later("the host is no name for TLS"))?;
        let connector = TlsConnector::from(Arc::new(client));
        let stream = connector.connect(name, stream).await.map_err(failed)?;
        Ok(Box::new(stream))
    }

    async fn exchange(&mut self, letter: &Letter) -> Result<(), SinkError> {
        let header = Header {
            site: &self.site,
            receiving_application: &self.config.receiving_application,
            receiving_facility: &self.config.receiving_facility,
        };
        let message = oru::message(letter, &header);
        let id = oru::control_id(letter);
        // Taken out: whatever ends this before the answer is understood drops the connection.
        let mut old = self.connection.take();
        if let Some(connection) = &mut old
            && !is_quiet(connection).await
        {
            old = None;
        }
        let mut connection = match old {
            Some(old) => old,
            None => self.connect().await?,
        };
        let broken =
            |error: std::io::Error| SinkError::later(format!("the connection broke: {error}"));
        let framed = [b"\x0b", message.as_bytes(), b"\x1c\r"].concat();
        connection.write_all(&framed).await.map_err(broken)?;
        connection.flush().await.map_err(broken)?;
        let answer = read_frame(&mut connection).await?;
        let good = understand(&answer, &id)?;
        self.connection = Some(connection);
        good
    }
}

impl Sink for MllpSink {
    fn deliver<'a>(&'a mut self, letter: &'a Letter) -> Sending<'a> {
        Box::pin(self.exchange(letter))
    }
}

/// Nothing has come since the last answer and the other side has not closed.
async fn is_quiet(connection: &mut Box<dyn Stream>) -> bool {
    let mut byte = [0_u8];
    // A read that would wait is what is hoped for.
    tokio::select! {
        biased;
        _ = connection.read(&mut byte) => false,
        () = std::future::ready(()) => true,
    }
}

async fn read_frame(connection: &mut Box<dyn Stream>) -> Result<Vec<u8>, SinkError> {
    let mut seen = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let read = connection.read(&mut buffer).await;
        let length = read.map_err(|error| SinkError::later(format!("no answer: {error}")))?;
        if length == 0 {
            return Err(SinkError::later("the receiver closed without an answer"));
        }
        seen.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if let Some(end) = seen.windows(2).position(|pair| pair == b"\x1c\r") {
            let begin = seen.iter().position(|byte| *byte == 0x0b);
            let content = begin.and_then(|begin| seen.get(begin + 1..end));
            let whole = content.filter(|_| end + 2 == seen.len());
            return whole.map(<[u8]>::to_vec).ok_or_else(|| {
                SinkError::later("expected one answer in a frame, but found other bytes")
            });
        }
        if seen.len() > LARGEST_ANSWER {
            return Err(SinkError::later("the answer does not end"));
        }
    }
}

/// `Err`: what makes the connection useless. Inside: what the receiver said to this message.
fn understand(answer: &[u8], id: &str) -> Result<Result<(), SinkError>, SinkError> {
    let text = String::from_utf8_lossy(answer);
    let separator = text
        .strip_prefix("MSH")
        .and_then(|rest| rest.chars().next());
    let separator = separator.ok_or_else(|| SinkError::later("the answer is not HL7"))?;
    let msa = text
        .split(['\r', '\n'])
        .find(|line| line.starts_with("MSA"));
    let msa = msa.ok_or_else(|| SinkError::later("the answer has no MSA"))?;
    let mut fields = msa.split(separator).skip(1);
    let code = fields.next().unwrap_or_default().trim();
    if fields.next().unwrap_or_default().trim() != id {
        return Err(SinkError::later(
            "the answer is for another message (MSA-2)",
        ));
    }
    match code {
        "AA" | "CA" => Ok(Ok(())),
        "AR" | "CR" => Ok(Err(SinkError::Never(format!(
            "the receiver answered {code}"
        )))),
        "AE" | "CE" => Err(SinkError::later(format!("the receiver answered {code}"))),
        _ => Err(SinkError::later(
            "the answer has no code that is known (MSA-1)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: &str) -> Result<Result<(), SinkError>, SinkError> {
        understand(answer.as_bytes(), "ID1")
    }

    #[test]
    fn delivered_is_an_accepting_answer_to_this_very_message() {
        let head = "MSH|^~\\&|||||||ACK|1|P|2.5.1\r";
        for code in ["AA", "CA"] {
            assert_eq!(said(&format!("{head}MSA|{code}|ID1\r")), Ok(Ok(())));
        }
        for code in ["AR", "CR"] {
            let answer = said(&format!("{head}MSA|{code}|ID1|wrong\r"));
            assert!(matches!(answer, Ok(Err(SinkError::Never(_)))), "{code}");
        }
        for answer in [
            format!("{head}MSA|AE|ID1\r"),
            format!("{head}MSA|AA|ID0\r"),
            format!("{head}MSA|AA\r"),
            format!("{head}MSA|XX|ID1\r"),
            head.to_owned(),
            "junk".to_owned(),
        ] {
            assert!(
                matches!(said(&answer), Err(SinkError::Later { .. })),
                "{answer}"
            );
        }
        assert_eq!(said("MSH#^~\\&#\rMSA#AA#ID1\r"), Ok(Ok(())));
    }
}
