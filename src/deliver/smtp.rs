//! The `smtp` sink: one mail a letter, as text and HTML, to all recipients at once.
//!
//! Permanent is a reply of 5xx to the mail itself (unknown recipient, refused content, too large). A reply
//! about the account or the encryption (530, 534, 535, 538), every 4xx, no connection and TLS faults are
//! tried again.

use super::{Letter, Sending, Sink, SinkError};
use crate::config::{Security, Smtp, read_secret};
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;

/// Sends mail.
pub(super) struct SmtpSink {
    config: Smtp,
    site: String,
    timeout: Duration,
}

/// RFC 3834: no out-of-office answers, please.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl SmtpSink {
    pub(super) fn new(config: Smtp, site: &str, timeout: Duration) -> Self {
        Self {
            config,
            site: site.to_owned(),
            timeout,
        }
    }

    /// A connection a mail: alerts are few, and a relay closes idle ones.
    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, SinkError> {
        let config = &self.config;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .timeout(Some(self.timeout));
        let tls = match config.security {
            Security::None => Tls::None,
            Security::StartTls => Tls::Required(self.parameters()?),
            Security::Tls => Tls::Wrapper(self.parameters()?),
        };
        builder = builder.tls(tls);
        if let (Some(user), Some(file)) = (&config.username, &config.password_file) {
            let secret = read_secret(file).map_err(|error| SinkError::later(error.to_string()))?;
            builder = builder.credentials(Credentials::new(user.clone(), secret));
        }
        Ok(builder.build())
    }

    fn parameters(&self) -> Result<TlsParameters, SinkError> {
        let wrong =
            |error: lettre::transport::smtp::Error| SinkError::later(format!("TLS: {error}"));
        let mut parameters = TlsParameters::builder(self.config.host.clone());
        if let Some(file) = &self.config.ca_file {
            let pem = read_secret(file).map_err(|error| SinkError::later(error.to_string()))?;
            let found = Certificate::from_pem(pem.as_bytes()).map_err(wrong)?;
            parameters = parameters.add_root_certificate(found);
        }
        parameters.build().map_err(wrong)
    }

    fn mail(&self, letter: &Letter) -> Result<Message, SinkError> {
        let config = &self.config;
        let event = letter.for_template();
        let rendered = |template: &crate::config::Template| {
            let text = template.render(&event);
            text.map_err(|why| SinkError::Never(format!("a template: {why}")))
        };
        let mailbox = |text: &str| -> Result<Mailbox, SinkError> {
            text.parse()
                .map_err(|_| SinkError::later("`from` or `to` is no mail address"))
        };
        let subject = rendered(&config.subject)?;
        let subject = subject
            .split(['\r', '\n'])
            .next()
            .unwrap_or_default()
            .to_owned();
        let id: String = letter
            .id()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '-' {
                    c
                } else {
                    '.'
                }
            })
            .collect();
        let mut builder = Message::builder()
            .from(mailbox(&config.from)?)
            .subject(subject)
            // The same at each repeat: a mailbox that knows it shows one.
            .message_id(Some(format!(
                "<{id}@{}.pentamer>",
                self.site.replace(' ', "-")
            )))
            .header(AutoSubmitted);
        for one in &config.to {
            builder = builder.to(mailbox(one)?);
        }
        let parts =
            MultiPart::alternative_plain_html(rendered(&config.text)?, rendered(&config.html)?);
        builder
            .multipart(parts)
            .map_err(|error| SinkError::Never(format!("no mail can be made: {error}")))
    }

    async fn post(&self, letter: &Letter) -> Result<(), SinkError> {
        let mail = self.mail(letter)?;
        match self.transport()?.send(mail).await {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal(&error)),
        }
    }
}

impl Sink for SmtpSink {
    fn deliver<'a>(&'a mut self, letter: &'a Letter) -> Sending<'a> {
        Box::pin(self.post(letter))
    }
}

/// The reply's code only: its text may repeat what we sent.
fn refusal(error: &lettre::transport::smtp::Error) -> SinkError {
    let Some(code) = error.status() else {
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_tls() {
            "TLS failed"
        } else if error.is_client() {
            "the server does not offer what is needed (authentication, STARTTLS)"
        } else {
            "no connection, or it broke off"
        };
        return SinkError::later(what);
    };
    let code = code.to_string();
    let why = format!("the mail server answered {code}");
    let about_us = ["530", "534", "535", "538"].contains(&code.as_str());
    if error.is_permanent() && !about_us {
        SinkError::Never(why)
    } else {
        SinkError::later(why)
    }
}
