//! `pentamer verify-cache`: the guard's child process; of no use to people.

use super::journal::keys_of;
use super::{Exit, after_help};
use crate::cache;
use std::path::PathBuf;

/// Look at every value of a cache; the daemon calls this before it trusts one
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer verify-cache pentamer-data/cache"))]
pub struct Args {
    /// The cache's directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// File of keys, where it is sealed
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// [`Exit::Failed`] where anything is wrong with it.
pub fn run(args: &Args) -> Exit {
    let keys = match keys_of(args.key_file.as_deref()) {
        Ok(keys) => keys,
        Err(exit) => return exit,
    };
    match cache::verify(&args.dir, keys.sealer()) {
        Ok(_) => Exit::Done,
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Failed
        }
    }
}
