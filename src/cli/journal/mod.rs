//! `pentamer journal`: what is in the journal, whole or not. Works on the directory of a stopped daemon,
//! and (but for `rebuild`) beside a running one, which it neither changes nor disturbs.

mod export;
mod place;
mod rebuild;
mod selection;
mod verify;
mod writing;

pub(super) use place::{keys_of, unreadable};

use super::{Exit, after_help};

/// Check the journal, write messages out of it, or build the cache from it again
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer journal verify --data /var/lib/pentamer"))]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check every record; says what is damaged and where, and exits with 1 if anything is
    #[command(after_help = after_help("pentamer journal verify --data /var/lib/pentamer"))]
    Verify(verify::Args),
    /// Write messages out, byte for byte as they came
    #[command(after_help = after_help(export::EXAMPLE))]
    Export(export::Args),
    /// Build the cache from the journal again; the daemon must be stopped
    #[command(after_help = after_help("pentamer journal rebuild --config /etc/pentamer/pentamer.toml"))]
    Rebuild(rebuild::Args),
}

/// [`Exit::Failed`] where damage is found, [`Exit::CannotStart`] where there is no journal to read.
pub fn run(args: &Args) -> Exit {
    match &args.action {
        Action::Verify(args) => verify::run(args),
        Action::Export(args) => export::run(args),
        Action::Rebuild(args) => rebuild::run(args),
    }
}
