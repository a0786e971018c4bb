//! Everything worth telling, one function each: the log line and the counter in one place.

mod delivery;
mod relay;
mod storage;

pub use delivery::*;
pub use relay::*;
pub use storage::*;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use std::net::SocketAddr;
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Help texts of `/metrics`.
pub fn describe() {
    describe_gauge!(
        "pentamer_cluster_holds",
        "1 while this instance decides and delivers"
    );
    describe_gauge!(
        "pentamer_cluster_epoch",
        "Times that the right to decide was taken"
    );
    describe_gauge!(
        "pentamer_cluster_drained",
        "1 while this instance is told to take nothing"
    );
    describe_gauge!(
        "pentamer_cluster_spooled",
        "Facts kept aside that the stream has not got"
    );
    describe_counter!(
        "pentamer_messages_total",
        "Messages by listener and outcome"
    );
    describe_counter!(
        "pentamer_quarantine_total",
        "Frames, messages and results not understood, by reason"
    );
    describe_counter!(
        "pentamer_alerts_total",
        "Alerts decided, by kind, severity and delivery"
    );
    describe_counter!(
        "pentamer_deliveries_total",
        "Alerts handed to sinks, by sink and result"
    );
    describe_counter!(
        "pentamer_journal_syncs_total",
        "fdatasync calls of the journal"
    );
    describe_histogram!(
        "pentamer_journal_sync_seconds",
        "Duration of one fdatasync of the journal"
    );
    describe_histogram!(
        "pentamer_ack_seconds",
        "From a complete frame to its written acknowledgement"
    );
    describe_gauge!(
        "pentamer_fold_lag_records",
        "Durable records that are not folded yet"
    );
    describe_gauge!(
        "pentamer_undecided_patients",
        "Patients with folded news that is not decided about yet"
    );
    describe_gauge!(
        "pentamer_queue_depth",
        "Alerts that a sink has not taken yet"
    );
    describe_gauge!(
        "pentamer_queue_oldest_seconds",
        "Age of the oldest alert that a sink has not taken yet"
    );
    describe_gauge!(
        "pentamer_feed_last_message_seconds",
        "Unix time of a feed's last message"
    );
    describe_gauge!(
        "pentamer_feed_clock_skew_seconds",
        "Sender's clock minus ours at its last message"
    );
    describe_gauge!(
        "pentamer_feed_silent",
        "1 where a feed is silent beyond its own rhythm"
    );
    describe_gauge!(
        "pentamer_feed_expected_messages",
        "Messages of a feed that usually come in a time like that since its last"
    );
    describe_gauge!(
        "pentamer_feed_lenient_framing",
        "How often a sender's framing was not as the standard has it, since the start"
    );
    describe_gauge!(
        "pentamer_feed_ack_mean_seconds",
        "From a sender's complete frame to its written acknowledgement, in the mean since the start"
    );
    describe_gauge!(
        "pentamer_checkpoint_position",
        "Journal position of the newest checkpoint"
    );
    describe_gauge!("pentamer_checkpoint_bytes", "Size of the newest checkpoint");
    describe_gauge!("pentamer_journal_bytes", "Size of all segments kept");
    describe_gauge!(
        "pentamer_journal_oldest_position",
        "First journal position whose fact is kept"
    );
    describe_gauge!(
        "pentamer_journal_oldest_seconds",
        "Unix time from which on facts are kept"
    );
    describe_gauge!(
        "pentamer_notices",
        "Notices that stand, by kind: an operator must act"
    );
    describe_gauge!("pentamer_connections", "Open connections by listener");
    describe_gauge!(
        "pentamer_tls_expires_seconds",
        "Seconds until a certificate of ours ends, by listener and side (tls, relay_tls)"
    );
    relay::describe();
}

/// A notice was raised.
pub fn notice_raised(kind: &'static str, text: &str) {
    notice_standing(kind, true);
    warn!(event = "notice_raised", kind, text, "notice");
}

/// A notice is over.
pub fn notice_cleared(kind: &'static str) {
    notice_standing(kind, false);
    info!(event = "notice_cleared", kind, "notice is over");
}

/// Whether a notice of this kind stands.
pub fn notice_standing(kind: &'static str, stands: bool) {
    gauge!("pentamer_notices", "kind" => kind).set(if stands { 1.0 } else { 0.0 });
}

/// A port is bound; logged before `/readyz` turns 200.
pub fn listening(kind: &'static str, name: &str, address: SocketAddr) {
    info!(event = "listening", kind, name, %address, "listening");
}

/// A connection was taken.
pub fn connected(listener: &str, peer: SocketAddr) {
    gauge!("pentamer_connections", "listener" => listener.to_owned()).increment(1.0);
    debug!(event = "connected", listener, %peer, "connected");
}

