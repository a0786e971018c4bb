//! Checkpoints in an object store: whoever decides puts its own there, and an instance that has none, or whose own
//! stands before what the stream keeps, begins with them instead of with the first fact.
//!
//! They are copied byte for byte, sealed where the data directory is, and looked at like any other when the directory
//! is opened.

use super::link::{Link, LinkError};
use crate::core::fact::JournalPosition;
use crate::journal::{Arriving, Checkpoint, Disk, Inlet};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{Context, GetStreamErrorKind};
use async_nats::jetstream::object_store::{Config, ObjectMetadata, ObjectStore};
use async_nats::jetstream::stream::StorageType;
use futures_util::StreamExt as _;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waking, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Between two looks whether there is a new one.
const PAUSE: Duration = Duration::from_secs(5);
/// How many are kept, as in a data directory.
const KEPT: usize = 2;
/// How long one may take.
const WITHIN: Duration = Duration::from_secs(600);
const CHUNK: usize = 128 << 10;

/// The object store of a site's checkpoints; made where it is not there.
async fn store(context: &Context, stream: &str, replicas: usize) -> Result<ObjectStore, LinkError> {
    let bucket = format!("{stream}_CHECKPOINTS");
    if let Ok(there) = context.get_object_store(&bucket).await {
        return Ok(there);
    }
    let config = Config {
        bucket: bucket.clone(),
        description: Some("Pentamer: checkpoints".to_owned()),
        storage: StorageType::File,
        num_replicas: replicas,
        ..Config::default()
    };
    match context.create_object_store(config).await {
        Ok(made) => Ok(made),
        // Another instance made it at the same time.
        Err(_) => context
            .get_object_store(&bucket)
            .await
            .map_err(LinkError::away),
    }
}

/// Positions of those that are there, the newest first.
async fn positions(store: &ObjectStore) -> Result<Vec<u64>, LinkError> {
    let mut list = store.list().await.map_err(LinkError::away)?;
    let mut found = Vec::new();
    while let Some(one) = list.next().await {
        let one = one.map_err(LinkError::away)?;
        found.extend(one.name.parse::<u64>().ok());
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Puts the checkpoints of the deciding instance into the store.
pub(super) struct Copier {
    pub link: Arc<Link>,
    pub inlet: Inlet,
    pub replicas: usize,
    pub stop: CancellationToken,
}

impl Copier {
    /// Works until it is stopped.
    pub(super) async fn run(self) {
        let mut done = JournalPosition::START;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let kept = self.inlet.checkpoints();
            let Some(newest) = kept.first().map(|one| one.position) else {
                continue;
            };
            if !self.inlet.holds() || newest == done {
                continue;
            }
            let pass = tokio::time::timeout(WITHIN, self.pass(&kept));
            let passed = tokio::select! {
                () = self.stop.cancelled() => return,
                passed = pass => passed,
            };
            // What fails now is done by the next pass.
            if let Ok(Ok(())) = passed {
                done = newest;
            }
        }
    }

    async fn pass(&self, kept: &[Checkpoint]) -> Result<(), LinkError> {
        let store = store(&self.link.context, &self.link.name, self.replicas).await?;
        let there = positions(&store).await?;
        let missing = kept.iter().filter(|one| !there.contains(&one.position.0));
        // Another instance's may stand further.
        let further = there.get(KEPT - 1).copied().unwrap_or(0);
        for one in missing.filter(|one| one.position.0 > further) {
            let name = ObjectMetadata {
                name: one.position.0.to_string(),
                chunk_size: Some(CHUNK),
                ..ObjectMetadata::default()
            };
            let mut reading = Reading { one, at: 0 };
            store
                .put(name, &mut reading)
                .await
                .map_err(LinkError::away)?;
        }
        for old in positions(&store).await?.iter().skip(KEPT) {
            store
                .delete(old.to_string())
                .await
                .map_err(LinkError::away)?;
        }
        Ok(())
    }
}

/// A checkpoint's file, from its beginning.
struct Reading<'a> {
    one: &'a Checkpoint,
    at: u64,
}

impl AsyncRead for Reading<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Waking<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut some = vec![0; out.remaining().min(CHUNK)];
        let read = self.one.bytes_at(&mut some, self.at)?;
        self.at += read as u64;
        out.put_slice(some.get(..read).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

/// Brings the checkpoints that are in the store into a data directory, where they stand further than `base`. How many.
///
/// # Errors
/// Where JetStream does not answer, or the disk refuses.
pub(super) async fn fetch(
    link: &Link,
    disk: &Arc<dyn Disk>,
    data: &Path,
    base: JournalPosition,
) -> Result<usize, LinkError> {
    let bucket = format!("{}_CHECKPOINTS", link.name);
    if let Err(error) = link.context.get_stream(format!("OBJ_{bucket}")).await {
        return match error.kind() {
            // Nobody has put any there.
            GetStreamErrorKind::JetStream(said)
                if said.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(0)
            }
            _ => Err(LinkError::away(error)),
        };
    }
    let store = link.context.get_object_store(&bucket).await;
    let store = store.map_err(LinkError::away)?;
    let mut fetched = 0;
    let mut further = positions(&store).await?;
    further.retain(|position| *position > base.0);
    // The older one first: what a crash leaves is one that serves.
    for position in further.iter().take(KEPT).rev() {
        let mut object = store
            .get(position.to_string())
            .await
            .map_err(LinkError::away)?;
        let arriving = Arriving::begin(Arc::clone(disk), data, JournalPosition(*position));
        let mut arriving = arriving.map_err(LinkError::away)?;
        let mut some = vec![0; CHUNK];
        loop {
            let read = object.read(&mut some).await.map_err(LinkError::away)?;
            if read == 0 {
                break;
            }
            let bytes = some.get(..read).unwrap_or_default();
            arriving.write(bytes).map_err(LinkError::away)?;
        }
        arriving.finish().map_err(LinkError::away)?;
        fetched += 1;
    }
    Ok(fetched)
}
