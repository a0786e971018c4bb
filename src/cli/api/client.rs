//! A request to the running daemon, over plain HTTP.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

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
    /// An `http://host:port`; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
        let authority = uri.authority().filter(|authority| {
            plain && uri.query().is_none() && !authority.as_str().contains('@')
        })?;
        Some(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(80),
            token: None,
        })
    }

    /// The same, asking with a token.
    pub(super) fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// `host:port`.
    pub(super) fn shown(&self) -> String {
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
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Unreachable(error.to_string()))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, self.shown());
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
    fn a_server_is_a_plain_http_address() {
        let shown = |text| Server::parse(text).map(|server| server.shown());
        assert_eq!(
            shown("http://127.0.0.1:8025").as_deref(),
            Some("127.0.0.1:8025")
        );
        assert_eq!(shown("http://localhost/").as_deref(), Some("localhost:80"));
        assert_eq!(shown("http://[::1]:8025").as_deref(), Some("[::1]:8025"));
        for wrong in [
            "127.0.0.1:8025",
            "https://localhost",
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