/// A connection ended.
pub fn disconnected(listener: &str, peer: SocketAddr, why: &'static str) {
    gauge!("pentamer_connections", "listener" => listener.to_owned()).decrement(1.0);
    debug!(event = "disconnected", listener, %peer, why, "disconnected");
}

/// A connection was turned away at accept; `tell` is once a minute for each peer (WIRE N-3).
pub fn turned_away(listener: &str, peer: SocketAddr, why: &'static str, tell: bool) {
    wire(listener, why, 1);
    if tell {
        info!(event = "turned_away", listener, %peer, why, "connection turned away");
    }
}

/// A TLS handshake did not come about; `counter` is `tls_plaintext`, `tls_denied` or `tls_failed`.
pub fn tls_refused(listener: &str, peer: SocketAddr, counter: &'static str, why: &str, tell: bool) {
    wire(listener, counter, 1);
    if tell {
        warn!(event = counter, listener, %peer, why, "no TLS connection");
    }
}

/// Certificates were read again; connections from now on have the new ones.
pub fn certificates_reloaded(listener: &str, side: &'static str) {
    info!(
        event = "certificates_reloaded",
        listener, side, "certificates read again; open connections go on"
    );
}

/// Certificates could not be read again; those in force stay.
pub fn certificates_kept(listener: &str, side: &'static str, why: &str, help: &str) {
    error!(
        event = "certificates_kept",
        listener, side, why, help, "the certificates in force stay"
    );
}

/// Days before a certificate's end from which on it is told of.
const CERTIFICATE_DAYS: i64 = 30;

/// How long a certificate of ours is valid for still.
pub fn certificate_ends(listener: &str, side: &'static str, seconds: i64) {
    gauge!("pentamer_tls_expires_seconds", "listener" => listener.to_owned(), "side" => side)
        .set(seconds as f64);
    let days = seconds.div_euclid(86_400);
    if seconds <= 0 {
        error!(
            event = "certificate_ended",
            listener, side, days, "the certificate is over: peers refuse it"
        );
    } else if days < CERTIFICATE_DAYS {
        warn!(
            event = "certificate_ends",
            listener, side, days, "the certificate ends soon: have it renewed"
        );
    }
}

/// Something of WIRE.md was seen `times` times.
pub fn wire(listener: &str, name: &'static str, times: u64) {
    if times > 0 {
        counter!(format!("pentamer_wire_{name}_total"), "listener" => listener.to_owned())
            .increment(times);
    }
}

/// A message's outcome: `stored`, `duplicate`, `refused`, `quarantined`, `ignored`.
pub fn message(listener: &str, outcome: &'static str, times: u64) {
    counter!("pentamer_messages_total", "listener" => listener.to_owned(), "outcome" => outcome)
        .increment(times);
}

/// A frame or fragment went to quarantine before it became a message.
pub fn frame_refused(listener: &str, peer: SocketAddr, reason: &'static str, length: u64) {
    warn!(event = "frame_refused", listener, %peer, reason, length, "frame kept in quarantine");
}

/// A person took back a merge; the fact says who and which.
pub fn merge_undone(position: u64) {
    info!(event = "merge_undone", position, "a merge was taken back");
}

/// Something was shown before its entry of the audit was durable: the disk does not answer, the entry waits.
pub fn audit_late(act: &'static str) {
    warn!(
        event = "audit_late",
        act, "shown before it could be recorded; the entry waits for the disk"
    );
}

/// How far the audit is: where log lines are kept elsewhere, its entries can be held against this one.
pub fn audit_at(number: u64, hash: &str) {
    info!(
        event = "audit_at",
        number, hash, "entries of the audit so far, and the hash of the last"
    );
}

/// The index of messages cannot be written or read; it is tried again, and searches are behind meanwhile.
pub fn index_failing(why: &str) {
    warn!(
        event = "index_failing",
        why, "the index of messages is behind"
    );
}

/// A person had a message read again.
pub fn sent_again(position: u64, by: &str) {
    info!(
        event = "sent_again",
        position, by, "a message goes through again"
    );
}

/// A person has patients decided about anew.
pub fn reassessed(patients: usize, page: bool, by: &str) {
    info!(
        event = "reassessed",
        patients, page, by, "patients are decided about anew"
    );
}

/// Something was quarantined.
pub fn quarantined(reason: &'static str, times: u64) {
    counter!("pentamer_quarantine_total", "reason" => reason).increment(times);
    info!(
        event = "quarantined",
        reason, times, "not understood, kept in quarantine"
    );
}

/// Connections were closed without an answer because nothing could be stored (WIRE A-70).
pub fn unanswered(listener: &str, peer: SocketAddr, messages: usize) {
    warn!(event = "unanswered", listener, %peer, messages,
        "closed without an answer: nothing can be stored; the sender will send again");
}

