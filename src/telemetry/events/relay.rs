//! What relays have to tell.

use super::wire;
use metrics::{counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Help texts.
pub(super) fn describe() {
    describe_counter!(
        "pentamer_relay_lis_ack_total",
        "Answers of the laboratory system that passed a relay, by MSA-1; `none` where a connection ended without one"
    );
    describe_counter!(
        "pentamer_relay_connect_failures_total",
        "Connections refused because the laboratory system could not be reached"
    );
    describe_counter!(
        "pentamer_relay_commit_blocks_total",
        "Commit blocks of MLLP release 2 that passed a relay"
    );
    describe_counter!(
        "pentamer_relay_pauses_total",
        "Pauses longer than frame_timeout within a frame, or idle_timeout between frames"
    );
    describe_histogram!(
        "pentamer_relay_added_seconds",
        "From reading bytes to having written them to the other end"
    );
    describe_histogram!(
        "pentamer_relay_lis_ack_seconds",
        "From a complete message to the laboratory system's answer"
    );
}

/// The laboratory system cannot be reached; `first` where it could be the time before.
pub fn lis_unreachable(listener: &str, why: &str, first: bool) {
    counter!("pentamer_relay_connect_failures_total", "listener" => listener.to_owned())
        .increment(1);
    if first {
        error!(
            event = "lis_unreachable",
            listener, why, "the laboratory system cannot be reached: senders see a reset"
        );
    } else {
        debug!(
            event = "lis_unreachable",
            listener, why, "the laboratory system cannot be reached still"
        );
    }
}

/// The laboratory system can be reached again.
pub fn lis_reached(listener: &str) {
    info!(
        event = "lis_reached",
        listener, "the laboratory system can be reached again"
    );
}

/// The laboratory system answered a message so long after it was complete.
pub fn lis_ack(listener: &str, code: &'static str, after: Duration) {
    counter!("pentamer_relay_lis_ack_total", "listener" => listener.to_owned(), "code" => code)
        .increment(1);
    histogram!("pentamer_relay_lis_ack_seconds").record(after.as_secs_f64());
}

/// So many messages had no answer when their connection ended.
pub fn lis_ack_missing(listener: &str, times: u64) {
    if times > 0 {
        counter!("pentamer_relay_lis_ack_total", "listener" => listener.to_owned(), "code" => "none")
            .increment(times);
    }
}

/// A chunk took so long to pass.
pub fn relay_added(took: Duration) {
    histogram!("pentamer_relay_added_seconds").record(took.as_secs_f64());
}

/// A commit block of MLLP release 2 passed.
pub fn relay_commit_block(listener: &str) {
    counter!("pentamer_relay_commit_blocks_total", "listener" => listener.to_owned()).increment(1);
}

/// A pause that an endpoint would have ended; `kind` is `frame` or `idle` (WIRE P-16).
pub fn relay_pause(listener: &str, kind: &'static str) {
    counter!("pentamer_relay_pauses_total", "listener" => listener.to_owned(), "kind" => kind)
        .increment(1);
}

/// Messages passed that cannot be kept; `tell` for the first of a gap.
pub fn tap_lost(listener: &str, cause: &'static str, messages: u64, tell: bool) {
    wire(listener, "tap_lost", messages.max(1));
    if tell {
        error!(
            event = "tap_lost",
            listener, cause, "the relay loses sight of messages that pass; a gap will be recorded"
        );
    }
}

/// A gap is being recorded.
pub fn tap_gap(listener: &str, messages: u64, bytes: u64) {
    error!(
        event = "tap_gap",
        listener,
        messages,
        bytes,
        "messages passed that are not kept: have the sender or its archive send them again"
    );
}

/// Reading what passed failed inside Pentamer (caught); the feed goes on.
pub fn tap_failed(listener: &str) {
    wire(listener, "internal_error", 1);
    error!(
        event = "internal_error",
        listener, "reading what passed failed inside Pentamer; the feed goes on"
    );
}

/// The files beside the queue cannot be used; `what` is `open`, `write`, `read`, `mark` or `remove`.
pub fn spill_failed(listener: &str, what: &'static str, why: &str) {
    error!(
        event = "spill_failed",
        listener, what, why, "the relay's files in the data directory cannot be used"
    );
}

/// The daemon ended while nothing could be stored; messages wait in the relay's files, but for `lost`.
pub fn tap_kept_for_next_run(listener: &str, lost: u64) {
    warn!(
        event = "tap_kept",
        listener, lost, "what could not be journaled waits in the relay's files for the next start"
    );
}
