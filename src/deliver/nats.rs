//! The `nats` sink: JetStream. Delivered is the stream's acknowledgement, also one that says it has this
//! `Nats-Msg-Id` already. CloudEvents NATS binding, structured mode.
//!
//! Permanent is a message that is larger than the server takes. A missing stream, no leader, no connection
//! and time-outs are tried again.

use super::{Letter, Sending, Sink, SinkError};
use crate::config::{self, read_secret};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, HeaderMap};
use std::time::Duration;

/// Publishes to a stream.
pub(super) struct NatsSink {
    config: config::Nats,
    timeout: Duration,
    open: Option<Context>,
}

impl NatsSink {
    pub(super) fn new(config: config::Nats, timeout: Duration) -> Self {
        // Whoever comes first; the same for all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            config,
            timeout,
            open: None,
        }
    }

    async fn connect(&self) -> Result<Context, SinkError> {
        let mut options = ConnectOptions::new()
            .name("pentamer")
            .connection_timeout(self.timeout)
            // A connection that is lost is made anew by the next try, with its pause.
            .max_reconnects(1);
        if let Some(file) = &self.config.credentials_file {
            let text = read_secret(file).map_err(|error| SinkError::later(error.to_string()))?;
            // The end of a secret is cut; the last line of credentials has to end.
            options = options.credentials(&format!("{text}\n")).map_err(|_| {
                SinkError::later(format!("`{}` holds no credentials", file.display()))
            })?;
        }
        if let Some(file) = &self.config.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        let urls = self.config.urls.as_slice();
        let client = options
            .connect(urls)
            .await
            .map_err(|error| SinkError::later(format!("no connection: {}", error.kind())))?;
        let mut context = jetstream::new(client);
        context.set_timeout(self.timeout);
        Ok(context)
    }

    async fn publish(&mut self, letter: &Letter) -> Result<(), SinkError> {
        // Taken out: after anything but an acknowledgement another connection is made.
        let context = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, letter.id());
        headers.insert("Content-Type", "application/cloudevents+json");
        let body = letter.event().to_string().into();
        let subject = self.config.subject.clone();
        let failed = |error: async_nats::jetstream::context::PublishError| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                SinkError::Never("the message is larger than the server takes".to_owned())
            }
            kind => SinkError::later(format!("the stream: {kind}")),
        };
        let sent = context.publish_with_headers(subject, headers, body).await;
        let acknowledged = sent.map_err(failed)?.await;
        // A duplicate is one that the stream has.
        acknowledged.map_err(failed)?;
        self.open = Some(context);
        Ok(())
    }
}

impl Sink for NatsSink {
    fn deliver<'a>(&'a mut self, letter: &'a Letter) -> Sending<'a> {
        Box::pin(self.publish(letter))
    }
}
