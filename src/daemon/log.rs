//! Where facts are kept: in segments of the data directory, or in a stream that other instances share.

use super::StartError;
use crate::clock;
use crate::cluster;
use crate::config::{Cluster, Config};
use crate::core::fact::JournalPosition;
use crate::journal::{self, Appender, Options, OsDisk, Recovery, WriterHandle};
use crate::service;
use crate::telemetry::events;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// What writes them.
pub(super) enum Log {
    Segments(WriterHandle),
    Stream {
        running: cluster::Running,
        /// The version of its servers, where that is too old for several.
        too_old: Option<String>,
    },
}

impl Log {
    /// Gives the right to decide away, where it is one.
    pub(super) fn release(&self) {
        if let Self::Stream { running, .. } = self {
            running.release();
        }
    }

    /// Stores what is queued, takes no more.
    pub(super) fn stop(&self) {
        if let Self::Segments(writer) = self {
            writer.stop();
        }
    }

    /// Waits until it has ended.
    pub(super) fn join(self) {
        match self {
            Self::Segments(writer) => writer.join(),
            Self::Stream { running, .. } => running.stop(),
        }
    }

    /// Who decides.
    pub(super) fn lease(&self) -> Option<cluster::Lease> {
        match self {
            Self::Segments(_) => None,
            Self::Stream { running, .. } => Some(running.lease()),
        }
    }

    /// What is wrong with the servers of the stream, in words.
    pub(super) fn servers_old(&self) -> Option<String> {
        let Self::Stream {
            too_old: Some(version),
            ..
        } = self
        else {
            return None;
        };
        let fit = cluster::FIT.map(|number| number.to_string()).join(".");
        Some(format!(
            "nats-server {version} keeps the stream: with versions before {fit} its copies can come apart when the \
             network between the servers is cut, and alerts get lost; use a later one on all, then restart"
        ))
    }

    /// What was last heard of the other instances, where there can be any.
    pub(super) fn outlook(&self) -> Option<cluster::Outlook> {
        match self {
            Self::Segments(_) => None,
            Self::Stream { running, .. } => Some(running.outlook()),
        }
    }
}

/// Opens it as it is configured; `None` where it was told to end while a stream did not answer.
pub(super) async fn open(
    config: &Config,
    options: Options,
    stop: CancellationToken,
) -> Result<Option<(Appender, Log, Recovery)>, StartError> {
    let dir = options.dir.clone();
    let in_dir = |source| StartError::Journal {
        dir: dir.clone(),
        source,
    };
    let Some(shared) = config.cluster.clone() else {
        if cluster::is_of_a_stream(&dir) {
            return Err(StartError::OfAStream { dir });
        }
        let opened =
            tokio::task::spawn_blocking(move || journal::open(Arc::new(OsDisk), options)).await;
        let opened = opened.map_err(|error| StartError::Thread(io::Error::other(error)))?;
        let (journal, recovery) = opened.map_err(in_dir)?;
        let (appender, writer) = journal.start();
        return Ok(Some((appender, Log::Segments(writer), recovery)));
    };
    let site = config.site.name.clone();
    let opened = tokio::task::spawn_blocking(move || open_stream(&options, &shared, &site, &stop));
    let opened = opened.await;
    let opened = opened.map_err(|error| StartError::Thread(io::Error::other(error)))?;
    let opened = opened.map_err(|source| match source {
        cluster::OpenError::Journal(source) => in_dir(source),
        source => StartError::Cluster(source),
    })?;
    Ok(opened.map(|opened| {
        let recovery = Recovery {
            last: opened.last,
            base: opened.base,
            oldest: JournalPosition(1),
            checkpoints_unfit: opened.unfit,
            ..Recovery::default()
        };
        let log = Log::Stream {
            running: opened.running,
            too_old: opened.too_old,
        };
        (opened.appender, log, recovery)
    }))
}

fn tell_spooling(what: cluster::Spooling) {
    match what {
        cluster::Spooling::Begun(why) => events::spooling(&why),
        cluster::Spooling::Waiting(facts) => events::spooled(facts),
        cluster::Spooling::Emptied => events::spool_emptied(),
        cluster::Spooling::Damaged(why) => events::spool_damaged(&why),
        cluster::Spooling::Unrelated => events::spool_unrelated(),
    }
}

fn open_stream(
    options: &Options,
    shared: &Cluster,
    site: &str,
    stop: &CancellationToken,
) -> Result<Option<cluster::Opened>, cluster::OpenError> {
    // Once a minute is enough to say.
    let told: Mutex<Option<Instant>> = Mutex::new(None);
    let tell = |error: &cluster::LinkError| {
        let now = clock::monotonic();
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| now.saturating_duration_since(at).as_secs() >= 60) {
            events::stream_awaited(&shared.stream, &error.to_string());
            *told = Some(now);
        }
        service::status("waiting for the stream");
    };
    let tell = cluster::Tell {
        awaited: &tell,
        fetched: &|position| events::checkpoint_fetched(position.0),
        spooling: Arc::new(tell_spooling),
    };
    let disk = Arc::new(OsDisk);
    cluster::open(disk, options, shared, site, &tell, stop)
}
