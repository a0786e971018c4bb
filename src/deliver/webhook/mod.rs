//! The `webhook` sink: HTTP POST, any 2xx is success.
//!
//! Permanent is what says that this body will never be taken: 400, 406, 409, 410, 413, 414, 415, 422 and
//! 431. Everything else may pass (a wrong credential is mended, a service comes back) and is tried again:
//! no connection, TLS, 3xx (redirects are not followed), 401, 403, 404, 408, 429, 5xx. `Retry-After` is
//! obeyed.

mod fhir;
mod preset;
mod signature;

use super::{Letter, Sending, Sink, SinkError, tls};
use crate::clock;
use crate::config::{Preset, Webhook, read_secret};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, redirect};
use std::time::Duration;

/// Sends by HTTP POST.
#[derive(Debug)]
pub(super) struct WebhookSink {
    config: Webhook,
    timeout: Duration,
    client: Option<Client>,
}

/// A body and what it is.
struct Body {
    bytes: Vec<u8>,
    content_type: String,
    /// Where, if not to the URL itself.
    url: Option<String>,
}

impl WebhookSink {
    pub(super) const fn new(config: Webhook, timeout: Duration) -> Self {
        Self {
            config,
            timeout,
            client: None,
        }
    }

    fn client(&mut self) -> Result<Client, SinkError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let tls = tls::client(self.config.ca_file.as_deref())?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .timeout(self.timeout)
            .user_agent(concat!("pentamer/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SinkError::later(format!("no HTTP client: {error}")))?;
        self.client = Some(client.clone());
        Ok(client)
    }

    fn body(&self, letter: &Letter) -> Result<Body, SinkError> {
        if let Some(template) = &self.config.template {
            let rendered = template.render(&letter.for_template());
            let text = rendered.map_err(|why| SinkError::Never(format!("the template: {why}")))?;
            let content_type = self.config.content_type.as_deref();
            return Ok(Body {
                bytes: text.into_bytes(),
                content_type: content_type
                    .unwrap_or("text/plain; charset=utf-8")
                    .to_owned(),
                url: None,
            });
        }
        preset::body(&self.config, letter, self.token()?.as_deref())
    }

    fn token(&self) -> Result<Option<String>, SinkError> {
        let read = self.config.token_file.as_deref().map(read_secret);
        read.transpose()
            .map_err(|error| SinkError::later(error.to_string()))
    }

    fn headers(&self, letter: &Letter, body: &Body) -> Result<HeaderMap, SinkError> {
        let mut headers = HeaderMap::new();
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| SinkError::later("a header holds what cannot be sent"))
        };
        headers.insert(CONTENT_TYPE, value(&body.content_type)?);
        headers.insert("idempotency-key", value(letter.id())?);
        if self.config.preset != Preset::PagerDuty
            && let Some(token) = self.token()?
        {
            let mut bearer = value(&format!("Bearer {token}"))?;
            bearer.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, bearer);
        }
        if let Some(file) = &self.config.secret_file {
            let secret = read_secret(file).map_err(|error| SinkError::later(error.to_string()))?;
            let seconds = clock::now().as_micros().div_euclid(1_000_000);
            let signed = signature::header(secret.as_bytes(), seconds, &body.bytes);
            headers.insert("pentamer-signature", value(&signed)?);
        }
        for (name, text) in &self.config.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| SinkError::later("a header's name cannot be sent"))?;
            headers.insert(name, value(text)?);
        }
        Ok(headers)
    }

    async fn post(&mut self, letter: &Letter) -> Result<(), SinkError> {
        let client = self.client()?;
        let body = self.body(letter)?;
        let headers = self.headers(letter, &body)?;
        let url = body.url.as_deref().unwrap_or(&self.config.url);
        let request = client.post(url).headers(headers).body(body.bytes);
        // The error's own text holds the URL, which may hold a token.
        let response = request
            .send()
            .await
            .map_err(|error| SinkError::later(failure(&error)))?;
        let status = response.status();
        let after = retry_after(response.headers());
        // The whole answer is waited for, so that the connection serves again; its text is nobody's.
        let read = response.bytes().await;
        if status.is_success() {
            return match read {
                Ok(_) => Ok(()),
                Err(error) => Err(SinkError::later(failure(&error))),
            };
        }
        Err(refusal(status, after))
    }
}

impl Sink for WebhookSink {
    fn deliver<'a>(&'a mut self, letter: &'a Letter) -> Sending<'a> {
        Box::pin(self.post(letter))
    }
}

/// What went wrong on the way, without the address.
fn failure(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut text = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else if error.is_builder() {
        "the request cannot be made".to_owned()
    } else {
        "the connection broke off".to_owned()
    };
    let mut cause = error.source();
    let mut last = None;
    while let Some(one) = cause {
        last = Some(one.to_string());
        cause = one.source();
    }
    if let Some(last) = last {
        text.push_str(": ");
        text.push_str(&last);
    }
    text
}

fn refusal(status: StatusCode, after: Option<Duration>) -> SinkError {
    let why = format!("the receiver answered {status}");
    match status.as_u16() {
        400 | 406 | 409 | 410 | 413 | 414 | 415 | 422 | 431 => SinkError::Never(why),
        _ => SinkError::Later { why, after },
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    let left = at.as_microsecond().saturating_sub(clock::now().as_micros());
    Some(Duration::from_micros(u64::try_from(left).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permanent_is_only_what_no_time_mends() {
        let permanent: Vec<u16> = (300..600)
            .filter(|code| {
                let status = StatusCode::from_u16(*code).expect("a status");
                matches!(refusal(status, None), SinkError::Never(_))
            })
            .collect();
        assert_eq!(permanent, [400, 406, 409, 410, 413, 414, 415, 422, 431]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let asked = |text: &str| {
            let value = HeaderValue::from_str(text).expect("a value");
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
        };
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        let later = asked("Sat, 31 Dec 2095 23:59:59 GMT").expect("a date");
        assert!(later > Duration::from_secs(86_400));
        assert_eq!(asked("soon"), None);
    }
}
