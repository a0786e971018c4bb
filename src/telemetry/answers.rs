//! Counters of what every message passes: looked up once for a listener, not for each message.

use metrics::{Counter, Histogram, counter, histogram};
use std::time::Duration;

/// Those of one listener. Made after the recorder is installed, or they count nothing.
pub struct Answers {
    stored: Counter,
    duplicate: Counter,
    refused: Counter,
    acknowledged: Histogram,
}

impl Answers {
    /// Those of this listener.
    pub fn of(listener: &str) -> Self {
        let outcome = |outcome: &'static str| {
            let listener = listener.to_owned();
            counter!("pentamer_messages_total", "listener" => listener, "outcome" => outcome)
        };
        Self {
            stored: outcome("stored"),
            duplicate: outcome("duplicate"),
            refused: outcome("refused"),
            acknowledged: histogram!("pentamer_ack_seconds"),
        }
    }

    /// A message is durable.
    pub fn stored(&self, is_duplicate: bool) {
        let counter = if is_duplicate {
            &self.duplicate
        } else {
            &self.stored
        };
        counter.increment(1);
    }

    /// Frames or parts that were no message.
    pub fn refused(&self, times: u64) {
        self.refused.increment(times);
    }

    /// An answer was written, so long after its frame was complete.
    pub fn acknowledged(&self, after: Duration) {
        self.acknowledged.record(after.as_secs_f64());
    }
}
