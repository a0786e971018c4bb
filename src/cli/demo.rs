//! `pentamer demo`: a daemon to look at, with bundled messages.

use super::after_help;
use std::time::Duration;

/// Run a daemon with a throw-away directory and free ports, fed with bundled messages
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer demo --pace 3s"))]
pub struct Args {
    /// Pause between two messages
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub pace: Duration,
}
