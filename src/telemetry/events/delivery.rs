//! What becomes of alerts: decided, delivered, acknowledged, sent again.

use metrics::{counter, gauge};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// An alert was decided.
pub fn alert_decided(
    kind: &'static str,
    severity: &'static str,
    delivery: &'static str,
    alert_id: &str,
) {
    counter!("pentamer_alerts_total", "kind" => kind, "severity" => severity, "delivery" => delivery)
        .increment(1);
    info!(
        event = "alert_decided",
        kind, severity, delivery, alert_id, "alert"
    );
}

/// A sink took an alert.
pub fn delivered(sink: &str, alert_id: &str) {
    counter!("pentamer_deliveries_total", "sink" => sink.to_owned(), "result" => "delivered")
        .increment(1);
    debug!(event = "delivered", sink, alert_id, "delivered");
}

/// A sink could not take an alert; it is tried again.
pub fn delivery_failed(sink: &str, alert_id: &str, why: &str, again_in: Duration) {
    counter!("pentamer_deliveries_total", "sink" => sink.to_owned(), "result" => "failed")
        .increment(1);
    warn!(
        event = "delivery_failed",
        sink,
        alert_id,
        why,
        again_in_seconds = again_in.as_secs_f64(),
        "delivery failed"
    );
}

/// A sink refused an alert for good, or it was given up: it is among the dead letters.
pub fn dead_letter(sink: &str, alert_id: &str, why: &str) {
    counter!("pentamer_deliveries_total", "sink" => sink.to_owned(), "result" => "dead")
        .increment(1);
    error!(
        event = "dead_letter",
        sink, alert_id, why, "not delivered; see `pentamer queue dead`"
    );
}

/// A person took note of an alert.
pub fn acknowledged_by(alert_id: &str, by: &str) {
    info!(event = "acknowledged", alert_id, by, "acknowledged");
}

/// Pages are muted; the fact says for whom and why.
pub fn muted(id: &str, by: &str) {
    info!(event = "muted", id, by, "muted");
}

/// A mute was lifted.
pub fn unmuted(id: &str, by: &str) {
    info!(event = "unmuted", id, by, "unmuted");
}

/// Alerts are given to a sink again.
pub fn requeued(sink: &str, count: usize, by: &str) {
    info!(event = "requeued", sink, count, by, "sent again");
}

/// A sink is given the past.
pub fn replayed(sink: &str, count: u64, by: &str) {
    info!(
        event = "replayed",
        sink, count, by, "the past is sent again"
    );
}

/// An unacknowledged page goes out again.
pub fn escalated(rule: &str, alert_id: &str, step: u32) {
    warn!(event = "escalated", rule, alert_id, step, "escalated");
}

/// What waits at a sink.
pub fn queue(sink: &str, depth: u64, oldest_seconds: f64) {
    gauge!("pentamer_queue_depth", "sink" => sink.to_owned()).set(depth as f64);
    gauge!("pentamer_queue_oldest_seconds", "sink" => sink.to_owned()).set(oldest_seconds);
}
