//! `pentamer run`: the daemon.

use super::{Exit, after_help, daemon_main, environment};
use crate::config;
use std::path::PathBuf;

/// Receive messages, recognise isolated low IgM, and alert
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer run --config /etc/pentamer/pentamer.toml"))]
pub struct Args {
    /// Configuration file; without it /etc/pentamer/pentamer.toml if there, else the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write the bound addresses as JSON to this file once all are bound
    #[arg(long, value_name = "FILE")]
    pub print_ports: Option<PathBuf>,
}

/// Runs until SIGTERM or SIGINT; [`Exit::Usage`] where the configuration is wrong.
pub fn run(args: &Args) -> Exit {
    let read = || config::load(args.config.as_deref(), environment());
    match read() {
        Ok(loaded) => daemon_main::serve(loaded, args.print_ports.as_deref(), read),
        Err(problems) => {
            eprint!("{problems}");
            Exit::Usage
        }
    }
}
