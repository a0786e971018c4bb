//! The `log` sink: one line an alert, by default without anything about the patient (WIRE 12.4).

use super::{Letter, Sending, Sink};
use tracing::{info, warn};

/// Writes alerts to the log.
#[derive(Debug, Default)]
pub struct LogSink;

impl Sink for LogSink {
    fn deliver<'a>(&'a mut self, letter: &'a Letter) -> Sending<'a> {
        Box::pin(async move {
            tell(letter);
            Ok(())
        })
    }
}

fn tell(letter: &Letter) {
    let text = |path: &str| letter.text(path);
    if !text("/type").starts_with("pentamer.alert.") {
        let sentence = letter.sentence();
        info!(event = "told", kind = letter.kind(), sentence, "pentamer");
        return;
    }
    // The whole event only where the site chose to have patient data in its log.
    let told = letter.event().pointer("/data/patient").is_some();
    let told = told.then(|| letter.event().to_string());
    warn!(
        event = "alert",
        alert_id = text("/data/alert_id"),
        kind = text("/data/kind"),
        severity = text("/data/severity"),
        delivery = text("/data/delivery"),
        link = text("/data/link"),
        told,
        "immunology alert"
    );
}