/// How far the fold is behind.
pub fn fold_lag(records: u64) {
    gauge!("pentamer_fold_lag_records").set(records as f64);
}

/// Patients with news that is not decided about yet.
pub fn undecided(patients: usize) {
    gauge!("pentamer_undecided_patients").set(patients as f64);
}

/// The cache is built anew.
pub fn cache_rebuild(why: &str) {
    warn!(
        event = "cache_rebuild",
        why, "building the cache again from the journal"
    );
}

/// The cache cannot be kept on disk; the daemon works in memory.
pub fn cache_in_memory(why: &str) {
    error!(
        event = "cache_in_memory",
        why, "working without a cache on disk"
    );
}

/// The fold stands at the end of the journal for the first time since the start.
pub fn folded_up(position: u64, facts: u64, took: Duration) {
    info!(
        event = "folded_up",
        position,
        facts,
        seconds = took.as_secs_f64(),
        "state is current"
    );
}

/// The fold cannot go on; it tries again.
pub fn fold_failed(why: &str) {
    error!(
        event = "fold_failed",
        why, "the fold stopped and starts again"
    );
}

/// Our reader failed on a message (caught).
pub fn reader_failed(position: u64) {
    error!(
        event = "internal_error",
        position, "reading a message failed inside Pentamer; it is kept in quarantine"
    );
}

/// Something panicked.
pub fn panicked(place: &str) {
    error!(event = "panic", place, "internal failure");
}

/// A feed sent a message.
pub fn feed_seen(listener: &str, feed: &str, at_seconds: f64, skew_seconds: Option<f64>) {
    gauge!("pentamer_feed_last_message_seconds", "listener" => listener.to_owned(), "feed" => feed.to_owned())
        .set(at_seconds);
    if let Some(skew) = skew_seconds {
        gauge!("pentamer_feed_clock_skew_seconds", "listener" => listener.to_owned(), "feed" => feed.to_owned())
            .set(skew);
    }
}

/// A socket was handed over for a listener; its address holds, not the configured one.
pub fn handed_over(listener: &str, address: SocketAddr, bind: SocketAddr) {
    info!(event = "handed_over", listener, %address, "listening on the service manager's socket");
    if address != bind {
        warn!(event = "handed_over_elsewhere", listener, %address, %bind,
            "the socket handed over is not the configured `bind`: the socket's address holds");
    }
}

/// A loop of the daemon does not go round: the service manager's watchdog is no longer fed.
pub fn stuck(part: &str, for_so_long: Duration) {
    error!(
        event = "stuck",
        part,
        seconds = for_so_long.as_secs_f64(),
        "part of the daemon stands still: the watchdog is not fed any more"
    );
}

/// It goes round again.
pub fn unstuck(part: &str) {
    info!(event = "unstuck", part, "it goes on");
}

/// The configuration was read again: keys that are in force now, and those that wait for a restart.
pub fn reloaded(now: &str, restart: &str) {
    info!(
        event = "reloaded",
        now, restart, "the configuration was read again"
    );
}

/// The configuration was to be read again, and is wrong: nothing has changed.
pub fn reload_refused(problem: &str) {
    error!(
        event = "reload_refused",
        problem, "the configuration is wrong: the one in force stays"
    );
}

/// How silent a feed is by its own rhythm.
pub fn feed_judged(listener: &str, feed: &str, silent: bool, expected: f64) {
    gauge!("pentamer_feed_silent", "listener" => listener.to_owned(), "feed" => feed.to_owned())
        .set(if silent { 1.0 } else { 0.0 });
    gauge!("pentamer_feed_expected_messages", "listener" => listener.to_owned(), "feed" => feed.to_owned())
        .set(expected);
}

/// What is seen of a sender's connections.
pub fn peer_seen(listener: &str, peer: &str, lenient: u64, mean_answer_seconds: Option<f64>) {
    gauge!("pentamer_feed_lenient_framing", "listener" => listener.to_owned(), "peer" => peer.to_owned())
        .set(lenient as f64);
    if let Some(seconds) = mean_answer_seconds {
        gauge!("pentamer_feed_ack_mean_seconds", "listener" => listener.to_owned(), "peer" => peer.to_owned())
            .set(seconds);
    }
}

/// The daemon is ending.
pub fn stopping(signal: &'static str) {
    info!(
        event = "stopping",
        signal, "stopping: no new connections, frames under way are finished"
    );
}

/// The daemon has ended.
pub fn stopped() {
    info!(event = "stopped", "stopped");
}

/// A warning of the configuration.
pub fn configuration_warning(text: &str) {
    warn!(event = "configuration", text, "configuration");
}

/// Accepting failed for a moment.
pub fn accept_failed(listener: &str, why: &str) {
    warn!(
        event = "accept_failed",
        listener, why, "cannot accept a connection now"
    );
}
