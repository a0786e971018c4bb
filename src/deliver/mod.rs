//! Sinks: each alert to each of them, in order, at its own pace; attempted before, delivered after.
//!
//! A sink's cursor is folded from `Delivered`, `Dead` and `Passed` facts. `Attempted` is durable before
//! the send, so that a crash can repeat one send with the same id, and nothing else can.
//!
//! What a sink is given is a [`Letter`]: a CloudEvent that holds no more than its `phi` level allows.
//! Nothing else about a patient reaches a sink, so nothing else can leave by it.

mod amqp;
mod file;
mod letter;
mod link;
mod log;
mod mllp;
mod nats;
mod oru;
mod queue;
mod smtp;
mod tls;
mod webhook;

pub use file::FileSink;
pub use letter::{Letter, Links};
pub use link::Signer;
pub use log::LogSink;
pub use queue::{Ground, Handle, Kept, Queue, QueueSettings, Status, Tested};

use crate::config::SinkKind;
use crate::core::alert::PhiLevel;
use crate::core::delivery::Muted;
use crate::core::episode::{Delivery, Severity, Transition, TransitionKind};
use crate::core::time::Timestamp;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

/// What a sink gets to see, whatever its kind.
#[derive(Debug, Clone)]
pub struct Choice {
    /// `events`.
    pub events: BTreeSet<TransitionKind>,
    /// `events` names `notice`.
    pub notices: bool,
    /// `minimum_severity`.
    pub minimum_severity: Severity,
    /// `phi`.
    pub phi: PhiLevel,
    /// `log` and `file` get what only belongs on the worklist, too, and what is muted.
    pub worklist: bool,
}

impl Choice {
    /// Does the sink want this one?
    pub fn wants(&self, transition: &Transition) -> bool {
        self.events.contains(&transition.kind)
            && transition.severity >= self.minimum_severity
            && (self.worklist || transition.delivery == Delivery::Page)
    }

    /// Why an alert is passed over; `None` where it is to be sent.
    pub fn passes(
        &self,
        transition: &Transition,
        mutes: &[Muted],
        now: Timestamp,
    ) -> Option<&'static str> {
        if !self.wants(transition) {
            return Some("not_wanted");
        }
        let muted = mutes.iter().any(|mute| mute.covers(transition, now));
        (muted && !self.worklist).then_some("muted")
    }
}

/// Why a sink did not take a letter. The texts hold nothing that the receiver said about a patient:
/// status codes and our own words only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Try again later.
    #[error("{why}")]
    Later {
        /// What happened.
        why: String,
        /// The receiver asks for this pause (Retry-After).
        after: Option<Duration>,
    },
    /// Trying again is pointless: the letter goes to the dead ones.
    #[error("{0}")]
    Never(String),
}

impl SinkError {
    /// To be tried again after a pause of ours.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later {
            why: why.into(),
            after: None,
        }
    }
}

/// A send under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// A receiver. Handing over may be broken off at any await (a time-out): what is half done then, a
/// connection first of all, is given up, so that the next answer belongs to the next letter.
pub trait Sink: Send + Sync {
    /// Hands one letter over; returns when the receiver has it for good.
    fn deliver<'a>(&'a mut self, letter: &'a Letter) -> Sending<'a>;
}

/// The sink of a configured kind. `site` is part of what it says about itself.
pub fn sink(kind: &SinkKind, site: &str, timeout: Duration) -> Box<dyn Sink> {
    match kind {
        SinkKind::Log => Box::new(LogSink),
        SinkKind::File { path } => Box::new(FileSink::new(path.clone())),
        SinkKind::Webhook(config) => Box::new(webhook::WebhookSink::new(config.clone(), timeout)),
        SinkKind::Smtp(config) => Box::new(smtp::SmtpSink::new(config.clone(), site, timeout)),
        SinkKind::Mllp(config) => Box::new(mllp::MllpSink::new(config.clone(), site)),
        SinkKind::Amqp(config) => Box::new(amqp::AmqpSink::new(config.clone())),
        SinkKind::Nats(config) => Box::new(nats::NatsSink::new(config.clone(), timeout)),
    }
}
