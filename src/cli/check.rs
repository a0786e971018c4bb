//! `pentamer check`: every configuration error at once.

use super::{Exit, after_help, environment, print};
use crate::config;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Name every configuration error at once, with file and line, value and remedy, and warnings
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer check --config /etc/pentamer/pentamer.toml"))]
pub struct Args {
    /// Configuration file; without it /etc/pentamer/pentamer.toml if there, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the effective configuration as TOML
    #[arg(long)]
    print: bool,
}

/// Checks the configuration; [`Exit::Usage`] when it is wrong.
pub fn run(args: &Args) -> Exit {
    match config::load(args.config.as_deref(), environment()) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            if args.print {
                print(&listing(&loaded));
            } else {
                eprintln!("good: {}", loaded.sources.join(", "));
            }
            Exit::Done
        }
        Err(problems) => {
            eprint!("{problems}");
            let errors = match problems.count() {
                1 => "1 error".to_owned(),
                count => format!("{count} errors"),
            };
            eprintln!("{errors}");
            Exit::Usage
        }
    }
}

fn listing(loaded: &config::Loaded) -> String {
    let mut text = String::from("# The effective configuration, from\n");
    for source in &loaded.sources {
        let _ = writeln!(text, "#   {source}");
    }
    text.push('\n');
    text.push_str(&loaded.config.to_toml());
    text
}
