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
    /// Ends with this process
    #[arg(long, value_name = "PID")]
    of: Option<u32>,
}

/// [`Exit::Failed`] where anything is wrong with it.
pub fn run(args: &Args) -> Exit {
    if let Some(daemon) = args.of
        && !ends_with(daemon)
    {
        return Exit::Failed;
    }
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

/// A daemon that is killed takes its check with it: the next one must not find the cache in use. False where the
/// daemon has ended already.
fn ends_with(daemon: u32) -> bool {
    // Where that cannot be asked for, the check ends by itself.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let parent = rustix::process::getppid();
    parent.is_some_and(|parent| u32::try_from(parent.as_raw_nonzero().get()) == Ok(daemon))
}
