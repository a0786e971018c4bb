//! The `log` sink: one line an alert, by default without anything about the patient (WIRE 12.4).

use super::SinkError;
use serde_json::Value;
use tracing::warn;

/// Writes alerts to the log.
#[derive(Debug, Default)]
pub struct LogSink;

impl LogSink {
    pub(super) fn deliver(&mut self, event: &Value) -> Result<(), SinkError> {
        let text = |path: &str| {
            event
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let delivery = text("/data/delivery");
        // The whole event only where the site chose to have patient data in its log.
        let told = event
            .pointer("/data/patient")
            .is_some()
            .then(|| event.to_string());
        warn!(
            event = "alert",
            alert_id = text("/id"),
            kind = text("/data/kind"),
            severity = text("/data/severity"),
            delivery,
            link = text("/data/link"),
            told,
            "immunology alert"
        );
        Ok(())
    }
}
