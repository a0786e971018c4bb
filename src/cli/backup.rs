//! `pentamer backup`: a verified copy of the data directory, while the daemon runs or not.

use super::journal::keys_of;
use super::{Exit, after_help, complain, environment, print};
use crate::config;
use crate::journal::{self, BackupError, Disk, JournalError, OsDisk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Copy checkpoint and journal, while the daemon runs or not, and verify the copy
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer backup --config /etc/pentamer/pentamer.toml /backup/pentamer-2026-11-25"))]
pub struct Args {
    /// Directory to copy into; made if it is not there, else it has to be empty
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Data directory to copy; without it that of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// Configuration file that names the data directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File of keys, where the data are sealed; without it that of the configuration
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Copy all segments that are kept, not only those behind the checkpoint
    #[arg(long)]
    all: bool,
}

/// [`Exit::Failed`] where there is no whole copy, or the original is damaged; [`Exit::Usage`] where the
/// directory is not empty or the configuration wrong.
pub fn run(args: &Args) -> Exit {
    let (from, configured) = match &args.data {
        Some(dir) => (dir.clone(), None),
        None => match config::load(args.config.as_deref(), environment()) {
            Ok(loaded) => {
                let storage = loaded.config.storage;
                (storage.dir, storage.encryption_key_file)
            }
            Err(problems) => {
                eprint!("{problems}");
                return Exit::Usage;
            }
        },
    };
    if !is_empty(&args.to) {
        let place = args.to.display().to_string();
        complain("the directory is not empty", &place, "name a new directory");
        return Exit::Usage;
    }
    let keys = match keys_of(args.key_file.as_deref().or(configured.as_deref())) {
        Ok(keys) => keys,
        Err(exit) => return exit,
    };
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    match journal::backup(&disk, &from, &args.to, &keys, args.all) {
        Ok(copied) => {
            print(&format!(
                "{}: checkpoint at {}, facts {} to {} in {} segments, {} bytes; every checksum verified\n",
                args.to.display(),
                copied.checkpoint,
                copied.oldest,
                copied.last,
                copied.segments,
                copied.bytes,
            ));
            if keys.ids().next().is_some() {
                print(
                    "what is sealed is sealed in the copy too, and the file of keys is not in it: keep a copy of that elsewhere\n",
                );
            }
            for damage in &copied.damage {
                complain(
                    damage,
                    &from.display().to_string(),
                    "the original is damaged here; the copy has all that can be read of it",
                );
            }
            if copied.damage.is_empty() {
                Exit::Done
            } else {
                Exit::Failed
            }
        }
        Err(error) => {
            let (help, exit) = match &error {
                BackupError::NotEmpty(_) => ("name a new directory", Exit::Usage),
                BackupError::Nothing(_) => (
                    "name the data directory with --data, or the configuration with --config",
                    Exit::Usage,
                ),
                BackupError::Journal(JournalError::Sealed { .. }) => (
                    "name the file that has this key with --key-file, or the configuration that names it",
                    Exit::Usage,
                ),
                _ => (
                    "what was copied is no backup: remove it, look at the cause, and copy again",
                    Exit::Failed,
                ),
            };
            complain(&error.to_string(), &from.display().to_string(), help);
            exit
        }
    }
}

fn is_empty(dir: &Path) -> bool {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => true,
    }
}
