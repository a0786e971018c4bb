//! `pentamer check`: every configuration error at once.

use super::{Exit, after_help, environment, print};
use crate::config;
use crate::seal;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Name every configuration error at once, with file and line, value and remedy, and warnings
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(
    "pentamer check --config /etc/pentamer/pentamer.toml\n  pentamer check --print intervals"
))]
pub struct Args {
    /// Configuration file; without it /etc/pentamer/pentamer.toml if there, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print what is in force: the configuration as TOML, or one of its tables with the built-in rows
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "all")]
    print: Option<What>,
}

/// What `--print` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The configuration as TOML (without a word, too)
    All,
    /// Reference intervals, site rows first, in the order in which they are looked for
    Intervals,
    /// Codes that are an analyte, site rows first
    Analytes,
    /// Diagnoses and drugs, site rows first
    Associations,
}

/// Checks the configuration; [`Exit::Usage`] when it is wrong.
pub fn run(args: &Args) -> Exit {
    match config::load(args.config.as_deref(), environment()) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            match args.print {
                Some(What::All) => print(&listing(&loaded)),
                Some(What::Intervals) => print(&loaded.config.intervals_overview()),
                Some(What::Analytes) => print(&loaded.config.analytes_overview()),
                Some(What::Associations) => print(&loaded.config.associations_overview()),
                None => {
                    eprintln!("good: {}", loaded.sources.join(", "));
                    eprint!("{}", about_keys(&loaded));
                }
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

/// Which keys are in the file of keys, by their ids.
fn about_keys(loaded: &config::Loaded) -> String {
    let Ok(keys) = seal::read(loaded.config.storage.encryption_key_file.as_deref()) else {
        // It was read a moment ago.
        return String::new();
    };
    let sealing = keys.sealer().map(seal::Sealer::id);
    let mut text = String::new();
    for id in keys.ids() {
        let does = if sealing == Some(id) {
            "seals and opens"
        } else {
            "opens"
        };
        let _ = writeln!(text, "key {id} {does}");
    }
    text
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
