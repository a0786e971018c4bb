//! The `amqp` sink: RabbitMQ with publisher confirms, persistent and mandatory. Only a confirm without a
//! returned message is delivered. CloudEvents AMQP binding, structured mode: the event is the body.
//!
//! Permanent is only what no time mends, which RabbitMQ does not tell: everything is tried again, a
//! missing exchange or an unroutable message too (somebody may bind a queue), and shows in the status.

use super::{Letter, Sending, Sink, SinkError, tls};
use crate::config::{self, read_secret};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

/// Publishes to an exchange.
pub(super) struct AmqpSink {
    config: config::Amqp,
    open: Option<(Connection, Channel)>,
}

impl AmqpSink {
    pub(super) fn new(config: config::Amqp) -> Self {
        // Whoever comes first; the same for all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { config, open: None }
    }

    async fn connect(&self) -> Result<(Connection, Channel), SinkError> {
        let mut uri: AMQPUri = self
            .config
            .url
            .parse()
            .map_err(|_| SinkError::later("the URL is none of AMQP"))?;
        if let Some(user) = &self.config.username {
            uri.authority.userinfo.username.clone_from(user);
        }
        if let Some(file) = &self.config.password_file {
            let secret = read_secret(file).map_err(|error| SinkError::later(error.to_string()))?;
            uri.authority.userinfo.password = secret;
        }
        let mut tls = OwnedTLSConfig::default();
        if let Some(file) = &self.config.ca_file {
            tls::certificates(file)?;
            let pem = read_secret(file).map_err(|error| SinkError::later(error.to_string()))?;
            tls.cert_chain = Some(pem);
        }
        let properties = ConnectionProperties::default().with_connection_name("pentamer".into());
        let runtime = lapin::runtime::default_runtime().map_err(|error| failed(&error))?;
        let connection = Connection::connect_uri_with_config(uri, properties, tls, runtime)
            .await
            .map_err(|error| failed(&error))?;
        let channel = connection
            .create_channel()
            .await
            .map_err(|error| failed(&error))?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .map_err(|error| failed(&error))?;
        Ok((connection, channel))
    }

    async fn publish(&mut self, letter: &Letter) -> Result<(), SinkError> {
        // Taken out: after anything but a confirm a new connection and channel are made.
        let open = self.open.take();
        let usable = |open: &(Connection, Channel)| {
            open.0.status().connected() && open.1.status().connected()
        };
        let (connection, channel) = match open.filter(usable) {
            Some(open) => open,
            None => self.connect().await?,
        };
        let mut headers = FieldTable::default();
        let attribute = |text: &str| AMQPValue::LongString(text.into());
        headers.insert("cloudEvents:id".into(), attribute(letter.id()));
        headers.insert("cloudEvents:type".into(), attribute(letter.text("/type")));
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json; charset=utf-8".into())
            .with_delivery_mode(2)
            .with_message_id(letter.id().into())
            .with_app_id("pentamer".into())
            .with_headers(headers);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let (exchange, key) = (&self.config.exchange, &self.config.routing_key);
        let body = letter.event().to_string();
        let confirm = channel
            .basic_publish(
                exchange.as_str().into(),
                key.as_str().into(),
                options,
                body.as_bytes(),
                properties,
            )
            .await
            .map_err(|error| failed(&error))?
            .await
            .map_err(|error| failed(&error))?;
        match confirm {
            Confirmation::Ack(None) => {
                self.open = Some((connection, channel));
                Ok(())
            }
            Confirmation::Ack(Some(_)) => Err(SinkError::later(
                "the broker returned the message: no queue is bound for the routing key",
            )),
            Confirmation::Nack(_) => Err(SinkError::later("the broker refused the message (nack)")),
            Confirmation::NotRequested => Err(SinkError::later(
                "the broker confirms nothing on this channel",
            )),
        }
    }
}

impl Sink for AmqpSink {
    fn deliver<'a>(&'a mut self, letter: &'a Letter) -> Sending<'a> {
        Box::pin(self.publish(letter))
    }
}

/// The broker's words are about exchanges and accounts; the URL is not in them.
fn failed(error: &lapin::Error) -> SinkError {
    SinkError::later(format!("the broker: {error}"))
}
