//! What operators see of the running daemon: log lines and metrics, never patient data.
//!
//! Each happening is one function of [`events`] that writes the log line and the counter together, so
//! that text and number cannot drift; none of them takes a type that can hold patient data.

pub mod answers;
pub mod events;
mod journal;
pub mod peers;

use crate::config::{Log, LogFormat, LogLevel};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// The level of the log, which can be set while it runs.
#[derive(Debug, Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Writes lines of this level from now on.
    ///
    /// # Errors
    /// Never while logging goes on.
    pub fn set(&self, level: LogLevel) -> Result<(), String> {
        self.0
            .reload(filter(level)?)
            .map_err(|error| error.to_string())
    }
}

/// Libraries are heard only when something is wrong with them.
fn filter(level: LogLevel) -> Result<EnvFilter, String> {
    let level = level.word();
    EnvFilter::try_new(format!("warn,pentamer={level}")).map_err(|error| error.to_string())
}

/// Starts logging: to the systemd journal with its fields where stderr leads there and `format` is
/// `auto`, else as lines to stderr. Fails only when a subscriber is set already.
pub fn start_logging(log: &Log) -> Result<Level, String> {
    let (filter, level) = reload::Layer::new(filter(log.level)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let to_journal = (log.format == LogFormat::Auto && journal::is_behind_stderr())
        .then(journal::Journal::open)
        .flatten();
    let written: Box<dyn Layer<_> + Send + Sync> = match (log.format, to_journal) {
        (_, Some(journal)) => Box::new(journal),
        (LogFormat::Json, None) => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
        (LogFormat::Human | LogFormat::Auto, None) => lines
            .with_ansi(terminal && !no_color())
            .with_target(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(written)
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(Level(level))
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
