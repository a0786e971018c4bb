//! `pentamer explain`: what one message says and what it amounts to, without any state.

use super::after_help;
use std::path::PathBuf;

/// Show what is read from a message, how each value is judged, and why it pages or not
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer explain result.hl7"))]
pub struct Args {
    /// A message or an archive of messages; `-` is stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Configuration file with the site's tables; without it /etc/pentamer/pentamer.toml if there, else the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
