//! A request to the running daemon, over HTTP or HTTPS.

use crate::tls::Trust;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls_pki_types::ServerName;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer may take: longer than the daemon waits for journal and fold.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of an answer at most.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// Where the daemon's API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Server {
    host: String,
    port: u16,
    /// Over TLS, and whom we believe then.
    tls: Option<Trust>,
    /// What says who asks, where the daemon knows users.
    token: Option<String>,
}

/// The daemon could not be asked; what failed, without the path.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(String);

/// What the daemon answered.
pub(in crate::cli) struct Answer {
    pub(in crate::cli) status: u16,
    pub(in crate::cli) body: Bytes,
}

impl Server {
    /// An `http://host:port` or `https://host:port`; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let (tls, port) = match uri.scheme_str()? {
            "http" => (None, 80),
            "https" => (Some(Trust::System), 443),
            _ => return None,
        };
        let root = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri
            .authority()
            .filter(|authority| root && !authority.as_str().contains('@'))?;
        Some(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(port),
            tls,
            token: None,
        })
    }

    /// The same, asking with a token.
    pub(super) fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// The same over TLS, believing whom `trust` says.
    pub(super) fn with_trust(mut self, trust: Trust) -> Self {
        self.tls = Some(trust);
        self
    }

    /// Whether it is asked over TLS.
    pub(super) const fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// `http://host:port`.
    pub(super) fn shown(&self) -> String {
        let scheme = if self.has_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Asks once. `json` makes it a POST.
    pub(super) async fn ask(
        &self,
        path: &str,
        json: Option<String>,
    ) -> Result<Answer, Unreachable> {
        match timeout(ANSWER_WITHIN, self.exchange(path, json)).await {
            Ok(answer) => answer,
            Err(_) => Err(Unreachable("no answer in time".to_owned())),
        }
    }

    async fn exchange(&self, path: &str, json: Option<String>) -> Result<Answer, Unreachable> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = timeout(CONNECT_WITHIN, TcpStream::connect((host, self.port)))
            .await
            .map_err(|_| Unreachable("no connection in time".to_owned()))?
            .map_err(|error| Unreachable(error.to_string()))?;
        let Some(trust) = &self.tls else {
            return self.converse(stream, path, json).await;
        };
        let settings = trust
            .settings()
            .map_err(|fault| Unreachable(fault.to_string()))?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Unreachable("no certificate can hold this host's name".to_owned()))?;
        let stream = TlsConnector::from(settings)
            .connect(name, stream)
            .await
            .map_err(|error| Unreachable(format!("no TLS: {error}")))?;
        self.converse(stream, path, json).await
    }

    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &str,
        json: Option<String>,
    ) -> Result<Answer, Unreachable> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Unreachable(error.to_string()))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, self.authority());
        let request = match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        };
        let request = match json {
            None => request.body(Full::default()),
            Some(json) => request
                .method(hyper::Method::POST)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(json))),
        };
        // The error would hold the path.
        let request = request.map_err(|_| Unreachable("the request cannot be made".to_owned()))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| Unreachable(error.to_string()))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| Unreachable(error.to_string()))?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    }
}

/// All but the unreserved characters of RFC 3986.
const NOT_IN_A_PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text as one part of a path.
pub(in crate::cli) fn path_part(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_A_PART).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_of_http_or_https() {
        let shown = |text| Server::parse(text).map(|server| server.shown());
        assert_eq!(
            shown("http://127.0.0.1:8025").as_deref(),
            Some("http://127.0.0.1:8025")
        );
        for (text, whole) in [
            ("http://localhost/", "http://localhost:80"),
            ("http://[::1]:8025", "http://[::1]:8025"),
            ("https://pentamer.example", "https://pentamer.example:443"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(whole));
        }
        for wrong in [
            "127.0.0.1:8025",
            "ftp://localhost",
            "http://localhost/api",
            "http://localhost/?a",
            "http://user@localhost",
            "http://",
            "",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn whatever_a_key_holds_is_one_part_of_a_path() {
        assert_eq!(path_part("HOSP:4711"), "HOSP%3A4711");
        assert_eq!(path_part("a/b?c#d é.."), "a%2Fb%3Fc%23d%20%C3%A9..");
    }
}
