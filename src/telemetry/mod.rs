//! What operators see of the running daemon: log lines and metrics, never patient data.
//!
//! Each happening is one function of [`events`] that writes the log line and the counter together, so
//! that text and number cannot drift; none of them takes a type that can hold patient data.

pub mod events;

use crate::config::{Log, LogFormat};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Starts logging to stderr. Fails only when a subscriber is set already.
pub fn start_logging(log: &Log) -> Result<(), String> {
    // Libraries are heard only when something is wrong with them.
    let level = log.level.word();
    let filter =
        EnvFilter::try_new(format!("warn,pentamer={level}")).map_err(|error| error.to_string())?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => false,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let done = if json {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    } else {
        lines
            .with_ansi(terminal && !no_color())
            .with_target(false)
            .try_init()
    };
    done.map_err(|error| error.to_string())
}

#[expect(
    clippy::disallowed_methods,
    reason = "NO_COLOR is read once, when logging starts"
)]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Upper bounds of the latency histograms, in seconds: from a local NVMe sync to a stuck disk.
const SECONDS: [f64; 14] = [
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0,
];

/// Installs the metrics recorder of this process.
pub fn start_metrics() -> Result<PrometheusHandle, String> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.install_recorder())
        .map_err(|error| error.to_string())?;
    events::describe();
    Ok(handle)
}

/// Keeps panics from printing what they were about: place and thread only.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|at| format!("{}:{}", at.file(), at.line()))
            .unwrap_or_else(|| "unknown".to_owned());
        events::panicked(&place);
    }));
}
