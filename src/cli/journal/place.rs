//! Which journal is meant, opening it to look, and how far the looking is.

use super::super::{Exit, complain, environment};
use crate::config::{self, Config};
use crate::journal::{self, Disk, DiskFile, DiskLock, Inspection, JournalError, OsDisk};
use crate::seal::{self, Keyring};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A segment that goes while it is looked at, or a record that is just being written, look like
/// damage. What is damaged is so at the second look as well.
const LOOKS: usize = 5;

/// Which data directory.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The data directory, the one with `journal` in it
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Configuration file that names it; without both, the configuration that `pentamer run` takes
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// File of keys, where the journal is sealed; without it that of the configuration
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// No progress bar
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl Place {
    /// The configuration; what is wrong with it is told.
    pub(super) fn config(&self) -> Result<Config, Exit> {
        match config::load(self.config.as_deref(), environment()) {
            Ok(loaded) => Ok(loaded.config),
            Err(problems) => {
                eprint!("{problems}");
                Err(Exit::Usage)
            }
        }
    }

    /// The data directory.
    pub(super) fn dir(&self) -> Result<PathBuf, Exit> {
        match &self.data {
            Some(dir) => Ok(dir.clone()),
            None => Ok(self.config()?.storage.dir),
        }
    }

    /// The keys of the journal.
    pub(super) fn keys(&self) -> Result<Keyring, Exit> {
        let file = match (&self.key_file, &self.data, &self.config) {
            (Some(file), ..) => Some(file.clone()),
            (None, Some(_), None) => None,
            (None, ..) => self.config()?.storage.encryption_key_file,
        };
        keys_of(file.as_deref())
    }

    /// A bar on stderr, only where a person looks.
    pub(super) fn bar(&self, len: u64, template: &str) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(len);
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }

    /// Reads the whole journal of a data directory and checks every sum, changing nothing; what is
    /// in the way is told.
    pub(super) fn inspect(&self, dir: &Path) -> Result<Inspection, Exit> {
        let keys = self.keys()?;
        let bar = self.bar(
            size(&dir.join("journal")),
            "reading  {bar:40} {bytes}/{total_bytes}  {eta} left",
        );
        let disk: Arc<dyn Disk> = Arc::new(Watched(bar.clone()));
        let found = look(&disk, dir, &keys);
        bar.finish_and_clear();
        found.map_err(|error| unreadable(dir, &error))
    }
}

fn look(disk: &Arc<dyn Disk>, dir: &Path, keys: &Keyring) -> Result<Inspection, JournalError> {
    let mut last: Option<Inspection> = None;
    let mut looks = 1;
    loop {
        match journal::inspect_with(Arc::clone(disk), dir, keys) {
            Ok(found) => {
                let damage = &found.recovery.damage;
                let same = last.is_some_and(|last| last.recovery.damage == *damage);
                if damage.is_empty() || same || looks >= LOOKS {
                    return Ok(found);
                }
                last = Some(found);
            }
            Err(JournalError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound
                    && dir.join("journal").is_dir()
                    && looks < LOOKS => {}
            Err(error) => return Err(error),
        }
        looks += 1;
    }
}

/// The keys of a file; what is wrong with it is told.
pub(in crate::cli) fn keys_of(file: Option<&Path>) -> Result<Keyring, Exit> {
    seal::read(file).map_err(|error| {
        let place = file.map_or_else(String::new, |file| file.display().to_string());
        complain(&error.to_string(), &place, &error.remedy());
        Exit::Usage
    })
}

/// Says why a journal cannot be read, and what to do.
pub(in crate::cli) fn unreadable(dir: &Path, error: &JournalError) -> Exit {
    use std::error::Error as _;
    let cause = error
        .source()
        .filter(|_| !matches!(error, JournalError::Sealed { .. }));
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    let help = match error {
        JournalError::Locked { .. } => {
            "a daemon works here: stop it first (`systemctl stop pentamer`)"
        }
        JournalError::NewerFormat { .. }
        | JournalError::NewerCheckpoint { .. }
        | JournalError::NewerRecord { .. } => {
            "take the version of pentamer that wrote it, or a newer one; nothing was changed"
        }
        JournalError::Sealed { .. } => {
            "name the file that has this key with --key-file, or the configuration that names it; nothing was changed"
        }
        JournalError::HasSegments { .. } => {
            "bring it into the stream with `pentamer cluster import`, or name another directory"
        }
        JournalError::Io { .. } => {
            "name the data directory, the one with `journal` in it, as a user who may read it"
        }
    };
    complain(&format!("{error}{cause}"), &dir.display().to_string(), help);
    Exit::CannotStart
}

/// Bytes of the files of a folder.
fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|found| found.len())
        .sum()
}

/// The real disk, for reading only; a bar shows what was read.
struct Watched(ProgressBar);

struct WatchedFile(Arc<dyn DiskFile>, ProgressBar);

fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for Watched {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(dir)
    }
    fn create(&self, _: &Path) -> io::Result<Arc<dyn DiskFile>> {
        read_only()
    }
    fn open(&self, _: &Path) -> io::Result<Arc<dyn DiskFile>> {
        read_only()
    }
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OsDisk.open_read(path)?;
        Ok(Arc::new(WatchedFile(file, self.0.clone())))
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        read_only()
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        read_only()
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }
    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        OsDisk.free_space(dir)
    }
    fn lock(&self, _: &Path) -> io::Result<Box<dyn DiskLock>> {
        read_only()
    }
}

impl DiskFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.0.read_at(buffer, offset)?;
        self.1.inc(read as u64);
        Ok(read)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        read_only()
    }
    fn sync_data(&self) -> io::Result<()> {
        read_only()
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        read_only()
    }
    fn preallocate(&self, _: u64) -> io::Result<()> {
        read_only()
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}
