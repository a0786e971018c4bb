//! Sinks: each alert to each of them, in order, at its own pace; attempted before, delivered after.
//!
//! A sink's cursor is folded from `Delivered` and `Dead` facts. `Attempted` is durable before the
//! send, so that a crash can repeat one send with the same id, and nothing else can.

mod file;
mod log;
mod queue;

pub use file::FileSink;
pub use log::LogSink;
pub use queue::{Queue, QueueSettings};

use crate::core::alert::{PhiLevel, cloud_event};
use std::collections::BTreeSet;

use crate::core::episode::{Delivery, Severity, Transition, TransitionKind};

/// What a sink gets to see, whatever its kind.
#[derive(Debug, Clone)]
pub struct Choice {
    /// `events`.
    pub events: BTreeSet<TransitionKind>,
    /// `minimum_severity`.
    pub minimum_severity: Severity,
    /// `phi`.
    pub phi: PhiLevel,
    /// `log` and `file` get what only belongs on the worklist, too.
    pub worklist: bool,
}

impl Choice {
    /// Does the sink want this one?
    pub fn wants(&self, transition: &Transition) -> bool {
        self.events.contains(&transition.kind)
            && transition.severity >= self.minimum_severity
            && (self.worklist || transition.delivery == Delivery::Page)
    }

    /// The CloudEvent as this sink may see it.
    pub fn render(&self, transition: &Transition, site: &str) -> serde_json::Value {
        cloud_event(transition, site, self.phi)
    }
}

/// Why a sink did not take an alert.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Try again later.
    #[error("{0}")]
    Later(String),
}

/// The kinds of sink.
#[derive(Debug)]
pub enum Sink {
    /// Log lines.
    Log(LogSink),
    /// JSON lines in a file.
    File(FileSink),
}

impl Sink {
    /// Hands one event over; returns when the sink has it.
    pub fn deliver(&mut self, event: &serde_json::Value) -> Result<(), SinkError> {
        match self {
            Self::Log(sink) => sink.deliver(event),
            Self::File(sink) => sink.deliver(event),
        }
    }
}
