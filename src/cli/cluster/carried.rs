//! `pentamer cluster import` and `export`.

use super::super::journal::unreadable;
use super::{Exit, Place, away, complain, keys_of, loaded, print};
use crate::clock;
use crate::cluster::{self, CarryError, carry};
use crate::config::{Cluster, Config};
use crate::core::fact::JournalPosition;
use crate::journal::{self, Journal, Options, OsDisk};
use crate::seal::Keyring;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Where the segments are kept that were brought in.
const IMPORTED: &str = "journal.imported";

fn options(config: &Config, keys: Keyring) -> Options {
    Options {
        keys,
        segment_size: config.storage.segment_size,
        reserve: config.storage.reserve,
        ..Options::new(&config.storage.dir, clock::now)
    }
}

fn failed(shared: &Cluster, dir: &Path, error: &CarryError) -> Exit {
    let help = match error {
        CarryError::Link(error) => return away(shared, error),
        CarryError::Read(_) => "`pentamer journal verify` says what is wrong with the journal",
        CarryError::NotEmpty { .. } => {
            "a journal goes into an empty stream: name another with `[cluster] stream`"
        }
        CarryError::Moved { .. } => {
            "stop all instances of this site, remove the stream with `nats stream rm`, and begin again"
        }
        CarryError::Hole { .. } => "a journal has no holes: keep the stream",
        CarryError::Store(_) => "free space, and begin again: it goes on where it ended",
    };
    complain(&error.to_string(), &dir.display().to_string(), help);
    Exit::Failed
}

fn runtime() -> Result<Runtime, Exit> {
    super::super::daemon_main::runtime().map_err(|_| Exit::CannotStart)
}

fn opened(config: &Config, keys: &Keyring) -> Result<(Journal, journal::Recovery), Exit> {
    let opened = journal::open(Arc::new(OsDisk), options(config, keys.clone()));
    opened.map_err(|error| unreadable(&config.storage.dir, &error))
}

/// Brings the journal into the stream, then puts its segments aside.
pub(super) fn import(place: &Place) -> Result<Exit, Exit> {
    let (config, shared) = loaded(place)?;
    let dir = config.storage.dir.clone();
    let keys = keys_of(config.storage.encryption_key_file.as_deref())?;
    if !journal::has_segments(&OsDisk, &dir).map_err(|error| unreadable(&dir, &error))? {
        complain(
            "there is no journal to bring in",
            &dir.display().to_string(),
            "name the data directory of a stopped daemon with `[storage] dir`",
        );
        return Err(Exit::Usage);
    }
    let (journal, recovery) = opened(&config, &keys)?;
    let (appender, writer) = journal.start();
    let through = recovery.last;
    let oldest = appender.oldest();
    let reader = appender.reader(JournalPosition(oldest.0.saturating_sub(1)));
    let reader = reader.map_err(|error| unreadable(&dir, &error))?;
    let done = runtime()?.block_on(async {
        let link = cluster::link(&shared, &config.site.name, keys).await?;
        carry::import(&link, reader, oldest, through, |_| ()).await
    });
    drop(appender);
    writer.join();
    let carried = done.map_err(|error| failed(&shared, &dir, &error))?;
    let moved = std::fs::rename(dir.join("journal"), dir.join(IMPORTED));
    if let Err(error) = moved {
        complain(
            &format!("all facts are in the stream, but the segments cannot be put aside: {error}"),
            &dir.display().to_string(),
            "move the folder `journal` away by hand",
        );
        return Err(Exit::Failed);
    }
    print(&format!(
        "{} facts, {} to {}, are in the stream `{}`; {} positions hold none; the segments are in `{IMPORTED}`\n",
        carried.facts, carried.from, carried.through, shared.stream, carried.missing
    ));
    Ok(Exit::Done)
}

/// Takes the facts of the stream into segments again.
pub(super) fn export(place: &Place) -> Result<Exit, Exit> {
    let (config, shared) = loaded(place)?;
    let dir = config.storage.dir.clone();
    if cluster::is_spooled(&dir) {
        complain(
            "messages are kept aside that the stream has not got",
            &dir.display().to_string(),
            "start this instance until `pentamer_cluster_spooled` is 0, then stop it and export",
        );
        return Err(Exit::Failed);
    }
    let keys = keys_of(config.storage.encryption_key_file.as_deref())?;
    let runtime = runtime()?;
    let link = runtime.block_on(cluster::link(&shared, &config.site.name, keys.clone()));
    let link = link.map_err(|error| away(&shared, &error))?;
    let ends = runtime.block_on(carry::ends(&link));
    let (first, last) = ends.map_err(|error| away(&shared, &error))?;
    if first.0 <= 1 && !journal::has_segments(&OsDisk, &dir).unwrap_or(true) {
        // All facts are there: the journal begins with the first, and needs nothing that stands for some of them.
        let removed = journal::remove_checkpoints(&OsDisk, &dir);
        removed.map_err(|error| unreadable(&dir, &error))?;
    }
    let (journal, recovery) = opened(&config, &keys)?;
    if recovery.last.next() < first {
        complain(
            &format!(
                "the stream begins at {first}, and the data directory knows facts up to {}",
                recovery.last
            ),
            &dir.display().to_string(),
            "export on an instance whose checkpoint is not older than what the stream keeps",
        );
        return Err(Exit::Failed);
    }
    let (appender, writer) = journal.start();
    let done = runtime.block_on(carry::export(&link, &appender, recovery.last, last));
    drop(appender);
    writer.join();
    let carried = done.map_err(|error| failed(&shared, &dir, &error))?;
    let unmarked = std::fs::remove_file(dir.join(cluster::MARK));
    if let Err(error) = unmarked
        && error.kind() != std::io::ErrorKind::NotFound
    {
        complain(
            &format!("all facts are in the journal, but the directory is still marked: {error}"),
            &dir.display().to_string(),
            "remove the file `stream` in it by hand",
        );
        return Err(Exit::Failed);
    }
    print(&format!(
        "{} facts, {} to {}, are in the journal; remove `[cluster]` from the configuration\n",
        carried.facts, carried.from, carried.through
    ));
    Ok(Exit::Done)
}
